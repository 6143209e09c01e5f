"""Headers that browsers send with uploads, for the bucket's CORS rule."""

from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.planning import RICH, TODAY, UNIQUE, a_planner
from tests.support.properties import examples

from uploadsvc.domain.checksums import ALGORITHMS, Checksum, checksum_header
from uploadsvc.domain.errors import UploadsvcError
from uploadsvc.domain.keys import KeyTemplate
from uploadsvc.domain.plan import UploadRequest
from uploadsvc.domain.planner import Planner
from uploadsvc.domain.policy import PolicyError
from uploadsvc.domain.providers import PROVIDERS

VALUES = {"sha256": "A" * 43 + "=", "crc32": "AAAAAA==", "crc32c": "AAAAAA==", "crc64nvme": "AAAAAAAAAAA="}

METADATA = st.dictionaries(
    st.sampled_from(["note", "title", "origin"]), st.none() | st.just("fixed"), max_size=3
)
POLICIES = st.fixed_dictionaries(
    {
        "methods": st.sets(st.sampled_from(["put", "post", "multipart"]), min_size=1).map(frozenset),
        "key": st.sampled_from(["{uuid}/{filename}", "{path}{uuid}", "{filename}", "fixed"]).map(KeyTemplate),
        "client_keys": st.booleans(),
        "overwrite": st.booleans(),
        "checksum": st.sampled_from(["off", "optional", "required"]),
        "metadata": METADATA,
    },
    optional={
        "acl": st.just("private"),
        "storage_class": st.just("STANDARD_IA"),
        "server_side_encryption": st.sampled_from(["AES256", "aws:kms"]),
        "cache_control": st.just("no-store"),
        "content_disposition": st.just("inline"),
        "content_encodings": st.just(frozenset({"gzip"})),
        "tags": st.just({"team": "media"}),
    },
)


def planner_of(provider: str, fields: dict[str, Any]) -> Planner | None:
    """Return the planner of a policy, if the policy is valid."""
    try:
        return a_planner(provider, **fields)
    except PolicyError:
        return None


@examples(3)
@given(
    provider=st.sampled_from(sorted(PROVIDERS)),
    fields=POLICIES,
    size=st.integers(0, 10**9) | st.none(),
    algorithm=st.none() | st.none() | st.sampled_from(ALGORITHMS),
    asked=st.fixed_dictionaries(
        {
            "method": st.sampled_from(["auto", "put", "post", "multipart"]),
            "relative_key": st.none() | st.just("mine.txt"),
            "overwrite": st.none() | st.booleans(),
            "metadata": st.dictionaries(st.sampled_from(["note", "title", "origin"]), st.just("x")),
            "content_type": st.none() | st.just("text/plain"),
            "content_encoding": st.none() | st.none() | st.just("gzip"),
            "filename": st.none() | st.just("naïve.txt"),
        }
    ),
)
def test_every_sent_header_is_listed(
    provider: str,
    fields: dict[str, Any],
    size: int | None,
    algorithm: Any,  # noqa: ANN401 - one of the algorithms
    asked: dict[str, Any],
) -> None:
    """Of files and of parts, for every policy, store and request."""
    planner = planner_of(provider, fields)
    if planner is None:
        return
    checksum = Checksum(algorithm, VALUES[algorithm]) if algorithm else None
    request = UploadRequest(size=size, checksum=checksum, checksum_algorithm=algorithm, **asked)
    try:
        plan = planner.plan(request, user="ann", upload_uuid="J", unique=UNIQUE, today=TODAY)
    except UploadsvcError:
        return
    sent = set(plan.headers) - {"Content-Length"} if plan.method == "put" else set()
    if plan.part_checksum:
        sent.add(checksum_header(plan.part_checksum))
    assert {name.lower() for name in sent} <= planner.browser_headers


def test_a_rich_policy_lists_exactly_these() -> None:
    """No wildcards, and no length, which is the browser's own."""
    assert a_planner(**RICH).browser_headers == {
        "content-type",
        "if-none-match",
        "cache-control",
        "content-disposition",
        "x-amz-acl",
        "x-amz-storage-class",
        "x-amz-server-side-encryption",
        "x-amz-server-side-encryption-aws-kms-key-id",
        "x-amz-tagging",
        "x-amz-meta-origin",
        "x-amz-meta-title",
        *(f"x-amz-checksum-{algorithm}" for algorithm in ALGORITHMS),
    }


UNTYPED: Final = {"content-type", "content-disposition"}
"""A file that the browser knows no type for is for no browser to open."""


@pytest.mark.parametrize(
    ("provider", "fields", "headers"),
    [
        ("aws", {"checksum": "off"}, UNTYPED | {"if-none-match"}),
        (
            "aws",
            {"checksum": "off", "content_types": frozenset({"image/*"})},
            {"content-type", "if-none-match"},
        ),
        ("aws", {"checksum": "off", "methods": frozenset({"post"})}, set()),
        ("aws", {"checksum": "off", "methods": frozenset({"multipart"})}, set()),
        ("aws", {"checksum": "off", "overwrite": True}, UNTYPED | {"if-none-match"}),
        (
            "aws",
            {"checksum": "off", "key": KeyTemplate("fixed")},
            UNTYPED | {"if-none-match", "x-amz-meta-uploadsvc-upload"},
        ),
        ("b2", {}, UNTYPED),
        (
            "aws",
            {"checksum": "off", "client_keys": True},
            UNTYPED | {"if-none-match", "x-amz-meta-uploadsvc-upload"},
        ),
        (
            "aws",
            {"methods": frozenset({"multipart"})},
            {f"x-amz-checksum-{algorithm}" for algorithm in ALGORITHMS},
        ),
    ],
)
def test_headers_that_are_never_sent_are_not_listed(
    provider: str, fields: dict[str, Any], headers: set[str]
) -> None:
    assert a_planner(provider, **fields).browser_headers == headers

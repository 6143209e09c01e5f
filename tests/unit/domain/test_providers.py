"""Capabilities of each store, and plans that need no others."""

from base64 import b64encode
from datetime import date
from typing import Any, Final, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.properties import examples

from uploadsvc.domain.checksums import Algorithm, Checksum
from uploadsvc.domain.errors import UploadsvcError
from uploadsvc.domain.keys import KeyTemplate, Namespace
from uploadsvc.domain.plan import ClientTraits, Plan, UploadRequest
from uploadsvc.domain.planner import Planner
from uploadsvc.domain.policy import ChecksumRule, Policy, PolicyError
from uploadsvc.domain.providers import GIB, PROVIDERS, Provider

SPACE: Final = Namespace("uploads")

LACKING: Final[dict[str, set[str]]] = {
    "aws": set(),
    "generic": {"session_policies"},
    "r2": {"post_policies", "form_checksums", "acls", "tagging", "session_policies"},
    "b2": {"post_policies", "conditional_writes", "form_checksums", "tagging", "session_policies"},
    "gcs": {
        *("post_policies", "conditional_writes", "form_checksums"),
        *("acls", "tagging", "session_policies"),
    },
    "minio": set(),
    "ceph": {"form_checksums"},
    "seaweedfs": {"form_tags", "keeps_octet_stream"},
    "localstack": {"form_checksums", "session_policies"},
}
DIGESTS: Final[dict[Algorithm, int]] = {"sha256": 32, "crc32": 4, "crc32c": 4, "crc64nvme": 8}
UPLOADING: Final = (
    *("post_policies", "conditional_writes", "form_checksums", "form_tags", "keeps_octet_stream"),
    *("acls", "tagging", "session_policies"),
)


@pytest.mark.parametrize("name", list(PROVIDERS))
def test_each_store_lacks_exactly_these_capabilities(name: str) -> None:
    """Change this list together with a profile."""
    assert {field for field in UPLOADING if not getattr(PROVIDERS[name], field)} == LACKING[name]


def test_only_these_stores_have_a_default_region() -> None:
    named = {name for name, one in PROVIDERS.items() if one.default_region == "auto"}
    assert named == {"r2", "gcs"}


@pytest.mark.parametrize("name", list(PROVIDERS))
def test_an_operator_can_take_capabilities_from_a_profile(name: str) -> None:
    store = PROVIDERS[name]
    assert store.without([]) == store
    weaker = store.without(["post_policies", "conditional_writes", "crc32"])
    assert not weaker.post_policies
    assert not weaker.conditional_writes
    assert weaker.checksum_algorithms == store.checksum_algorithms - {"crc32"}
    assert weaker.part_checksums == store.part_checksums - {"crc32"}
    assert weaker.form_checksums == store.form_checksums
    none = store.without(["checksums"])
    assert not (none.checksum_algorithms | none.part_checksums)
    assert not none.form_checksums
    assert none.without(["form_checksums"]) == none


CHECKSUMS: Final = tuple(
    Checksum(name, b64encode(bytes(length)).decode()) for name, length in DIGESTS.items()
)

policies = st.fixed_dictionaries(
    {
        "methods": st.sets(st.sampled_from(["put", "post", "multipart"]), min_size=1).map(frozenset),
        "key": st.sampled_from(["{uuid}", "{uuid}", "{filename}"]).map(KeyTemplate),
        "overwrite": st.booleans(),
        "client_keys": st.sampled_from([False, False, True]),
        "acl": st.sampled_from([None, None, None, "public-read"]),
        "tags": st.sampled_from([{}, {}, {}, {"a": "b"}]),
        "checksum": st.sampled_from(get_args(ChecksumRule)),
        "multipart_threshold": st.sampled_from([0, 64 * 1024**2]),
        "unsized_multipart": st.sampled_from([False, False, True]),
    }
)
requests = st.fixed_dictionaries(
    {
        "size": st.sampled_from([None, 5, 5, 70 * 1024**2, 6 * GIB]),
        "method": st.sampled_from(["auto", "auto", "put", "post", "multipart"]),
        "relative_key": st.sampled_from([None, None, "a.txt"]),
        "overwrite": st.sampled_from([None, None, True, False]),
        "checksum": st.sampled_from([*[None] * len(CHECKSUMS), *CHECKSUMS]),
        "client": st.booleans().map(lambda size_open: ClientTraits(size_open=size_open)),
    }
)


@examples(4)
@given(name=st.sampled_from(sorted(PROVIDERS)), fields=policies, asked=requests)
def test_no_plan_needs_a_missing_capability(name: str, fields: dict[str, Any], asked: dict[str, Any]) -> None:
    """The policy or the request is refused, or ``auto`` chooses another method."""
    store = PROVIDERS[name]
    policy = Policy(name="p", **{"max_size": 10 * GIB, **fields})
    try:
        policy.check(provider=store, namespace=SPACE)
    except PolicyError:
        return
    planner, checksum = Planner(policy=policy, provider=store, namespace=SPACE), asked["checksum"]
    try:
        plan = planner.plan(
            UploadRequest(filename="a.txt", checksum_algorithm=checksum and checksum.algorithm, **asked),
            user="ann",
            upload_uuid="J",
            unique="0" * 36,
            today=date(2026, 11, 25),
        )
    except UploadsvcError:
        return
    assert lacking(store, policy, plan) == []


def lacking(store: Provider, policy: Policy, plan: Plan) -> list[str]:
    """Return the missing capabilities that a plan needs."""
    sent = {name.lower() for name in (*plan.headers, *plan.fields)}
    needs = {
        "POST policies": plan.method == "post" and not store.post_policies,
        "conditional writes": "if-none-match" in sent and not store.conditional_writes,
        "ACLs": bool(sent & {"acl", "x-amz-acl"}) and not store.acls,
        "tagging": bool(sent & {"tagging", "x-amz-tagging"}) and not store.tagging,
        "tags in forms": "tagging" in sent and not store.form_tags,
        "checksums of parts": plan.part_checksum is not None
        and plan.part_checksum not in store.part_checksums,
        "checksums": any(
            name.startswith("x-amz-checksum-") and name.rpartition("-")[2] not in store.checksum_algorithms
            for name in sent
        ),
        "checksums in forms": plan.method == "post"
        and any(name.startswith("x-amz-checksum-") for name in sent)
        and not store.form_checksums,
        "not to overwrite": policy.client_keys and not policy.overwrite and not store.conditional_writes,
    }
    return [need for need, missing in needs.items() if missing]

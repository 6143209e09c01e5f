"""A policy that can never work is refused at start, and the field is named."""

from dataclasses import replace
from typing import Any

import pytest

from uploadsvc.domain.keys import KeyTemplate, Namespace
from uploadsvc.domain.parts import MIB
from uploadsvc.domain.policies import check_apart, check_tags, check_unclaimed_days
from uploadsvc.domain.policy import (
    GUARDDUTY,
    MAX_EXPIRES_IN,
    Availability,
    ChecksumRule,
    Policy,
    PolicyError,
)
from uploadsvc.domain.providers import GIB, PROVIDERS, TIB
from uploadsvc.settings.policies import PolicySettings

SPACE = Namespace("uploads")
DAY = 86_400
FIXED_KEY = KeyTemplate("avatar{ext}")


def refusal(provider: str = "aws", space: Namespace = SPACE, **fields: Any) -> PolicyError:  # noqa: ANN401 - any field of a policy
    """Return the error of a policy."""
    with pytest.raises(PolicyError) as caught:
        Policy(**{"name": "p", **fields}).check(provider=PROVIDERS[provider], namespace=space)
    return caught.value


@pytest.mark.parametrize("provider", sorted(PROVIDERS))
def test_the_default_policy_is_valid_on_every_provider(provider: str) -> None:
    for policy in (PolicySettings().policy("default"), Policy(name="default")):
        policy.check(provider=PROVIDERS[provider], namespace=SPACE)
        assert "put" in policy.usable_methods(PROVIDERS[provider], may_replace=True)


@pytest.mark.parametrize(
    ("field", "values", "reason"),
    [
        ("name", {"name": ""}, "1 to 64"),
        ("name", {"name": "a/b"}, "1 to 64"),
        ("name", {"name": "a.b"}, "1 to 64"),
        ("name", {"name": "a\n"}, "1 to 64"),
        ("name", {"name": "x" * 65}, "1 to 64"),
        ("min_size", {"min_size": -1}, "negative"),
        (
            "min_size",
            {"min_size": 5 * GIB + 1, "max_size": 6 * GIB, "methods": frozenset({"put", "post"})},
            "one request carries at most",
        ),
        ("max_size", {"max_size": 0}, "must be at least 1 byte"),
        ("max_size", {"min_size": 10, "max_size": 9}, "below min_size (10)"),
        ("max_expires_in", {"max_expires_in": 0}, "1 to 604800"),
        ("max_expires_in", {"max_expires_in": MAX_EXPIRES_IN + 1}, "7 days"),
        ("expires_in", {"expires_in": 0}, "1 to max_expires_in (3600)"),
        ("expires_in", {"expires_in": 901, "max_expires_in": 900}, "1 to max_expires_in (900)"),
        ("content_types", {"content_types": frozenset()}, "at least one"),
        ("content_types", {"content_types": frozenset({"image"})}, "'image' is not a media type"),
        ("content_types", {"content_types": frozenset({"image/png; q=1"})}, "without parameters"),
        ("multipart_threshold", {"multipart_threshold": -1}, "negative"),
        ("multipart_expires_in", {"multipart_expires_in": 0}, "1 to 2592000 seconds (30 days)"),
        ("multipart_expires_in", {"multipart_expires_in": 2_592_001}, "30 days"),
        ("part_size", {"part_size": 5 * MIB - 1}, "5242880 to 5368709120 bytes"),
        ("part_size", {"part_size": 5 * GIB + 1}, "S3's own limits"),
        ("key", {"key": KeyTemplate("{filename}" * 5)}, "it can give 1000 bytes; prefix and user leave 760"),
        ("key", {"key": KeyTemplate("{path}{filename}" + "x" * 161)}, "it can give 761 bytes"),
        ("storage_class", {"storage_class": "standard ia"}, "A-Z"),
        ("storage_class", {"storage_class": "GLACIER\r\nx: y"}, "A-Z"),
        ("kms_key_id", {"kms_key_id": "k"}, "needs server_side_encryption"),
        ("kms_key_id", {"kms_key_id": "k", "server_side_encryption": "AES256"}, "needs server_side"),
        ("kms_key_id", {"kms_key_id": "k\n", "server_side_encryption": "aws:kms"}, "printable ASCII"),
        ("cache_control", {"cache_control": ""}, "printable ASCII"),
        ("content_encodings", {"content_encodings": frozenset({"GZIP"})}, "in lower case"),
        ("content_encodings", {"content_encodings": frozenset({"gzip, br"})}, "a coding such as"),
        ("content_encodings", {"content_encodings": frozenset({"aws-chunked"})}, "a coding such as"),
        ("cache_control", {"cache_control": " no-store"}, "printable ASCII"),
        ("quota", {"quota": 0}, "must be at least 1 byte"),
        ("quota", {"quota": 9, "min_size": 10}, "below min_size (10)"),
        ("max_unfinished", {"max_unfinished": 0}, "1 to 10000; to allow none, leave multipart out"),
        ("max_unfinished", {"max_unfinished": 10_001}, "1 to 10000"),
        ("cache_control", {"cache_control": "a\r\nb"}, "printable ASCII"),
        ("cache_control", {"cache_control": "é"}, "printable ASCII"),
        ("cache_control", {"cache_control": "x=${filename}"}, "without '${'"),
        ("metadata", {"metadata": {"Title": None}}, "a-z 0-9"),
        ("metadata", {"metadata": {"uploadsvc-upload": None}}, "uploadsvc-"),
        ("metadata", {"metadata": {"a": "x" * 2048}}, "over 2048 bytes"),
        ("tags", {"tags": {str(n): "" for n in range(11)}}, "at most 10"),
        (
            "tags",
            {"tags": {str(n): "" for n in range(10)}, "unclaimed_expires_in": 7 * DAY},
            "at most 10, and uploadsvc-state is one of them",
        ),
        ("tags", {"tags": {"uploadsvc-state": "kept"}}, "the service's own tag; set unclaimed_expires_in"),
        ("claim", {"claim": "backend"}, "needs unclaimed_expires_in beside it"),
        ("unclaimed_expires_in", {"unclaimed_expires_in": DAY - 1}, "86400 to 31536000 seconds"),
        ("unclaimed_expires_in", {"unclaimed_expires_in": 366 * DAY}, "1 to 365 days"),
        (
            "unclaimed_expires_in",
            {"unclaimed_expires_in": 6 * DAY},
            "is below multipart_expires_in (604800); S3 counts from the start of a multipart upload",
        ),
        ("tags", {"tags": {"": "x"}}, "1 to 128"),
        ("tags", {"tags": {"a": "b<c"}}, "1 to 128"),
        ("tags", {"tags": {"a": "x" * 257}}, "0 to 256"),
        ("tags", {"tags": {"a": "x\n"}}, "0 to 256"),
        ("delete_mismatched", {"delete_mismatched": True}, "needs verify_content"),
        ("available_when", {"available_when": Availability("", "clean")}, "1 to 128"),
        ("available_when", {"available_when": Availability("scan", "")}, "1 to 256"),
        ("available_when", {"available_when": Availability("scan", "a<b")}, "1 to 256"),
        (
            "tags",
            {"tags": {str(n): "" for n in range(10)}, "available_when": GUARDDUTY},
            "the scanner needs one",
        ),
        ("acl", {"acl": "public-read", "available_when": GUARDDUTY}, "lets others read"),
        ("methods", {"methods": frozenset()}, "at least one"),
        ("unsized_multipart", {"unsized_multipart": True, "methods": frozenset({"put"})}, "needs the method"),
        ("methods", {"methods": frozenset({"post"}), "key": FIXED_KEY}, "cannot be told not to overwrite"),
    ],
)
def test_a_policy_that_contradicts_itself_is_refused(field: str, values: dict[str, Any], reason: str) -> None:
    refused = refusal(**values)
    assert refused.field == field
    assert reason in refused.message


@pytest.mark.parametrize(
    ("provider", "field", "values", "reason"),
    [
        ("generic", "max_size", {"max_size": 5 * TIB + 1}, "stores at most"),
        ("aws", "max_size", {"max_size": 50_000 * GIB + 1}, "stores at most"),
        ("r2", "acl", {"acl": "public-read"}, "r2 has no ACLs"),
        ("gcs", "acl", {"acl": "private"}, "gcs has no ACLs"),
        ("r2", "tags", {"tags": {"a": "b"}}, "r2 has no object tags"),
        ("b2", "tags", {"tags": {"a": "b"}}, "b2 has no object tags"),
        ("gcs", "tags", {"tags": {"a": "b"}}, "gcs has no object tags"),
        ("r2", "unclaimed_expires_in", {"unclaimed_expires_in": 7 * DAY}, "r2 has no object tags"),
        ("b2", "unclaimed_expires_in", {"unclaimed_expires_in": 7 * DAY}, "b2 has no object tags"),
        ("gcs", "unclaimed_expires_in", {"unclaimed_expires_in": 7 * DAY}, "gcs has no object tags"),
        (
            "seaweedfs",
            "methods",
            {"unclaimed_expires_in": 7 * DAY, "methods": frozenset({"post"})},
            "seaweedfs takes no tags in a form",
        ),
        ("r2", "available_when", {"available_when": GUARDDUTY}, "r2 has no object tags"),
        ("b2", "checksum", {"checksum": "required"}, "b2 checks none"),
        ("ceph", "checksum", {"checksum": "required"}, "ceph checks none"),
        ("b2", "client_keys", {"client_keys": True}, "set overwrite to true"),
        ("gcs", "key", {"key": FIXED_KEY}, "{uuid}"),
        ("r2", "methods", {"methods": frozenset({"post"})}, "r2 takes no POST policies"),
        ("b2", "methods", {"methods": frozenset({"post"})}, "b2 takes no POST policies"),
        (
            "localstack",
            "methods",
            {"methods": frozenset({"post"}), "checksum": "required"},
            "localstack checks no checksum in a form",
        ),
        (
            "generic",
            "methods",
            {"methods": frozenset({"multipart"}), "checksum": "required"},
            "generic checks no checksum of parts",
        ),
        (
            "minio",
            "min_size",
            {"min_size": 5 * GIB + 1, "max_size": 6 * GIB, "checksum": "required"},
            "one request carries at most",
        ),
    ],
)
def test_a_policy_that_the_store_cannot_enforce_is_refused(
    provider: str, field: str, values: dict[str, Any], reason: str
) -> None:
    """At start, rather than later in the browser."""
    refused = refusal(provider, **values)
    assert refused.field == field
    assert reason in refused.message


@pytest.mark.parametrize(
    ("provider", "values"),
    [
        ("aws", {"max_size": 50_000 * GIB}),
        ("aws", {"min_size": 5 * GIB, "max_size": 5 * GIB}),
        ("aws", {"min_size": 5 * GIB + 1, "max_size": 6 * GIB}),
        ("aws", {"methods": frozenset({"multipart"}), "key": FIXED_KEY, "checksum": "required"}),
        ("generic", {"methods": frozenset({"multipart"}), "min_size": 5 * TIB, "max_size": 5 * TIB}),
        ("aws", {"part_size": 5 * MIB, "multipart_threshold": 0, "multipart_expires_in": 1}),
        ("aws", {"part_size": 5 * GIB, "multipart_expires_in": 2_592_000}),
        ("aws", {"expires_in": MAX_EXPIRES_IN, "max_expires_in": MAX_EXPIRES_IN}),
        ("aws", {"key": FIXED_KEY}),
        ("aws", {"client_keys": True}),
        ("aws", {"kms_key_id": "arn:aws:kms:eu:1:key/x", "server_side_encryption": "aws:kms:dsse"}),
        ("aws", {"cache_control": "max-age=31536000, immutable"}),
        ("aws", {"metadata": {"a": "x" * 2047}}),
        ("aws", {"tags": {"project": "", "größe": "a b+c-d=e._:/@"}}),
        ("aws", {"checksum": "required", "methods": frozenset({"post"})}),
        ("aws", {"methods": frozenset({"post"}), "key": FIXED_KEY, "overwrite": True}),
        ("b2", {"client_keys": True, "overwrite": True}),
        ("b2", {"key": FIXED_KEY, "overwrite": True}),
        ("r2", {"client_keys": True}),
        ("localstack", {"checksum": "required"}),
    ],
)
def test_a_policy_at_the_limits_is_valid(provider: str, values: dict[str, Any]) -> None:
    Policy(name="p", **values).check(provider=PROVIDERS[provider], namespace=SPACE)


def test_a_long_key_prefix_leaves_less_room_for_the_key() -> None:
    template = KeyTemplate("x" * 512)
    Policy(name="p", key=template, overwrite=True).check(
        provider=PROVIDERS["aws"], namespace=Namespace("p" * 255)
    )
    assert refusal(space=Namespace("p" * 256), key=template, overwrite=True).field == "key"


@pytest.mark.parametrize(
    ("provider", "checksum", "may_replace", "methods"),
    [
        ("aws", "optional", True, {"put", "post", "multipart"}),
        ("aws", "optional", False, {"put", "multipart"}),
        ("aws", "required", True, {"put", "post", "multipart"}),
        ("generic", "required", True, {"put", "post"}),
        ("localstack", "required", True, {"put", "multipart"}),
        ("localstack", "optional", True, {"put", "post", "multipart"}),
        ("r2", "optional", True, {"put", "multipart"}),
        ("r2", "optional", False, {"put", "multipart"}),
        ("r2", "required", True, {"put"}),
        ("b2", "optional", True, {"put", "multipart"}),
        ("b2", "optional", False, set()),
        ("gcs", "optional", False, set()),
        ("ceph", "optional", True, {"put", "post", "multipart"}),
    ],
)
def test_only_methods_that_enforce_the_policy_are_usable(
    *,
    provider: str,
    checksum: ChecksumRule,
    may_replace: bool,
    methods: set[str],
) -> None:
    policy = Policy(name="p", checksum=checksum)
    assert policy.usable_methods(PROVIDERS[provider], may_replace=may_replace) == methods


@pytest.mark.parametrize(
    ("fields", "other", "field"),
    [
        ({"client_keys": True}, {"client_keys": True}, "client_keys"),
        ({"client_keys": True}, {"key": KeyTemplate("{filename}")}, "client_keys"),
        ({"client_keys": True}, {"key": KeyTemplate("a/{filename}")}, "client_keys"),
        ({"key": KeyTemplate("a/{filename}")}, {"client_keys": True}, "key"),
        ({"key": KeyTemplate("{filename}")}, {"key": FIXED_KEY}, "key"),
        ({"client_keys": True}, {}, None),
        ({"client_keys": True, "client_keys_prefix": "a"}, {"client_keys": True}, None),
        ({"client_keys": True}, {"client_keys": True, "client_keys_prefix": "a"}, None),
        ({"client_keys": True, "client_keys_prefix": "a"}, {"key": KeyTemplate("{filename}")}, None),
        ({"key": KeyTemplate("{policy}/{filename}")}, {"key": KeyTemplate("{policy}/{filename}")}, None),
        ({}, {"key": KeyTemplate("{filename}")}, None),
        ({"key": KeyTemplate("{path}{filename}")}, {"key": KeyTemplate("docs/x/{filename}")}, "key"),
        ({"key": KeyTemplate("{path}{filename}")}, {"client_keys": True, "client_keys_prefix": "a"}, "key"),
        ({"client_keys": True}, {"key": KeyTemplate("docs/{path}{filename}")}, "client_keys"),
        ({"key": KeyTemplate("docs/{path}{filename}")}, {"key": KeyTemplate("{path}{uuid}")}, None),
        ({"key": KeyTemplate("docs/{path}{filename}")}, {"key": KeyTemplate("site/{path}{filename}")}, None),
    ],
)
def test_a_policy_cannot_replace_the_objects_of_another(
    fields: dict[str, Any], other: dict[str, Any], field: str | None
) -> None:
    """Overwriting needs a folder of its own, whatever the order of the policies."""
    policies = [Policy(name="p", overwrite=True, **fields), Policy(name="q", **other)]
    for listed in (policies, policies[::-1]):
        if field is None:
            check_apart(listed)
            continue
        with pytest.raises(PolicyError) as caught:
            check_apart(listed)
        assert (caught.value.policy, caught.value.field) == ("p", field)
        assert "'q'" in caught.value.message
    check_apart([replace(policy, overwrite=False) for policy in policies])


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"client_keys_prefix": "site"}, "needs client_keys"),
        ({"client_keys": True, "client_keys_prefix": "/site"}, "like 'site'"),
        ({"client_keys": True, "client_keys_prefix": "x" * 1000}, "leave"),
    ],
)
def test_a_folder_for_client_keys_is_a_valid_key(fields: dict[str, Any], reason: str) -> None:
    error = refusal(**fields)
    assert error.field == "client_keys_prefix"
    assert reason in error.message


def test_what_is_unclaimed_lives_as_long_under_all_policies() -> None:
    """In days, since one lifecycle rule deletes it; policies that keep everything do not count."""
    policies = [
        Policy(name="kept"),
        Policy(name="one", unclaimed_expires_in=2 * DAY),
        Policy(name="two", unclaimed_expires_in=DAY + 1, claim="backend"),
    ]
    check_unclaimed_days(policies)
    with pytest.raises(PolicyError, match=r"is 3 days, and policy 'one' has 2; .* same number") as caught:
        check_unclaimed_days([*policies, Policy(name="three", unclaimed_expires_in=2 * DAY + 1)])
    assert (caught.value.policy, caught.value.field) == ("three", "unclaimed_expires_in")


def test_an_unclaimed_upload_without_parts_needs_no_more_than_a_day() -> None:
    Policy(name="p", unclaimed_expires_in=DAY, methods=frozenset({"put", "post"})).check(
        provider=PROVIDERS["aws"], namespace=SPACE
    )


def test_no_upload_sets_the_tag_of_a_scanner() -> None:
    """Not even one of another policy: of a bare object, nobody knows the policy."""
    waits = Policy(name="waits", available_when=GUARDDUTY)
    check_tags([waits, Policy(name="other", tags={"project": "x"})])
    with pytest.raises(PolicyError, match="only the scanner may set") as caught:
        check_tags([waits, Policy(name="other", tags={GUARDDUTY.tag: GUARDDUTY.value})])
    assert (caught.value.policy, caught.value.field) == ("other", "tags")

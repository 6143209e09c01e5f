"""Requirements of the settings on the bucket and on the service's rights."""

from typing import Any, Final

import pytest
from pydantic import ValidationError

from uploadsvc.bootstrap.bucket import access_requirements, bucket_requirements
from uploadsvc.domain.cors import TRACING_HEADERS
from uploadsvc.provisioning.models import AccessRequirements, BucketRequirements
from uploadsvc.settings import Settings, SettingsError

S3: dict[str, Any] = {"bucket": "media", "region": "eu-central-1"}


ROLE_ARN: Final = "arn:aws:iam::123456789012:role/uploads"
CREDENTIALS: Final = {"credentials": True, "role_arn": ROLE_ARN}


def settings_of(s3: dict[str, Any] | None = None, **sections: Any) -> Settings:  # noqa: ANN401 - any section
    return Settings.model_validate({"s3": {**S3, **(s3 or {})}, **sections})


def requirements(s3: dict[str, Any] | None = None, **sections: Any) -> BucketRequirements:  # noqa: ANN401 - any section
    return bucket_requirements(settings_of(s3, **sections))


def access(s3: dict[str, Any] | None = None, **sections: Any) -> AccessRequirements:  # noqa: ANN401 - any section
    return access_requirements(settings_of(s3, **sections))


def test_plain_settings() -> None:
    """Without a secret key and without callers, which an operator does not have."""
    found = requirements()
    assert (found.bucket, found.region, found.provider.name) == ("media", "eu-central-1", "aws")
    assert (found.key_prefix, found.origins, found.abort_days) == ("uploads", (), 7)
    assert found.cors_methods == {"GET", "HEAD", "PUT", "POST"}
    assert (found.needs_acls, found.allows_public_acl, found.tls) == (False, False, True)


@pytest.mark.parametrize(
    ("methods", "asked"),
    [
        (["put"], {"PUT"}),
        (["post"], {"POST"}),
        (["multipart"], {"PUT"}),
        (["put", "post"], {"PUT", "POST"}),
    ],
)
def test_methods_are_those_of_all_policies(methods: list[str], asked: set[str]) -> None:
    """And those of downloads."""
    found = requirements(policies={name: {"methods": [name]} for name in methods})
    assert found.cors_methods == {"GET", "HEAD"} | asked


@pytest.mark.parametrize(
    "sections",
    [{"policies": {"default": {"methods": ["multipart"], "unsized_multipart": True}}}, {"uppy": CREDENTIALS}],
)
def test_browsers_with_credentials_need_all_methods(sections: dict[str, Any]) -> None:
    """They create, complete and abort multipart uploads; otherwise the service does."""
    found = requirements(**sections)
    assert found.cors_methods == {"GET", "HEAD", "PUT", "POST", "DELETE"}
    assert "content-type" in found.cors_headers
    assert "DELETE" not in requirements().cors_methods


def test_headers_of_unsized_multipart_uploads_are_allowed() -> None:
    """Browsers send all that the policy sets, and ``If-None-Match``."""
    policy = {
        "methods": ["multipart"],
        "checksum": "off",
        "metadata": {"note": "x"},
        "unsized_multipart": True,
    }
    headers = {"content-type", "if-none-match", "x-amz-meta-note", "x-amz-meta-uploadsvc-upload"}
    assert requirements(policies={"default": policy}).cors_headers == headers
    assert requirements(policies={"default": {**policy, "unsized_multipart": False}}).cors_headers == set()


def test_unsupported_methods_are_left_out() -> None:
    """R2 takes no forms."""
    assert requirements({"provider": "r2", "endpoint_url": "https://r2.example.com"}).cors_methods == {
        "GET",
        "HEAD",
        "PUT",
    }


def test_headers_are_those_of_all_policies() -> None:
    found = requirements(
        policies={
            "default": {"checksum": "off", "metadata": {"note": None}},
            "images": {"checksum": "off", "cache_control": "no-store"},
        }
    )
    described = {"content-type", "content-disposition", "x-amz-meta-note", "cache-control"}
    assert found.cors_headers == described | {"if-none-match"}


def test_other_headers_of_pages_are_allowed() -> None:
    """For ranges, tracing and events, and those of the settings; whatever the policies sign."""
    found = requirements(cors={"allow_headers": "X-Own"}, policies={"default": {"methods": ["post"]}})
    assert found.cors_headers == set()
    assert found.cors_extra_headers == {"range", "if-range", "x-own"} | TRACING_HEADERS | {
        "x-amz-meta-uploadsvc-claims"
    }
    assert {"traceparent", "sentry-trace", "x-datadog-trace-id"} <= TRACING_HEADERS


def test_origins_are_as_configured() -> None:
    """In their order, each once, ``*`` too."""
    origins = ["https://b.example", "https://a.example", "https://b.example"]
    found = requirements(cors={"allow_origins": origins})
    assert found.origins == ("https://b.example", "https://a.example")
    assert requirements(cors={"allow_origins": "*"}).origins == ("*",)


@pytest.mark.parametrize(
    ("seconds", "days"), [([1], 1), ([86_400], 1), ([86_401], 2), ([604_800, 3600], 7), ([2_592_000], 30)]
)
def test_parts_are_kept_for_the_longest_upload(seconds: list[int], days: int) -> None:
    """In whole days, at least one."""
    policies = {f"p{index}": {"multipart_expires_in": life} for index, life in enumerate(seconds)}
    assert requirements(policies=policies).abort_days == days


def test_only_multipart_policies_count_for_the_lifecycle() -> None:
    assert requirements(policies={"default": {"methods": ["put"]}}).abort_days is None
    mixed = {
        "default": {"methods": ["put"], "multipart_expires_in": 2_592_000},
        "large": {"multipart_expires_in": 86_400},
    }
    assert requirements(policies=mixed).abort_days == 1


@pytest.mark.parametrize(
    ("acl", "needs_acls", "public"),
    [
        (None, False, False),
        ("bucket-owner-full-control", False, False),
        ("private", True, False),
        ("bucket-owner-read", True, False),
        ("aws-exec-read", True, False),
        ("public-read", True, True),
        ("public-read-write", True, True),
        ("authenticated-read", True, True),
    ],
)
def test_acls_need_a_bucket_that_accepts_them(acl: str | None, *, needs_acls: bool, public: bool) -> None:
    """One policy is enough. A bucket with ACLs disabled accepts only full control for its owner."""
    found = requirements(policies={"default": {}, "other": {"acl": acl}})
    assert (found.needs_acls, found.allows_public_acl) == (needs_acls, public)


@pytest.mark.parametrize(
    ("url", "public_url", "tls"),
    [
        (None, None, True),
        ("https://s3.example", None, True),
        ("http://127.0.0.1:9000", None, False),
        ("HTTP://127.0.0.1:9000", None, False),
        ("http://s3:9000", "https://s3.example", False),
        ("https://s3.example", "http://localhost:9000", False),
    ],
)
def test_tls_is_required_if_both_addresses_have_it(
    url: str | None, public_url: str | None, *, tls: bool
) -> None:
    """The service's and the browsers'."""
    assert requirements({"endpoint_url": url, "public_endpoint_url": public_url}).tls is tls


def test_access_follows_the_features() -> None:
    plain = access(policies={"default": {"methods": ["put"]}})
    assert (plain.multipart, plain.delete, plain.acls, plain.tags) == (False, False, False, False)
    assert plain.kms_keys == frozenset()
    everything = access(
        objects={"delete": True},
        policies={
            "default": {"acl": "private", "tags": {"a": "b"}},
            "kms": {"server_side_encryption": "aws:kms", "kms_key_id": "alias/media"},
        },
    )
    assert (everything.multipart, everything.delete, everything.acls, everything.tags) == (True,) * 4
    assert everything.kms_keys == {"alias/media"}
    inspecting = access(
        policies={
            "default": {"verify_content": True, "delete_mismatched": True},
            "guarded": {"available_when": "guardduty"},
        },
    )
    assert (plain.verifies, plain.scans, plain.removes) == (False,) * 3
    assert (inspecting.verifies, inspecting.scans, inspecting.removes) == (True,) * 3


def test_what_is_unclaimed_needs_a_rule_and_rights() -> None:
    """S3 takes days, and none may be less than a policy promises."""
    plain = {"methods": ["put"]}
    for seconds, days in ((86_400, 1), (86_401, 2), (604_800, 7)):
        policies = {"default": plain, "marking": {**plain, "unclaimed_expires_in": seconds}}
        assert requirements(policies=policies).unclaimed_days == days
        assert (access(policies=policies).tags, access(policies=policies).claims) == (True, True)
    assert requirements().unclaimed_days is None
    assert not access(policies={"default": {"tags": {"a": "b"}}}).claims


def test_sessions_need_a_role_or_federation() -> None:
    assert (access().sessions, access().role_arn) == (False, None)
    assert (access(uppy=CREDENTIALS).sessions, access(uppy=CREDENTIALS).role_arn) == (True, ROLE_ARN)
    assert access(uppy={"credentials": True}).sessions


def test_other_stores_have_no_kms_keys() -> None:
    """MinIO's policies have no rights on encryption keys."""
    kms = {"server_side_encryption": "aws:kms", "kms_key_id": "a-key"}
    assert access({"provider": "minio", "endpoint_url": "https://m"}, policies={"k": kms}).kms_keys == set()


@pytest.mark.parametrize("name", ["r2", "b2", "gcs"])
def test_a_store_without_iam_has_no_policy(name: str) -> None:
    """The error names the setting."""
    with pytest.raises(SettingsError, match=f"UPLOADSVC_S3__PROVIDER: {name} has no IAM policies"):
        access({"provider": name, "endpoint_url": "https://s3.example"})


def test_a_region_is_needed() -> None:
    with pytest.raises(ValidationError, match="UPLOADSVC_S3__REGION"):
        requirements({"region": None})


@pytest.mark.parametrize(
    ("url", "found"),
    [
        ("https://sqs.eu-central-1.amazonaws.com/", "is not the URL of a queue"),
        ("https://sqs.eu-central-1.amazonaws.com/uploads", "must name the account: …/123456789012/uploads"),
    ],
)
def test_a_queue_that_cannot_be_made_is_refused(url: str, found: str) -> None:
    """By the start of the command, which names the setting."""
    with pytest.raises(SettingsError, match=r"EVENTS__QUEUE_URL.*") as error:
        requirements(events={"queue_url": url})
    assert found in str(error.value)


def test_targets_of_events_are_named_by_arn() -> None:
    queue, topic = "https://sqs.eu-west-1.amazonaws.com/123456789012/app", "arn:aws:sns:eu-west-1:1:app"
    found = access(events={"webhooks": [{"queue_url": queue}, {"topic_arn": topic}]})
    assert found.target_queues == {"arn:aws:sqs:eu-west-1:123456789012:app"}
    assert found.target_topics == {topic}
    assert (found.queue, found.pushed) == (None, False)
    own = access(events={"queue_url": queue, "push_secret": "s" * 32})
    assert own.queue is not None
    assert (own.queue.name, own.pushed) == ("app", True)

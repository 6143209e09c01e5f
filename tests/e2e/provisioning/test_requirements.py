"""What the settings ask of the bucket: no more, and no less."""

from typing import Any, Final

import pytest

from uploadsvc.bootstrap.bucket import access_requirements, bucket_requirements
from uploadsvc.provisioning.models import AccessRequirements, BucketRequirements
from uploadsvc.settings import Settings, SettingsError

S3: dict[str, Any] = {"bucket": "media", "region": "eu-central-1"}


ROLE_ARN: Final = "arn:aws:iam::123456789012:role/uploads"
CREDENTIALS: Final = {"credentials": True, "role_arn": ROLE_ARN}


def settings_of(s3: dict[str, Any] | None = None, **sections: Any) -> Settings:  # noqa: ANN401 - any section
    """Return settings; nobody needs to be able to call."""
    return Settings.model_validate({"s3": {**S3, **(s3 or {})}, **sections})


def needs(s3: dict[str, Any] | None = None, **sections: Any) -> BucketRequirements:  # noqa: ANN401 - any section
    """Return what settings ask of the bucket."""
    return bucket_requirements(settings_of(s3, **sections))


def access(s3: dict[str, Any] | None = None, **sections: Any) -> AccessRequirements:  # noqa: ANN401 - any section
    """Return what settings make the service do."""
    return access_requirements(settings_of(s3, **sections))


def test_plain_settings() -> None:
    """They need neither a secret key nor anyone who may call: whoever sets up the bucket has none."""
    found = needs()
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
    found = needs(policies={name: {"methods": [name]} for name in methods})
    assert found.cors_methods == {"GET", "HEAD"} | asked


@pytest.mark.parametrize(
    "sections",
    [{"policies": {"default": {"methods": ["multipart"], "unsized_multipart": True}}}, {"uppy": CREDENTIALS}],
)
def test_browsers_that_speak_s3_themselves_need_all_of_it(sections: dict[str, Any]) -> None:
    """They begin, complete and abort multipart uploads at the bucket; otherwise the service does."""
    found = needs(**sections)
    assert found.cors_methods == {"GET", "HEAD", "PUT", "POST", "DELETE"}
    assert "content-type" in found.cors_headers
    assert "DELETE" not in needs().cors_methods


def test_what_begins_and_completes_an_unwatched_upload_is_allowed() -> None:
    """All that the policy sets goes by the browser, and so does the guard."""
    policy = {
        "methods": ["multipart"],
        "checksum": "off",
        "metadata": {"note": "x"},
        "unsized_multipart": True,
    }
    headers = {"content-type", "if-none-match", "x-amz-meta-note", "x-amz-meta-uploadsvc-upload"}
    assert needs(policies={"default": policy}).cors_headers == headers
    assert needs(policies={"default": {**policy, "unsized_multipart": False}}).cors_headers == set()


def test_methods_that_the_store_has_not_are_not_asked_for() -> None:
    """R2 takes no forms."""
    assert needs({"provider": "r2", "endpoint_url": "https://r2.example.com"}).cors_methods == {
        "GET",
        "HEAD",
        "PUT",
    }


def test_headers_are_those_of_all_policies() -> None:
    """What one of them sends, the rule allows."""
    found = needs(
        policies={
            "default": {"checksum": "off", "metadata": {"note": None}},
            "images": {"checksum": "off", "cache_control": "no-store"},
        }
    )
    described = {"content-type", "content-disposition", "x-amz-meta-note", "cache-control"}
    assert found.cors_headers == described | {"if-none-match"}


def test_origins_are_as_configured() -> None:
    """In their order, each once; a star is one, too."""
    origins = ["https://b.example", "https://a.example", "https://b.example"]
    found = needs(cors={"allow_origins": origins})
    assert found.origins == ("https://b.example", "https://a.example")
    assert needs(cors={"allow_origins": "*"}).origins == ("*",)


@pytest.mark.parametrize(
    ("seconds", "days"), [([1], 1), ([86_400], 1), ([86_401], 2), ([604_800, 3600], 7), ([2_592_000], 30)]
)
def test_parts_are_kept_as_long_as_the_longest_upload_may_take(seconds: list[int], days: int) -> None:
    """Whole days, and at least one."""
    policies = {f"p{index}": {"multipart_expires_in": life} for index, life in enumerate(seconds)}
    assert needs(policies=policies).abort_days == days


def test_only_uploads_in_parts_leave_parts() -> None:
    """A policy without them does not count."""
    assert needs(policies={"default": {"methods": ["put"]}}).abort_days is None
    mixed = {
        "default": {"methods": ["put"], "multipart_expires_in": 2_592_000},
        "large": {"multipart_expires_in": 86_400},
    }
    assert needs(policies=mixed).abort_days == 1


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
def test_acls_ask_for_a_bucket_that_takes_them(acl: str | None, *, needs_acls: bool, public: bool) -> None:
    """One policy is enough; with ACLs disabled a bucket takes only full control for its owner."""
    found = needs(policies={"default": {}, "other": {"acl": acl}})
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
def test_tls_is_asked_for_where_there_is_some(url: str | None, public_url: str | None, *, tls: bool) -> None:
    """By both addresses of the store: the service's, and the browsers'."""
    assert needs({"endpoint_url": url, "public_endpoint_url": public_url}).tls is tls


def test_access_is_what_is_on() -> None:
    """And nothing that is off."""
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


def test_credentials_for_browsers_are_begun_as_the_settings_say() -> None:
    """By a role, or by federation, or not at all."""
    assert (access().sessions, access().role_arn) == (False, None)
    assert (access(uppy=CREDENTIALS).sessions, access(uppy=CREDENTIALS).role_arn) == (True, ROLE_ARN)
    assert access(uppy={"credentials": True}).sessions


def test_keys_of_other_stores_are_none_of_kms() -> None:
    """MinIO's encryption keys have no rights of their own in its policies."""
    kms = {"server_side_encryption": "aws:kms", "kms_key_id": "a-key"}
    assert access({"provider": "minio", "endpoint_url": "https://m"}, policies={"k": kms}).kms_keys == set()


@pytest.mark.parametrize("name", ["r2", "b2", "gcs"])
def test_a_store_without_iam_has_no_policy(name: str) -> None:
    """It is said in one line, which names the setting."""
    with pytest.raises(SettingsError, match=f"UPLOADSVC_S3__PROVIDER: {name} has no IAM policies"):
        access({"provider": name, "endpoint_url": "https://s3.example"})


def test_a_region_is_needed() -> None:
    """As for the service."""
    with pytest.raises(SettingsError, match="UPLOADSVC_S3__REGION"):
        needs({"region": None})

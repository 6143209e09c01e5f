"""A bucket set up by `uploadsvc bucket apply` passes, and the doctor leaves nothing in it."""

from dataclasses import replace
from typing import Any, Final

import pytest
from tests.support.doctor import ORIGIN, examine, of_status, prepare, settings_of, traces
from tests.support.servers import S3Server

POLICIES: Final[dict[str, dict[str, Any]]] = {
    "default": {},
    "avatars": {
        "content_types": ["image/*"],
        "min_size": "1MB",
        "max_size": "2MB",
        "checksum": "required",
        "tags": {"kind": "avatar"},
        "metadata": {"note": None, "by": "doctor"},
        "cache_control": "max-age=60",
        "content_disposition": "inline",
    },
    "text": {"content_types": ["text/plain"], "methods": ["put"], "key": "text/{filename}", "max_size": 5},
    "replace": {"overwrite": True, "client_keys": True, "client_keys_prefix": "replace"},
}


@pytest.fixture
async def server(s3: S3Server) -> S3Server:
    """Give a bucket of one's own, with the rules that the settings call for."""
    own = replace(s3, bucket=await s3.create_bucket())
    await prepare(settings_of(own, policies=POLICIES))
    return own


def known(server: S3Server) -> set[str]:
    """Return the checks that this server never passes: LocalStack takes forms with a forged signature."""
    return {"signatures"} if server.name == "localstack" else set()


async def test_a_healthy_bucket_passes_every_check(server: S3Server) -> None:
    """For every policy and origin; nothing is left behind."""
    found = await examine(settings_of(server, policies=POLICIES))
    assert of_status(found, "failed", "warning") == known(server)
    unsupported = {"public-access", "bucket-policy"} if server.name == "seaweedfs" else set()
    assert of_status(found, "skipped") == unsupported
    assert found["policy:avatars"].found.startswith("by multipart, put; for all callers")
    assert "canaries were stored and deleted" in found["cleanup"].found
    assert await traces(server) == []


async def test_no_store_stores_nothing(server: S3Server) -> None:
    """Refused canaries still prove signatures, rights and CORS."""
    found = await examine(settings_of(server, policies=POLICIES), store=False)
    assert of_status(found, "failed", "warning") == known(server)
    assert "nothing was stored" in found["canary:put"].found
    assert "nothing was stored" in found["canary:post"].found
    assert {"conditional-writes", "checksums"} <= of_status(found, "skipped")
    assert {"etag", f"cors:{ORIGIN}", "canary:multipart"} <= of_status(found, "ok")
    if server.strict:
        assert found["cleanup"].found == "nothing is left: nothing was stored"
    assert await traces(server) == []


@pytest.mark.parametrize("status", ["Enabled", "Suspended"])
async def test_no_version_and_no_marker_stays(server: S3Server, status: Any) -> None:  # noqa: ANN401 - a literal of the stubs
    """In a bucket with enabled or suspended versioning."""
    async with server.client() as client:
        for state in ("Enabled", status):
            await client.put_bucket_versioning(
                Bucket=server.bucket, VersioningConfiguration={"Status": state}
            )
    found = await examine(settings_of(server, policies=POLICIES))
    assert of_status(found, "failed", "warning") == known(server)
    assert "canaries were stored and deleted" in found["cleanup"].found
    assert await traces(server) == []


async def test_users_objects_are_left_alone(server: S3Server) -> None:
    async with server.client() as client:
        for key in ("uploads/alice/photo.jpg", "uploads/photo.jpg", "other"):
            await client.put_object(Bucket=server.bucket, Key=key, Body=b"mine")
    before = await traces(server)
    assert len(before) >= 3
    await examine(settings_of(server, policies=POLICIES))
    assert await traces(server) == before


async def test_a_session_token_in_the_settings_works(session_s3: S3Server) -> None:
    """The doctor warns that it ends. SeaweedFS refuses forms signed with one."""
    own = replace(session_s3, bucket=await session_s3.create_bucket())
    settings = settings_of(own, policies={"default": {"methods": ["put", "multipart"]}})
    await prepare(settings)
    found = await examine(settings)
    assert of_status(found, "failed", "warning") == {"credentials"}
    assert "ends and is not renewed" in found["credentials"].found
    assert str(own.session_token) not in str(found)
    assert await traces(own) == []


async def test_without_origins_cors_is_skipped(s3: S3Server) -> None:
    """A service that only other services call needs no CORS rule."""
    own = replace(s3, bucket=await s3.create_bucket())
    settings = settings_of(own, cors={"allow_origins": []})
    await prepare(settings)
    found = await examine(settings)
    assert of_status(found, "failed", "warning") == known(own)
    assert {"cors", "etag"} <= of_status(found, "skipped")


async def test_any_origin_may_be_allowed(s3: S3Server) -> None:
    """A ``*`` in the settings is checked with some origin."""
    own = replace(s3, bucket=await s3.create_bucket())
    settings = settings_of(own, cors={"allow_origins": ["*"]})
    await prepare(settings)
    found = await examine(settings)
    assert of_status(found, "failed", "warning") == known(own)
    assert {"cors:*", "etag"} <= of_status(found, "ok")
    assert found["cors-others"].status == "skipped"

"""Canaries show whether uploads work, policy by policy."""

import re
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from copy import deepcopy
from dataclasses import replace
from hashlib import sha256
from typing import Any
from uuid import uuid4

import pytest
from pydantic import ValidationError
from tests.support.doctor import examine, of_status, prepare, settings_of, traces
from tests.support.fault_proxy import Answer, Exchange, Fault, FaultProxy, LoseAnswer, fault_proxy, s3_error
from tests.support.servers import S3Server

from uploadsvc.settings import Settings

DENIED = s3_error(403, "AccessDenied", "Access Denied")


@pytest.fixture
async def server(seaweedfs: S3Server) -> S3Server:
    """Give a bucket of one's own, with all rules."""
    own = replace(seaweedfs, bucket=await seaweedfs.create_bucket())
    await prepare(settings_of(own))
    return own


@asynccontextmanager
async def behind(server: S3Server, rule: Callable[[Exchange], Fault | None]) -> AsyncIterator[FaultProxy]:
    """Run a proxy before a server that does this to requests."""
    async with fault_proxy(server.endpoint_url) as proxy:
        proxy.rule = rule
        yield proxy


async def examined(
    server: S3Server,
    rule: Callable[[Exchange], Fault | None],
    **sections: Any,  # noqa: ANN401 - sections of the settings
) -> tuple[Mapping[str, Any], FaultProxy]:
    """Examine a server whose requests meet with this; give the findings, and what was sent."""
    async with behind(server, rule) as proxy:
        found = await examine(settings_of(replace(server, endpoint_url=proxy.url), **sections))
    return found, proxy


def is_delete(exchange: Exchange) -> bool:
    """Tell a delete of an object from the abort of an upload."""
    return exchange.method == "DELETE" and "uploadId" not in exchange.target


async def test_without_the_right_to_delete_nothing_is_stored(server: S3Server) -> None:
    """Refused canaries still prove everything else."""
    found, _ = await examined(server, lambda exchange: DENIED if is_delete(exchange) else None)
    assert of_status(found, "failed", "warning") == set()
    why = "these credentials may not delete (403 AccessDenied"
    for check in ("canary:put", "canary:post"):
        assert "signature and rights hold, and nothing was stored" in found[check].found
        assert why in found[check].found
    assert {"conditional-writes", "checksums"} <= of_status(found, "skipped")
    assert {"etag", "canary:multipart", "signatures"} <= of_status(found, "ok")
    assert found["cleanup"].found == "nothing is left: nothing was stored"
    assert await traces(server) == []


async def test_without_the_right_to_delete_versions_nothing_is_stored(server: S3Server) -> None:
    """A delete would only hide the object behind a marker."""
    async with server.client() as client:
        await client.put_bucket_versioning(
            Bucket=server.bucket, VersioningConfiguration={"Status": "Enabled"}
        )
    found, _ = await examined(
        server,
        lambda exchange: DENIED if is_delete(exchange) and "versionId" in exchange.target else None,
    )
    assert of_status(found, "failed", "warning") == set()
    assert "the bucket is versioned, and these credentials may not delete" in found["canary:put"].found
    assert found["cleanup"].found == "nothing is left: nothing was stored"
    assert await traces(server) == []


@pytest.mark.parametrize("question", ["?versioning", "?object-lock"])
async def test_unknown_versioning_or_locking_stores_nothing(server: S3Server, question: str) -> None:
    """A canary might not be deletable."""
    if question == "?object-lock":
        async with server.client() as client:
            await client.put_bucket_versioning(
                Bucket=server.bucket, VersioningConfiguration={"Status": "Enabled"}
            )

    def rule(exchange: Exchange) -> Fault | None:
        unknown = exchange.method == "GET" and question in exchange.target
        return DENIED if unknown or (is_delete(exchange) and question == "?versioning") else None

    found, _ = await examined(server, rule)
    assert of_status(found, "failed", "warning") == set()
    assert "nothing was stored: " in found["canary:put"].found
    assert await traces(server) == []


async def test_nothing_is_stored_where_objects_are_locked(s3: S3Server) -> None:
    """A locked object cannot be deleted."""
    bucket = f"locked-{uuid4().hex}"
    async with s3.client() as client:
        await client.create_bucket(Bucket=bucket, ObjectLockEnabledForBucket=True)
        await client.put_object_lock_configuration(
            Bucket=bucket,
            ObjectLockConfiguration={
                "ObjectLockEnabled": "Enabled",
                "Rule": {"DefaultRetention": {"Mode": "GOVERNANCE", "Days": 1}},
            },
        )
    own = replace(s3, bucket=bucket)
    found = await examine(settings_of(own), only=["canary:put", "canary:multipart", "cleanup"])
    assert of_status(found, "failed", "warning") == set()
    assert "the bucket locks every new object for a time" in found["canary:put"].found
    assert found["cleanup"].found == "nothing is left: nothing was stored"
    assert await traces(own) == []


async def test_no_more_canaries_follow_one_that_was_wrongly_stored(server: S3Server) -> None:
    """One shows that the store ignores a wrong digest, and is named."""
    kept: list[Exchange] = []

    def rule(exchange: Exchange) -> Fault | None:
        if is_delete(exchange):
            return DENIED
        if exchange.method == "PUT" and "uploadId" not in exchange.target:
            kept.append(exchange)
            return Answer(status=200, headers={"ETag": '"0"'})
        return None

    policies = {name: {"cache_control": f"max-age={age}"} for age, name in enumerate("abc")}
    found, _ = await examined(server, rule, policies=policies)
    assert len(kept) == 1
    assert "canary:put" in of_status(found, "failed")
    assert "keeps bytes with another digest" in found["canary:put"].found


async def test_leftovers_are_named(server: S3Server) -> None:
    """Deleting worked in the check of rights, and failed later."""

    def rule(exchange: Exchange) -> Fault | None:
        return DENIED if is_delete(exchange) and "canary.txt" in exchange.target else None

    found, _ = await examined(server, rule, policies={"default": {"methods": ["put"]}})
    assert of_status(found, "failed", "warning") == {"cleanup"}
    left = {one.split()[1] for one in await traces(server)}
    assert left
    assert all(f"{key} (403 AccessDenied" in found["cleanup"].found for key in left)
    assert found["cleanup"].mend.startswith("delete everything below uploads/.doctor/ by hand")


async def test_without_the_right_to_abort_no_upload_is_started(server: S3Server) -> None:
    found, proxy = await examined(
        server,
        lambda exchange: DENIED if "uploadId" in exchange.target and exchange.method == "DELETE" else None,
    )
    assert of_status(found, "failed", "warning") == {"canary:multipart"}
    assert "abort" in found["canary:multipart"].found
    assert not [one for one in proxy.exchanges if one.method == "POST" and "uploads" in one.target]
    assert await traces(server) == []


@pytest.mark.parametrize("method", ["PUT", "POST"])
async def test_a_lost_answer_leaves_nothing(server: S3Server, method: str) -> None:
    """Objects and uploads without an answer are looked for."""

    def rule(exchange: Exchange) -> Fault | None:
        return LoseAnswer() if exchange.method == method and "partNumber" not in exchange.target else None

    found, _ = await examined(server, rule)
    assert ("canary:put" if method == "PUT" else "canary:multipart") in of_status(found, "failed")
    assert found["cleanup"].status == "ok"
    assert await traces(server) == []


async def test_missing_rights_fail_the_method(server: S3Server) -> None:
    """All policies are affected, so none is blamed."""
    found, _ = await examined(
        server,
        lambda one: DENIED if one.method == "PUT" and "uploadId" not in one.target else None,
        policies={"default": {"methods": ["put"]}, "other": {"methods": ["put"], "tags": {"a": "b"}}},
        cors={"allow_origins": []},
    )
    assert of_status(found, "failed", "warning") == {"canary:put"}
    assert "403 AccessDenied" in found["canary:put"].found
    assert found["policy:default"].because == found["policy:other"].because == "canary:put"


@pytest.mark.parametrize(
    ("wish", "named"),
    [
        ({"storage_class": "NO_SUCH_CLASS"}, "with storage class NO_SUCH_CLASS: S3 answers 400"),
        ({"tags": {"kind": "test"}}, "with tags: S3 answers 403 AccessDenied"),
        ({"acl": "public-read"}, "with acl public-read: S3 answers 403 AccessDenied"),
    ],
)
async def test_a_refused_option_fails_its_policy(server: S3Server, wish: dict[str, Any], named: str) -> None:
    """The same upload without the option works, and so do other policies."""

    def rule(exchange: Exchange) -> Fault | None:
        wished = exchange.headers.keys() & {"x-amz-tagging", "x-amz-acl"}
        return DENIED if wished else None

    policies = {"default": {}, "wishful": {"methods": ["put"], **wish}}
    async with behind(server, rule) as proxy:
        asked = settings_of(replace(server, endpoint_url=proxy.url), policies=policies)
        found = await examine(asked, only=["canary:put", "policy:default", "policy:wishful"])
    assert of_status(found, "failed", "warning") == {"policy:wishful"}
    assert f"by put, {named}" in found["policy:wishful"].found
    assert "UPLOADSVC_POLICIES__WISHFUL" in found["policy:wishful"].mend
    assert await traces(server) == []


async def test_ignored_conditions_are_named(server: S3Server) -> None:
    """A wrong provider setting could lose objects."""

    def rule(exchange: Exchange) -> Fault | None:
        conditional = exchange.method == "PUT" and "if-none-match" in exchange.headers
        return Answer(status=200) if conditional else None

    found, _ = await examined(server, rule)
    assert "conditional-writes" in of_status(found, "failed")
    assert "policies default count on a refusal" in found["conditional-writes"].found
    assert "UPLOADSVC_S3__PROVIDER" in found["conditional-writes"].mend


def put_unless(header: str, answer: Answer) -> Callable[[Exchange], Fault | None]:
    """Answer a PUT that carries a header so."""
    return lambda one: answer if one.method == "PUT" and header in one.headers else None


def form(answer: Answer) -> Callable[[Exchange], Fault | None]:
    """Answer every form so."""
    return lambda one: answer if one.method == "POST" and "?" not in one.target else None


def creation(answer: Answer) -> Callable[[Exchange], Fault | None]:
    """Answer every start of a multipart upload so."""
    return lambda one: answer if one.method == "POST" and "?uploads" in one.target else None


UNKNOWN = s3_error(501, "NotImplemented", "A header implies functionality that is not implemented.")
CHECKSUMMED: Any = {"default": {"checksum": "required", "methods": ["put"]}}


@pytest.mark.parametrize(
    ("rule", "policies", "check"),
    [
        (put_unless("if-none-match", UNKNOWN), {}, "canary:put"),
        (put_unless("if-none-match", Answer(status=200)), {}, "conditional-writes"),
        (put_unless("x-amz-checksum-crc32c", Answer(status=200)), {}, "checksums"),
        (put_unless("x-amz-checksum-sha256", UNKNOWN), CHECKSUMMED, "canary:put"),
        (form(s3_error(400, "UnsupportedAlgorithm", "No.")), {}, "canary:post"),
        (form(s3_error(403, "SignatureDoesNotMatch", "No.")), {}, "canary:post"),
        (form(DENIED), {}, "canary:post"),
        (creation(UNKNOWN), {}, "canary:multipart"),
    ],
)
async def test_the_fix_of_a_missing_capability_leads_to_a_state_that_works(
    server: S3Server,
    rule: Callable[[Exchange], Fault | None],
    policies: Mapping[str, Any],
    check: str,
) -> None:
    """The finding names a setting. With it the service starts, and the doctor finds nothing."""
    async with behind(server, rule) as proxy:
        settings = settings_of(replace(server, endpoint_url=proxy.url), policies=policies)
        found = await examine(settings)
        assert check in of_status(found, "failed")
        fixed = applied(settings, found[check].mend)
        assert of_status(await examine(fixed), "failed", "warning") == set()
    assert await traces(server) == []


def applied(settings: Mapping[str, Any], fix: str) -> dict[str, Any]:
    """Return settings after a fix that names a variable and its value."""
    named = re.search(r"UPLOADSVC_([A-Z0-9_]+)=([a-z0-9_,]+)", fix)
    assert named, fix
    changed = deepcopy(dict(settings))
    *path, last = named[1].lower().split("__")
    section = changed
    for name in path:
        section = section.setdefault(name, {})
    section[last] = named[2]
    return changed


@pytest.mark.parametrize(
    ("policy", "need"),
    [
        ({"client_keys": True}, "overwrite = true, or {uuid} in key and no client_keys"),
        ({"key": "{filename}"}, "overwrite = true, or {uuid} in key and no client_keys"),
    ],
)
async def test_a_fix_names_the_policies_that_then_need_another_rule(
    server: S3Server, policy: dict[str, Any], need: str
) -> None:
    """Otherwise the service would not start."""
    policies = {"default": {}, "careful": policy}
    rule = put_unless("if-none-match", Answer(status=200))
    found, _ = await examined(server, rule, policies=policies)
    assert f"; policies careful then need {need}" in found["conditional-writes"].mend
    settings = applied(settings_of(server, policies=policies), found["conditional-writes"].mend)
    with pytest.raises(ValidationError, match="UPLOADSVC_POLICIES__CAREFUL"):
        Settings.model_validate(settings)


async def test_known_missing_capabilities_stay_in_the_fix(server: S3Server) -> None:
    """A second finding adds to the setting."""
    rule = put_unless("x-amz-checksum-crc32c", Answer(status=200))
    found, _ = await examined(server, rule, s3={"lacks": "conditional_writes"})
    assert "set UPLOADSVC_S3__LACKS=conditional_writes,crc32c" in found["checksums"].mend


async def test_a_store_that_can_do_more_than_its_provider_passes(server: S3Server) -> None:
    """The operator may want to use it."""
    found = await examine(settings_of(server, s3={"provider": "b2"}))
    assert "though provider 'b2' need not" in found["conditional-writes"].found
    assert "yet it refuses a wrong sha256" in found["checksums"].found
    assert {"conditional-writes", "checksums"} <= of_status(found, "ok")
    assert found["canary:post"].found == "b2 does not accept POST forms"
    assert await traces(server) == []


async def test_a_store_that_takes_headers_that_were_not_signed_is_a_warning(server: S3Server) -> None:
    """A caller could add ``x-amz-copy-source`` to a URL."""
    taken = Answer(status=200)
    found, _ = await examined(
        server, lambda exchange: taken if "x-amz-meta-not-signed" in exchange.headers else None
    )
    assert of_status(found, "failed", "warning") == {"signatures"}
    assert found["signatures"].found == "the store accepts x-amz headers that were not signed"
    assert "x-amz-copy-source" in found["signatures"].mend


async def test_unverified_checksums_are_named(moto_server: S3Server) -> None:
    """Moto verifies neither checksums nor signatures; stored canaries are deleted."""
    found = await examine(settings_of(moto_server))
    assert {"checksums", "signatures"} <= of_status(found, "failed")
    assert "a wrong crc32, crc32c, crc64nvme, sha256" in found["checksums"].found
    assert "forged signature, more bytes" in found["signatures"].found
    assert found["signatures"].found.endswith("headers that were not signed")
    assert await traces(moto_server) == []


async def test_a_policy_that_nobody_can_use_is_a_warning(server: S3Server) -> None:
    """With API keys that are limited to other policies."""
    keys = [
        {"name": "billing", "sha256": sha256(b"1").hexdigest(), "policies": ["default"]},
        {"name": "photos", "sha256": sha256(b"2").hexdigest(), "policies": ["default", "avatars"]},
    ]
    policies: dict[str, Any] = {"default": {}, "avatars": {}, "forgotten": {}}
    settings = settings_of(server, policies=policies)
    settings["auth"] = {"api_keys": keys}
    found = await examine(settings)
    assert of_status(found, "failed", "warning") == {"policy:forgotten"}
    assert found["policy:default"].found.endswith("for the API keys billing, photos")
    assert "UPLOADSVC_AUTH__API_KEYS" in found["policy:forgotten"].mend

"""Scenarios that bring each operation to each of its documented outcomes."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final, NoReturn, TypeAlias
from uuid import UUID

import httpx
import jwt
from botocore.retries.standard import ExponentialBackoff
from cryptography.hazmat.primitives.asymmetric import ec
from structlog.testing import capture_logs
from tests.support.api import s3_that_is_down
from tests.support.contract.callers import API_KEY, COOKIE
from tests.support.contract.document import OPERATIONS, Operation
from tests.support.contract.stage import Stage, Target, ask
from tests.support.servers import free_port
from tests.support.service import authorization, token_for
from tests.support.stubs import Canned, stub_s3

from uploadsvc.api import routing as routes
from uploadsvc.api.direct_calls import DirectCall
from uploadsvc.bootstrap.services import utc_now
from uploadsvc.domain.errors import StorageDenied
from uploadsvc.s3.aws_chain import AwsChain

Scenario: TypeAlias = Callable[[Stage, Operation], Awaitable[httpx.Response]]

SCENARIOS: Final[dict[tuple[str, str], Scenario]] = {}
"""Scenarios by ``operationId`` and outcome: the code of a problem, or the status of success."""

PUBLIC: Final = ("getHealth", "getReadiness", "getReceiptKeys")
CALLED: Final = tuple(name for name in OPERATIONS if name not in PUBLIC)
UPLOAD: Final = ("getUpload", "completeUpload", "deleteUpload", "signParts")
OBJECT: Final = ("getObject", "deleteObject", "createDownload")
LOCAL: Final = ("createUpload", "getUploadUrl", "createDownload", "signParts", "signUppyRequest")
"""These sign without S3, except for the first with multipart uploads."""

ASKING_S3: Final = (
    *("getUpload", "completeUpload", "deleteUpload", "listUploads"),
    *("listObjects", "getObject", "deleteObject", "claimObject", "getReadiness", "getUppyCredentials"),
    "listAllObjects",
)
WITH_BODY: Final = tuple(name for name, one in OPERATIONS.items() if "requestBody" in one.definition)
PLANNED: Final = ("createUpload", "getUploadUrl", "signUppyRequest")


def reaches(outcome: str, *operations: str) -> Callable[[Scenario], Scenario]:
    """Register a scenario for these operations. A later scenario replaces an earlier one."""

    def enter(scenario: Scenario) -> Scenario:
        SCENARIOS.update({(operation, outcome): scenario for operation in operations})
        return scenario

    return enter


@reaches("200", "createUploads", "listPolicies", "listObjects", "listUploads", "getUploadUrl", *PUBLIC)
@reaches("200", "signUppyRequest", "getUppyCredentials", "deleteObjects", "listAllObjects")
@reaches("201", "createUpload", "createDownload", "createToken")
@reaches("200", "getUpload", "completeUpload", "getObject", "claimObject")
@reaches("204", "deleteUpload", "deleteObject")
async def granted(stage: Stage, operation: Operation) -> httpx.Response:
    """A valid request for a stored upload."""
    return await ask(stage.plain, operation, await stage.target(stage.plain, b"bytes"))


@reaches("200", "signParts")
async def parts_to_send(stage: Stage, operation: Operation) -> httpx.Response:
    """The upload is multipart."""
    return await ask(stage.plain, operation, await stage.target(stage.plain, method="multipart"))


@reaches("unauthenticated", *CALLED)
async def without_a_credential(stage: Stage, operation: Operation) -> httpx.Response:
    return await ask(stage.plain, operation, headers={})


@reaches("validation_error", *CALLED)
async def a_service_without_a_user(stage: Stage, operation: Operation) -> httpx.Response:
    """A valid API key without a user."""
    return await ask(stage.plain, operation, headers={"X-API-Key": API_KEY})


@reaches("forbidden", "listObjects", "listUploads", "getObject", "getUploadUrl", "getUppyCredentials")
async def a_user_whose_id_is_too_long(stage: Stage, operation: Operation) -> httpx.Response:
    """Encoded, it does not fit into a prefix."""
    return await ask(stage.plain, operation, headers=authorization("u" * 256))


@reaches("forbidden", "createUpload", "createUploads", "createDownload", "createToken", "completeUpload")
@reaches("forbidden", "deleteObject", "deleteObjects", "deleteUpload", "signParts", "signUppyRequest")
async def a_write_from_another_site(stage: Stage, operation: Operation) -> httpx.Response:
    """Browsers send the cookie with requests of any site."""
    signed_in = {"Cookie": f"{COOKIE}={token_for()}", "Sec-Fetch-Site": "cross-site"}
    return await ask(stage.plain, operation, headers=signed_in)


@reaches("forbidden", "claimObject", "listAllObjects")
async def a_user(stage: Stage, operation: Operation) -> httpx.Response:
    """Only services claim, even for the owner of the object, and only services see all users."""
    target = await stage.target(stage.plain, b"bytes")
    return await ask(stage.plain, operation, target, headers=authorization())


@reaches("forbidden", "getUpload")
async def a_token_for_another_policy(stage: Stage, operation: Operation) -> httpx.Response:
    """The caller's own upload, under a policy outside the token."""
    client = stage.plain
    issued = await client.post("/v1/tokens", json={"policies": ["images"]})
    token = {"Authorization": f"Bearer {issued.json()['token']}"}
    return await ask(client, operation, await stage.target(client), headers=token)


@reaches("internal_error", *OPERATIONS)
async def a_bug(stage: Stage, operation: Operation) -> httpx.Response:
    """A bug where every request passes."""

    def broken(*_: object) -> NoReturn:
        raise ZeroDivisionError

    stage.patch.setattr(routes, "_limited", broken)
    stage.patch.setattr(DirectCall, "__call__", broken)
    # Printing a trace takes seconds.
    with capture_logs():
        return await ask(stage.plain, operation)


@reaches("rate_limited", *CALLED)
async def too_many_requests(stage: Stage, operation: Operation) -> httpx.Response:
    """The address has sent one request without a credential, and may not send another."""
    client = await stage.service(limits={"address": "1/day"})
    await ask(client, operation, headers={})
    return await ask(client, operation, headers={})


@reaches("storage_unavailable", *CALLED)
async def no_keys_for_tokens(stage: Stage, operation: Operation) -> httpx.Response:
    """The identity provider is down, so no token can be verified."""
    provider = {"jwks_url": f"http://127.0.0.1:{free_port()}/jwks.json", "audience": "uploads"}
    client = await stage.service(auth={"jwt": provider})
    key = ec.generate_private_key(ec.SECP256R1())
    token = jwt.encode({"sub": "alice", "aud": "uploads"}, key, algorithm="ES256", headers={"kid": "1"})
    return await ask(client, operation, headers={"Authorization": f"Bearer {token}"})


@reaches("overloaded", *CALLED, "getReceiptKeys")
async def too_much_at_once(stage: Stage, operation: Operation) -> httpx.Response:
    """The server passes requests above its limit to this app."""
    transport = stage.plain._transport
    assert isinstance(transport, httpx.ASGITransport)
    busy = httpx.ASGITransport(app=transport.app.state.overloaded)  # type: ignore[attr-defined] # FastAPI's
    async with httpx.AsyncClient(transport=busy, base_url=stage.plain.base_url) as client:
        return await ask(client, operation)


@reaches("storage_unavailable", *ASKING_S3)
async def s3_down(stage: Stage, operation: Operation) -> httpx.Response:
    # The S3 client must not wait between retries.
    stage.patch.setattr(ExponentialBackoff, "delay_amount", lambda *_: 0)
    client = await stage.service(s3_that_is_down())
    return await ask(client, operation, await stage.target(client))


@reaches("storage_denied", *ASKING_S3)
async def s3_denying(stage: Stage, operation: Operation) -> httpx.Response:
    """S3 denies the service's own credentials."""
    return await _asked_of(Canned(status=403, code="AccessDenied"), stage, operation)


@reaches("storage_misconfigured", *ASKING_S3)
async def s3_elsewhere(stage: Stage, operation: Operation) -> httpx.Response:
    """The bucket is in another region."""
    return await _asked_of(Canned(status=301, code="PermanentRedirect"), stage, operation)


async def _asked_of(canned: Canned, stage: Stage, operation: Operation) -> httpx.Response:
    async with stub_s3(canned) as stub:
        client = await stage.service(replace(stage.server, endpoint_url=stub.endpoint_url))
        return await ask(client, operation, await stage.target(client))


@reaches("storage_denied", *LOCAL)
async def sts_denying(stage: Stage, operation: Operation) -> httpx.Response:
    """STS refuses the role of the AWS chain."""

    async def refused(_: AwsChain) -> NoReturn:
        detail = "STS refuses the service the role whose credentials sign (AccessDenied)."
        raise StorageDenied(detail)

    stage.patch.setattr(AwsChain, "__call__", refused)
    return await no_credentials_to_sign_with(stage, operation)


@reaches("storage_misconfigured", *LOCAL)
async def no_credentials_to_sign_with(stage: Stage, operation: Operation) -> httpx.Response:
    """The AWS chain finds no credentials."""
    target = await stage.target(stage.plain, method="multipart")
    client = await stage.service(s3={"access_key_id": None, "secret_access_key": None})
    return await ask(client, operation, target)


@reaches("body_too_large", *WITH_BODY)
async def a_body_above_the_limit(stage: Stage, operation: Operation) -> httpx.Response:
    return await ask(stage.plain, operation, changes={"filename": "x" * 1024**2})


@reaches("not_found", *UPLOAD, *OBJECT)
async def another_users_target(stage: Stage, operation: Operation) -> httpx.Response:
    """Bob asks for a target of alice's."""
    return await ask(
        stage.plain, operation, await stage.target(stage.plain, b"bytes"), headers=authorization("bob")
    )


@reaches("not_found", "claimObject")
async def nothing_to_claim(stage: Stage, operation: Operation) -> httpx.Response:
    return await ask(stage.plain, operation)


@reaches("upload_expired", *UPLOAD)
async def two_days_later(stage: Stage, operation: Operation) -> httpx.Response:
    """An id expires after one day."""
    target = await stage.target(stage.plain)

    def later() -> datetime:
        return utc_now() + timedelta(days=2)

    token = token_for(expires_in=3 * 86_400)
    service = await stage.service(clock=later)
    return await ask(service, operation, target, headers={"Authorization": f"Bearer {token}"})


@reaches("method_not_available", "signParts")
async def no_multipart_upload(stage: Stage, operation: Operation) -> httpx.Response:
    return await ask(stage.plain, operation, await stage.target(stage.plain))


@reaches("upload_incomplete", "completeUpload")
async def nothing_sent(stage: Stage, operation: Operation) -> httpx.Response:
    return await ask(stage.plain, operation, await stage.target(stage.plain))


@reaches("upload_aborted", "completeUpload")
async def aborted(stage: Stage, operation: Operation) -> httpx.Response:
    target = await stage.target(stage.plain, method="multipart")
    (await stage.plain.delete(f"/v1/uploads/{target.id}")).raise_for_status()
    return await ask(stage.plain, operation, target)


@reaches("object_exists", "completeUpload")
async def another_upload_was_first(stage: Stage, operation: Operation) -> httpx.Response:
    """Neither upload may replace the other's object."""
    fields = {"method": "multipart", "policy": "keyed", "relative_key": "one"}
    first = await stage.target(stage.plain, b"bytes", **fields)
    second = await stage.target(stage.plain, b"bytes", **fields)
    (await stage.plain.post(f"/v1/uploads/{first.id}/complete")).raise_for_status()
    return await ask(stage.plain, operation, second)


@reaches("method_not_available", "completeUpload")
async def an_id_of_a_listing(stage: Stage, operation: Operation) -> httpx.Response:
    """It is good for status and abort only, because it does not know the part size."""
    target = await stage.target(stage.plain, method="multipart")
    listed = (await stage.plain.get("/v1/uploads")).json()["uploads"]
    (one,) = (upload["id"] for upload in listed if upload["key"] == target.key)
    return await ask(stage.plain, operation, Target(id=one))


@reaches("verification_failed", "completeUpload")
async def another_file_sent(stage: Stage, operation: Operation) -> httpx.Response:
    """The store does not verify signatures, so it accepts other bytes."""
    return await ask(stage.plain, operation, await stage.target(stage.plain, b"more than five bytes"))


@reaches("verification_failed", "claimObject")
async def other_bytes_since_the_receipt(stage: Stage, operation: Operation) -> httpx.Response:
    """Another upload has replaced the object."""
    fields = {"policy": "named", "filename": "claimed.txt", "content_type": "text/plain"}
    first = await stage.target(stage.plain, b"bytes", **fields)
    done = await stage.plain.post(f"/v1/uploads/{first.id}/complete")
    await stage.target(stage.plain, b"other", **fields)
    return await ask(stage.plain, operation, changes={"receipt": done.json()["receipt"], "key": None})


@reaches("content_mismatch", "completeUpload")
async def bytes_of_another_format(stage: Stage, operation: Operation) -> httpx.Response:
    """They have the length of the promised picture."""
    return await ask(stage.plain, operation, await stage.target(stage.plain, b"bytes", policy="verified"))


@reaches("object_unavailable", "createDownload")
async def an_object_that_was_not_scanned(stage: Stage, operation: Operation) -> httpx.Response:
    client = await stage.service(policies={"default": {"available_when": "guardduty"}})
    return await ask(client, operation, await stage.target(client, b"bytes"))


@reaches("content_type_not_allowed", "createDownload")
async def a_page_shown_inline(stage: Stage, operation: Operation) -> httpx.Response:
    target = await stage.target(stage.plain, b"bytes", policy="pages", content_type="text/html")
    return await ask(stage.plain, operation, target, changes={"disposition": "inline"})


@reaches("invalid_key", *OBJECT, "claimObject")
async def a_malformed_key(stage: Stage, operation: Operation) -> httpx.Response:
    return await ask(stage.plain, operation, Target(key="uploads/alice/../bob/photo.jpg"))


@reaches("quota_exceeded", *PLANNED)
async def more_than_a_day_allows(stage: Stage, operation: Operation) -> httpx.Response:
    client = await stage.service(policies={"default": {"quota": "1/day"}}, uppy={})
    return await ask(client, operation)


def _with(**changes: object) -> Scenario:
    async def play(stage: Stage, operation: Operation) -> httpx.Response:
        return await ask(stage.plain, operation, changes=changes)

    return play


@reaches("validation_error", "listAllObjects")
async def an_empty_page(stage: Stage, operation: Operation) -> httpx.Response:
    """A service need not name a user here."""
    return await ask(stage.plain, operation, changes={"limit": 0})


reaches("policy_not_found", *PLANNED)(_with(policy="none"))
reaches("policy_not_found", "createToken")(_with(policies=["none"]))
reaches("file_too_large", *PLANNED)(_with(policy="sized", size=11))
reaches("file_too_small", *PLANNED)(_with(policy="sized", size=4))
reaches("content_type_not_allowed", *PLANNED)(_with(policy="images", content_type="text/plain"))
reaches("checksum_required", *PLANNED)(_with(policy="summed"))
reaches("not_found", "signUppyRequest")(_with(key="uploads/bob/photo.jpg"))
reaches("size_required", "signUppyRequest")(_with(policy="sized", contentType=None))
reaches("content_type_required", "signUppyRequest")(_with(policy="images", contentType=None))
reaches("content_type_not_allowed", "signUppyRequest")(_with(policy="images", contentType="text/plain"))
reaches("method_not_available", "signUppyRequest")(_with(method="POST"))
reaches("invalid_key", "signUppyRequest")(_with(key="uploads/alice/a/../b"))
reaches("size_required", "createUpload")(_with(method="put", size=None))
reaches("size_required", "getUploadUrl")(_with(policy="sized"))
reaches("content_type_required", "getUploadUrl")(_with(policy="images"))
reaches("method_not_available", "createUpload")(_with(method="put", policy="forms"))
reaches("method_not_available", "getUploadUrl")(_with(policy="forms"))
reaches("metadata_not_allowed", "createUpload")(_with(metadata={"album": "2026"}))
reaches("invalid_key", "createUpload")(_with(policy="keyed", relative_key="a/../b"))
reaches("invalid_key", "getUploadUrl")(_with(policy="named", filename=f"{UUID(int=1)}.jpg"))
reaches("invalid_key", "listObjects", "listAllObjects")(_with(prefix="a/../b"))

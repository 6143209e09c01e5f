"""How each operation comes to each of its documented ends."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final, NoReturn, TypeAlias

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
from uploadsvc.bootstrap.services import utc_now
from uploadsvc.domain.errors import StorageDenied
from uploadsvc.s3.aws_chain import AwsChain

Scenario: TypeAlias = Callable[[Stage, Operation], Awaitable[httpx.Response]]

SCENARIOS: Final[dict[tuple[str, str], Scenario]] = {}
"""By ``operationId`` and the code of the problem, or the status of the success."""

PUBLIC: Final = ("getHealth", "getReadiness", "getReceiptKeys")
CALLED: Final = tuple(name for name in OPERATIONS if name not in PUBLIC)
UPLOAD: Final = ("getUpload", "completeUpload", "deleteUpload", "signParts")
OBJECT: Final = ("getObject", "deleteObject", "createDownload")
LOCAL: Final = ("createUpload", "getUploadUrl", "createDownload", "signParts", "signUppyRequest")
"""They sign, and ask S3 nothing: but for the first, where an upload is in parts."""

ASKING_S3: Final = (
    *("getUpload", "completeUpload", "deleteUpload", "listUploads"),
    *("listObjects", "getObject", "deleteObject", "getReadiness", "getUppyCredentials"),
)
WITH_BODY: Final = tuple(name for name, one in OPERATIONS.items() if "requestBody" in one.definition)
PLANNED: Final = ("createUpload", "getUploadUrl", "signUppyRequest")


def ends(outcome: str, *operations: str) -> Callable[[Scenario], Scenario]:
    """Enter a scenario for these operations; the one entered last counts."""

    def enter(scenario: Scenario) -> Scenario:
        SCENARIOS.update({(operation, outcome): scenario for operation in operations})
        return scenario

    return enter


@ends("200", "createUploads", "listPolicies", "listObjects", "listUploads", "getUploadUrl", *PUBLIC)
@ends("200", "signUppyRequest", "getUppyCredentials")
@ends("201", "createUpload", "createDownload", "createToken")
@ends("200", "getUpload", "completeUpload", "getObject")
@ends("204", "deleteUpload", "deleteObject")
async def granted(stage: Stage, operation: Operation) -> httpx.Response:
    """Something is stored, and the request is good."""
    return await ask(stage.plain, operation, await stage.target(stage.plain, b"bytes"))


@ends("200", "signParts")
async def parts_to_send(stage: Stage, operation: Operation) -> httpx.Response:
    """The upload is one in parts."""
    return await ask(stage.plain, operation, await stage.target(stage.plain, method="multipart"))


@ends("unauthenticated", *CALLED)
async def without_a_credential(stage: Stage, operation: Operation) -> httpx.Response:
    """Nobody calls."""
    return await ask(stage.plain, operation, headers={})


@ends("validation_error", *CALLED)
async def a_service_that_names_nobody(stage: Stage, operation: Operation) -> httpx.Response:
    """A good API key, and no user."""
    return await ask(stage.plain, operation, headers={"X-API-Key": API_KEY})


@ends("forbidden", "listObjects", "listUploads", "getObject", "getUploadUrl", "getUppyCredentials")
async def a_user_who_can_own_no_prefix(stage: Stage, operation: Operation) -> httpx.Response:
    """An id that is too long once encoded; objects and URLs lie below a prefix."""
    return await ask(stage.plain, operation, headers=authorization("u" * 256))


@ends("forbidden", "createUpload", "createUploads", "createDownload", "createToken", "completeUpload")
@ends("forbidden", "deleteObject", "deleteUpload", "signParts", "signUppyRequest")
async def a_write_from_another_site(stage: Stage, operation: Operation) -> httpx.Response:
    """A browser sends the cookie along wherever a page of another site asks it to."""
    signed_in = {"Cookie": f"{COOKIE}={token_for()}", "Sec-Fetch-Site": "cross-site"}
    return await ask(stage.plain, operation, headers=signed_in)


@ends("forbidden", "getUpload")
async def a_token_for_another_policy(stage: Stage, operation: Operation) -> httpx.Response:
    """The upload is the caller's, but by a policy that the token does not reach."""
    client = stage.plain
    minted = await client.post("/v1/tokens", json={"policies": ["images"]})
    token = {"Authorization": f"Bearer {minted.json()['token']}"}
    return await ask(client, operation, await stage.target(client), headers=token)


@ends("internal_error", *OPERATIONS)
async def a_bug(stage: Stage, operation: Operation) -> httpx.Response:
    """Where every request passes."""

    def broken(_: object) -> NoReturn:
        raise ZeroDivisionError

    stage.patch.setattr(routes, "_limited", broken)
    # To print a trace takes seconds.
    with capture_logs():
        return await ask(stage.plain, operation)


@ends("storage_unavailable", *CALLED)
async def no_keys_for_tokens(stage: Stage, operation: Operation) -> httpx.Response:
    """The identity provider is down, and so nobody can be told from anybody."""
    provider = {"jwks_url": f"http://127.0.0.1:{free_port()}/jwks.json", "audience": "uploads"}
    client = await stage.service(auth={"jwt": provider})
    key = ec.generate_private_key(ec.SECP256R1())
    token = jwt.encode({"sub": "alice", "aud": "uploads"}, key, algorithm="ES256", headers={"kid": "1"})
    return await ask(client, operation, headers={"Authorization": f"Bearer {token}"})


@ends("storage_unavailable", *ASKING_S3)
async def s3_down(stage: Stage, operation: Operation) -> httpx.Response:
    """Nobody listens there."""
    # The S3 client waits between its tries.
    stage.patch.setattr(ExponentialBackoff, "delay_amount", lambda *_: 0)
    client = await stage.service(s3_that_is_down())
    return await ask(client, operation, await stage.target(client))


@ends("storage_denied", *ASKING_S3)
async def s3_denying(stage: Stage, operation: Operation) -> httpx.Response:
    """The service's own key may not do it."""
    return await _asked_of(Canned(status=403, code="AccessDenied"), stage, operation)


@ends("storage_misconfigured", *ASKING_S3)
async def s3_elsewhere(stage: Stage, operation: Operation) -> httpx.Response:
    """The bucket lies in another region."""
    return await _asked_of(Canned(status=301, code="PermanentRedirect"), stage, operation)


async def _asked_of(canned: Canned, stage: Stage, operation: Operation) -> httpx.Response:
    async with stub_s3(canned) as stub:
        client = await stage.service(replace(stage.server, endpoint_url=stub.endpoint_url))
        return await ask(client, operation, await stage.target(client))


@ends("storage_denied", *LOCAL)
async def sts_denying(stage: Stage, operation: Operation) -> httpx.Response:
    """The AWS chain has a role that STS refuses to give."""

    async def refused(_: AwsChain) -> NoReturn:
        detail = "STS refuses the service the role whose credentials sign (AccessDenied)."
        raise StorageDenied(detail)

    stage.patch.setattr(AwsChain, "__call__", refused)
    return await no_credentials_to_sign_with(stage, operation)


@ends("storage_misconfigured", *LOCAL)
async def no_credentials_to_sign_with(stage: Stage, operation: Operation) -> httpx.Response:
    """The AWS chain has none."""
    target = await stage.target(stage.plain, method="multipart")
    client = await stage.service(s3={"access_key_id": None, "secret_access_key": None})
    return await ask(client, operation, target)


@ends("body_too_large", *WITH_BODY)
async def a_body_above_a_mebibyte(stage: Stage, operation: Operation) -> httpx.Response:
    """Files go straight to S3."""
    return await ask(stage.plain, operation, changes={"filename": "x" * 1024**2})


@ends("not_found", *UPLOAD, *OBJECT)
async def of_somebody_else(stage: Stage, operation: Operation) -> httpx.Response:
    """Bob asks for what is alice's."""
    return await ask(
        stage.plain, operation, await stage.target(stage.plain, b"bytes"), headers=authorization("bob")
    )


@ends("upload_expired", *UPLOAD)
async def two_days_later(stage: Stage, operation: Operation) -> httpx.Response:
    """An id lives for one."""
    target = await stage.target(stage.plain)

    def later() -> datetime:
        return utc_now() + timedelta(days=2)

    token = token_for(expires_in=3 * 86_400)
    service = await stage.service(clock=later)
    return await ask(service, operation, target, headers={"Authorization": f"Bearer {token}"})


@ends("method_not_available", "signParts")
async def no_upload_in_parts(stage: Stage, operation: Operation) -> httpx.Response:
    """It goes by one request."""
    return await ask(stage.plain, operation, await stage.target(stage.plain))


@ends("upload_incomplete", "completeUpload")
async def nothing_sent(stage: Stage, operation: Operation) -> httpx.Response:
    """Nothing has landed."""
    return await ask(stage.plain, operation, await stage.target(stage.plain))


@ends("upload_aborted", "completeUpload")
async def given_up(stage: Stage, operation: Operation) -> httpx.Response:
    """Its parts are gone."""
    target = await stage.target(stage.plain, method="multipart")
    (await stage.plain.delete(f"/v1/uploads/{target.id}")).raise_for_status()
    return await ask(stage.plain, operation, target)


@ends("object_exists", "completeUpload")
async def another_was_first(stage: Stage, operation: Operation) -> httpx.Response:
    """Two uploads to one key, of which neither may replace what is there."""
    fields = {"method": "multipart", "policy": "keyed", "relative_key": "one"}
    first = await stage.target(stage.plain, b"bytes", **fields)
    second = await stage.target(stage.plain, b"bytes", **fields)
    (await stage.plain.post(f"/v1/uploads/{first.id}/complete")).raise_for_status()
    return await ask(stage.plain, operation, second)


@ends("method_not_available", "completeUpload")
async def an_id_of_a_listing(stage: Stage, operation: Operation) -> httpx.Response:
    """It serves for status and for giving up; of how the upload is cut, it knows nothing."""
    target = await stage.target(stage.plain, method="multipart")
    listed = (await stage.plain.get("/v1/uploads")).json()["uploads"]
    (one,) = (upload["id"] for upload in listed if upload["key"] == target.key)
    return await ask(stage.plain, operation, Target(id=one))


@ends("verification_failed", "completeUpload")
async def another_file_sent(stage: Stage, operation: Operation) -> httpx.Response:
    """A store that checks no signature takes what was not promised."""
    return await ask(stage.plain, operation, await stage.target(stage.plain, b"more than five bytes"))


@ends("invalid_key", *OBJECT)
async def no_good_key(stage: Stage, operation: Operation) -> httpx.Response:
    """Its segments are not all names."""
    return await ask(stage.plain, operation, Target(key="uploads/alice/../bob/photo.jpg"))


def _with(**changes: object) -> Scenario:
    async def play(stage: Stage, operation: Operation) -> httpx.Response:
        return await ask(stage.plain, operation, changes=changes)

    return play


ends("policy_not_found", *PLANNED)(_with(policy="none"))
ends("policy_not_found", "createToken")(_with(policies=["none"]))
ends("file_too_large", *PLANNED)(_with(policy="sized", size=11))
ends("file_too_small", *PLANNED)(_with(policy="sized", size=4))
ends("content_type_not_allowed", *PLANNED)(_with(policy="images", content_type="text/plain"))
ends("checksum_required", *PLANNED)(_with(policy="summed"))
ends("not_found", "signUppyRequest")(_with(key="uploads/bob/photo.jpg"))
ends("size_required", "signUppyRequest")(_with(policy="sized", contentType=None))
ends("content_type_required", "signUppyRequest")(_with(policy="images", contentType=None))
ends("content_type_not_allowed", "signUppyRequest")(_with(policy="images", contentType="text/plain"))
ends("method_not_available", "signUppyRequest")(_with(method="POST"))
ends("invalid_key", "signUppyRequest")(_with(key="uploads/alice/a/../b"))
ends("size_required", "createUpload")(_with(method="put", size=None))
ends("size_required", "getUploadUrl")(_with(policy="sized"))
ends("content_type_required", "getUploadUrl")(_with(policy="images"))
ends("method_not_available", "createUpload")(_with(method="put", policy="forms"))
ends("method_not_available", "getUploadUrl")(_with(policy="forms"))
ends("metadata_not_allowed", "createUpload")(_with(metadata={"album": "2026"}))
ends("invalid_key", "createUpload")(_with(policy="keyed", relative_key="a/../b"))
ends("invalid_key", "listObjects")(_with(prefix="a//b"))

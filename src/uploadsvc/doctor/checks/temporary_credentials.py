"""Check that temporary S3 credentials are valid only under the caller's own prefix."""

from http import HTTPStatus
from typing import Final

import httpx

from uploadsvc.doctor.canaries import BODY, Canaries, Outcome, spoiled
from uploadsvc.doctor.cleanup import Cleanup
from uploadsvc.doctor.findings import Finding, failed, ok
from uploadsvc.doctor.permissions import Permissions
from uploadsvc.doctor.target import Target
from uploadsvc.domain.errors import UploadsvcError
from uploadsvc.domain.principal import Principal
from uploadsvc.s3.presigner import Presigner

CHECK: Final = "uppy-credentials"

_GRANT: Final = "grant the role the rights that uploadsvc iam-policy --for role prints"
_TRUST: Final = (
    "set UPLOADSVC_UPPY__ROLE_ARN to a role whose trust policy allows these credentials to assume it "
    "(docs/bucket.md, Permissions), and __STS_ENDPOINT_URL to the store's own token service, if it has one"
)
_TURN_OFF: Final = (
    "set UPLOADSVC_UPPY__CREDENTIALS=false, and remove UPLOADSVC_UPPY__ROLE_ARN and __STS_ENDPOINT_URL: with "
    "this store, callers could write anywhere"
)


def session_checks(target: Target) -> list[str]:
    """Return the check's name, if callers get credentials."""
    return [CHECK] if target.sts is not None else []


async def session_findings(
    target: Target, http: httpx.AsyncClient, presigner: Presigner, cleanup: Cleanup
) -> list[Finding]:
    """Start a session for a made-up user, and send one canary below its prefix and one elsewhere.

    Both carry a wrong digest, so a store that verifies it stores neither.
    """
    if target.sts is None:
        return []
    caller = Principal(user=f"uploadsvc-doctor-{cleanup.run}")
    try:
        async with target.sts:
            issued = await target.credential_issuer.credentials(caller)
    except UploadsvcError as error:
        return [failed(CHECK, f"no session could be started: {error.detail}", _TRUST)]
    headers = {"Content-Length": str(len(BODY))}
    headers |= spoiled(headers, target.provider.checksum_algorithms)

    async def sent(key: str) -> Outcome:
        # A separate sender for each, because it stops after a canary that the store keeps.
        canaries = Canaries(
            target,
            http=http,
            presigner=presigner.with_credentials(issued.credentials),
            permissions=Permissions(store=False, why_not="it is not meant to be stored"),
            cleanup=cleanup,
        )
        return await canaries.put_as(key, headers)

    inside = await sent(f"{issued.prefix}canary.txt")
    if not (inside.passed or inside.stored):
        return [failed(CHECK, f"inside the caller's own prefix S3 answers {inside.response}", _GRANT)]
    outside = await sent(cleanup.key("session"))
    if outside.response.status != HTTPStatus.FORBIDDEN:
        found = f"outside the caller's own prefix a PUT is not refused: S3 answers {outside.response}"
        return [failed(CHECK, found, _TURN_OFF)]
    return [ok(CHECK, "a session's PUT is accepted below the caller's own prefix, and refused elsewhere")]

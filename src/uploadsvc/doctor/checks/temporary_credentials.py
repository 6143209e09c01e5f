"""S3 credentials as callers are handed them: good below the caller's own prefix, and nowhere else."""

from typing import Final

import httpx

from uploadsvc.doctor.canaries import Canaries, Outcome
from uploadsvc.doctor.cleanup import Custody
from uploadsvc.doctor.findings import Finding, failed, ok
from uploadsvc.doctor.permissions import Licence
from uploadsvc.doctor.samples import BODY, spoilt
from uploadsvc.doctor.target import Target
from uploadsvc.domain.credentials import Credentials
from uploadsvc.domain.errors import UploadsvcError
from uploadsvc.domain.principal import Principal
from uploadsvc.s3.presigner import Presigner

CHECK: Final = "uppy-credentials"

_FORBIDDEN: Final = 403
_ROLE: Final = "let the role do what uploadsvc iam-policy --for role prints"
_BEGIN: Final = "see UPLOADSVC_UPPY__ROLE_ARN and its trust policy: docs/bucket.md, Rights"
_OFF: Final = "set UPLOADSVC_UPPY__CREDENTIALS=false: with this store, callers could write anywhere"


def session_checks(target: Target) -> list[str]:
    """Return the name of the check, where callers are handed credentials."""
    return [CHECK] if target.sts is not None else []


async def session_findings(
    target: Target, http: httpx.AsyncClient, presigner: Presigner, custody: Custody
) -> list[Finding]:
    """Begin a session for a user that nobody is, and send one canary inside their prefix and one outside.

    Both carry a wrong digest, so neither is stored by a store that checks it.
    """
    if target.sts is None:
        return []
    caller = Principal(user=f"uploadsvc-doctor-{custody.run}")
    try:
        async with target.sts:
            given = await target.credential_issuer.credentials(caller)
    except UploadsvcError as error:
        return [failed(CHECK, f"no session could be begun: {error.detail}", _BEGIN)]

    async def sent(key: str) -> Outcome:
        return await _sent(target, http, presigner, custody, given.credentials, key)

    inside = await sent(f"{given.prefix}canary.txt")
    if not (inside.through or inside.stored):
        return [failed(CHECK, f"inside the caller's own prefix S3 answers {inside.answer}", _ROLE)]
    outside = await sent(f"{target.folder}/{custody.run}-session")
    if outside.answer.status != _FORBIDDEN:
        found = f"outside the caller's own prefix a PUT is not refused: S3 answers {outside.answer}"
        return [failed(CHECK, found, _OFF)]
    return [ok(CHECK, "a session's PUT is let in below the caller's own prefix, and refused elsewhere")]


async def _sent(  # noqa: PLR0917 - as the caller has them
    target: Target,
    http: httpx.AsyncClient,
    presigner: Presigner,
    custody: Custody,
    credentials: Credentials,
    key: str,
) -> Outcome:
    canaries = Canaries(
        target,
        http=http,
        presigner=presigner.with_credentials(credentials),
        licence=Licence(store=False, why="it is not meant to be stored"),
        custody=custody,
    )
    headers = {"Content-Length": str(len(BODY))}
    return await canaries.put_as(key, headers | spoilt(headers, target.provider.checksum_algorithms))

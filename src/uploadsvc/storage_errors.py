"""S3's errors, turned into ours."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

import structlog
from aiohttp import ClientError as AiohttpError
from botocore.exceptions import BotoCoreError, ClientError

from uploadsvc.domain.errors import StorageDenied, StorageMisconfigured, StorageUnavailable

DEADLINE: Final = 4.5
"""Seconds that one call to S3 may take, all tries together; a caller has its answer within five."""

_log = structlog.get_logger("uploadsvc.storage")
_MISCONFIGURED: Final = frozenset(
    {
        "NoSuchBucket",
        "PermanentRedirect",
        "AuthorizationHeaderMalformed",
        "IllegalLocationConstraintException",
        "NotImplemented",
        "MethodNotAllowed",
    }
)


class MissingError(Exception):
    """S3 says that there is no such object."""


@asynccontextmanager
async def translated(operation: str, *, missing_ok: bool = False) -> AsyncIterator[None]:
    """Bound a call to S3 in time, and turn its failure into one of ours.

    Args:
        operation: For the log.
        missing_ok: Whether it is no failure that there is no such object.

    Raises:
        MissingError: There is none, and that is fine.
        UploadsvcError: S3 denies, fails or does not answer in time.
    """
    try:
        async with asyncio.timeout(DEADLINE):
            yield
    except ClientError as error:
        metadata = error.response["ResponseMetadata"]
        status = metadata["HTTPStatusCode"]
        code = str(error.response["Error"].get("Code", ""))
        if missing_ok and code in {"404", "NoSuchKey", "NotFound"}:
            raise MissingError from None
        _log.warning(
            "s3_refused",
            operation=operation,
            status=status,
            code=code,
            # A failure without a body is not looked through for its id.
            s3_request_id=metadata.get("RequestId") or metadata["HTTPHeaders"].get("x-amz-request-id"),
        )
        raise _refusal(status, code) from None
    except (BotoCoreError, AiohttpError, TimeoutError, OSError) as error:
        _log.warning("s3_unreachable", operation=operation, error=type(error).__name__)
        detail = "The object store does not answer."
        raise StorageUnavailable(detail) from None


def _refusal(status: int, code: str) -> Exception:
    if code in _MISCONFIGURED or status in {301, 307, 404, 405, 501}:
        detail = f"The object store is not set up for this ({code or status})."
        return StorageMisconfigured(detail)
    if status in {401, 403}:
        detail = f"The object store refuses the service's credentials ({code or status})."
        return StorageDenied(detail)
    if status in {408, 409, 429} or status >= 500:  # noqa: PLR2004 - the class of server errors
        detail = f"The object store is overloaded or failing ({code or status})."
        return StorageUnavailable(detail)
    detail = f"The object store does not take the request ({code or status})."
    return StorageMisconfigured(detail)

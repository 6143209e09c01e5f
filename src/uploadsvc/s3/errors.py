"""S3's errors, turned into ours."""

import asyncio
from collections.abc import AsyncIterator
from collections.abc import Set as AbstractSet
from contextlib import asynccontextmanager
from typing import Final

import structlog
from aiohttp import ClientError as AiohttpError
from botocore.exceptions import BotoCoreError, ClientError
from botocore.parsers import ResponseParserError

from uploadsvc.domain.errors import StorageDenied, StorageMisconfigured, StorageUnavailable

DEADLINE: Final = 4.5
"""Seconds that one call to S3 may take, all tries together; a caller has its answer within five."""

MISSING: Final = frozenset({"404", "NoSuchKey", "NotFound"})
"""How S3 says that there is no such object."""

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


class RefusedError(Exception):
    """S3 refuses with a code that the caller knows what to do with.

    Args:
        code: S3's.
    """

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


@asynccontextmanager
async def s3_errors(
    operation: str, *, expected: AbstractSet[str] = frozenset(), deadline: float | None = None
) -> AsyncIterator[None]:
    """Bound a call to S3 in time, and turn its failure into one of ours.

    Args:
        operation: For the log.
        expected: S3's codes that are no failure here.
        deadline: Seconds; `DEADLINE` by default.

    Raises:
        RefusedError: S3 answered with an expected code.
        UploadsvcError: S3 denies, fails or does not answer in time.
    """
    try:
        async with asyncio.timeout(DEADLINE if deadline is None else deadline):
            yield
    except ClientError as error:
        metadata = error.response["ResponseMetadata"]
        status = metadata["HTTPStatusCode"]
        code = str(error.response.get("Error", {}).get("Code", ""))
        if code in expected:
            raise RefusedError(code) from None
        _log.warning(
            "s3_refused",
            operation=operation,
            status=status,
            code=code,
            # A failure without a body is not looked through for its id.
            s3_request_id=metadata.get("RequestId") or metadata["HTTPHeaders"].get("x-amz-request-id"),
        )
        raise _refusal(status, code) from None
    except (ResponseParserError, LookupError) as error:
        # A page of a proxy's, say; what is read of an answer is read within this.
        _log.warning("s3_speaks_otherwise", operation=operation, error=type(error).__name__)
        detail = "What answers in the object store's place does not answer as S3 does."
        raise StorageMisconfigured(detail) from None
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

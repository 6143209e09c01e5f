"""Failures of S3, for the service, the doctor and `uploadsvc bucket`."""

import asyncio
import time
from collections.abc import AsyncIterator
from collections.abc import Set as AbstractSet
from contextlib import asynccontextmanager
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Final, Self

import structlog
from aiohttp import ClientError as AiohttpError
from botocore.exceptions import BotoCoreError, ClientError, ConnectTimeoutError, ReadTimeoutError
from botocore.parsers import ResponseParserError
from defusedxml.ElementTree import ParseError, fromstring

from uploadsvc.domain.errors import StorageDenied, StorageMisconfigured, StorageUnavailable, UploadsvcError
from uploadsvc.domain.redaction import redacted
from uploadsvc.telemetry.families import Histogram

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

    import httpx

DEADLINE: Final = 4.5
"""Seconds for one call to S3, including retries. Callers get a response within five."""

MISSING: Final = frozenset({"404", "NoSuchKey", "NotFound"})
"""Error codes of a missing object."""

NOT_S3: Final = (ResponseParserError, LookupError)
"""Raised if a response does not come from S3, such as a proxy's login page."""

NO_ANSWER: Final = (BotoCoreError, AiohttpError, OSError, *NOT_S3)
"""Raised if S3 does not respond; includes `NOT_S3`, for responses from something else."""

_MAX_BODY: Final = 65_536
"""Maximum size of an error body to parse, in bytes. S3's own have a few thousand at most."""

_MAX_NAME: Final = 100
"""Maximum length of a code or a region."""

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
_MISCONFIGURED_STATUSES: Final = frozenset(
    {
        HTTPStatus.MOVED_PERMANENTLY,
        HTTPStatus.TEMPORARY_REDIRECT,
        HTTPStatus.NOT_FOUND,
        HTTPStatus.METHOD_NOT_ALLOWED,
        HTTPStatus.NOT_IMPLEMENTED,
    }
)
_DENIED_STATUSES: Final = frozenset({HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN})
_BUSY_STATUSES: Final = frozenset(
    {HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.CONFLICT, HTTPStatus.TOO_MANY_REQUESTS}
)
_TIMEOUTS: Final = (TimeoutError, ConnectTimeoutError, ReadTimeoutError)
_log = structlog.get_logger("uploadsvc.storage")


@dataclass(frozen=True, slots=True, kw_only=True)
class S3Failure:
    """An error response from S3.

    Attributes:
        status: The HTTP status.
        code: S3's error code; empty without one. For a response without a body, botocore puts the status
            here.
        message: S3's message, `redacted`. The rest of the body, which may quote signed data, is dropped.
        region: The bucket's region, if S3 names it.
        request_id: S3's request id, if any.
    """

    status: int
    code: str = ""
    message: str = ""
    region: str = ""
    request_id: str | None = None

    @classmethod
    def of_error(cls, error: ClientError) -> Self:
        """Create it from botocore's error."""
        said, metadata = error.response.get("Error", {}), error.response["ResponseMetadata"]
        headers = metadata["HTTPHeaders"]
        return cls(
            status=metadata["HTTPStatusCode"],
            code=str(said.get("Code") or ""),
            message=redacted(said.get("Message")),
            region=headers.get("x-amz-bucket-region") or str(said.get("Region") or ""),
            # botocore reads the id only from the body.
            request_id=metadata.get("RequestId") or headers.get("x-amz-request-id"),
        )

    @classmethod
    def of_response(cls, response: "httpx.Response") -> Self:
        """Create it from the response to a presigned request."""
        error = _parsed(response.content)
        return cls(
            status=response.status_code,
            code=_text(error, "Code", longest=_MAX_NAME),
            message=redacted(_text(error, "Message", longest=_MAX_BODY)),
            region=response.headers.get("x-amz-bucket-region") or _text(error, "Region", longest=_MAX_NAME),
            request_id=response.headers.get("x-amz-request-id"),
        )

    @property
    def explained(self) -> bool:
        """Whether code and message come from S3, not from botocore for a response without a body."""
        return not self.code.isdigit()


class RefusedError(Exception):
    """S3 refused with a code that the caller handles.

    Args:
        code: S3's code.
        request_id: S3's request id, if any.
    """

    def __init__(self, code: str, request_id: str | None = None) -> None:
        super().__init__(code)
        self.code = code
        self.request_id = request_id


@asynccontextmanager
async def s3_errors(
    operation: str,
    *,
    expected: AbstractSet[str] = frozenset(),
    deadline: float | None = None,
    durations: Histogram | None = None,
) -> AsyncIterator[None]:
    """Limit the time of a call to S3, and translate its failures to the service's errors.

    Read the response inside the block: one that does not come from S3 lacks fields.

    Args:
        operation: Name of the call, for the log and the metrics.
        expected: S3's codes to raise as `RefusedError`.
        deadline: Seconds; `DEADLINE` by default.
        durations: Records the duration, by operation and outcome.

    Raises:
        RefusedError: S3 answered with an expected code.
        UploadsvcError: S3 denies the call, fails or does not answer in time.
    """
    started, outcome = time.perf_counter(), "unavailable"
    try:
        async with asyncio.timeout(DEADLINE if deadline is None else deadline):
            yield
        outcome = "ok"
    except asyncio.CancelledError:
        # Several calls, such as those of one completion, can share a deadline.
        outcome = "timeout"
        raise
    except UploadsvcError as error:
        outcome = _outcome(error)
        raise
    except ClientError as error:
        failure = S3Failure.of_error(error)
        if failure.code in expected:
            outcome = "ok"
            raise RefusedError(failure.code, failure.request_id) from None
        _log.warning(
            "s3_refused",
            operation=operation,
            status=failure.status,
            code=failure.code,
            s3_request_id=failure.request_id,
        )
        refusal = _storage_error(failure)
        outcome = _outcome(refusal)
        raise refusal from None
    except NOT_S3 as error:
        _log.warning("s3_speaks_otherwise", operation=operation, error=type(error).__name__)
        outcome = "refused"
        detail = "The object store's address does not answer as S3 does."
        raise StorageMisconfigured(detail) from None
    except NO_ANSWER as error:
        _log.warning("s3_unreachable", operation=operation, error=type(error).__name__)
        outcome = "timeout" if isinstance(error, _TIMEOUTS) else "unavailable"
        detail = "The object store does not answer."
        raise StorageUnavailable(detail) from None
    finally:
        if durations is not None:
            durations.observe(time.perf_counter() - started, operation, outcome)


def _outcome(error: UploadsvcError) -> str:
    """Return the label ``outcome`` for a failed call."""
    if isinstance(error, StorageDenied):
        return "denied"
    return "unavailable" if isinstance(error, StorageUnavailable) else "refused"


def _storage_error(failure: S3Failure) -> UploadsvcError:
    code, status = failure.code, failure.status
    if code == "NoSuchBucket":
        return StorageMisconfigured("The bucket does not exist (NoSuchBucket).")
    if code in _MISCONFIGURED or status in _MISCONFIGURED_STATUSES:
        return StorageMisconfigured(f"The object store is not set up for this ({code or status}).")
    if status in _DENIED_STATUSES:
        return StorageDenied(f"The object store refuses the service's credentials ({code or status}).")
    if status in _BUSY_STATUSES or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return StorageUnavailable(f"The object store is overloaded or failing ({code or status}).")
    return StorageMisconfigured(f"The object store rejects the request ({code or status}).")


def _parsed(body: bytes) -> "Element | None":
    """Parse an error body. Returns ``None`` if it is too long or not XML."""
    if len(body) > _MAX_BODY:
        return None
    try:
        return fromstring(body, forbid_dtd=True)
    except (ParseError, ValueError, LookupError):
        # An unknown encoding raises LookupError, forbidden XML ValueError.
        return None


def _text(error: "Element | None", name: str, *, longest: int) -> str:
    # Some stores set a namespace.
    found = None if error is None else error.findtext(f".//{{*}}{name}")
    text = (found or "").strip()
    return text if len(text) <= longest else ""

"""Problems and retries."""

import asyncio
import random
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import httpx

from uploadsvc.client.answers import json_object

_S3_CODE: Final = re.compile(r"<Code>([A-Za-z0-9._-]{1,100})</Code>")
_S3_MESSAGE: Final = re.compile(r"<Message>([^<]{1,500})</Message>")
_SIGNED: Final = re.compile(r"X-Amz-[A-Za-z0-9-]+(?:=|%3d)[^&\s]*", re.IGNORECASE)

# The server is busy or restarting, or two calls conflict; the request itself is fine.
_TRANSIENT_STATUSES: Final = frozenset({408, 409, 425, 429, 500, 502, 503, 504})
# S3 errors with status 400 caused by the network:
# https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html
_TRANSIENT_S3_CODES: Final = frozenset({"RequestTimeout", "BadDigest", "IncompleteBody", "InternalError"})
# Problems of the service that a retry does not fix.
_LASTING_CODES: Final = frozenset({"storage_denied", "storage_misconfigured"})


class UploadsvcError(Exception):
    """A call failed, or a file was not stored.

    Args:
        code: Problem code of the service, or one of the client, such as ``network_error``.
        detail: One sentence for people, without secrets.
        status: HTTP status, if there was a response.
        request_id: ``X-Request-Id`` of the response, to find the call in the service's logs.
    """

    def __init__(
        self, code: str, detail: str, *, status: int | None = None, request_id: str | None = None
    ) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail
        self.status = status
        self.request_id = request_id


class UsageProblem(Exception):
    """Invalid or incomplete command line or environment. Nothing was sent."""


class Transient(UploadsvcError):
    """A transient problem. The request can be retried.

    Args:
        code: Problem code.
        detail: One sentence for people.
        retry_after: Seconds to wait, from the server.
        status: HTTP status, if there was a response.
        request_id: ``X-Request-Id`` of the response.
    """

    def __init__(
        self,
        code: str,
        detail: str,
        *,
        retry_after: float = 0.0,
        status: int | None = None,
        request_id: str | None = None,
    ) -> None:
        super().__init__(code, detail, status=status, request_id=request_id)
        self.retry_after = retry_after
        self.retrying: Callable[[], None] = lambda: None


class Refused(UploadsvcError):
    """S3 refuses a request.

    Args:
        status: The HTTP status.
        detail: One sentence for people.
    """

    def __init__(self, status: int, detail: str) -> None:
        super().__init__("s3_refused", detail, status=status)


class Gone(UploadsvcError):
    """The upload no longer exists and can be started again."""


class Lost(Transient):
    """A connection failed.

    Args:
        detail: One sentence for people, without a URL.
        on_retry: Called before the request is retried.
    """

    def __init__(self, detail: str, *, on_retry: Callable[[], None] = lambda: None) -> None:
        super().__init__("network_error", detail)
        self.retrying = on_retry


def service_problem(answer: httpx.Response) -> UploadsvcError:
    """Return the problem (RFC 9457) in a response, or one made from its status."""
    try:
        body = json_object(answer)
        code, detail = str(body["code"]), str(body["detail"])
    except (ValueError, KeyError):
        code, detail = "unexpected_answer", _foreign(answer)
    busy = answer.status_code >= httpx.codes.INTERNAL_SERVER_ERROR and code not in _LASTING_CODES
    if busy or answer.status_code == httpx.codes.TOO_MANY_REQUESTS:
        return Transient(
            code,
            detail,
            retry_after=_retry_after(answer.headers),
            status=answer.status_code,
            request_id=answer.headers.get("x-request-id"),
        )
    request_id = answer.headers.get("x-request-id")
    return UploadsvcError(code, detail, status=answer.status_code, request_id=request_id)


def _foreign(answer: httpx.Response) -> str:
    """Describe a response without a problem document."""
    answered = f"answered {answer.status_code} without a problem document"
    if answer.status_code >= httpx.codes.INTERNAL_SERVER_ERROR:
        return f"The service, or a proxy in front of it, {answered}."
    if answer.has_redirect_location:
        target = httpx.URL(answer.headers["location"])
        host = target.netloc.decode()
        where = f" to {target.scheme}://{host}" if host else ""
        return f"The server answered {answer.status_code}, a redirect{where}; give the final address."
    detail = f"This is not an uploadsvc service: the server {answered}"
    if "x-amz-request-id" in answer.headers or _S3_CODE.search(_text(answer)):
        return f"{detail}, as S3 does; give the address of the service, not that of the bucket."
    return f"{detail}; give the address of the service."


def s3_problem(answer: httpx.Response) -> UploadsvcError:
    """Return the problem for an error response of S3.

    The URL is a credential, so it is left out, and parts of it are redacted in the store's message.
    """
    text = _text(answer)
    code, message = _S3_CODE.search(text), _S3_MESSAGE.search(text)
    named = f" {code[1]}" if code else ""
    said = f": {_SIGNED.sub('[redacted]', message[1])}" if message else ""
    detail = f"S3 answered {answer.status_code}{named}{said}"
    if answer.status_code in _TRANSIENT_STATUSES or (code and code[1] in _TRANSIENT_S3_CODES):
        wait = _retry_after(answer.headers)
        return Transient("s3_unavailable", detail, retry_after=wait, status=answer.status_code)
    return Refused(answer.status_code, detail)


def _text(answer: httpx.Response) -> str:
    # Not `answer.text`, which fails for some values of charset.
    return answer.content.decode(errors="replace")


def unexpected_answer(error: Exception) -> UploadsvcError:
    """Return the problem for a response that does not come from uploadsvc."""
    detail = f"The server is not an uploadsvc, or has another version ({type(error).__name__})."
    return UploadsvcError("unexpected_answer", detail)


def _retry_after(headers: Mapping[str, Any]) -> float:
    # RFC 9110, section 10.2.3 allows a date too; neither this service nor S3 sends one.
    value = str(headers.get("retry-after", ""))
    return float(value) if value.isascii() and value.isdigit() else 0.0


_MAX_RETRY_AFTER: Final = 120.0
"""Maximum Retry-After, in seconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Retries:
    """Exponential backoff with full jitter.

    https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/

    Attributes:
        limit: Maximum number of retries of a request.
        first_delay: Upper bound of the wait before the first retry, in seconds; it doubles each time.
        max_delay: Upper bound of every wait, in seconds.
    """

    limit: int = 10
    first_delay: float = 0.5
    max_delay: float = 30.0

    def delay(self, tried: int, *, retry_after: float = 0.0) -> float:
        """Return the seconds to wait.

        Args:
            tried: Number of failures so far, from 1.
            retry_after: Minimum seconds, from the server.
        """
        bound = min(self.max_delay, self.first_delay * 2.0 ** (tried - 1))
        wait = random.uniform(0, bound)  # noqa: S311 - spreads clients over time; not a secret
        return min(retry_after, _MAX_RETRY_AFTER) + wait

    def start(self) -> "Attempts":
        """Start counting the attempts of a request."""
        return Attempts(self)


class Attempts:
    """Attempts of one request."""

    def __init__(self, retries: Retries) -> None:
        self._retries = retries
        self._failed = 0

    async def failed(self, problem: Transient) -> None:
        """Wait before the next attempt.

        Raises:
            Transient: No retries are left.
        """
        self._failed += 1
        if self._failed > self._retries.limit:
            raise problem
        problem.retrying()
        await asyncio.sleep(self._retries.delay(self._failed, retry_after=problem.retry_after))

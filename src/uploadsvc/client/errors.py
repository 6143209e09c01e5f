"""Why a file is not stored, or not yet."""

import re
from collections.abc import Mapping
from typing import Any, Final

import httpx

_S3_CODE: Final = re.compile(r"<Code>([A-Za-z0-9._-]{1,100})</Code>")
_S3_MESSAGE: Final = re.compile(r"<Message>([^<]{1,500})</Message>")

# Of a busy or restarting server, or of two calls that met; none of them says that the request was wrong.
_TRANSIENT_STATUSES: Final = frozenset({408, 409, 425, 429, 500, 502, 503, 504})
# 400s of S3 that mean the line, not the request:
# https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html
_TRANSIENT_S3_CODES: Final = frozenset({"RequestTimeout", "BadDigest", "IncompleteBody", "InternalError"})
# The service's own, which no waiting mends.
_LASTING_CODES: Final = frozenset({"storage_denied", "storage_misconfigured"})


class UploadProblem(Exception):
    """A file is not stored.

    Args:
        code: The service's code, or one of this program's own.
        detail: One sentence for people.
    """

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail


class UsageProblem(Exception):
    """The command line or the environment lacks something; nothing was sent."""


class Transient(UploadProblem):
    """It may go well a little later.

    Args:
        code: As for `UploadProblem`.
        detail: As for `UploadProblem`.
        retry_after: Seconds that the server asks to wait.
    """

    def __init__(self, code: str, detail: str, *, retry_after: float = 0.0) -> None:
        super().__init__(code, detail)
        self.retry_after = retry_after


class Refused(UploadProblem):
    """S3 refuses a request.

    Args:
        status: The HTTP status.
        detail: One sentence for people.
    """

    def __init__(self, status: int, detail: str) -> None:
        super().__init__("s3_refused", detail)
        self.status = status


class Gone(UploadProblem):
    """The upload that was begun is no more; it can be begun anew."""


class Lost(Transient):
    """A connection failed.

    Args:
        whom: To whom.
        error: How; httpx names no URL in it.
    """

    def __init__(self, whom: str, error: httpx.TransportError) -> None:
        # Some of httpx's errors say nothing at all.
        super().__init__("network_error", f"{whom} cannot be reached: {str(error) or type(error).__name__}.")


def of_service(answer: httpx.Response) -> UploadProblem:
    """Return the problem that the service answered (RFC 9457), or one by its status."""
    try:
        body = answer.json()
        code, detail = str(body["code"]), str(body["detail"])
    except (ValueError, TypeError, KeyError):
        code, detail = "unexpected_answer", f"The service answered {answer.status_code}, and no problem."
    busy = answer.status_code >= httpx.codes.INTERNAL_SERVER_ERROR and code not in _LASTING_CODES
    if busy or answer.status_code == httpx.codes.TOO_MANY_REQUESTS:
        return Transient(code, detail, retry_after=_retry_after(answer.headers))
    return UploadProblem(code, detail)


def of_s3(answer: httpx.Response) -> UploadProblem:
    """Return what S3's error means. Its URL, which is a secret, is left out."""
    code, message = _S3_CODE.search(answer.text), _S3_MESSAGE.search(answer.text)
    named = f" {code[1]}" if code else ""
    said = f": {message[1]}" if message else ""
    detail = f"S3 answered {answer.status_code}{named}{said}"
    if answer.status_code in _TRANSIENT_STATUSES or (code and code[1] in _TRANSIENT_S3_CODES):
        return Transient("s3_unavailable", detail, retry_after=_retry_after(answer.headers))
    return Refused(answer.status_code, detail)


def unexpected(error: Exception) -> UploadProblem:
    """Return the problem of an answer that is none of an uploadsvc."""
    detail = f"What answered is no uploadsvc, or one of another version ({type(error).__name__})."
    return UploadProblem("unexpected_answer", detail)


def _retry_after(headers: Mapping[str, Any]) -> float:
    # A date is allowed too (RFC 9110, section 10.2.3), but neither this service nor S3 sends one.
    value = str(headers.get("retry-after", ""))
    return float(value) if value.isascii() and value.isdigit() else 0.0

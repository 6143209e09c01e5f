"""Problem responses (RFC 9457) to requests that reach no handler. They end the connection."""

import json
from http import HTTPStatus
from typing import Final

from uploadsvc.api.problems import MEDIA_TYPE, STATUS_TITLES

MAX_URL_BYTES: Final = 16 * 1024
MAX_HEAD_BYTES: Final = 64 * 1024
"""Maximum bytes of a request before its body: URL and header fields."""

MAX_FIELDS: Final = 100
MAX_PIPELINED: Final = 16
"""Requests that one connection can pipeline."""

RETRY_SECONDS: Final = 1
"""Seconds for ``Retry-After`` when the service is overloaded."""

OVERLOADED: Final = "overloaded"


class Refusal:
    """A response to a request that reaches no handler.

    Attributes:
        reason: Reason, for the metrics.
        code: Problem code.
        fields_and_body: The response, after the status line and the date.
    """

    def __init__(
        self, reason: str, status: HTTPStatus, code: str, title: str, detail: str, *, retry: bool = False
    ) -> None:
        self.reason = reason
        self.status, self.code = status.value, code
        content = {
            "type": f"urn:uploadsvc:problem:{code}",
            "title": title,
            "status": self.status,
            "detail": detail,
            "code": code,
            "errors": [],
        }
        body = json.dumps(content).encode()
        later = f"retry-after: {RETRY_SECONDS}\r\n" if retry else ""
        head = (
            f"content-type: {MEDIA_TYPE}\r\ncontent-length: {len(body)}\r\n"
            f"{later}cache-control: no-store\r\nx-content-type-options: nosniff\r\nconnection: close\r\n\r\n"
        )
        self.fields_and_body = head.encode() + body


class RefusedError(Exception):
    """A refused request."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.status)
        self.refusal = refusal


MALFORMED: Final = Refusal(
    "malformed",
    HTTPStatus.BAD_REQUEST,
    "bad_request",
    "Malformed request",
    "The request is not valid HTTP/1.1.",
)
LONG_URL: Final = Refusal(
    "too_large",
    HTTPStatus.REQUEST_URI_TOO_LONG,
    "url_too_long",
    "URL too long",
    f"A URL may have at most {MAX_URL_BYTES} bytes.",
)
LARGE_HEAD: Final = Refusal(
    "too_large",
    HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE,
    "headers_too_large",
    "Headers too large",
    f"A request may have at most {MAX_FIELDS} header fields; with the URL, {MAX_HEAD_BYTES} bytes.",
)
PIPELINED: Final = Refusal(
    "too_large",
    HTTPStatus.TOO_MANY_REQUESTS,
    "too_many_requests",
    "Too many requests",
    f"At most {MAX_PIPELINED} requests may wait for their answers on one connection.",
)
FULL: Final = Refusal(
    "connections",
    STATUS_TITLES[OVERLOADED][0],
    OVERLOADED,
    STATUS_TITLES[OVERLOADED][1],
    "Too many connections are open; try again.",
    retry=True,
)


def slow(part: str, seconds: float) -> Refusal:
    """Return the response to a request if this part of it did not arrive in time."""
    return Refusal(
        "slow",
        HTTPStatus.REQUEST_TIMEOUT,
        "request_timeout",
        "Request too slow",
        f"The {part} of the request did not arrive within {seconds:g} seconds.",
    )

"""Problem responses (RFC 9457) to requests that reach no handler. They end the connection."""

import json
from typing import Final
from urllib.parse import quote

from uploadsvc.api.problems import ALL_TITLES, MEDIA_TYPE, Problem

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
        reason: Why, for the metrics.
        code: The problem's code.
        status: Its status.
    """

    def __init__(self, reason: str, code: str, detail: str, *, retry: bool = False) -> None:
        self.reason = reason
        self.code, self._detail, self._retry = code, detail, retry
        self.status = ALL_TITLES[code][0].value

    def fields_and_body(self, root_path: str) -> bytes:
        """Return the bytes of the answer, after the status line and the date.

        Args:
            root_path: Path that a proxy has stripped from the requests.
        """
        content = Problem(self.code, self._detail, root=quote(root_path.rstrip("/"))).content()
        body = json.dumps(content).encode()
        later = f"retry-after: {RETRY_SECONDS}\r\n" if self._retry else ""
        head = (
            f"content-type: {MEDIA_TYPE}\r\ncontent-length: {len(body)}\r\n"
            f"{later}cache-control: no-store\r\nx-content-type-options: nosniff\r\nconnection: close\r\n\r\n"
        )
        return head.encode() + body


class RefusedError(Exception):
    """A refused request."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.status)
        self.refusal = refusal


MALFORMED: Final = Refusal(
    "malformed",
    "bad_request",
    "The request is not valid HTTP/1.1.",
)
LONG_URL: Final = Refusal(
    "too_large",
    "url_too_long",
    f"A URL may have at most {MAX_URL_BYTES} bytes.",
)
LARGE_HEAD: Final = Refusal(
    "too_large",
    "headers_too_large",
    f"A request may have at most {MAX_FIELDS} header fields; with the URL, {MAX_HEAD_BYTES} bytes.",
)
PIPELINED: Final = Refusal(
    "too_large",
    "too_many_requests",
    f"At most {MAX_PIPELINED} requests may wait for their answers on one connection.",
)
FULL: Final = Refusal(
    "connections",
    OVERLOADED,
    "Too many connections are open; try again.",
    retry=True,
)


def slow(part: str, seconds: float) -> Refusal:
    """Return the response to a request if this part of it did not arrive in time."""
    return Refusal(
        "slow",
        "request_timeout",
        f"The {part} of the request did not arrive within {seconds:g} seconds.",
    )

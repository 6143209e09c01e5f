"""Responses with pre-encoded JSON."""

import asyncio
from collections.abc import Iterable, Sequence
from http import HTTPStatus
from typing import Final, Self

from fastapi import Response
from starlette.types import Receive, Scope, Send

from uploadsvc.api.routing import SECURITY_HEADERS

_AT_ONCE: Final = 64 * 1024
"""Bytes to copy and send between two yields to the event loop."""

_MADE_AT_ONCE: Final = 8 * 1024
"""Bytes to encode between two yields to the event loop."""

_HEADERS: Final = ((b"content-type", b"application/json"), *SECURITY_HEADERS)


class JsonResponse(Response):
    """A JSON body with all headers, including security headers.

    Args:
        body: The body.
        status: The HTTP status.
    """

    def __init__(self, body: bytes, status: int = HTTPStatus.OK) -> None:
        self.body = body
        self.status_code = status
        self.background = None
        self.raw_headers = [(b"content-length", b"%d" % len(body)), *_HEADERS]

    async def __call__(self, _scope: Scope, _receive: Receive, send: Send) -> None:
        """Send the response."""
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        await send({"type": "http.response.body", "body": self.body})


class PiecewiseJson(Response):
    """A large JSON body, sent in pieces, because copying it whole would block all other requests.

    Args:
        pieces: Bytes of the body, in order.
    """

    media_type = "application/json"

    def __init__(self, pieces: Sequence[bytes]) -> None:
        super().__init__()
        self._pieces = pieces
        self.headers["Content-Length"] = str(sum(map(len, pieces)))

    @classmethod
    async def of(cls, pieces: Iterable[bytes]) -> Self:
        """Build a response from pieces that take time to encode, and yield to other requests in between."""
        made, new = [], 0
        for piece in pieces:
            made.append(piece)
            new += len(piece)
            if new >= _MADE_AT_ONCE:
                new = 0
                await asyncio.sleep(0)
        return cls(made)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 - ASGI's
        """Send the response, with flow control between the pieces."""
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        waiting = bytearray()
        for piece in self._pieces:
            waiting += piece
            if len(waiting) >= _AT_ONCE:
                await send({"type": "http.response.body", "body": bytes(waiting), "more_body": True})
                waiting.clear()
                await asyncio.sleep(0)
        await send({"type": "http.response.body", "body": bytes(waiting), "more_body": False})

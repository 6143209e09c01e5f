"""Responses of megabytes. Sent whole, one would hold up all other requests while it is copied."""

import asyncio
from collections.abc import Iterable, Sequence
from typing import Final, Self

from fastapi import Response
from starlette.types import Receive, Scope, Send

_AT_ONCE: Final = 64 * 1024
"""Bytes that are copied and sent before other requests have their turn."""


class PiecewiseJson(Response):
    """A JSON body that is sent piece by piece.

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
        """Return the response with pieces that take time to make. Other requests have their turn between."""
        made = []
        for piece in pieces:
            made.append(piece)
            await asyncio.sleep(0)
        return cls(made)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 - ASGI's
        """Send the response. A client that reads slowly is waited for between the pieces."""
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        waiting = bytearray()
        for piece in self._pieces:
            waiting += piece
            if len(waiting) >= _AT_ONCE:
                await send({"type": "http.response.body", "body": bytes(waiting), "more_body": True})
                waiting.clear()
                await asyncio.sleep(0)
        await send({"type": "http.response.body", "body": bytes(waiting), "more_body": False})

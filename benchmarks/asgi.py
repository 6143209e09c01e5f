"""Calls an ASGI app in this process, without a server."""

from collections.abc import Mapping, MutableMapping
from typing import Any

from fastapi import FastAPI

Message = MutableMapping[str, Any]


class Caller:
    """Calls an app.

    Args:
        app: The app.
        headers: Headers of every request.
    """

    def __init__(self, app: FastAPI, headers: Mapping[str, str]) -> None:
        self._app = app
        self._headers = [
            (b"host", b"uploads.test"),
            *((name.lower().encode(), value.encode()) for name, value in headers.items()),
            (b"content-type", b"application/json"),
        ]

    async def post(self, path: str, body: bytes) -> tuple[int, bytes]:
        """Send a POST; return the status and body of the response."""
        status, answer = 0, bytearray()
        headers = [*self._headers, (b"content-length", str(len(body)).encode())]
        scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": "POST",
            "scheme": "http",
            "path": path,
            "raw_path": path.encode(),
            "root_path": "",
            "query_string": b"",
            "headers": headers,
            "client": ("127.0.0.1", 1),
            "server": ("uploads.test", 80),
            "state": {},
        }

        async def receive() -> Message:
            return {"type": "http.request", "body": body, "more_body": False}

        async def send(message: Message) -> None:
            nonlocal status
            status = message.get("status", status)
            answer.extend(message.get("body", b""))

        await self._app(scope, receive, send)
        return status, bytes(answer)

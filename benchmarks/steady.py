"""A load at a steady rate that survives broken connections, and an identity provider that changes its key."""

import asyncio
import json
from itertools import cycle
from time import perf_counter
from typing import TYPE_CHECKING, Any, Final

import jwt
from cryptography.hazmat.primitives.asymmetric import ec
from jwt.algorithms import ECAlgorithm

from benchmarks import served
from benchmarks.credentials import AUDIENCE, USERS, user
from benchmarks.loader import Connection, Found

if TYPE_CHECKING:
    from collections.abc import Callable

CONNECTIONS: Final = 16

_REQUESTS_OF_CONNECTION: Final = 500
"""Requests after which a connection is replaced, so that all workers have some, and accept new ones."""

_BODY: Final = json.dumps({"filename": "photo.jpg", "content_type": "image/jpeg", "size": 123_456}).encode()
_AGAIN_SECONDS: Final = 0.05
_LIFE: Final = 4 * 3600


class Provider:
    """An identity provider on 127.0.0.1 that publishes its last two keys.

    Attributes:
        url: URL of the keys.
        fetches: Number of fetches.
        fetched_at: Time of the last fetch, by ``perf_counter``.
    """

    def __init__(self) -> None:
        self.url = ""
        self.fetches = 0
        self.fetched_at = 0.0
        self._keys: list[ec.EllipticCurvePrivateKey] = []
        self.rotate()

    def rotate(self) -> None:
        """Publish a new key, and sign with it from now on."""
        self._keys.append(ec.generate_private_key(ec.SECP256R1()))

    def token(self, name: str) -> str:
        """Return a token of a user."""
        claims = {"sub": name, "aud": AUDIENCE, "exp": int(served.now()) + _LIFE}
        return jwt.encode(
            claims, self._keys[-1], algorithm="ES256", headers={"kid": f"key-{len(self._keys)}"}
        )

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer a request for the keys."""
        await reader.readuntil(b"\r\n\r\n")
        self.fetches += 1
        self.fetched_at = perf_counter()
        first = max(0, len(self._keys) - 2)
        keys = [_jwk(key, f"key-{number}") for number, key in enumerate(self._keys[first:], first + 1)]
        body = json.dumps({"keys": keys}).encode()
        writer.write(
            b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n"
            b"Content-Length: %d\r\n\r\n" % len(body) + body
        )
        await writer.drain()
        writer.close()


def _jwk(key: ec.EllipticCurvePrivateKey, kid: str) -> dict[str, Any]:
    return {**ECAlgorithm.to_jwk(key.public_key(), as_dict=True), "kid": kid, "use": "sig", "alg": "ES256"}


class Load:
    """Creates uploads of many users at a steady rate. A connection that breaks is opened again.

    Args:
        port: Port of the service.
        provider: Signs the users' tokens.
    """

    def __init__(self, port: int, provider: Provider) -> None:
        self._port = port
        self._provider = provider
        self._found = Found()
        self._free: list[Connection] = []
        self._sent: dict[Connection, int] = {}
        self._freed = asyncio.Event()
        self._opening: set[asyncio.Task[None]] = set()
        self._stopped = False
        self._next: Callable[[], bytes]
        self.sign_in()

    def sign_in(self) -> None:
        """Issue a new token to every user."""
        tokens = [self._provider.token(user(number)) for number in range(USERS)]
        requests = [served.request("POST", "/v1/uploads", bearer=one, body=_BODY) for one in tokens]
        self._next = cycle(requests).__next__

    def take(self) -> Found:
        """Return what was measured since the last time."""
        taken = Found(latencies=self._found.latencies[:], failures=self._found.failures)
        # In place: the connections count there.
        self._found.latencies.clear()
        self._found.failures = 0
        return taken

    async def run(self, rate: float, stopping: asyncio.Event) -> None:
        """Send requests until told to stop. The latency of a delayed request counts from when it was due.

        Args:
            rate: Requests per second; infinite for no limit.
            stopping: Stops it when set.
        """
        self._stopped = False
        for _ in range(CONNECTIONS):
            self._open()
        started, sent = perf_counter(), 0
        while not stopping.is_set():
            due = started + sent / rate
            if (now := perf_counter()) < due:
                await asyncio.sleep(due - now)
            elif self._free:
                connection = self._free.pop()
                self._sent[connection] += 1
                connection.send(self._next(), due)
                sent += 1
            else:
                self._freed.clear()
                await self._freed.wait()
        self._stopped = True
        for connection in self._sent:
            connection.transport.close()
        self._free.clear()
        self._sent.clear()
        # Those that were cut off here are no failures.
        await asyncio.sleep(_AGAIN_SECONDS)
        self.take()

    def _idle(self, connection: Connection) -> None:
        if self._sent.get(connection, 0) >= _REQUESTS_OF_CONNECTION:
            connection.transport.close()
            return
        self._free.append(connection)
        self._freed.set()

    def _lost(self, connection: Connection) -> None:
        self._sent.pop(connection, None)
        if connection in self._free:
            self._free.remove(connection)
        if not self._stopped:
            self._open()

    def _open(self) -> None:
        task = asyncio.create_task(self._connect())
        self._opening.add(task)
        task.add_done_callback(self._opening.discard)

    async def _connect(self) -> None:
        loop = asyncio.get_running_loop()
        while not self._stopped:
            try:
                _, connection = await loop.create_connection(
                    lambda: Connection(self._found, self._idle, self._lost), "127.0.0.1", self._port
                )
            except OSError:
                await asyncio.sleep(_AGAIN_SECONDS)
            else:
                self._sent[connection] = 0
                self._idle(connection)
                return

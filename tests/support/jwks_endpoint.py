"""A JWKS endpoint within the process: a test says what it answers, and when."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime

import httpx
from tests.support.identity_provider import AUDIENCE

from uploadsvc.auth.claims import ClaimRules
from uploadsvc.auth.discovery import JwksUrl, OidcIssuer
from uploadsvc.auth.jwks import JwksVerifier
from uploadsvc.telemetry.metrics import Metrics

KEYS_MAX_AGE = 86_400.0
URL = "https://idp.example/jwks.json"


@dataclass(slots=True)
class Clock:
    """Seconds that pass when a test says so."""

    now: float = 1000.0

    def __call__(self) -> float:
        """Tell the time."""
        return self.now


@dataclass(slots=True)
class Endpoint(httpx.AsyncBaseTransport):
    """What stands in for the network.

    Attributes:
        answer: Makes the answer to a request, or raises what a failing network does.
        open: Answers come while it is set.
        urls: What was asked for, in order.
        asked: Set by the first request.
        given_up: How many requests were cancelled before their answer.
        closed: Whether the client was closed.
    """

    answer: Callable[[httpx.Request], httpx.Response]
    open: asyncio.Event = field(default_factory=asyncio.Event)
    urls: list[str] = field(default_factory=list)
    asked: asyncio.Event = field(default_factory=asyncio.Event)
    given_up: int = 0
    closed: bool = False

    def __post_init__(self) -> None:
        self.open.set()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Answer one request, once answers come."""
        self.urls.append(str(request.url))
        self.asked.set()
        try:
            await self.open.wait()
        except asyncio.CancelledError:
            self.given_up += 1
            raise
        return self.answer(request)

    async def aclose(self) -> None:
        """Note that the client was closed."""
        self.closed = True


def verifier_of(
    source: JwksUrl | OidcIssuer | str,
    timer: Callable[[], float],
    transport: httpx.AsyncBaseTransport | None = None,
    *,
    algorithms: tuple[str, ...] = (),
    issuer: str | None = None,
    user_claim: str = "sub",
    metrics: Metrics | None = None,
) -> JwksVerifier:
    """Return a verifier of the tests' audience, not yet open; a text is the URL of a set."""
    return JwksVerifier(
        source=JwksUrl(source) if isinstance(source, str) else source,
        algorithms=algorithms,
        rules=ClaimRules(
            clock=lambda: datetime.now(UTC),
            audiences=(AUDIENCE,),
            issuer=issuer,
            user_claim=user_claim,
        ),
        keys_max_age=KEYS_MAX_AGE,
        timer=timer,
        metrics=metrics or Metrics(),
        transport=transport,
    )


async def settled(verifier: JwksVerifier) -> None:
    """Wait for the fetch that is under way, if there is one."""
    if verifier._fetch is not None:
        await asyncio.wait([verifier._fetch])


async def in_chunks(chunks: Iterable[bytes]) -> AsyncIterator[bytes]:
    """Give a body chunk by chunk, as a network does."""
    for chunk in chunks:
        yield chunk

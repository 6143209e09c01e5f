"""Bearer tokens checked by the keys that an identity provider publishes."""

import asyncio
import math
from collections.abc import Callable
from types import TracebackType
from typing import Any, Final, Self

import httpx
import structlog

from uploadsvc.auth.discovery import JwksUrl, OidcIssuer, UnusableAnswerError, read_json
from uploadsvc.auth.key_set import KeySet
from uploadsvc.auth.public_keys import ASYMMETRIC, PublicKey
from uploadsvc.auth.tokens import OUR_TYPS, TokenVerifier, check_form, unverified_header
from uploadsvc.domain.errors import IdentityProviderUnavailable, Unauthenticated
from uploadsvc.domain.principal import Principal

DEADLINE: Final = 5.0
"""Seconds that one fetch may take, discovery included."""

COOLDOWN: Final = 30.0
"""Seconds from the start of one fetch to that of the next, however the first one ended."""

MAX_AGE: Final = 600.0
"""Seconds after which keys are asked for anew; until the answer is there the old ones serve."""

_log = structlog.get_logger("uploadsvc.auth")


class JwksVerifier:
    """Checks tokens of one identity provider. Enter it to open its client and fetch the keys.

    Args:
        source: Where the keys are published.
        algorithms: Those that are allowed; empty for all that are asymmetric.
        audience: What ``aud`` must be or hold: a provider signs for many services.
        issuer: What ``iss`` must be; where the source is an issuer, that one.
        user_claim: The claim that names the user.
        clock: Monotonic seconds.
        transport: What requests go through, for tests.

    Raises:
        ValueError: An algorithm that goes with no public key, or an issuer that is not the source's.
    """

    def __init__(
        self,
        *,
        source: JwksUrl | OidcIssuer,
        algorithms: tuple[str, ...],
        audience: str,
        issuer: str | None,
        user_claim: str,
        clock: Callable[[], float],
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        for algorithm in algorithms:
            if algorithm not in ASYMMETRIC:
                message = (
                    f"{algorithm!r} does not go with published keys; allowed are {', '.join(ASYMMETRIC)}"
                )
                raise ValueError(message)
        if isinstance(source, OidcIssuer):
            if issuer not in {None, source.issuer}:
                message = "tokens of a discovered issuer name that issuer, and no other"
                raise ValueError(message)
            issuer = source.issuer
        self._source = source
        self._algorithms = frozenset(algorithms or ASYMMETRIC)
        self._audience = audience
        self._issuer = issuer
        self._user_claim = user_claim
        self._clock = clock
        self._transport = transport
        self._client: httpx.AsyncClient | None = None
        self._fetch: asyncio.Task[None] | None = None
        self._keys = self._key_set({})
        self._keys_asked_at: float | None = None
        self._asked_at = -math.inf
        self._answered = False

    async def __aenter__(self) -> Self:
        """Open the client, and begin to fetch; nobody waits for it, and it may fail."""
        self._client = httpx.AsyncClient(
            transport=self._transport,
            timeout=None,  # noqa: S113 - the deadline of a fetch bounds all of its reads together
            follow_redirects=False,
        )
        self._fetch_when_due(self._clock())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Give up a fetch that is under way, and close the client."""
        if self._fetch is not None:
            self._fetch.cancel()
            await asyncio.wait([self._fetch])
            # It belongs to this event loop, and what was cut short is not to be waited for at the next start.
            self._fetch = None
            self._asked_at = -math.inf
        if self._client is not None:
            await self._client.aclose()
            self._client = None

    async def principal(self, token: str) -> Principal:
        """Return who a token speaks for. Waits only where its key is unknown and a fetch may tell.

        Raises:
            Unauthenticated: It does not hold; the detail says why, and nothing of the token.
            IdentityProviderUnavailable: Its key is unknown, and the keys could not be fetched.
        """
        header = unverified_header(token)
        algorithm, kid = header.get("alg"), header.get("kid")
        if not isinstance(algorithm, str) or algorithm not in self._algorithms:
            detail = "The token is malformed, or its algorithm (alg) is not allowed here."
            raise Unauthenticated(detail)
        if str(header.get("typ")).startswith(OUR_TYPS):
            detail = "This is not the kind of token that is asked for here."
            raise Unauthenticated(detail)
        if kid is not None and not isinstance(kid, str):
            detail = "The token is malformed."
            raise Unauthenticated(detail)
        now = self._clock()
        if self._keys_asked_at is not None and now - self._keys_asked_at >= MAX_AGE:
            self._fetch_when_due(now)
        verifier = self._keys.verifier(kid, algorithm)
        if verifier is None:
            check_form(token)
            verifier = await self._verifier_once_fetched(kid, algorithm)
        return verifier.principal(token)

    async def _verifier_once_fetched(self, kid: str | None, algorithm: str) -> TokenVerifier:
        self._fetch_when_due(self._clock())
        if self._fetch is not None:
            # All who wait share one fetch. Unlike awaiting the task, this neither ends it when a caller
            # goes away, nor ends the callers when it is cancelled.
            await asyncio.wait([self._fetch])
        verifier = self._keys.verifier(kid, algorithm)
        if verifier is not None:
            return verifier
        if not self._answered:
            detail = "The identity provider's keys cannot be fetched now, so this token cannot be checked."
            left = self._asked_at + COOLDOWN - self._clock()
            raise IdentityProviderUnavailable(detail, retry_after=max(1, math.ceil(left)))
        detail = "The token's key (kid) is not one that the identity provider publishes."
        raise Unauthenticated(detail)

    def _fetch_when_due(self, now: float) -> None:
        if self._client is None:
            message = "the identity provider's client is not open: run the app's lifespan"
            raise RuntimeError(message)
        under_way = self._fetch is not None and not self._fetch.done()
        if under_way or now - self._asked_at < COOLDOWN:
            return
        self._asked_at = now
        self._answered = False
        self._fetch = asyncio.create_task(self._refresh(self._client, now))

    async def _refresh(self, client: httpx.AsyncClient, now: float) -> None:
        host = ""

        async def read(url: httpx.URL) -> dict[str, Any]:
            nonlocal host
            host = url.host
            return await read_json(client, url)

        try:
            async with asyncio.timeout(DEADLINE):
                keys = self._key_set(await self._source.key_set(read))
            if not keys:
                reason = "no usable key"
                raise UnusableAnswerError(reason)
        except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError, OSError, ValueError) as error:
            reason = str(error) if isinstance(error, UnusableAnswerError) else type(error).__name__
            _log.warning("jwks_unavailable", host=host, reason=reason)
            return
        self._keys = keys
        self._keys_asked_at = now
        self._answered = True
        _log.info("jwks_fetched", host=host, keys=len(keys))

    def _key_set(self, document: dict[str, Any]) -> KeySet:
        return KeySet(document, algorithms=self._algorithms, verifier=self._verifier)

    def _verifier(self, key: PublicKey, algorithm: str) -> TokenVerifier:
        return TokenVerifier(
            key=key,
            algorithms=(algorithm,),
            audience=self._audience,
            issuer=self._issuer,
            user_claim=self._user_claim,
        )

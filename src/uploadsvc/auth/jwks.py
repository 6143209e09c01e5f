"""Verify tokens with an identity provider's published keys."""

import asyncio
import math
from collections.abc import Callable
from dataclasses import replace
from http import HTTPStatus
from types import TracebackType
from typing import Any, Final, Self

import httpx
import structlog

from uploadsvc.auth.claims import ClaimRules
from uploadsvc.auth.discovery import JwksUrl, OidcIssuer, UnusableAnswerError, read_json
from uploadsvc.auth.jwk_set import JwkSet
from uploadsvc.auth.jwt import TokenVerifier, check_form, refuse_service_token, unverified_header
from uploadsvc.auth.public_keys import ASYMMETRIC, PublicKey, with_other_names
from uploadsvc.domain.errors import IdentityProviderUnavailable, Unauthenticated
from uploadsvc.domain.principal import Principal
from uploadsvc.telemetry.metrics import Metrics
from uploadsvc.telemetry.tracing import Tracing
from uploadsvc.tokens.jwts import SERVICE_TYPS
from uploadsvc.tokens.known_tokens import KnownTokens

DEADLINE: Final = 5.0
"""Seconds for a fetch, including discovery."""

COOLDOWN: Final = 30.0
"""Minimum seconds between the starts of two fetches, even after a success."""

MAX_AGE: Final = 600.0
"""Seconds between fetches of keys. During a fetch, the old keys are used."""

MIN_KEYS_MAX_AGE: Final = 1200
"""Minimum of ``keys_max_age`` in seconds, so that there is time to repeat a failed fetch."""

_log = structlog.get_logger("uploadsvc.auth")


class JwksVerifier:
    """Verifies the tokens of one identity provider. Enter it to open its client and fetch the keys.

    Args:
        source: Source of the keys.
        algorithms: The allowed algorithms; empty for all with public keys.
        rules: Rules for the claims. An audience is required, because a provider signs for many services. The
            issuer is by default the source, if that is an issuer.
        keys_max_age: Seconds to keep using keys without a successful fetch, so that a withdrawn key is not
            trusted for as long as the provider is down.
        timer: Monotonic seconds, for the age of the keys.
        metrics: Counts fetches.
        transport: Transport for requests, in tests.
        tracing: Makes spans.

    Raises:
        ValueError: An algorithm has no public keys, or the issuer differs from the source.
    """

    def __init__(
        self,
        *,
        source: JwksUrl | OidcIssuer,
        algorithms: tuple[str, ...],
        rules: ClaimRules,
        keys_max_age: float,
        timer: Callable[[], float],
        metrics: Metrics,
        transport: httpx.AsyncBaseTransport | None = None,
        tracing: Tracing | None = None,
    ) -> None:
        for algorithm in algorithms:
            if algorithm not in ASYMMETRIC:
                message = (
                    f"{algorithm!r} does not go with published keys; allowed are {', '.join(ASYMMETRIC)}"
                )
                raise ValueError(message)
        if isinstance(source, OidcIssuer):
            if rules.issuer not in {None, source.issuer}:
                message = "tokens of a discovered issuer name that issuer, and no other"
                raise ValueError(message)
            rules = replace(rules, issuer=source.issuer)
        self._source = source
        self._algorithms = frozenset(with_other_names(algorithms or ASYMMETRIC))
        self._rules = rules
        self._keys_max_age = keys_max_age
        self._timer = timer
        self._transport = transport
        self._tracing = tracing or Tracing()
        self._client: httpx.AsyncClient | None = None
        self._fetch: asyncio.Task[None] | None = None
        self._keys = self._jwk_set({})
        self._known = KnownTokens[Principal](rules.clock)
        self._keys_fetched_at: float | None = None
        self._fetch_started_at = -math.inf
        self._fetched = False
        self._fetches = metrics.jwks_fetches
        metrics.jwks_age.follow(self._keys_age)
        metrics.known_tokens.follow(lambda: len(self._known))

    async def __aenter__(self) -> Self:
        """Open the client and start a fetch in the background, which may fail."""
        self._client = httpx.AsyncClient(
            transport=self._transport,
            timeout=None,  # noqa: S113 - DEADLINE bounds all reads of a fetch together
            follow_redirects=False,
        )
        self._fetch_when_due(self._timer())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Cancel a running fetch, and close the client."""
        if self._fetch is not None:
            self._fetch.cancel()
            await asyncio.wait([self._fetch])
            # The next start may use another event loop, and must not wait for the cooldown.
            self._fetch = None
            self._fetch_started_at = -math.inf
        if self._client is not None:
            await self._client.aclose()
            self._client = None

    def take_over(self, other: "JwksVerifier") -> None:
        """Take over the keys of another verifier with the same settings, and their age."""
        for name in ("_keys", "_keys_fetched_at", "_fetch_started_at", "_fetched"):
            setattr(self, name, getattr(other, name))

    def known(self, token: str) -> Principal | None:
        """Return the caller of a token cached since the last fetch of keys, or ``None``."""
        # The keys must be fetched again when due, even if all tokens are cached.
        self._keep_fresh()
        return self._known.get(token)

    async def verify(self, token: str) -> Principal:
        """Verify a token and return its caller. Waits only for a fetch that may add an unknown key.

        Raises:
            Unauthenticated: The token is not valid. The detail says why, without quoting it.
            IdentityProviderUnavailable: Its key is unknown, and the keys could not be fetched.
        """
        header = unverified_header(token)
        algorithm, kid = header.get("alg"), header.get("kid")
        if not isinstance(algorithm, str) or algorithm not in self._algorithms:
            detail = "The token is malformed, or its algorithm (alg) is not allowed here."
            raise Unauthenticated(detail, reason="algorithm" if isinstance(algorithm, str) else "malformed")
        if str(header.get("typ")).startswith(SERVICE_TYPS):
            refuse_service_token()
        if kid is not None and not isinstance(kid, str):
            detail = "The token is malformed."
            raise Unauthenticated(detail, reason="malformed")
        self._keep_fresh()
        verifier = self._keys.verifier(kid, algorithm)
        if verifier is None:
            check_form(token)
            verifier = await self._verifier_once_fetched(kid, algorithm)
        principal = verifier.verify(token)
        self._known.keep(token, principal, expires_at=principal.expires_at)
        return principal

    def _keep_fresh(self) -> None:
        """Fetch the keys again when due, and drop those that are too old."""
        now = self._timer()
        if self._keys_fetched_at is not None and now - self._keys_fetched_at >= MAX_AGE:
            if now - self._keys_fetched_at >= self._keys_max_age:
                self._forget_keys()
            self._fetch_when_due(now)

    async def _verifier_once_fetched(self, kid: str | None, algorithm: str) -> TokenVerifier:
        self._fetch_when_due(self._timer())
        if self._fetch is not None:
            # All callers share one fetch. Unlike awaiting the task, this neither cancels it when a caller
            # leaves, nor cancels the callers with it.
            await asyncio.wait([self._fetch])
        verifier = self._keys.verifier(kid, algorithm)
        if verifier is not None:
            return verifier
        if not self._fetched:
            detail = "The identity provider's keys cannot be fetched now, so this token cannot be checked."
            left = self._fetch_started_at + COOLDOWN - self._timer()
            raise IdentityProviderUnavailable(detail, retry_after=max(1, math.ceil(left)))
        detail = "The token's key (kid) is not one that the identity provider publishes."
        raise Unauthenticated(detail, reason="unknown_key")

    def _forget_keys(self) -> None:
        # If the last fetch succeeded, there were no calls since, so there is nothing to warn about.
        log = _log.info if self._fetched else _log.warning
        log("jwks_expired", max_age=self._keys_max_age)
        self._use(self._jwk_set({}))
        self._keys_fetched_at = None

    def _fetch_when_due(self, now: float) -> None:
        if self._client is None:
            message = "the identity provider's client is not open: run the app's lifespan"
            raise RuntimeError(message)
        running = self._fetch is not None and not self._fetch.done()
        if running or now - self._fetch_started_at < COOLDOWN:
            return
        self._fetch_started_at = now
        self._fetched = False
        self._fetch = asyncio.create_task(self._refresh(self._client, now))

    async def _refresh(self, client: httpx.AsyncClient, now: float) -> None:
        host = ""

        async def read(url: httpx.URL) -> dict[str, Any]:
            nonlocal host
            host = url.host
            attributes = {"http.request.method": "GET", "server.address": host}
            with self._tracing.call("fetch keys", attributes) as span:
                document = await read_json(client, url)
                span.answered(HTTPStatus.OK)
                return document

        try:
            async with asyncio.timeout(DEADLINE):
                document = await self._source.jwk_set(read)
            if not isinstance(document.get("keys"), list):
                reason = "no list of keys"
                raise UnusableAnswerError(reason)
        except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError, OSError, ValueError) as error:
            reason = str(error) if isinstance(error, UnusableAnswerError) else type(error).__name__
            self._fetches.inc("failed")
            _log.warning("jwks_unavailable", host=host, reason=reason, **self._seconds_left())
            return
        # A set without a usable key counts too: its provider has withdrawn the old ones.
        keys = self._jwk_set(document)
        self._use(keys)
        self._keys_fetched_at = now
        self._fetched = True
        self._fetches.inc("ok")
        log = _log.info if keys else _log.warning
        log("jwks_fetched", host=host, keys=len(keys), **({"skipped": keys.skipped} if keys.skipped else {}))

    def _use(self, keys: JwkSet) -> None:
        self._keys = keys
        # A cached token may have been verified by a key that is withdrawn now.
        self._known.clear()

    def _keys_age(self) -> float | None:
        return None if self._keys_fetched_at is None else self._timer() - self._keys_fetched_at

    def _seconds_left(self) -> dict[str, int]:
        """Return the remaining seconds of use of the keys, if there are any."""
        if not self._keys or self._keys_fetched_at is None:
            return {}
        left = self._keys_fetched_at + self._keys_max_age - self._timer()
        return {"old_keys_used_for_seconds": max(0, round(left))}

    def _jwk_set(self, document: dict[str, Any]) -> JwkSet:
        return JwkSet(document, algorithms=self._algorithms, verifier=self._verifier)

    def _verifier(self, key: PublicKey, algorithm: str) -> TokenVerifier:
        return TokenVerifier(key=key, algorithms=(algorithm,), rules=self._rules)

"""Authenticate a request by its first credential. An invalid one is an error, even if there is another."""

from collections.abc import Callable, Container
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from uploadsvc.auth.api_keys import ON_BEHALF_OF, ApiKey, api_key_principal
from uploadsvc.auth.cookies import check_cookie_write, check_proxied_write, cookie_value
from uploadsvc.auth.jwt import MAX_TOKEN_CHARACTERS, TokenVerifier, token_typ
from uploadsvc.auth.request import AuthRequest
from uploadsvc.auth.trusted_header import TrustedHeader
from uploadsvc.domain.errors import Unauthenticated
from uploadsvc.domain.principal import Principal
from uploadsvc.tokens.jwts import DEMO, UPLOAD, ServiceTokens
from uploadsvc.tokens.known_tokens import KnownTokens


class JwtVerifier(Protocol):
    """Verifies the JWTs of an identity provider."""

    def known(self, token: str) -> Principal | None:
        """Return the caller of a cached token, or ``None``, to call `verify` then."""

    async def verify(self, token: str) -> Principal:
        """Verify a token and return its caller.

        Raises:
            Unauthenticated: The token is not valid.
            IdentityProviderUnavailable: No keys are available to verify it.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class Authenticator:
    """Turns a request into a principal.

    Attributes:
        jwts: Verifies JWTs of the identity provider, from bearer token or cookie; ``None`` if off.
        demo_tokens: Verifies the demo users' tokens; ``None`` outside demo mode.
        upload_tokens: Verifies upload tokens.
        api_keys: The API keys of other services.
        cookie: The name of the JWT cookie; ``None`` if off.
        trusted_header: The user header of a proxy; ``None`` if off.
        allowed_origins: Origins that may write with a cookie or through the proxy, on any host.
    """

    jwts: JwtVerifier | None
    demo_tokens: ServiceTokens | None
    upload_tokens: ServiceTokens
    api_keys: tuple[ApiKey, ...] = ()
    cookie: str | None = None
    trusted_header: TrustedHeader | None = None
    allowed_origins: Container[str] = frozenset()

    async def authenticate(self, request: AuthRequest, *, user_needed: bool = True) -> Principal:
        """Return the caller.

        Args:
            request: The request.
            user_needed: Whether a service must name a user.

        Raises:
            Unauthenticated: There is no credential, or the first one is not valid.
            Forbidden: A browser sent a write for another site.
            ValidationFailed: The API key is valid, but ``X-On-Behalf-Of`` is not.
            IdentityProviderUnavailable: The keys that would verify a token cannot be fetched.
        """
        if (authorization := request.single("authorization")) is not None:
            return await self._bearer(authorization)
        if self.api_keys and (key := request.single("x-api-key")) is not None:
            on_behalf_of = request.single(ON_BEHALF_OF.lower())
            return api_key_principal(self.api_keys, key, on_behalf_of, user_needed=user_needed)
        if self.cookie is not None and self.jwts is not None:
            token = cookie_value(request.headers.getlist("cookie"), self.cookie)
            if token is not None:
                check_cookie_write(request, self.allowed_origins)
                return self.jwts.known(limited(token)) or await self.jwts.verify(token)
        if self.trusted_header is not None and (user := self.trusted_header.user(request)) is not None:
            check_proxied_write(request, self.allowed_origins)
            return Principal(user=user)
        detail = f"No credential came with the request; send {self._accepted()}."
        raise Unauthenticated(detail, reason="no_credential")

    async def _bearer(self, authorization: str) -> Principal:
        scheme, _, token = authorization.partition(" ")
        token = token.strip()
        if scheme.lower() != "bearer" or not token:
            detail = "Authorization must be 'Bearer' and a token."
            raise Unauthenticated(detail, reason="scheme")
        limited(token)
        if self.jwts is not None and (known := self.jwts.known(token)) is not None:
            return known
        typ = token_typ(token)
        if typ == UPLOAD.typ:
            return self.upload_tokens.verify(token).principal
        if typ == DEMO.typ and self.demo_tokens is not None:
            return self.demo_tokens.verify(token).principal
        if self.jwts is None:
            detail = f"Only upload tokens work as bearer tokens here; otherwise send {self._accepted()}."
            raise Unauthenticated(detail, reason="wrong_kind")
        return await self.jwts.verify(token)

    def _accepted(self) -> str:
        accepted = []
        if self.jwts is not None or self.demo_tokens is not None:
            accepted.append("'Authorization: Bearer <token>'")
        if self.api_keys:
            accepted.append(f"'X-API-Key' with '{ON_BEHALF_OF}'")
        if self.cookie is not None:
            accepted.append("the cookie that signs in")
        if self.trusted_header is not None:
            accepted.append("the request through the proxy that signs in")
        return " or ".join(accepted)


def limited(token: str) -> str:
    """Return a token unless it is too long.

    Raises:
        Unauthenticated: It is longer than `MAX_TOKEN_CHARACTERS`.
    """
    if len(token) > MAX_TOKEN_CHARACTERS:
        detail = f"A token may have at most {MAX_TOKEN_CHARACTERS} bytes."
        raise Unauthenticated(detail, reason="too_long")
    return token


class FixedKeyVerifier:
    """Verifies tokens with a fixed key, and caches them.

    Args:
        verifier: Verifies tokens that are not cached.
        clock: Returns the current time, aware.
    """

    def __init__(self, verifier: TokenVerifier, *, clock: Callable[[], datetime]) -> None:
        self._verifier = verifier
        self._known = KnownTokens[Principal](clock)

    def known_count(self) -> int:
        """Return the number of cached tokens."""
        return len(self._known)

    def known(self, token: str) -> Principal | None:
        """Return the caller of a cached token, or ``None``."""
        return self._known.get(token)

    async def verify(self, token: str) -> Principal:
        """Verify a token and return its caller.

        Raises:
            Unauthenticated: The token is not valid.
        """
        principal = self._verifier.verify(token)
        self._known.keep(token, principal, expires_at=principal.expires_at)
        return principal

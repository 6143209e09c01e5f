"""Which credential decides: the first that is present, without falling through to the next."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from uploadsvc.auth.api_keys import ON_BEHALF_OF, ApiKey, api_key_principal
from uploadsvc.auth.calls import Call
from uploadsvc.auth.cookies import check_cookie_write, check_proxied_write, cookie_value
from uploadsvc.auth.tokens import DEMO_TYP, MAX_TOKEN_CHARACTERS, TokenVerifier, token_typ
from uploadsvc.auth.trusted_header import TrustedHeader
from uploadsvc.domain.errors import Unauthenticated
from uploadsvc.domain.principal import Principal
from uploadsvc.tokens.upload_tokens import TYP as UPLOAD_TYP
from uploadsvc.tokens.upload_tokens import UploadTokens

Verify = Callable[[str], Awaitable[Principal]]
"""Checks a token; raises `Unauthenticated`, or `IdentityProviderUnavailable` where it cannot."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Authenticator:
    """Turns a request into a principal.

    Attributes:
        verify: For JWTs, sent as bearer tokens or in the cookie; ``None`` where they are off.
        demo: For the demo users' tokens; ``None`` outside demo mode.
        upload_tokens: Opens our own.
        api_keys: The services that may call.
        cookie: The name of the JWT cookie; ``None`` where it is off.
        trusted_header: What a proxy sets; ``None`` where it is off.
        allowed_origins: Other sites that may write for those whom a browser or a proxy signs in.
    """

    verify: Verify | None
    demo: Verify | None
    upload_tokens: UploadTokens
    api_keys: tuple[ApiKey, ...] = ()
    cookie: str | None = None
    trusted_header: TrustedHeader | None = None
    allowed_origins: frozenset[str] = frozenset()

    async def authenticate(self, call: Call, *, user_needed: bool = True) -> Principal:
        """Return who calls.

        Args:
            call: The request.
            user_needed: Whether a service has to name a user.

        Raises:
            Unauthenticated: No credential is there, or the first one does not hold.
            Forbidden: A browser was made to write by another site.
            ValidationFailed: A good API key without a good ``X-On-Behalf-Of``.
            IdentityProviderUnavailable: The keys that would check a token cannot be fetched.
        """
        if (authorization := call.single("authorization")) is not None:
            return await self._bearer(authorization)
        if self.api_keys and (key := call.single("x-api-key")) is not None:
            on_behalf_of = call.single(ON_BEHALF_OF.lower())
            return api_key_principal(self.api_keys, key, on_behalf_of, user_needed=user_needed)
        if self.cookie is not None and self.verify is not None:
            token = cookie_value(call.headers.getlist("cookie"), self.cookie)
            if token is not None:
                check_cookie_write(call, self.allowed_origins)
                return await self.verify(limited(token))
        if self.trusted_header is not None and (user := self.trusted_header.user(call)) is not None:
            check_proxied_write(call, self.allowed_origins)
            return Principal(user=user)
        detail = f"No credential came with the request; send {self._accepted()}."
        raise Unauthenticated(detail)

    async def _bearer(self, authorization: str) -> Principal:
        scheme, _, token = authorization.partition(" ")
        token = token.strip()
        if scheme.lower() != "bearer" or not token:
            detail = "Authorization must be 'Bearer' and a token."
            raise Unauthenticated(detail)
        typ = token_typ(limited(token))
        if typ == UPLOAD_TYP:
            return self.upload_tokens.verify(token)
        verify = self.demo if typ == DEMO_TYP and self.demo is not None else self.verify
        if verify is None:
            detail = f"Only upload tokens are taken as bearer tokens here; otherwise send {self._accepted()}."
            raise Unauthenticated(detail)
        return await verify(token)

    def _accepted(self) -> str:
        accepted = []
        if self.verify is not None or self.demo is not None:
            accepted.append("'Authorization: Bearer <token>'")
        if self.api_keys:
            accepted.append(f"'X-API-Key' with '{ON_BEHALF_OF}'")
        if self.cookie is not None:
            accepted.append("the cookie that signs in")
        if self.trusted_header is not None:
            accepted.append("the request through the proxy that signs in")
        return " or ".join(accepted)


def limited(token: str) -> str:
    """Return a token that is not too long to look at.

    Raises:
        Unauthenticated: It is.
    """
    if len(token) > MAX_TOKEN_CHARACTERS:
        detail = f"A token may have at most {MAX_TOKEN_CHARACTERS} bytes."
        raise Unauthenticated(detail)
    return token


def by_fixed_key(verifier: TokenVerifier) -> Verify:
    """Return a check that never has to wait."""

    async def verify(token: str) -> Principal:
        return verifier.principal(token)

    return verify

"""Authentication dependencies: return the caller as a `Principal`, and count requests."""

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Annotated, Final

from fastapi import Depends, Path, Request
from starlette.types import Scope

from uploadsvc.api.routing import PRINCIPAL_KEY
from uploadsvc.auth.authenticator import Authenticator, limited
from uploadsvc.auth.client_address import ClientAddresses, forwarded_for
from uploadsvc.auth.request import AuthRequest, RawHeaders
from uploadsvc.domain.errors import RateLimited, Unauthenticated
from uploadsvc.domain.principal import Principal
from uploadsvc.tokens.jwts import ServiceTokens

if TYPE_CHECKING:
    from uploadsvc.limiting.rates import RateLimits

Authenticate = Callable[..., Principal | Awaitable[Principal]]
"""A FastAPI dependency that returns the caller or raises. It may have its own dependencies."""

_COUNTED_KEY: Final = "uploadsvc.counted"
"""Scope key for the result of counting a request. Requests that the hot path cannot serve come here twice."""


class RequestRates:
    """Counts each request once: for its caller, or for its address if it has no valid credential.

    Args:
        rates: The limits.
        addresses: Finds client addresses behind proxies.
    """

    def __init__(self, rates: "RateLimits", addresses: ClientAddresses) -> None:
        self._rates = rates
        self._addresses = addresses

    async def passed(self, scope: Scope, principal: Principal) -> None:
        """Count a request of a caller.

        Raises:
            RateLimited: The caller or its service has sent too many.
        """
        if _counted(scope):
            return
        try:
            await self._rates.request(principal)
        except RateLimited as refusal:
            scope[_COUNTED_KEY] = refusal
            raise

    async def failed(self, scope: Scope, error: Unauthenticated) -> None:
        """Count a request without a valid credential.

        Raises:
            RateLimited: Too many came from its address.
        """
        if _counted(scope):
            return
        peer = scope.get("client")
        address = self._addresses.of(peer[0] if peer else None, forwarded_for(scope["headers"]))
        refusal = await self._rates.failure(address, error)
        if refusal is not None:
            scope[_COUNTED_KEY] = refusal
            raise refusal


def _counted(scope: Scope) -> bool:
    """Return whether a request was counted before; raise its refusal again.

    Raises:
        RateLimited: It was refused.
    """
    before = scope.get(_COUNTED_KEY)
    if isinstance(before, RateLimited):
        raise before
    scope[_COUNTED_KEY] = True
    return before is not None


class Authentication:
    """Dependency for credentials in headers and cookies.

    Args:
        authenticator: Verifies them.
        user_needed: Whether a service must name a user.
        rates: Rate limits; ``None`` for none.
    """

    def __init__(
        self, authenticator: Authenticator, *, user_needed: bool = True, rates: RequestRates | None = None
    ) -> None:
        self._authenticator = authenticator
        self._user_needed = user_needed
        self._rates = rates

    async def __call__(self, request: Request) -> Principal:
        """Return the caller of a request.

        Raises:
            UploadsvcError: There is no valid credential.
        """
        return await self.caller(request.scope)

    async def caller(self, scope: Scope) -> Principal:
        """Return the caller of an ASGI request.

        Raises:
            UploadsvcError: There is no valid credential, or the caller has sent too many requests.
        """
        peer = scope.get("client")
        call = AuthRequest(
            method=scope["method"], headers=RawHeaders(scope["headers"]), peer=peer[0] if peer else None
        )
        try:
            principal = await self._authenticator.authenticate(call, user_needed=self._user_needed)
        except Unauthenticated as error:
            if self._rates is not None:
                await self._rates.failed(scope, error)
            raise
        scope[PRINCIPAL_KEY] = principal
        if self._rates is not None:
            await self._rates.passed(scope, principal)
        return principal


def path_authentication(tokens: ServiceTokens, *, rates: RequestRates | None = None) -> Authenticate:
    """Return the dependency for an upload token in the path, for clients that cannot send headers.

    Args:
        tokens: Verifies it.
        rates: Rate limits; ``None`` for none.
    """

    async def authenticate(request: Request, token: Annotated[str, Path()]) -> Principal:
        try:
            principal = tokens.verify(limited(token)).principal
        except Unauthenticated as error:
            if rates is not None:
                await rates.failed(request.scope, error)
            raise
        request.scope[PRINCIPAL_KEY] = principal
        if rates is not None:
            await rates.passed(request.scope, principal)
        return principal

    return authenticate


def counted(authenticate: Authenticate, rates: RequestRates | None) -> Authenticate:
    """Wrap an app's own authentication dependency in one that counts requests."""
    if rates is None:
        return authenticate
    known = rates

    async def caller(request: Request, principal: Annotated[Principal, Depends(authenticate)]) -> Principal:
        await known.passed(request.scope, principal)
        return principal

    return caller

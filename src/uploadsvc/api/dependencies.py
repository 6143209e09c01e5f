"""Authentication dependencies: they return the caller as a `Principal`."""

from collections.abc import Awaitable, Callable
from typing import Annotated

from fastapi import Path, Request
from starlette.types import Scope

from uploadsvc.api.routing import PRINCIPAL_KEY
from uploadsvc.auth.authenticator import Authenticator, limited
from uploadsvc.auth.request import AuthRequest, RawHeaders
from uploadsvc.domain.principal import Principal
from uploadsvc.tokens.jwts import ServiceTokens

Authenticate = Callable[..., Principal | Awaitable[Principal]]
"""A FastAPI dependency that returns the caller or raises. It may have its own dependencies."""


class Authentication:
    """The dependency for credentials in headers and cookies.

    Args:
        authenticator: Verifies them.
        user_needed: Whether a service must name a user.
    """

    def __init__(self, authenticator: Authenticator, *, user_needed: bool = True) -> None:
        self._authenticator = authenticator
        self._user_needed = user_needed

    async def __call__(self, request: Request) -> Principal:
        """Return the caller of a request.

        Raises:
            UploadsvcError: There is no valid credential.
        """
        return await self.caller(request.scope)

    async def caller(self, scope: Scope) -> Principal:
        """Return the caller of an ASGI request.

        Raises:
            UploadsvcError: There is no valid credential.
        """
        peer = scope.get("client")
        call = AuthRequest(
            method=scope["method"], headers=RawHeaders(scope["headers"]), peer=peer[0] if peer else None
        )
        principal = await self._authenticator.authenticate(call, user_needed=self._user_needed)
        scope[PRINCIPAL_KEY] = principal
        return principal


def path_authentication(tokens: ServiceTokens) -> Authenticate:
    """Return the dependency for an upload token in the path, for clients that cannot send headers.

    Args:
        tokens: Verifies it.
    """

    async def authenticate(request: Request, token: Annotated[str, Path()]) -> Principal:
        principal = tokens.verify(limited(token)).principal
        request.scope[PRINCIPAL_KEY] = principal
        return principal

    return authenticate

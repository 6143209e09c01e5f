"""Authentication dependencies: they return the caller as a `Principal`."""

from collections.abc import Awaitable, Callable
from typing import Annotated

from fastapi import Path, Request

from uploadsvc.api.middleware import PRINCIPAL_KEY
from uploadsvc.auth.authenticator import Authenticator, limited
from uploadsvc.auth.request import AuthRequest
from uploadsvc.domain.principal import Principal
from uploadsvc.tokens.jwts import ServiceTokens

Authenticate = Callable[..., Principal | Awaitable[Principal]]
"""A FastAPI dependency that returns the caller or raises. It may have its own dependencies."""


def authentication(authenticator: Authenticator, *, user_needed: bool = True) -> Authenticate:
    """Return the dependency for credentials in headers and cookies.

    Args:
        authenticator: Verifies them.
        user_needed: Whether a service must name a user.
    """

    async def authenticate(request: Request) -> Principal:
        peer = request.client.host if request.client else None
        call = AuthRequest(method=request.method, headers=request.headers, peer=peer)
        principal = await authenticator.authenticate(call, user_needed=user_needed)
        request.scope[PRINCIPAL_KEY] = principal
        return principal

    return authenticate


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

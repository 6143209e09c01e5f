"""Who calls, as a type that a handler's signature shows."""

from collections.abc import Awaitable, Callable
from typing import Annotated

from fastapi import Path, Request

from uploadsvc.api.middleware import PRINCIPAL_KEY
from uploadsvc.auth.authenticator import Authenticator, limited
from uploadsvc.auth.request import AuthRequest
from uploadsvc.domain.principal import Principal
from uploadsvc.tokens.jwts import ServiceTokens

Authenticate = Callable[..., Principal | Awaitable[Principal]]
"""A FastAPI dependency, with dependencies of its own if it likes, that returns the caller or raises."""


def authentication(authenticator: Authenticator, *, user_needed: bool = True) -> Authenticate:
    """Return the dependency that asks this authenticator.

    Args:
        authenticator: Ours.
        user_needed: Whether a service has to name a user.
    """

    async def authenticate(request: Request) -> Principal:
        peer = request.client.host if request.client else None
        call = AuthRequest(method=request.method, headers=request.headers, peer=peer)
        principal = await authenticator.authenticate(call, user_needed=user_needed)
        request.scope[PRINCIPAL_KEY] = principal
        return principal

    return authenticate


def path_authentication(tokens: ServiceTokens) -> Authenticate:
    """Return the dependency that takes an upload token from the address, for clients that send no header.

    Args:
        tokens: Opens them.
    """

    async def authenticate(request: Request, token: Annotated[str, Path()]) -> Principal:
        principal = tokens.verify(limited(token)).principal
        request.scope[PRINCIPAL_KEY] = principal
        return principal

    return authenticate

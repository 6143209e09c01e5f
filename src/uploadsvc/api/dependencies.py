"""Who calls, as a type that a handler's signature shows."""

from collections.abc import Awaitable, Callable

from fastapi import Request

from uploadsvc.api.middleware import USER_KEY
from uploadsvc.auth.authenticator import Authenticator
from uploadsvc.domain.principal import Principal

Authenticate = Callable[[Request], Awaitable[Principal]]
"""A FastAPI dependency that returns the caller or raises."""


def authentication(authenticator: Authenticator) -> Authenticate:
    """Return the dependency that asks this authenticator."""

    async def authenticate(request: Request) -> Principal:
        principal = await authenticator.authenticate(request.headers)
        request.scope[USER_KEY] = principal.user
        return principal

    return authenticate

"""Who calls, as a type that a handler's signature shows."""

from collections.abc import Awaitable, Callable

from fastapi import Request

from uploadsvc.api.middleware import PRINCIPAL_KEY
from uploadsvc.auth.authenticator import Authenticator
from uploadsvc.auth.calls import Call
from uploadsvc.domain.principal import Principal

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
        call = Call(method=request.method, headers=request.headers, peer=peer)
        principal = await authenticator.authenticate(call, user_needed=user_needed)
        request.scope[PRINCIPAL_KEY] = principal
        return principal

    return authenticate

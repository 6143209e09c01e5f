"""Issue upload tokens."""

from collections.abc import Callable, Collection
from datetime import datetime, timedelta

from uploadsvc.domain import errors
from uploadsvc.domain.keys import Namespace
from uploadsvc.domain.principal import Principal
from uploadsvc.tokens.jwts import ServiceTokens


class UploadTokenIssuer:
    """Issues upload tokens. A token never has more rights than the caller's credential.

    Args:
        policies: Names of all policies.
        namespace: The key prefix, to check user ids.
        tokens: Signs the tokens.
        expires_in: Default lifetime of a token, in seconds.
        max_expires_in: Maximum lifetime of a token, in seconds.
        clock: Returns the current time, aware.
    """

    def __init__(
        self,
        *,
        policies: Collection[str],
        namespace: Namespace,
        tokens: ServiceTokens,
        expires_in: int,
        max_expires_in: int,
        clock: Callable[[], datetime],
    ) -> None:
        self._policies = policies
        self._namespace = namespace
        self._tokens = tokens
        self._expires_in = expires_in
        self._max_expires_in = max_expires_in
        self._clock = clock

    def issue(
        self, caller: Principal, *, user: str | None, policies: Collection[str] | None, expires_in: int | None
    ) -> tuple[str, datetime]:
        """Return an upload token and its expiry time, never later than that of the caller's credential.

        Args:
            caller: The caller.
            user: User of the token, by default the caller. Only a service (API key) can name another user.
            policies: Policies that the token can use, by default the caller's.
            expires_in: Lifetime in seconds, at most the maximum.

        Raises:
            Forbidden: The token would have more rights than the caller, or the user id cannot have a prefix.
            PolicyNotFound: There is no such policy.
            ValidationFailed: A service names no user, or two different ones.
            Unauthenticated: The caller's credential has expired.
        """
        if caller.kind == "upload_token":
            detail = "An upload token cannot issue another token."
            raise errors.Forbidden(detail)
        subject = _subject(caller, user)
        self._namespace.user_prefix(subject)
        for name in sorted(policies or ()):
            if name not in self._policies:
                detail = (
                    f"There is no such policy; yours: {', '.join(caller.usable(self._policies)) or 'none'}."
                )
                raise errors.PolicyNotFound(detail, field="policies")
            caller.check_policy(name, field="policies")
        narrowed = caller.policies if policies is None else frozenset(policies)
        now = self._clock().replace(microsecond=0)
        expires_at = now + timedelta(seconds=min(expires_in or self._expires_in, self._max_expires_in))
        if caller.expires_at is not None:
            expires_at = min(expires_at, caller.expires_at.replace(microsecond=0))
        if expires_at <= now:
            detail = "The credential has expired."
            raise errors.Unauthenticated(detail, reason="expired")
        token = self._tokens.issue(subject, narrowed, expires_at=expires_at, quotas=caller.quotas)
        return token, expires_at


def _subject(caller: Principal, user: str | None) -> str:
    if caller.kind != "service":
        if user not in {None, caller.user}:
            detail = "Only an API key may name another user."
            raise errors.Forbidden(detail, field="user")
        return caller.user
    if user and caller.user and user != caller.user:
        detail = "user and X-On-Behalf-Of name two users; send one of them."
        raise errors.ValidationFailed(detail, field="user")
    if not (user or caller.user):
        detail = "With an API key, name the user of the token."
        raise errors.ValidationFailed(detail, field="user")
    return user or caller.user

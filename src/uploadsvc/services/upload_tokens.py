"""The use case of handing on a part of one's rights, as an upload token."""

from collections.abc import Callable, Collection
from datetime import datetime, timedelta

from uploadsvc.domain import errors
from uploadsvc.domain.keys import Namespace
from uploadsvc.domain.principal import Principal
from uploadsvc.tokens.jwts import ServiceTokens


class UploadTokenIssuer:
    """Upload tokens, never wider than the credential that asks for them.

    Args:
        policies: The names of all policies.
        namespace: The key prefix; it says which user ids can own one.
        tokens: Mints.
        expires_in: How long a token lives when a request does not say, in seconds.
        max_expires_in: The most that a request may ask for, in seconds.
        clock: The time now, aware.
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
        """Return an upload token and its end: never later than that of the caller's own credential.

        Args:
            caller: Who asks.
            user: Whom it speaks for; the caller by default. Only another service may name somebody else.
            policies: Those that it may use; the caller's own by default.
            expires_in: Seconds; cut to the most that is allowed.

        Raises:
            Forbidden: It would be wider than the caller's rights, or no such user can own a prefix.
            PolicyNotFound: There is no such policy.
            ValidationFailed: A service names nobody, or two.
            Unauthenticated: The caller's credential has ended.
        """
        if caller.kind == "upload_token":
            detail = "An upload token mints no other token."
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
            raise errors.Unauthenticated(detail)
        return self._tokens.issue(subject, narrowed, expires_at=expires_at), expires_at


def _subject(caller: Principal, user: str | None) -> str:
    if caller.kind != "service":
        if user not in {None, caller.user}:
            detail = "Only an API key may name another user."
            raise errors.Forbidden(detail, field="user")
        return caller.user
    if user and caller.user and user != caller.user:
        detail = "The user is another one than X-On-Behalf-Of names; send one of the two."
        raise errors.ValidationFailed(detail, field="user")
    if not (user or caller.user):
        detail = "With an API key, name the user whom the token speaks for."
        raise errors.ValidationFailed(detail, field="user")
    return user or caller.user

"""Authenticated callers."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from uploadsvc.domain.errors import Forbidden
from uploadsvc.domain.quotas import QuotaChange


@dataclass(frozen=True, slots=True, kw_only=True)
class Principal:
    """An authenticated caller.

    Attributes:
        user: The user id, which determines the prefix; empty if a service names none and the call needs none.
        policies: The policies that may be used; ``None`` for all.
        service: Name of the service that acts for the user, for the log.
        kind: ``user`` for people, ``service`` for a service that acts for a user, ``upload_token`` for the
            holder of an upload token.
        expires_at: End of the credential, aware; ``None`` if it has none.
        quotas: Quotas that the user has instead of those of the policies, by policy; ``*`` is for policies
            that are not named. ``None`` for the policies' own.
        all_users: Whether a service may list the objects of all users.
    """

    user: str
    policies: frozenset[str] | None = None
    kind: Literal["user", "service", "upload_token"] = "user"
    expires_at: datetime | None = None
    service: str | None = None
    quotas: Mapping[str, QuotaChange] | None = None
    all_users: bool = False

    def usable(self, policies: Iterable[str]) -> list[str]:
        """Return the names of the policies that the caller can use, sorted."""
        return sorted(name for name in policies if self.policies is None or name in self.policies)

    def check_policy(self, policy: str, *, field: str = "policy") -> None:
        """Raise unless the caller can use the policy.

        Args:
            policy: Its name.
            field: The request field that named it.

        Raises:
            Forbidden: The credential does not cover this policy.
        """
        if self.policies is not None and policy not in self.policies:
            detail = f"This credential may not use policy {policy!r}."
            raise Forbidden(detail, field=field)

    def check_objects(self) -> None:
        """Raise unless the caller can access stored objects.

        Raises:
            Forbidden: The credential is an upload token, or limited to some policies: an object does not
                record its policy.
        """
        if self.kind == "upload_token" or self.policies is not None:
            detail = (
                "This credential is good for uploads only. Objects can be listed, downloaded and deleted "
                "with the token of a login, or with an API key."
            )
            raise Forbidden(detail)

    def check_all_users(self) -> None:
        """Raise unless the caller may list the objects of all users together.

        Raises:
            Forbidden: It is no service that the operator has given this right, or it acts for one user.
        """
        self.check_objects()
        if self.kind != "service" or not self.all_users:
            detail = "Only an API key with all_users may list the objects of all users."
            raise Forbidden(detail)
        if self.user:
            detail = (
                "This lists the objects of all users; leave X-On-Behalf-Of out, or list those of its user."
            )
            raise Forbidden(detail)

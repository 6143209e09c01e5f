"""Choose the policy of a request."""

from collections.abc import Mapping
from typing import Final

from uploadsvc.domain import errors
from uploadsvc.domain.planner import Planner
from uploadsvc.domain.policy import Policy
from uploadsvc.domain.principal import Principal
from uploadsvc.telemetry.metrics import NO_POLICY

DEFAULT_POLICY: Final = "default"


class PolicyRegistry:
    """All policies and their planners.

    Args:
        planners: Planners by name of the policy.
    """

    def __init__(self, planners: Mapping[str, Planner]) -> None:
        self._planners = planners

    def all(self) -> list[Policy]:
        """Return all policies."""
        return [planner.policy for planner in self._planners.values()]

    def usable(self, caller: Principal) -> list[Planner]:
        """Return the planners of the policies that a caller can use, sorted by name."""
        return [self._planners[name] for name in caller.usable(self._planners)]

    @property
    def marks_unclaimed(self) -> bool:
        """Whether any policy tags objects until they are claimed."""
        return any(planner.policy.unclaimed_expires_in is not None for planner in self._planners.values())

    def get(self, policy: str) -> Planner | None:
        """Return the planner of a policy, or ``None`` if there is no such policy."""
        return self._planners.get(policy)

    def label(self, policy: str | None) -> str:
        """Return the label of the metrics for a policy name from a caller, which may not exist."""
        name = policy or DEFAULT_POLICY
        return name if name in self._planners else NO_POLICY

    def choose(self, caller: Principal, policy: str | None) -> Planner:
        """Return the planner of the named policy, or of ``default``.

        Raises:
            PolicyNotFound: There is no such policy.
            Forbidden: The caller cannot use it.
        """
        name = policy or DEFAULT_POLICY
        planner = self._planners.get(name)
        if planner is None:
            detail = f"There is no such policy; yours: {', '.join(caller.usable(self._planners)) or 'none'}."
            raise errors.PolicyNotFound(detail, field="policy")
        caller.check_policy(name)
        return planner

    def resolve(self, caller: Principal, policy: str | None) -> Planner:
        """Return the planner for a client that may be unable to name a policy.

        Without a name, a credential that is limited to one policy uses that one.

        Raises:
            UploadsvcError: As for `choose`.
        """
        only = caller.usable(self._planners) if caller.policies is not None else []
        return self.choose(caller, policy or (only[0] if len(only) == 1 else None))

"""Which policy a caller means, and which ones they may use."""

from collections.abc import Mapping
from typing import Final

from uploadsvc.domain import errors
from uploadsvc.domain.planner import Planner
from uploadsvc.domain.principal import Principal

DEFAULT_POLICY: Final = "default"


class PolicyRegistry:
    """The planners of all policies.

    Args:
        planners: By their policies' names.
    """

    def __init__(self, planners: Mapping[str, Planner]) -> None:
        self._planners = planners

    def usable(self, caller: Principal) -> list[Planner]:
        """Return those that a caller may use, by name."""
        return [self._planners[name] for name in caller.usable(self._planners)]

    def get(self, policy: str) -> Planner | None:
        """Return a policy's planner, or ``None`` where the settings have no such policy (any more)."""
        return self._planners.get(policy)

    def choose(self, caller: Principal, policy: str | None) -> Planner:
        """Return the planner of the policy that a caller names; by default ``default``.

        Raises:
            PolicyNotFound: There is no such policy.
            Forbidden: The credential does not reach it.
        """
        name = policy or DEFAULT_POLICY
        planner = self._planners.get(name)
        if planner is None:
            detail = f"There is no such policy; yours: {', '.join(caller.usable(self._planners)) or 'none'}."
            raise errors.PolicyNotFound(detail, field="policy")
        caller.check_policy(name)
        return planner

    def resolve(self, caller: Principal, policy: str | None) -> Planner:
        """Return the planner for an uploader that may have no way to name a policy.

        Where it names none and its credential is good for just one, it means that one.

        Raises:
            UploadsvcError: As for `choose`.
        """
        only = caller.usable(self._planners) if caller.policies is not None else []
        return self.choose(caller, policy or (only[0] if len(only) == 1 else None))

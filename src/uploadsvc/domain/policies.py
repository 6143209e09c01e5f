"""Check policies against each other, once at the start."""

from collections.abc import Collection
from itertools import permutations, product

from uploadsvc.domain.policy import Policy, PolicyError
from uploadsvc.domain.unclaimed import days_of


def check_apart(policies: Collection[Policy]) -> None:
    """Check that no policy can replace another policy's objects.

    Keys with ``{uuid}`` need no check, nor do keys in another policy's folder: callers cannot choose them
    (see `ReservedKeys`).

    Raises:
        PolicyError: A policy with ``overwrite`` lets callers choose a key that another policy lets them
            choose too. The error's ``policy`` names it.
    """
    for policy, other in permutations(policies, 2):
        if not policy.overwrite:
            continue
        for (name, area), (others_name, others) in product(policy.chosen_keys, other.chosen_keys):
            folders = name == others_name == "client_keys"
            if area == others if folders else area.meets(others):
                setting = "client_keys_prefix" if name == "client_keys" else "key"
                message = f"with overwrite, it could replace objects of policy {other.name!r}"
                message += f"; set {setting} to a folder of its own"
                raise PolicyError(name, message, policy=policy.name)


def check_unclaimed_days(policies: Collection[Policy]) -> None:
    """Check that one lifecycle rule can delete the unclaimed objects of all policies.

    Raises:
        PolicyError: Two policies have different values. The error's ``policy`` names one of them.
    """
    lives = [(policy, policy.unclaimed_expires_in) for policy in policies]
    days = [(policy.name, days_of(seconds)) for policy, seconds in lives if seconds is not None]
    for name, found in days:
        other, first = days[0]
        field = "unclaimed_expires_in"
        if found != first:
            message = (
                f"is {found} days, and policy {other!r} has {first}; one lifecycle rule deletes what is "
                "unclaimed, so all policies that set this need the same number of days"
            )
            raise PolicyError(field, message, policy=name)


def check_tags(policies: Collection[Policy]) -> None:
    """Check that no policy sets a tag that it or another policy requires.

    Raises:
        PolicyError: Uploads could claim to have been scanned. The error's ``policy`` names the policy.
    """
    awaited = {policy.available_when.tag for policy in policies if policy.available_when is not None}
    for policy in policies:
        for tag in sorted(awaited & policy.signed_tags.keys()):
            name, message = "tags", f"{tag!r} is a tag of available_when, which only the scanner may set"
            raise PolicyError(name, message, policy=policy.name)

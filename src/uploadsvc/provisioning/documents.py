"""Policy documents from AWS.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_grammar.html
"""

from collections.abc import Mapping, Sequence
from typing import Any


def listed(value: Any) -> list[Any]:  # noqa: ANN401 - JSON
    """Return a list. AWS unwraps single values."""
    return value if isinstance(value, list) else [value]


def comparable(value: Any) -> object:  # noqa: ANN401 - JSON
    """Normalize a policy for comparison: AWS reorders lists and unwraps single values."""
    if isinstance(value, Mapping):
        return sorted((key, comparable(inner)) for key, inner in value.items())
    if isinstance(value, list):
        found = sorted((comparable(inner) for inner in value), key=repr)
        return found[0] if len(found) == 1 else found
    return value


def described(own: Sequence[Mapping[str, Any]], others: Sequence[object]) -> str:
    """Describe a policy in one line: the ids of our statements and the number of others."""
    sids = [str(statement["Sid"]) for statement in own]
    kept = f"{len(others)} other statement{'s' if len(others) > 1 else ''}" if others else ""
    return "; ".join(filter(None, [", ".join(sids), kept])) or "no policy"

"""How many examples a property is tried on: few at a desk, many in CI."""

from hypothesis import settings
from tests.support.ci import in_ci

# No deadline and no randomness: a slow machine or an unlucky seed must not fail a run.
settings.register_profile("fast", max_examples=30, deadline=None, derandomize=True, database=None)
settings.register_profile("ci", max_examples=200, deadline=None, derandomize=True, database=None)


def load_profile() -> None:
    """Load ``ci`` where CI is set, ``fast`` elsewhere; ``pytest --hypothesis-profile=ci`` overrides it."""
    settings.load_profile("ci" if in_ci() else "fast")


def examples(times: float) -> settings:
    """Return settings with a multiple of the profile's number of examples, for more or less than usual."""
    return settings(max_examples=round(times * settings().max_examples))

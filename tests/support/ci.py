"""Whether the tests run in CI."""

import os


def in_ci() -> bool:
    """Tell whether the variable that CI services set is set, and not to a no."""
    return os.environ.get("CI", "").lower() not in {"", "0", "false", "no"}

"""A principal uses the policies that its credential reaches."""

import pytest

from uploadsvc.domain.errors import Forbidden
from uploadsvc.domain.principal import Principal


def test_a_principal_without_a_list_uses_every_policy() -> None:
    """No list means all."""
    Principal(user="ann").check_policy("anything")


def test_a_principal_uses_only_the_policies_listed() -> None:
    """A policy off the list is refused, an empty list refuses all, and names are compared exactly."""
    Principal(user="ann", policies=frozenset({"avatars"})).check_policy("avatars")
    for policies in (frozenset({"avatars"}), frozenset[str](), frozenset({"Default"})):
        with pytest.raises(Forbidden) as caught:
            Principal(user="ann", policies=policies).check_policy("default")
        assert caught.value.field == "policy"

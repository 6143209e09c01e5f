"""A principal uses only the policies that its credential allows."""

import pytest

from uploadsvc.domain.errors import Forbidden
from uploadsvc.domain.principal import Principal


def test_a_principal_without_a_list_uses_every_policy() -> None:
    Principal(user="ann").check_policy("anything")


def test_a_principal_with_a_list_uses_only_these() -> None:
    """An empty list allows none."""
    Principal(user="ann", policies=frozenset({"avatars"})).check_policy("avatars")
    for policies in (frozenset({"avatars"}), frozenset[str](), frozenset({"Default"})):
        with pytest.raises(Forbidden) as caught:
            Principal(user="ann", policies=policies).check_policy("default")
        assert caught.value.field == "policy"

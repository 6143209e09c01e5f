"""Names that vouch for themselves."""

import re
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from uploadsvc.domain.keys import KeyTemplate
from uploadsvc.tokens.signed_uuids import SignedUuids

SECRET: Final = b"a secret key of thirty-two bytes or more"
OTHER: Final = b"another secret key, of as many bytes or more"
NAMES: Final = SignedUuids([SECRET])


def test_a_name_looks_like_any_other() -> None:
    """It stands where a UUID stands, and no two are the same."""
    made = {NAMES.issue(user="alice", policy="open") for _ in range(100)}
    assert len(made) == 100
    assert all(re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", name) for name in made)


def test_it_vouches_for_its_user_and_policy_alone() -> None:
    """Whatever of it is changed, it does not any more."""
    name = NAMES.issue(user="alice", policy="open")
    assert NAMES.verify(name, user="alice", policy="open")
    assert not NAMES.verify(name, user="bob", policy="open")
    assert not NAMES.verify(name, user="alice", policy="other")
    for index, character in enumerate(name):
        changed = name[:index] + ("0" if character != "0" else "1") + name[index + 1 :]
        assert not NAMES.verify(changed, user="alice", policy="open")


def test_what_a_retired_key_made_still_counts() -> None:
    """During a rotation; the new key is first."""
    name = NAMES.issue(user="alice", policy="open")
    assert SignedUuids([OTHER, SECRET]).verify(name, user="alice", policy="open")
    assert not SignedUuids([OTHER]).verify(name, user="alice", policy="open")


@given(user=st.text(), policy=st.sampled_from(["open", "a\nb"]), text=st.text(max_size=40))
def test_nothing_else_vouches(user: str, policy: str, text: str) -> None:
    """Whatever it is."""
    try:
        user.encode()
        text.encode("ascii")
    except UnicodeEncodeError:
        return
    assert not NAMES.verify(text, user=user, policy=policy)


@pytest.mark.parametrize(
    ("template", "made", "others"),
    [
        ("{uuid}/{filename}", "U/a.txt", ["U", "U/a/b", "x/U", "x-U/a", "x/U/a.txt"]),
        (
            "{policy}/{date}/{uuid}{ext}",
            "p/2026/11/25/U.txt",
            ["q/2026/11/25/U.txt", "p/U", "p/2026/11/25/U.t/x"],
        ),
        ("{policy}/{date}/{uuid}{ext}", "p/2026/11/25/U", ["p/2026/11/25/U.TXT"]),
        ("a.b/{uuid}", "a.b/U", ["axb/U", "a.b/U\n"]),
        ("{filename}-{uuid}", "x-U", ["U-x", "x/y-U"]),
    ],
)
def test_a_template_finds_its_own_name(template: str, made: str, others: list[str]) -> None:
    """At its place; what else a key holds is the caller's to choose."""
    name = NAMES.issue(user="alice", policy="p")
    found = KeyTemplate(template)
    assert found.unique_name(made.replace("U", name), policy="p") == name
    for other in others:
        assert found.unique_name(other.replace("U", name), policy="p") is None
    assert KeyTemplate("{filename}").unique_name("a.txt", policy="p") is None

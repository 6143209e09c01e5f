"""UUIDs with a MAC over user and policy."""

import re
from datetime import UTC, datetime
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from uploadsvc.domain.keys import KeyTemplate
from uploadsvc.tokens.signed_uuids import SignedUuids

SECRET: Final = b"a secret key of thirty-two bytes or more"
OTHER: Final = b"another secret key, of as many bytes or more"
NOW: Final = datetime(2026, 11, 28, 12, tzinfo=UTC)
UUIDS: Final = SignedUuids([SECRET], clock=lambda: NOW)


def test_a_signed_uuid_looks_like_any_uuid() -> None:
    made = {UUIDS.issue(user="alice", policy="open") for _ in range(100)}
    assert len(made) == 100
    assert all(re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", uuid) for uuid in made)


def test_it_is_valid_only_unchanged_for_its_user_and_policy() -> None:
    uuid = UUIDS.issue(user="alice", policy="open")
    assert UUIDS.verify(uuid, user="alice", policy="open")
    assert not UUIDS.verify(uuid, user="bob", policy="open")
    assert not UUIDS.verify(uuid, user="alice", policy="other")
    for index, character in enumerate(uuid):
        changed = uuid[:index] + ("0" if character != "0" else "1") + uuid[index + 1 :]
        assert not UUIDS.verify(changed, user="alice", policy="open")


def test_uuids_of_an_old_key_stay_valid_during_a_rotation() -> None:
    uuid = UUIDS.issue(user="alice", policy="open")
    assert SignedUuids([OTHER, SECRET], clock=lambda: NOW).verify(uuid, user="alice", policy="open")
    assert not SignedUuids([OTHER], clock=lambda: NOW).verify(uuid, user="alice", policy="open")


@given(user=st.text(), policy=st.sampled_from(["open", "a\nb"]), text=st.text(max_size=40))
def test_any_other_text_is_refused(user: str, policy: str, text: str) -> None:
    try:
        user.encode()
        text.encode("ascii")
    except UnicodeEncodeError:
        return
    assert not UUIDS.verify(text, user=user, policy=policy)


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
def test_a_template_finds_its_uuid_in_a_key(template: str, made: str, others: list[str]) -> None:
    """Callers choose the rest of the key."""
    uuid = UUIDS.issue(user="alice", policy="p")
    found = KeyTemplate(template)
    assert found.unique_name(made.replace("U", uuid), policy="p") == uuid
    for other in others:
        assert found.unique_name(other.replace("U", uuid), policy="p") is None
    assert KeyTemplate("{filename}").unique_name("a.txt", policy="p") is None

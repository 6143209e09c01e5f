"""Every key stays below its owner's prefix, whatever the user id, filename or relative key."""

import ntpath
import posixpath
import unicodedata
from datetime import UTC, datetime
from uuid import RFC_4122, UUID

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st
from tests.support.keys import HOSTILE, is_good

from uploadsvc.domain.errors import Forbidden, InvalidKey, NotFound
from uploadsvc.domain.filenames import MAX_FILENAME_BYTES, file_extension, safe_filename, safe_folders
from uploadsvc.domain.keys import (
    MAX_KEY_BYTES,
    MAX_USER_SEGMENT_BYTES,
    KeyArea,
    KeyTemplate,
    Namespace,
    check_key,
    encode_user,
    longest_segment,
    newest_first_uuid,
)

SPACE = Namespace("uploads")


def prefix_or_none(user: str) -> str | None:
    """Return a user's prefix, or ``None`` if the id is refused."""
    try:
        return SPACE.user_prefix(user)
    except Forbidden:
        return None


@given(HOSTILE)
@example("..")
@example("a/b")
@example("a/../b")
@example("%2e%2e")
@example("nul\0")
@example("${filename}")
def test_no_user_id_leaves_its_segment(user: str) -> None:
    prefix = prefix_or_none(user)
    assume(prefix is not None)
    assert prefix is not None
    assert prefix.startswith("uploads/")
    segment = prefix.removeprefix("uploads/").removesuffix("/")
    assert "/" not in segment
    assert segment.isascii()
    assert 0 < len(segment) <= MAX_USER_SEGMENT_BYTES
    assert is_good(prefix + "x")


@given(HOSTILE, HOSTILE)
@example("a", "a/b")
@example("a", "a=2Fb")
@example("a/b", "a=2Fb")
@example("é", "e\u0301")
@example(".", "=2E")
@example("a", "ab")
@example("a", "A")
def test_two_users_never_share_a_prefix(one: str, other: str) -> None:
    """Neither prefix starts with the other."""
    assume(one != other)
    first, second = prefix_or_none(one), prefix_or_none(other)
    assume(first is not None and second is not None)
    assert first is not None
    assert second is not None
    assert not first.startswith(second)
    assert not second.startswith(first)


@given(HOSTILE)
def test_encoding_a_user_can_be_undone(user: str) -> None:
    """So no two ids have the same segment."""
    try:
        segment = encode_user(user)
    except Forbidden:
        return
    head, *rest = segment.split("=")
    raw = head.encode() + b"".join(bytes.fromhex(part[:2]) + part[2:].encode() for part in rest)
    assert raw.decode() == user
    assert SPACE.user_of(f"{SPACE.user_prefix(user)}photo.jpg") == user


@pytest.mark.parametrize(
    "key",
    [
        "uploads",
        "uploads/",
        "uploads/ann",
        "uploads/ann/",
        "uploads//photo.jpg",
        "uploads/=61nn/photo.jpg",
        "uploads/=c3=a9/photo.jpg",
        "uploads/=FF/photo.jpg",
        "uploads/%61nn/photo.jpg",
        "other/ann/photo.jpg",
        "uploadsx/ann/photo.jpg",
    ],
)
def test_a_key_outside_all_users_prefixes_has_no_user(key: str) -> None:
    assert SPACE.user_of(key) is None


@pytest.mark.parametrize(
    ("user", "segment"),
    [
        ("ann", "ann"),
        ("a.b_c-9", "a.b_c-9"),
        (".ann", "=2Eann"),
        ("..", "=2E."),
        ("ann@example.com", "ann=40example.com"),
        ("a/b", "a=2Fb"),
        ("a=b", "a=3Db"),
        ("é", "=C3=A9"),
        ("a b", "a=20b"),
        ("a\n", "a=0A"),
        ("u" * 255, "u" * 255),
        ("é" * 42, "=C3=A9" * 42),
    ],
)
def test_a_user_is_encoded_as_documented(user: str, segment: str) -> None:
    assert encode_user(user) == segment


@pytest.mark.parametrize("user", ["", "\ud800", "ann\udfff", "u" * 256, "é" * 43])
def test_a_user_that_cannot_be_encoded_is_refused(user: str) -> None:
    with pytest.raises(Forbidden):
        encode_user(user)


@given(HOSTILE)
@example("../other/x")
@example("/x")
@example("x/")
@example("a//b")
@example("${filename}")
@example("e\u0301")
@example("x\0")
@example("x" * 1100)
def test_no_relative_key_leaves_the_prefix(relative_key: str) -> None:
    try:
        key = SPACE.relative_key("ann", relative_key)
    except InvalidKey:
        return
    assert key == f"uploads/ann/{relative_key}"
    assert is_good(key)
    assert unicodedata.is_normalized("NFC", key)
    assert SPACE.owned_key("ann", key) == key


@pytest.mark.parametrize(
    "key",
    [
        *("", "/", "/a", "a/", "a//b", ".", "..", "a/./b", "a/../b"),
        *("a\\b", "a\0", "a\n", "a\x7f", "a\x85", "\ud800", "a\ufffe", "a\uffff"),
        *("${filename}", "a/${x", "x" * 1025, "é" * 513),
    ],
)
def test_a_bad_key_is_refused(key: str) -> None:
    """Some software would read it differently."""
    with pytest.raises(InvalidKey) as caught:
        check_key(key, field="key")
    assert caught.value.field == "key"


@pytest.mark.parametrize("key", ["a", "a/b.c", "...", "a b", "$a", "{a}", "é", "%2e%2e", "x" * 1024, "..a"])
def test_an_unusual_but_safe_key_is_accepted(key: str) -> None:
    assert check_key(key, field="key") == key


@pytest.mark.parametrize("relative_key", ["e\u0301", "\u212b", "dir/A\u030a.jpg"])
def test_a_relative_key_must_be_normalised(relative_key: str) -> None:
    """Two spellings of one name would be two objects."""
    with pytest.raises(InvalidKey, match="normal form C") as caught:
        SPACE.relative_key("ann", relative_key)
    assert caught.value.field == "relative_key"


@pytest.mark.parametrize(
    "key", ["uploads/bob/x", "uploads/ann", "uploads/annx/y", "uploads/ANN/x", "other/ann/x", "ann/x"]
)
def test_another_users_key_is_not_found(key: str) -> None:
    """It looks the same as a missing one."""
    with pytest.raises(NotFound):
        SPACE.owned_key("ann", key)


@pytest.mark.parametrize("key", ["uploads/ann/../bob/x", "uploads/ann//x", "uploads/ann/"])
def test_a_bad_key_belongs_to_no_user(key: str) -> None:
    """It is refused before its owner is determined."""
    with pytest.raises(InvalidKey):
        SPACE.owned_key("ann", key)


STORED = ["", "folder/", "/a", "a//b", "a\tb", "\x01", "${x}", "a\\b", "e\u0301", "\uffff", "..a/b..", "=2E"]
"""Keys below a prefix that others may have stored there."""


@pytest.mark.parametrize("relative_key", STORED)
def test_every_key_that_s3_lists_below_the_prefix_is_the_users(relative_key: str) -> None:
    """New objects have stricter keys; what is there can be read and deleted."""
    key = f"uploads/ann/{relative_key}"
    assert SPACE.stored_key("ann", key) == key
    assert SPACE.listing_prefix("ann", relative_key) == key
    with pytest.raises(NotFound):
        SPACE.stored_key("an", key)


@given(HOSTILE)
@example("../bob/x")
@example("a/..\\..\\..\\bob")
@example("./x")
@example("x\0")
@example("x" * 1100)
def test_no_stored_key_leaves_the_prefix_however_it_is_resolved(relative_key: str) -> None:
    try:
        key = SPACE.stored_key("ann", f"uploads/ann/{relative_key}")
    except InvalidKey:
        return
    for resolved in (posixpath.normpath(key), ntpath.normpath(key).replace("\\", "/")):
        assert f"{resolved}/".startswith("uploads/ann/")
    assert len(key.encode()) <= MAX_KEY_BYTES
    assert "\0" not in key


@pytest.mark.parametrize("prefix", ["../", "./", "a/../", "..\\", "a\\../", "\0", "\ud800", "x" * 1024])
def test_a_listing_prefix_that_leaves_the_users_is_refused(prefix: str) -> None:
    with pytest.raises(InvalidKey) as caught:
        SPACE.listing_prefix("ann", prefix)
    assert caught.value.field == "prefix"


@pytest.mark.parametrize("prefix", ["", "a", "a/", "a/b", "..", "2026/11/"])
def test_a_listing_prefix_may_end_anywhere_in_a_key(prefix: str) -> None:
    """An empty one lists all of the caller's objects."""
    assert SPACE.listing_prefix("ann", prefix) == f"uploads/ann/{prefix}"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "empty"),
        ("/{uuid}", "empty"),
        ("{uuid}/", "empty"),
        ("{uuid}//{filename}", "empty"),
        ("../{uuid}", "segment"),
        ("./{uuid}", "segment"),
        ("{uuid}/{ext}", "empty"),
        ("{uuid}/.{ext}", "segment"),
        ("{user}/{filename}", "unknown placeholder {user}; allowed are {uuid}"),
        ("{}", "unknown placeholder {}"),
        ("{UUID}", "unknown placeholder {UUID}"),
        ("{uuid", "brace"),
        ("uuid}", "brace"),
        ("{{uuid}}", "brace"),
        ("${", "brace"),
        ("a\\{uuid}", "backslashes"),
        ("a\n{uuid}", "U+000A"),
        ("\ud800{uuid}", "U+D800"),
        ("x" * 1025, "longer"),
        ("{path}", "right after it"),
        ("{uuid}/{path}", "right after it"),
        ("{path}/{filename}", "right after it"),
        ("{path}{path}{filename}", "write {path} once"),
        ("{path}{uuid}/{path}{filename}", "write {path} once"),
        ("{uuid}-{path}{filename}", "at the start of a segment"),
        ("{date}{path}{filename}", "at the start of a segment"),
        ("{uuid}/{path}{ext}", "empty"),
    ],
)
def test_a_bad_template_is_refused(text: str, reason: str) -> None:
    with pytest.raises(ValueError, match=r".") as caught:
        KeyTemplate(text)
    assert reason in str(caught.value)


@pytest.mark.parametrize(
    ("text", "unique", "key"),
    [
        ("{uuid}/{filename}", True, "U/F.jpg"),
        ("{policy}/{date}/{uuid}{ext}", True, "P/2026/11/23/U.jpg"),
        ("avatar{ext}", False, "avatar.jpg"),
        ("${uuid}", True, "$U"),
        ("{uuid}/{path}{filename}", True, "U/a/b/F.jpg"),
        ("docs/{path}x{ext}", False, "docs/a/b/x.jpg"),
    ],
)
def test_a_template_is_filled_in(*, text: str, unique: bool, key: str) -> None:
    """Only the UUID makes every key new."""
    template = KeyTemplate(text)
    values = {"uuid": "U", "path": "a/b/", "filename": "F.jpg", "ext": ".jpg", "date": "2026/11/23"}
    assert template.expand({**values, "policy": "P"}) == key
    assert template.unique is unique


TEMPLATES = [
    "{date}/{policy}/{uuid}/{filename}-{ext}x",
    "{uuid}/{path}{filename}",
    "{path}{uuid}{ext}",
    "{date}/{path}{uuid}/{filename}",
    "a/{path}{policy}-{uuid}/x/{filename}",
    "{path}{filename}",
]
PATHS = st.lists(st.one_of(HOSTILE, st.just(str(UUID(int=0)))), max_size=5).map("/".join)


@given(st.sampled_from(TEMPLATES), PATHS)
@example("{uuid}/{path}{filename}", "x" * 200 + "/" + "y" * 198 + "/" + "z" * 200)
@example("{path}{uuid}{ext}", "x" * 200 + "/a")
@example("{path}{uuid}/{filename}", f"a/{UUID(int=0)}/{UUID(int=0)}/b")
def test_every_expansion_is_as_the_template_says(text: str, filename: str) -> None:
    """It is a good key of one user, of the known form, not longer than known, and has the known UUID."""
    template, unique = KeyTemplate(text), str(UUID(int=1))
    name = safe_filename(filename)
    try:
        folders = safe_folders(filename) if template.keeps_folders else ""
    except InvalidKey:
        return
    values = {
        "uuid": unique,
        "path": folders,
        "filename": name,
        "ext": file_extension(name).lower(),
        "date": "2026/11/23",
        "policy": "default",
    }
    rest = template.expand(values)
    key = SPACE.user_prefix("ann") + rest
    assert is_good(key)
    assert SPACE.owned_key("ann", key) == key
    longest = template.longest("default")
    assert len(rest.encode()) <= len(longest.encode())
    assert longest_segment(rest) <= longest_segment(longest)
    assert template.pattern("default").fullmatch(rest)
    assert template.unique_name(rest, policy="default") == (unique if template.unique else None)
    exact = KeyArea(tuple(rest.split("/")))
    assert exact.meets(template.area("default"))
    assert template.area("default").meets(exact)


def test_the_longest_key_with_folders_is_known() -> None:
    """In all, and between slashes."""
    longest = KeyTemplate("{path}{uuid}").longest("default")
    assert (len(longest), longest_segment(longest)) == (400 + 36, MAX_FILENAME_BYTES)


@pytest.mark.parametrize(
    ("text", "shared"),
    [
        ("{uuid}/{path}{filename}", False),
        ("{path}{uuid}", True),
        ("{path}{filename}", True),
        ("{uuid}", False),
    ],
)
def test_callers_may_choose_folders_that_hold_other_objects(*, text: str, shared: bool) -> None:
    assert KeyTemplate(text).shares_folders is shared


@pytest.mark.parametrize(
    ("one", "other", "meet"),
    [
        ("{filename}", "{filename}", True),
        ("{filename}", "avatar{ext}", True),
        ("avatar{ext}", "logo{ext}", False),
        ("{filename}", "docs/{filename}", False),
        ("docs/{filename}", "site/{filename}", False),
        ("{policy}/{filename}", "q/{filename}", False),
        ("{policy}/{filename}", "p/{filename}", True),
        ("{date}/{filename}", "2026/11/23/x", True),
        ("{date}/{filename}", "{filename}/x/y/z", False),
        ("{date}", "a/b/c", False),
        ("{filename}.txt", "{filename}.jpg", False),
        ("a{ext}", "a.txt", True),
        ("a{ext}", "a-", False),
        ("{path}{filename}", "{filename}", True),
        ("{path}{filename}", "a/b/c/x.txt", True),
        ("{path}{filename}", "{path}x", True),
        ("{path}a", "{path}b", False),
        ("docs/{path}{filename}", "docs/{filename}", True),
        ("docs/{path}{filename}", "docs/a/b/{filename}", True),
        ("docs/{path}{filename}", "docs", False),
        ("docs/{path}{filename}", "{filename}", False),
        ("docs/{path}{filename}", "site/{path}{filename}", False),
        ("docs/{path}{filename}", "site/x/{filename}", False),
        ("{path}x/{filename}", "a/y/{filename}", False),
        ("{path}x/{filename}", "a/x/{filename}", True),
        ("{path}a/b/{filename}", "b/{filename}", False),
        ("a/{path}b", "{path}c/b", True),
    ],
)
def test_two_templates_may_make_the_same_key(*, one: str, other: str, meet: bool) -> None:
    first, second = KeyTemplate(one).area("p"), KeyTemplate(other).area("q")
    assert first.meets(second) is second.meets(first) is meet


@pytest.mark.parametrize(
    ("folder", "template", "meet"),
    [
        ("", "{filename}", True),
        ("site", "{filename}", False),
        ("site", "site/{filename}", True),
        ("site", "{filename}/x", True),
        ("site", "sites/{filename}", False),
        ("a/b", "{filename}/x", False),
        ("a/b", "{filename}/{filename}/x", True),
        ("", "{path}{filename}", True),
        ("site", "{path}{filename}", True),
        ("site/docs", "site/{path}x", True),
        ("site", "docs/{path}{filename}", False),
    ],
)
def test_a_template_may_make_a_key_in_a_folder(*, folder: str, template: str, meet: bool) -> None:
    area = KeyArea.below(folder)
    made = KeyTemplate(template).area("p")
    assert area.meets(made) is made.meets(area) is meet


def test_folders_meet_if_one_is_in_the_other() -> None:
    folders = [KeyArea.below(folder) for folder in ("", "a", "a/b")]
    assert all(one.meets(other) for one in folders for other in folders)
    assert not folders[1].meets(KeyArea.below("ab"))


@given(
    st.lists(
        st.datetimes(datetime(2020, 1, 1), datetime(2099, 12, 31), timezones=st.just(UTC)),  # noqa: DTZ001 - Hypothesis adds the time zone
        min_size=2,
        unique_by=lambda time: int(time.timestamp() * 1000),
    ),
    st.data(),
)
def test_a_listing_begins_with_the_newest(times: list[datetime], data: st.DataObject) -> None:
    """By milliseconds, whatever the random digits are."""
    digits = st.text("0123456789abcdef", min_size=20, max_size=20)
    made = {time: newest_first_uuid(time, data.draw(digits)) for time in times}
    assert sorted(times, key=made.__getitem__) == sorted(times, reverse=True)
    for text in made.values():
        # RFC 9562 sections 4.1 and 5.8.
        assert (str(UUID(text)), UUID(text).version, UUID(text).variant) == (text, 8, RFC_4122)
    assert made[times[0]] < "10000000-0000-4000-8000-000000000000", "before most keys of earlier releases"


def test_after_this_century_keys_are_still_unique() -> None:
    late = datetime(2150, 1, 1, tzinfo=UTC)
    assert newest_first_uuid(late, "0" * 20) == "00000000-0000-8000-8000-000000000000"
    assert newest_first_uuid(late, "f" * 20) != newest_first_uuid(late, "e" * 20)

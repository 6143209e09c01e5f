"""Every key stays below its owner's prefix, whatever the user id, filename or relative key."""

import ntpath
import posixpath
import unicodedata
from datetime import UTC, datetime
from uuid import RFC_4122, UUID

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from uploadsvc.domain.errors import Forbidden, InvalidKey, NotFound
from uploadsvc.domain.keys import (
    MAX_FILENAME_BYTES,
    MAX_KEY_BYTES,
    MAX_USER_SEGMENT_BYTES,
    KeyArea,
    KeyTemplate,
    Namespace,
    check_key,
    encode_user,
    file_extension,
    newest_first_uuid,
    safe_filename,
)

SPACE = Namespace("uploads")

# Any code point, lone surrogates included, and the pieces that attacks are made of.
HOSTILE = st.lists(
    st.one_of(
        st.sampled_from(
            [
                *("a", "b", ".jpg", ".", "..", "/", "\\", "%2e%2e", "%2F", "${", "${filename}", "=2E", "="),
                *(" ", "~", "\0", "\r\n", "e\u0301", "é", "\ud800", "\udfff", "\u202e", "\ufeff", "\uffff"),
            ]
        ),
        st.text(st.characters(exclude_categories=()), max_size=8),
    ),
    max_size=8,
).map("".join)


def prefix_or_none(user: str) -> str | None:
    """Return a user's prefix, or ``None`` if the id is refused."""
    try:
        return SPACE.user_prefix(user)
    except Forbidden:
        return None


def is_good(key: str) -> bool:
    """Whether every store, proxy and form reads a key alike."""
    segments = key.split("/")
    return (
        len(key.encode()) <= MAX_KEY_BYTES
        and not {"", ".", ".."} & set(segments)
        and "${" not in key
        and "\\" not in key
        and not any(unicodedata.category(c) in {"Cc", "Cs"} for c in key)
    )


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
@example("")
@example("...")
@example("a/..")
@example("C:\\dir\\..\\x.jpg")
@example("e\u0301.jpg")
@example("x" * 500 + ".tar.gz")
@example("\U0001f600" * 100 + ".jpeg")
@example("." * 300 + "a")
@example("\u202e\u200da")
@example("x" * 193 + "\u200déa.jpg")
def test_every_filename_becomes_one_good_segment(filename: str) -> None:
    """A filename is never refused."""
    name = safe_filename(filename)
    assert "/" not in name
    assert is_good(name)
    assert not name.startswith(".")
    assert len(name.encode()) <= MAX_FILENAME_BYTES
    assert unicodedata.is_normalized("NFC", name)
    assert safe_filename(name) == name


@pytest.mark.parametrize(
    ("filename", "name"),
    [
        ("photo.jpg", "photo.jpg"),
        ("my photo (1).jpg", "my photo (1).jpg"),
        ("/etc/passwd", "passwd"),
        ("C:\\Users\\ann\\photo.jpg", "photo.jpg"),
        ("dir/", "dir"),
        ("..", "file"),
        ("", "file"),
        (".bashrc", "_bashrc"),
        ("photo.jpg.", "photo.jpg"),
        ("${filename}", "__filename_"),
        ("%2e%2e%2fx", "_2e_2e_2fx"),
        ("a\x00b\r\nc", "a_b__c"),
        ("gpj.\u202eexe", "gpj._exe"),
        ("cafe\u0301.jpg", "café.jpg"),
        ("a\ud800.jpg", "a_.jpg"),
        ("a  b\u3000c.txt", "a b c.txt"),
        ("x" * 300 + ".jpg", "x" * 196 + ".jpg"),
        ("é" * 150 + ".jpg", "é" * 98 + ".jpg"),
        # Persian, Hindi and joined emoji need joiners; between ASCII letters they only hide a difference.
        ("می\u200cشود.pdf", "می\u200cشود.pdf"),
        ("क\u094d\u200dष.txt", "क\u094d\u200dष.txt"),
        ("\U0001f468\u200d\U0001f4bb.png", "\U0001f468\u200d\U0001f4bb.png"),
        ("pay\u200cpal.exe", "pay_pal.exe"),
        ("\u200d\u200c", "__"),
        # The cut takes the letter that the joiner belongs to.
        ("x" * 193 + "\u200déa.jpg", "x" * 193 + "_.jpg"),
        # Letters and emoji newer than Python's tables; not the code points that will never be visible.
        ("\U0001faf1\U0001fae9\u0c5c.png", "\U0001faf1\U0001fae9\u0c5c.png"),
        ("a\ufdd0\U0001ffff\u2065\ufff0\U000e0fffb", "a_____b"),
    ],
)
def test_filenames_are_made_safe_as_documented(filename: str, name: str) -> None:
    assert safe_filename(filename) == name


@pytest.mark.parametrize(
    ("filename", "extension"),
    [
        ("a.jpg", ".jpg"),
        ("a.tar.gz", ".gz"),
        ("a.JPG", ".JPG"),
        ("a", ""),
        (".jpg", ""),
        ("a.", ""),
        ("a.j/pg", ""),
        ("a.é", ""),
        ("a." + "e" * 17, ""),
    ],
)
def test_only_short_plain_extensions_count(filename: str, extension: str) -> None:
    assert file_extension(filename) == extension


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
    ],
)
def test_a_template_is_filled_in(*, text: str, unique: bool, key: str) -> None:
    """Only the UUID makes every key new."""
    template = KeyTemplate(text)
    values = {"uuid": "U", "filename": "F.jpg", "ext": ".jpg", "date": "2026/11/23", "policy": "P"}
    assert template.expand(values) == key
    assert template.unique is unique


@given(HOSTILE)
def test_the_longest_expansion_is_known_in_advance(filename: str) -> None:
    template = KeyTemplate("{date}/{policy}/{uuid}/{filename}-{ext}x")
    name = safe_filename(filename)
    values = {
        "uuid": "0" * 36,
        "filename": name,
        "ext": file_extension(name).lower(),
        "date": "2026/11/23",
        "policy": "default",
    }
    assert len(template.expand(values).encode()) <= len(template.longest("default").encode())


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
    ],
)
def test_a_template_may_make_a_key_in_a_folder(*, folder: str, template: str, meet: bool) -> None:
    area = KeyArea(tuple(folder.split("/")) if folder else (), open=True)
    made = KeyTemplate(template).area("p")
    assert area.meets(made) is made.meets(area) is meet


def test_folders_meet_if_one_is_in_the_other() -> None:
    folders = [KeyArea((), open=True), KeyArea(("a",), open=True), KeyArea(("a", "b"), open=True)]
    assert all(one.meets(other) for one in folders for other in folders)
    assert not folders[1].meets(KeyArea(("ab",), open=True))


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

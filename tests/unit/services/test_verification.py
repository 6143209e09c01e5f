"""Which objects are verified, how long they can be replaced, and which receipts are the same."""

from contextlib import nullcontext
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from tests.support.claims import CLAIMS
from tests.support.fakes import NOON

from uploadsvc.domain.checksums import Checksum
from uploadsvc.domain.errors import VerificationFailed
from uploadsvc.domain.keys import KeyTemplate
from uploadsvc.domain.objects import StoredObject
from uploadsvc.domain.policy import Policy
from uploadsvc.services.verification import NO_END, receipt_id, replaceable_until, verify

END = NOON + timedelta(minutes=15)
MADE = "0190f3c0-0000-7000-8000-000000000000/photo.jpg"
STORED = StoredObject(
    key=CLAIMS.key,
    bucket="media",
    size=5,
    content_type="image/jpeg",
    etag="e",
    version_id=None,
    checksums=(),
    last_modified=NOON,
    metadata={},
    upload=None,
)


def until(policy: Policy | None = None, *, gone: bool = False, **changes: Any) -> datetime | None:  # noqa: ANN401 - of any field
    """Return the time for a PUT with a new key, with changes to its claims and to the settings."""
    rules = {"may_delete": False, "may_write": False, "now": NOON, "key": MADE}
    rules |= {name: changes.pop(name) for name in rules.keys() & changes.keys()}
    claims = replace(CLAIMS, **{"url_expires_at": int(END.timestamp()), **changes})
    return replaceable_until(claims, policy=None if gone else policy or Policy(name="default"), **rules)  # type: ignore[arg-type]


def test_another_checksum_than_the_promised_is_not_verified() -> None:
    """A store that keeps none compared it when the bytes arrived, because it was signed."""
    promised = CLAIMS.checksum
    assert promised
    assert verify(CLAIMS, replace(STORED, checksums=(promised,)), guessed_types=frozenset()) == promised
    assert verify(CLAIMS, STORED, guessed_types=frozenset()) is None
    other = Checksum("crc32", "AAAAAQ==")
    with pytest.raises(VerificationFailed, match="different crc32"):
        verify(CLAIMS, replace(STORED, checksums=(other,)), guessed_types=frozenset())


def test_bytes_that_came_with_s3_credentials_need_the_promised_checksum() -> None:
    """They can come with the claims of an upload, but S3 compared them with nothing."""
    unlike = replace(STORED, checksums=(Checksum("crc64nvme", "AAAAAAAAAAE="),))
    with pytest.raises(VerificationFailed, match="no crc32") as refused:
        verify(CLAIMS, unlike, guessed_types=frozenset(), may_write=True)
    assert refused.value.field == "checksum"
    assert verify(CLAIMS, STORED, guessed_types=frozenset(), may_write=True) is None
    assert verify(CLAIMS, unlike, guessed_types=frozenset()) is None


@pytest.mark.parametrize(
    ("stored", "field"),
    [
        ({"size": CLAIMS.min_size - 1}, "size"),
        ({"size": CLAIMS.max_size + 1}, "size"),
        ({"content_type": "image/png"}, "content_type"),
        ({"content_type": "text/html"}, "content_type"),
        ({"content_encoding": "gzip"}, "content_encoding"),
    ],
    ids=str,
)
def test_an_object_that_was_not_promised_is_not_verified(stored: dict[str, Any], field: str) -> None:
    """Nor one with an encoding that the client added: S3 keeps headers that were not signed."""
    with pytest.raises(VerificationFailed) as refused:
        verify(CLAIMS, replace(STORED, **stored), guessed_types=frozenset())
    assert refused.value.field == field


@pytest.mark.parametrize(("kept", "verified"), [("GZIP", True), (None, True), ("br", False)])
def test_a_signed_encoding_is_compared_if_the_store_returns_one(kept: str | None, *, verified: bool) -> None:
    claims, stored = replace(CLAIMS, content_encoding="gzip"), replace(STORED, content_encoding=kept)
    with nullcontext() if verified else pytest.raises(VerificationFailed, match="content encoding"):
        verify(claims, stored, guessed_types=frozenset())


def test_a_put_that_s3_guards_can_be_replaced_once_it_is_deleted() -> None:
    assert until() is None
    assert until(may_delete=True) == END
    assert until(may_delete=True, now=END) is None


@pytest.mark.parametrize("may_delete", [False, True])
def test_a_form_can_be_replaced_until_it_expires(*, may_delete: bool) -> None:
    assert until(method="post", no_overwrite=False, may_delete=may_delete) == END


def test_the_urls_of_a_complete_multipart_upload_are_dead() -> None:
    multipart: dict[str, Any] = {"method": "multipart", "tags_object": True, "url_expires_at": 0}
    assert until(**multipart) is None
    assert until(**multipart, may_delete=True) is None
    assert until(Policy(name="default", overwrite=True), **multipart, no_overwrite=False) is None


@pytest.mark.parametrize("method", ["put", "multipart"])
def test_a_key_that_callers_can_bring_about_again_has_no_end(method: str) -> None:
    chosen: dict[str, Any] = {"method": method, "tags_object": True, "key": "a"}
    assert until(**chosen) is None
    assert until(**chosen, may_delete=True) == NO_END
    for fields in ({"overwrite": True}, {"overwrite": True, "key": KeyTemplate("a")}):
        assert until(Policy(name="default", **fields), **chosen) == NO_END


def test_whoever_may_name_and_replace_any_key_can_replace_made_ones_too() -> None:
    assert until(Policy(name="default", client_keys=True, overwrite=True)) == NO_END
    assert until(Policy(name="default", client_keys=True)) is None


def test_s3_credentials_and_a_policy_that_is_gone_leave_no_end() -> None:
    assert until(may_write=True) == until(gone=True) == NO_END


def test_an_id_of_an_earlier_release_names_no_url() -> None:
    """Its upload counts as replaceable for as long as the id lives."""
    assert until(url_expires_at=0, may_delete=True) == datetime.fromtimestamp(CLAIMS.expires_at, UTC)


def test_other_bytes_have_another_receipt() -> None:
    first = receipt_id(CLAIMS, STORED)
    assert first == receipt_id(CLAIMS, replace(STORED, last_modified=END))
    others = (
        replace(STORED, etag="f"),
        replace(STORED, version_id="2"),
        # Someone can find two files with one MD5.
        replace(STORED, checksums=(Checksum("crc32", "AAAAAA=="),)),
    )
    assert len({first, *(receipt_id(CLAIMS, other) for other in others)}) == 4
    assert first != receipt_id(replace(CLAIMS, upload_uuid="another"), STORED)

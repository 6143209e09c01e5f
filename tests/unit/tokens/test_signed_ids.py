"""An upload id carries its claims unchanged, and cannot be forged."""

import base64
import hmac
import string
from dataclasses import replace
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.claims import CLAIMS

from uploadsvc.domain.checksums import Checksum
from uploadsvc.domain.errors import NotFound
from uploadsvc.tokens.derived_keys import MIN_SECRET_BYTES, Purpose, derive_key
from uploadsvc.tokens.signed_ids import SignedIds, UploadClaims

SECRET = b"0123456789abcdef0123456789abcdef"
OTHER = b"fedcba9876543210fedcba9876543210"
ALPHABET = string.ascii_uppercase + string.ascii_lowercase + string.digits + "-_"
IDS = SignedIds([SECRET])

TEXT = st.text(max_size=30)
SIZES = st.integers(min_value=0, max_value=10**14)
ANY_CLAIMS = st.builds(
    UploadClaims,
    upload_uuid=TEXT,
    policy=TEXT,
    bucket=TEXT,
    key=TEXT,
    method=st.sampled_from(["put", "post", "multipart"]),
    min_size=SIZES,
    max_size=SIZES,
    content_type=TEXT,
    checksum=st.sampled_from([None, Checksum("crc32", "AAAAAA=="), Checksum("crc64nvme", "AAAAAAAAAAA=")]),
    part_checksum=st.sampled_from([None, "sha256", "crc64nvme"]),
    upload_id=TEXT,
    part_size=SIZES,
    no_overwrite=st.booleans(),
    tags_object=st.booleans(),
    url_expires_at=SIZES,
    expires_at=SIZES,
    content_encoding=st.sampled_from(["", "gzip"]),
)


def refuse(upload_id: str) -> None:
    """Assert that an id is refused."""
    with pytest.raises(NotFound, match="no such upload"):
        IDS.verify(upload_id)


@given(ANY_CLAIMS)
def test_claims_survive_a_round_trip(claims: UploadClaims) -> None:
    """The id can be part of a URL without encoding."""
    upload_id = IDS.sign(claims)
    assert set(upload_id) <= set(ALPHABET)
    assert IDS.verify(upload_id) == claims


@given(st.data())
def test_an_altered_id_is_refused(data: st.DataObject) -> None:
    upload_id = IDS.sign(CLAIMS)
    place = data.draw(st.integers(0, len(upload_id) - 1))
    character = data.draw(st.sampled_from([*ALPHABET, *"+/= \n.é\ud800\0"]))
    altered = upload_id[:place] + character + upload_id[place + 1 :]
    if altered != upload_id:
        refuse(altered)


def test_a_shortened_id_is_refused() -> None:
    upload_id = IDS.sign(CLAIMS)
    for length in range(len(upload_id)):
        refuse(upload_id[:length])
        refuse(upload_id[len(upload_id) - length :] if length else "")


@given(st.text(st.characters(exclude_categories=()), max_size=200))
def test_a_made_up_id_is_refused(text: str) -> None:
    refuse(text)


@pytest.mark.parametrize("extra", [b"", b"x", b"xy"])
def test_an_id_has_only_one_spelling(extra: bytes) -> None:
    """Padding, the other alphabet, line breaks and spare bits at the end are refused."""
    claims = replace(CLAIMS, upload_uuid="~?~?" + extra.decode())
    upload_id = IDS.sign(claims)
    assert IDS.verify(upload_id) == claims
    spellings = {
        upload_id + "=",
        upload_id + "==",
        upload_id + "\n",
        " " + upload_id,
        upload_id + "A",
        upload_id.replace("-", "+").replace("_", "/"),
        upload_id + "=" * (-len(upload_id) % 4),
    }
    if len(upload_id) % 4:
        last = ALPHABET[ALPHABET.index(upload_id[-1]) + 1]
        loose = upload_id[:-1] + last
        padding = "=" * (-len(upload_id) % 4)
        assert base64.urlsafe_b64decode(loose + padding) == base64.urlsafe_b64decode(upload_id + padding)
        spellings.add(loose)
    for spelling in spellings - {upload_id}:
        refuse(spelling)


@pytest.mark.parametrize("purpose", sorted(set(get_args(Purpose)) - {"upload"}))
def test_the_key_of_another_purpose_signs_no_id(purpose: Purpose) -> None:
    forger = SignedIds([SECRET])
    for key in (derive_key(SECRET, purpose), SECRET):
        forger._macs = [hmac.new(key, digestmod="sha256")]
        refuse(forger.sign(CLAIMS))
    forger._macs = [hmac.new(derive_key(SECRET, "upload"), digestmod="sha256")]
    assert SignedIds([SECRET]).verify(forger.sign(CLAIMS)) == CLAIMS


def test_every_purpose_and_secret_has_its_own_key() -> None:
    keys = [derive_key(secret, purpose) for secret in (SECRET, OTHER) for purpose in get_args(Purpose)]
    assert len({*keys, SECRET, OTHER}) == len(keys) + 2
    assert all(len(key) == 32 for key in keys)


def test_a_secret_can_be_rotated() -> None:
    """The first secret signs, and all verify."""
    before, between, after = SignedIds([OTHER]), SignedIds([SECRET, OTHER]), SignedIds([SECRET])
    old = before.sign(CLAIMS)
    assert between.verify(old) == CLAIMS
    assert between.sign(CLAIMS) == after.sign(CLAIMS)
    with pytest.raises(NotFound):
        after.verify(old)
    with pytest.raises(NotFound):
        before.verify(between.sign(CLAIMS))


def test_a_short_secret_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 32 bytes"):
        derive_key(b"x" * (MIN_SECRET_BYTES - 1), "upload")


def test_an_id_with_other_fields_is_refused() -> None:
    """A release with other fields may have signed it."""
    payload = b'["0190f3c0","default","media"]'
    tag = hmac.digest(derive_key(SECRET, "upload"), payload, "sha256")
    refuse(base64.urlsafe_b64encode(tag + payload).rstrip(b"=").decode())

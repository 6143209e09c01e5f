"""Claims that objects carry."""

from dataclasses import replace

import pytest
from tests.support.claims import CLAIMS

from uploadsvc.domain.checksums import Checksum
from uploadsvc.domain.metadata import MAX_CLAIMS_BYTES, UPLOAD_CLAIMS
from uploadsvc.domain.providers import TIB
from uploadsvc.tokens.object_claims import ObjectClaims
from uploadsvc.tokens.signed_ids import SignedIds, UploadClaims

OLD, NEW = b"o" * 32, b"n" * 32


def carried(claims: UploadClaims) -> UploadClaims:
    """Return claims as an object carries them."""
    return replace(claims, part_checksum=None, upload_id="", part_size=0, expires_at=0)


def test_an_object_tells_its_upload_across_a_rotation() -> None:
    text = ObjectClaims([OLD]).sign(CLAIMS)
    verified = ObjectClaims([NEW, OLD]).verify(text, bucket=CLAIMS.bucket, key=CLAIMS.key)
    assert verified == carried(CLAIMS)
    assert ObjectClaims([NEW]).verify(text, bucket=CLAIMS.bucket, key=CLAIMS.key) is None


@pytest.mark.parametrize("place", [{"bucket": "other"}, {"key": CLAIMS.key + "x"}])
def test_claims_hold_for_one_object(place: dict[str, str]) -> None:
    text = ObjectClaims([OLD]).sign(CLAIMS)
    assert ObjectClaims([OLD]).verify(text, **{"bucket": CLAIMS.bucket, "key": CLAIMS.key, **place}) is None


def test_changed_claims_are_not_verified() -> None:
    claims = ObjectClaims([OLD])
    text = claims.sign(CLAIMS)
    for index in range(len(text)):
        other = "A" if text[index] != "A" else "B"
        changed = text[:index] + other + text[index + 1 :]
        assert claims.verify(changed, bucket=CLAIMS.bucket, key=CLAIMS.key) is None


def test_claims_are_no_id_and_an_id_is_no_claims() -> None:
    ids, claims = SignedIds([OLD]), ObjectClaims([OLD])
    with pytest.raises(Exception, match="no such upload"):
        ids.verify(claims.sign(CLAIMS))
    assert claims.verify(ids.sign(CLAIMS), bucket=CLAIMS.bucket, key=CLAIMS.key) is None


def test_the_longest_claims_fit_into_their_room() -> None:
    longest = replace(
        CLAIMS,
        upload_uuid="f" * 32,
        policy="p" * 64,
        method="multipart",
        min_size=50 * TIB,
        max_size=50 * TIB,
        content_type="a/" + '"' * 253,
        checksum=Checksum("sha256", "A" * 43 + "="),
        url_expires_at=4_102_444_800,
        content_encoding="e" * 32,
    )
    value = ObjectClaims([OLD]).sign(longest)
    assert len(UPLOAD_CLAIMS) + len(value) <= MAX_CLAIMS_BYTES

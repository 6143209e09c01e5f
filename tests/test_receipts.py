"""A receipt can be checked offline, and says what was stored."""

from datetime import UTC, datetime

import jwt
import pytest

from uploadsvc.receipts import TYP, Receipts

KEY = b"r" * 32
NOW = datetime(2026, 11, 23, 9, 30, 15, 999_999, tzinfo=UTC)
RECEIPTS = Receipts(key=KEY, issuer="uploadsvc", audience="backend", expires_in=600)
CLAIMS = {
    "bucket": "media",
    "key": "uploads/ann/a.jpg",
    "size": 5,
    "content_type": "image/jpeg",
    "etag": "e",
    "version_id": None,
    "checksum": None,
    "policy": "default",
}


def opened(receipt: str, key: bytes = KEY, audience: str = "backend") -> dict[str, object]:
    """Open a receipt as a backend does, at whatever time it is."""
    return jwt.decode(
        receipt,
        key,
        algorithms=["HS256"],
        audience=audience,
        issuer="uploadsvc",
        options={"verify_exp": False},
    )


def test_a_receipt_holds_exactly_these_claims() -> None:
    """Who, what, when and by whom, in whole seconds."""
    receipt = RECEIPTS.sign(CLAIMS, user="ann", jti="J", now=NOW)
    issued_at = int(NOW.timestamp())
    assert opened(receipt) == {
        "iss": "uploadsvc",
        "aud": "backend",
        "sub": "ann",
        "iat": issued_at,
        "exp": issued_at + 600,
        "jti": "J",
        **CLAIMS,
    }
    assert jwt.get_unverified_header(receipt) == {"alg": "HS256", "typ": TYP}


def test_a_receipt_needs_its_key_and_audience() -> None:
    """Another service's key, or a receipt for another backend, does not hold."""
    receipt = RECEIPTS.sign(CLAIMS, user="ann", jti="J", now=NOW)
    with pytest.raises(jwt.InvalidSignatureError):
        opened(receipt, key=b"q" * 32)
    with pytest.raises(jwt.InvalidAudienceError):
        opened(receipt, audience="other")


def test_a_repeated_completion_gives_the_same_name() -> None:
    """A backend can count a receipt once, by its jti."""
    later = NOW.replace(hour=10)
    receipts = {RECEIPTS.sign(CLAIMS, user="ann", jti="J", now=now) for now in (NOW, later)}
    assert len(receipts) == 2
    assert {str(opened(receipt)["jti"]) for receipt in receipts} == {"J"}

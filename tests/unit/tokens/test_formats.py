"""Ids and tokens from earlier releases stay valid."""

from datetime import UTC, datetime, timedelta
from typing import Final, get_args

import jwt
import pytest
from tests.support.claims import CLAIMS

from uploadsvc.domain.principal import Principal
from uploadsvc.tokens.derived_keys import Purpose, derive_key
from uploadsvc.tokens.jwts import ACTION, DEMO, UPLOAD, ServiceTokens, TokenKind
from uploadsvc.tokens.receipts import Receipts
from uploadsvc.tokens.signed_ids import SignedIds
from uploadsvc.tokens.signed_uuids import SignedUuids

SECRET: Final = b"0123456789abcdef0123456789abcdef"
NOON: Final = datetime(2026, 11, 23, 12, tzinfo=UTC)
END: Final = NOON + timedelta(minutes=5)

KEYS: Final[dict[Purpose, str]] = {
    "upload": "19c0e1b3b59176b5fe8b937110e3428648b00754e02a116af688d28c0e832485",
    "unwatched": "818958ec3a50f0ac9292762c90c7bf09b70bcb9f600338fe87340820e55cf329",
    "upload-token": "db7bbc644fbb31d23bc04dd561b8abd6164c460f152080feff7a7e2c88a9841e",
    "receipt": "699b33d3ed5cd9c71cf79bf89fab0dc7fd217c9f3b9d6f2ee7e28077675a53f2",
    "demo": "00fae7480ca69dfe4f923623b248be9fed0a593242a9f8d5a424da05cb83bf2d",
    "action": "8be8927bf2731656dfd8b3f3a5998da2918fe07f926f30172d7034ba94ca96e1",
    "object": "e2fc00a7078949eb54876a643b61484e268130ba18d37246e10ca134131c9fa9",
    "delivery": "8d5818f586287e224bbd3abe3231dc694df5bba42a706a72efeb4c963bebdb00",
    "limits": "78258ce74c42ad27dde399f03e1730cb5f40a723206466174acf5622c5ef0d6b",
}
LIMITED_UPLOAD_TOKEN: Final = (
    "eyJhbGciOiJIUzI1NiIsInR5cCI6InVwbG9hZHN2Yy11cGxvYWQrand0In0.eyJhdWQiOiJ1cGxvYWRzdmMtdXBsb2FkIiwic3ViIjoi"
    "YW5uIiwiZXhwIjoxNzk1NDM1NTAwLCJwb2xpY2llcyI6WyJhIiwiYiJdfQ.ZHGPontDiQZ5q2lWyG4TUhCFMuZGvMdsKK6wQEl5Qdk"
)
OPEN_UPLOAD_TOKEN: Final = (
    "eyJhbGciOiJIUzI1NiIsInR5cCI6InVwbG9hZHN2Yy11cGxvYWQrand0In0.eyJhdWQiOiJ1cGxvYWRzdmMtdXBsb2FkIiwic3ViIjoi"
    "em9cdTAwZWIiLCJleHAiOjE3OTU0MzU1MDB9.ZPPIIlmcG4bn0DKOGK6NH7kcPLD-VHq-fdTeXaYxg8I"
)
ACTION_TOKEN: Final = (
    "eyJhbGciOiJIUzI1NiIsInR5cCI6InVwbG9hZHN2Yy1hY3Rpb24rand0In0.eyJhdWQiOiJ1cGxvYWRzdmMtYWN0aW9uIiwic3ViIjoi"
    "YW5uIiwiYWN0IjoiYWJvcnQiLCJ1cGxvYWQiOiJJRCIsImV4cCI6MTc5NTQzNTUwMCwicG9saWNpZXMiOlsiYSJdfQ.r1y0TCOesBT_m"
    "DjpD8vVR9E3Na1mVaRMZcB1Lgba9-w"
)
DEMO_TOKEN: Final = (
    "eyJhbGciOiJIUzI1NiIsInR5cCI6InVwbG9hZHN2Yy1kZW1vK2p3dCJ9.eyJzdWIiOiJhbm4iLCJhdWQiOiJ1cGxvYWRzdmMtZGVtbyIs"
    "ImV4cCI6MTc5NTQzNTUwMH0.LM8akLAfZ3Lmos8nDWyx9kKEhhV7k79gR8OBJc9nsuM"
)
RECEIPT: Final = (
    "eyJhbGciOiJIUzI1NiIsImtpZCI6ImRQT3NhbnlrMEM0T25fWXAiLCJ0eXAiOiJ1cGxvYWRzdmMtcmVjZWlwdCtqd3QifQ.eyJpc3MiOi"
    "J1cGxvYWRzdmMiLCJhdWQiOiJ1cGxvYWRzIiwic3ViIjoiYW5uIiwiaWF0IjoxNzk1NDM1MjAwLCJleHAiOjE3OTU0MzU1MDAsImp0aSI"
    "6IkoiLCJidWNrZXQiOiJtZWRpYSIsInNpemUiOjV9.DmDdNv4nTU018nRKS8CldgOqF8qQtrWU8Y65EWDJFSI"
)
UPLOAD_ID: Final = (
    "rE_zY-YBEoqPT9fYr90_cym2KStMLZae8dNa3hvOwGNbIjAxOTBmM2MwIiwiZGVmYXVsdCIsIm1lZGlhIiwidXBsb2Fkcy9hbm4vw6kvcG"
    "hvdG8uanBnIiwicHV0Iiw1LDUsImltYWdlL2pwZWciLFsiY3JjMzIiLCJBQUFBQUE9PSJdLG51bGwsIiIsMCx0cnVlLGZhbHNlLDAsMTgw"
    "MDAwMDAwMF0"
)


def service_tokens(kind: TokenKind) -> ServiceTokens:
    """Return tokens of one kind, at noon."""
    return ServiceTokens([SECRET], kind=kind, clock=lambda: NOON)


def test_derived_keys_stay_the_same() -> None:
    assert {purpose: derive_key(SECRET, purpose).hex() for purpose in get_args(Purpose)} == KEYS


@pytest.mark.parametrize(
    ("token", "user", "policies"),
    [(LIMITED_UPLOAD_TOKEN, "ann", frozenset({"a", "b"})), (OPEN_UPLOAD_TOKEN, "zoë", None)],
)
def test_an_upload_token_stays_valid(token: str, user: str, policies: frozenset[str] | None) -> None:
    tokens = service_tokens(UPLOAD)
    expected = Principal(user=user, policies=policies, kind="upload_token", expires_at=END)
    assert tokens.verify(token).principal == expected
    assert tokens.issue(user, policies, expires_at=END) == token


def test_an_action_token_stays_valid() -> None:
    tokens, policies = service_tokens(ACTION), frozenset({"a"})
    verified = tokens.verify(ACTION_TOKEN, act="abort")
    assert verified.claims["upload"] == "ID"
    assert (verified.principal.user, verified.principal.policies) == ("ann", policies)
    assert tokens.issue("ann", policies, expires_at=END, act="abort", upload="ID") == ACTION_TOKEN


def test_a_demo_token_stays_valid() -> None:
    """The order of its claims has changed, so its text is another."""
    tokens = service_tokens(DEMO)
    assert tokens.verify(DEMO_TOKEN).principal == Principal(user="ann", expires_at=END)
    issued = tokens.issue("ann", expires_at=END)
    for read in (
        jwt.get_unverified_header,
        lambda text: jwt.decode(text, options={"verify_signature": False}),
    ):
        assert read(issued) == read(DEMO_TOKEN)


def test_a_receipt_stays_the_same() -> None:
    receipts = Receipts(
        key=derive_key(SECRET, "receipt"), issuer="uploadsvc", audience="uploads", expires_in=300
    )
    assert receipts.sign({"bucket": "media", "size": 5}, user="ann", jti="J", now=NOON) == RECEIPT


def test_an_upload_id_stays_valid() -> None:
    ids = SignedIds([SECRET])
    assert ids.verify(UPLOAD_ID) == CLAIMS
    assert ids.sign(CLAIMS) == UPLOAD_ID


def test_a_signed_uuid_stays_valid() -> None:
    uuids = SignedUuids([SECRET], clock=lambda: NOON)
    assert uuids.verify("7f9c24e5-2f4c-4a5e-9d53-c73e07d2c072", user="ann", policy="open")

"""Ids and tokens from earlier releases stay valid."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Final, get_args

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from tests.support.claims import CLAIMS

from uploadsvc.client import verify_receipt
from uploadsvc.domain.principal import Principal
from uploadsvc.tokens.deliveries import Deliveries, Delivery
from uploadsvc.tokens.derived_keys import Purpose, derive_key
from uploadsvc.tokens.jwts import ACTION, DEMO, UPLOAD, ServiceTokens, TokenKind
from uploadsvc.tokens.object_claims import ObjectClaims
from uploadsvc.tokens.receipt_keys import ReceiptPrivateKey, ReceiptPublicKey, SharedKey
from uploadsvc.tokens.receipts import Receipts
from uploadsvc.tokens.signed_ids import SignedIds, UploadClaims
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

MULTIPART_UPLOAD_ID: Final = (
    "NFTVX9z5aOnNG1QX0uBpHxCzKEV6aRsQzqrIiPWxNNFbIjAxOTBmM2MwIiwiZGVmYXVsdCIsIm1lZGlhIiwidXBsb2Fkcy9hbm4vw6kvc"
    "GhvdG8uanBnIiwibXVsdGlwYXJ0IiwxMjU4MjkxMiwxMjU4MjkxMiwiaW1hZ2UvanBlZyIsbnVsbCwiY3JjNjRudm1lIiwiaWJaQnZfNz"
    "VnZDlyOGxIX2dxWGF0TGR4TVZwQWxqNmloVFIiLDYyOTE0NTYsdHJ1ZSx0cnVlLDAsMTgwMDAwMDAwMCwiZ3ppcCJd"
)
MULTIPART_CLAIMS: Final = replace(
    CLAIMS,
    method="multipart",
    min_size=12_582_912,
    max_size=12_582_912,
    checksum=None,
    part_checksum="crc64nvme",
    upload_id="ibZBv_75gd9r8lH_gqXatLdxMVpAlj6ihTR",
    part_size=6_291_456,
    tags_object=True,
    content_encoding="gzip",
)
OBJECT_CLAIMS: Final = (
    "SRXuawP5AxyQCeSPrJmmTzAxOTBmM2MwCmRlZmF1bHQKcHV0CjUKNQppbWFnZS9qcGVnCmNyYzMyCkFBQUFBQT09Cm4KMAo"
)
DELIVERY: Final = (
    r'{"uploadsvc_delivery":{"fields":["app.example.com/hooks","evt_1",3,2,1800000000,"{\"key\":\"\u00e9\"}"],'
    '"mac":"mbGvcr7OPlYYoXrY6p0/+UXgj5RIdL5aYyMV2FcnPro="}}'
)
HUNDRED_YEARS: Final = 3_155_760_000
SHARED_KEY_RECEIPT: Final = (
    "eyJhbGciOiJIUzI1NiIsImtpZCI6ImRQT3NhbnlrMEM0T25fWXAiLCJ0eXAiOiJ1cGxvYWRzdmMtcmVjZWlwdCtqd3QifQ.eyJpc3MiOi"
    "J1cGxvYWRzdmMiLCJhdWQiOiJ1cGxvYWRzdmMtcmVjZWlwdHMiLCJzdWIiOiJhbm4iLCJpYXQiOjE3OTU0MzUyMDAsImV4cCI6NDk1MTE"
    "5NTIwMCwianRpIjoiSiIsImJ1Y2tldCI6Im1lZGlhIiwia2V5IjoidXBsb2Fkcy9hbm4vXHUwMGU5L3Bob3RvLmpwZyIsInNpemUiOjUs"
    "ImNvbnRlbnRfdHlwZSI6ImltYWdlL2pwZWciLCJldGFnIjoiNWQ0MTQwMmFiYzRiMmE3NmI5NzE5ZDkxMTAxN2M1OTIiLCJ2ZXJzaW9uX"
    "2lkIjpudWxsLCJjaGVja3N1bSI6bnVsbCwicG9saWN5IjoiZGVmYXVsdCIsInJlcGxhY2VhYmxlX3VudGlsIjpudWxsfQ.zj9vHMD-GYA"
    "ULvgYOXDSe09UqofdYm9gE-WWy2YEKKQ"
)
SHARED_KEY: Final = {
    "kty": "oct",
    "k": "aZsz0-1c2ccc95v4n6sNx_0hfJ87nW8u5-KAd2daU_I",
    "kid": "dPOsanyk0C4On_Yp",
    "alg": "HS256",
    "use": "sig",
}
ED25519_RECEIPT: Final = (
    "eyJhbGciOiJFZERTQSIsImtpZCI6IlFSd0hzeTZRMElsamxFNlE1U3FCT1ZSQXNRM1ZIQWFRdnJOWFd2MDUtTG8iLCJ0eXAiOiJ1cGxvY"
    "WRzdmMtcmVjZWlwdCtqd3QifQ.eyJpc3MiOiJ1cGxvYWRzdmMiLCJhdWQiOiJ1cGxvYWRzdmMtcmVjZWlwdHMiLCJzdWIiOiJhbm4iLCJ"
    "pYXQiOjE3OTU0MzUyMDAsImV4cCI6NDk1MTE5NTIwMCwianRpIjoiSiIsImJ1Y2tldCI6Im1lZGlhIiwia2V5IjoidXBsb2Fkcy9hbm4v"
    "XHUwMGU5L3Bob3RvLmpwZyIsInNpemUiOjUsImNvbnRlbnRfdHlwZSI6ImltYWdlL2pwZWciLCJldGFnIjoiNWQ0MTQwMmFiYzRiMmE3N"
    "mI5NzE5ZDkxMTAxN2M1OTIiLCJ2ZXJzaW9uX2lkIjpudWxsLCJjaGVja3N1bSI6bnVsbCwicG9saWN5IjoiZGVmYXVsdCIsInJlcGxhY2"
    "VhYmxlX3VudGlsIjpudWxsfQ.2uDyR0Ohped77IVqqzKSJyRl1FZqlKwdm4J1r3iPwqdGmPESmcHN2A1_RqyYv0mhGy9SGOX5hhvkLNbX"
    "ZB7dCA"
)
ED25519_KEY: Final = {
    "kty": "OKP",
    "crv": "Ed25519",
    "x": "I7xUkSwebpLEqGglyGfif_3FVb_71CRPF6Jqv__ull0",
    "kid": "QRwHsy6Q0IljlE6Q5SqBOVRAsQ3VHAaQvrNXWv05-Lo",
    "alg": "EdDSA",
    "use": "sig",
}


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


def ed25519() -> ReceiptPrivateKey:
    """Return the private key of `ED25519_KEY`."""
    key = Ed25519PrivateKey.from_private_bytes(SECRET)
    return ReceiptPrivateKey(key, ReceiptPublicKey(key.public_key()))


@pytest.mark.parametrize(
    ("receipt", "jwk", "key"),
    [
        (SHARED_KEY_RECEIPT, SHARED_KEY, SharedKey(derive_key(SECRET, "receipt"))),
        (ED25519_RECEIPT, ED25519_KEY, ed25519()),
    ],
    ids=["shared key", "Ed25519"],
)
def test_a_receipt_stays_valid(receipt: str, jwk: dict[str, str], key: SharedKey | ReceiptPrivateKey) -> None:
    """For this service, and for backends, which may keep both the key and the receipt."""
    receipts = Receipts(key=key, issuer="uploadsvc", audience="uploadsvc-receipts", expires_in=HUNDRED_YEARS)
    assert receipts.keys[0].jwk() == jwk
    claims = receipts.verify(receipt, now=NOON)
    found = verify_receipt(receipt, jwks={"keys": [jwk]}, user="ann", policy="default")
    assert found.claims == claims
    assert (found.bucket, found.key, found.size) == (CLAIMS.bucket, CLAIMS.key, CLAIMS.min_size)
    registered = {"iss", "aud", "sub", "iat", "exp", "jti"}
    own = {name: value for name, value in claims.items() if name not in registered}
    assert receipts.sign(own, user="ann", jti="J", now=NOON) == receipt


@pytest.mark.parametrize(
    ("upload_id", "claims"), [(UPLOAD_ID, CLAIMS), (MULTIPART_UPLOAD_ID, MULTIPART_CLAIMS)]
)
def test_an_upload_id_stays_valid(upload_id: str, claims: UploadClaims) -> None:
    ids = SignedIds([SECRET])
    assert ids.verify(upload_id) == claims
    assert ids.sign(claims) == upload_id


def test_stored_objects_keep_telling_their_uploads() -> None:
    """Their metadata stays as long as they do."""
    claims = ObjectClaims([SECRET])
    found = claims.verify(OBJECT_CLAIMS, bucket=CLAIMS.bucket, key=CLAIMS.key)
    assert found == replace(CLAIMS, expires_at=0)
    assert claims.sign(CLAIMS) == OBJECT_CLAIMS


def test_a_delivery_in_the_queue_stays_valid() -> None:
    """A worker of a new version reads what one of the old version has postponed."""
    deliveries = Deliveries([SECRET])
    delivery = deliveries.decode(DELIVERY)
    assert delivery == Delivery(
        receiver="app.example.com/hooks",
        event_id="evt_1",
        body='{"key":"é"}'.encode(),
        attempt=3,
        postponed=2,
        not_before=1_800_000_000,
    )
    assert deliveries.encode(delivery) == DELIVERY


def test_a_signed_uuid_stays_valid() -> None:
    uuids = SignedUuids([SECRET], clock=lambda: NOON)
    assert uuids.verify("7f9c24e5-2f4c-4a5e-9d53-c73e07d2c072", user="ann", policy="open")

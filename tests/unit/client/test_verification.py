"""Backends verify webhooks that the service's own signer signs, and its receipts; nothing else passes."""

import base64
import json
import math
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from tests.support import receipt_tokens
from tests.support.receipt_tokens import PUBLIC, Key, forged, key_set, receipts_by
from tests.support.receipt_tokens import SECRET as SHARED
from tests.support.webhooks import BODY, EVENT, OTHER_SECRET, SECRET, delivery
from tests.support.webhooks import refused as refused_deliveries

from uploadsvc.client import VerificationError, verify_receipt, verify_webhook
from uploadsvc.tokens.receipts import TYP
from uploadsvc.tokens.webhook_signatures import WebhookSigner, webhook_public_key

CLAIMS: dict[str, Any] = {
    "size": 5,
    "policy": "avatars",
    "key": "uploads/ann/a.jpg",
    "etag": "e",
    "bucket": "b",
    "content_type": "image/jpeg",
}
EACH_KEY = pytest.mark.parametrize("key", [SHARED, *PUBLIC.values()], ids=["secret", *PUBLIC])


def receipt_by(key: Key, **claims: object) -> str:
    return receipts_by(key).sign({**CLAIMS, **claims}, user="ann", jti="J", now=datetime.now(UTC))


def test_a_webhook_gives_its_event() -> None:
    """However its headers are written; with either of two secrets."""
    sent = delivery("evt_1", secrets=(SECRET,))
    headers = {name.title(): value for name, value in sent.headers.items()}
    for secret in (SECRET, SECRET.removeprefix("whsec_"), [OTHER_SECRET, SECRET]):
        event = verify_webhook(sent.body, headers, secret)
        assert (event.id, event.type, event.data) == ("evt_1", EVENT["type"], EVENT["data"])
    assert verify_webhook(sent.body.decode(), headers, SECRET) == event


@pytest.mark.parametrize("wrong", sorted(refused_deliveries()))
def test_another_webhook_is_refused(wrong: str) -> None:
    one = refused_deliveries()[wrong]
    with pytest.raises(VerificationError) as raised:
        verify_webhook(one.body, one.headers, SECRET)
    assert raised.value.code == "invalid_webhook"


def test_a_webhook_is_verified_with_a_public_key() -> None:
    """And is not, with the public key of another service."""
    keys = [Ed25519PrivateKey.generate() for _ in range(2)]
    signer = WebhookSigner((OTHER_SECRET,), private_key=keys[0])
    headers = signer.headers("evt_1", BODY, now=datetime.now(UTC))
    public = [webhook_public_key(key.public_key()) for key in keys]
    assert verify_webhook(BODY, headers, public[0]).id == "evt_1"
    with pytest.raises(VerificationError):
        verify_webhook(BODY, headers, public[1])


@pytest.mark.parametrize("body", [b"[]", b"{}", b'"x"', b"\xff", b'{"type": 1}', b"[" * 100_000])
def test_a_signed_body_that_is_no_event_is_refused(body: bytes) -> None:
    signer = WebhookSigner((SECRET,))
    headers = signer.headers("evt_1", body, now=datetime.now(UTC))
    with pytest.raises(VerificationError):
        verify_webhook(body, headers, SECRET)


@pytest.mark.parametrize(
    "secret", ["", "whsec_", "whsec_!", "other_YWJj", "whpk_AAAAAAA=", f"whpk_{'AAAA' * 11}"]
)
@pytest.mark.parametrize("signature", ["v1a,AAAA", "v1,AAAA"])
def test_a_malformed_secret_is_no_key(secret: str, signature: str) -> None:
    """Whatever was sent; no key at all verifies nothing."""
    sent = delivery()
    headers = {**sent.headers, "webhook-signature": signature}
    with pytest.raises(ValueError, match="must be"):
        verify_webhook(sent.body, headers, secret)
    with pytest.raises(VerificationError):
        verify_webhook(sent.body, headers, [])


@pytest.mark.parametrize("signature", ["v1a,", "v1a,AAAA", f"v1a,{'A' * 86}==", "v1a,\ud800", "v1a"])
@pytest.mark.parametrize("key", [bytes(32), b"\xff" * 32], ids=["zeros", "ones"])
def test_a_public_key_that_is_no_point_verifies_nothing(signature: str, key: bytes) -> None:
    headers = {**delivery().headers, "webhook-signature": signature}
    with pytest.raises(VerificationError):
        verify_webhook(BODY, headers, f"whpk_{base64.b64encode(key).decode()}")


@pytest.mark.parametrize("name", ["webhook-id", "webhook-signature", "webhook-timestamp", "body"])
def test_a_webhook_that_is_not_unicode_is_refused(name: str) -> None:
    sent = delivery()
    changed = {**sent.headers, "body": sent.body.decode(), name: "1\ud800"}
    body = changed.pop("body")
    with pytest.raises(VerificationError):
        verify_webhook(body, changed, SECRET)


@EACH_KEY
def test_a_receipt_is_verified_offline(key: Key) -> None:
    """With a key set: JSON, or what was parsed from it."""
    receipt = receipt_by(key)
    for jwks in (key_set(key), json.dumps(key_set(key))):
        found = verify_receipt(receipt, jwks=jwks, user="ann", policy="avatars")
        assert (found.id, found.user, found.policy, found.size) == ("J", "ann", "avatars", 5)
        assert found.expires_at.timestamp() == pytest.approx(time.time() + 600, abs=30)


@EACH_KEY
def test_what_is_no_receipt_is_refused(key: Key) -> None:
    assert verify_receipt(forged(key, **CLAIMS), jwks=key_set(key)).key == CLAIMS["key"]
    for bad in (
        *receipt_tokens.refused(key, **CLAIMS),
        forged(key),
        forged(key, policy="avatars"),
        receipt_by(key, size="5"),
        *(forged(key, **CLAIMS, exp=exp) for exp in (10**18, 10**300, -1, 1e308, math.inf, math.nan, None)),
        "",
    ):
        with pytest.raises(VerificationError) as raised:
            verify_receipt(bad, jwks=key_set(key))
        assert raised.value.code == "invalid_receipt"
        assert not bad or bad not in str(raised.value)


@pytest.mark.parametrize("algorithm", ["RS384", "RS512", "PS256"])
def test_other_algorithms_are_refused(algorithm: str) -> None:
    """Though the key set names them, and the signature is right."""
    key = PUBLIC["RSA"]
    claims = jwt.decode(forged(key, **CLAIMS), options={"verify_signature": False})
    (jwk,) = key_set(key)["keys"]
    for alg in ("RS256", algorithm):
        receipt = jwt.encode(claims, key.key, algorithm=alg, headers={"typ": TYP, "kid": jwk["kid"]})
        keys = {"keys": [{**jwk, "alg": alg}]}
        if alg == "RS256":
            assert verify_receipt(receipt, jwks=keys).user == "ann"
        else:
            with pytest.raises(VerificationError):
                verify_receipt(receipt, jwks=keys)


def test_a_receipt_of_another_user_or_policy_is_refused() -> None:
    receipt = receipt_by(SHARED)
    for other in ({"user": "eve"}, {"policy": "invoices"}, {"issuer": "other"}, {"audience": "other"}):
        with pytest.raises(VerificationError):
            verify_receipt(receipt, secret="r" * 32, **other)
    assert verify_receipt(receipt, secret="r" * 32).user == "ann"
    with pytest.raises(VerificationError):
        verify_receipt(receipt, secret="s" * 32)


@pytest.mark.parametrize(
    "keys", [{}, {"secret": ""}, {"jwks": "{"}, {"jwks": {}}, {"jwks": "[]"}, {"secret": "a", "jwks": {}}]
)
def test_keys_are_given_once_and_whole(keys: dict[str, Any]) -> None:
    """No receipt is verified with an empty secret."""
    with pytest.raises(ValueError, match="jwks"):
        verify_receipt(receipt_by(SHARED), **keys)


def test_the_tolerance_can_be_set() -> None:
    sent = delivery(age=timedelta(minutes=6))
    assert verify_webhook(sent.body, sent.headers, SECRET, tolerance=600).id == "evt_1"

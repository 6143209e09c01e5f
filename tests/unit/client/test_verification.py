"""Backends verify webhooks that the service's own signer signs, and its receipts; nothing else passes."""

import json
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from tests.support import receipt_tokens
from tests.support.receipt_tokens import PUBLIC, Key, forged, key_set, receipts_by
from tests.support.receipt_tokens import SECRET as SHARED
from tests.support.webhooks import BODY, EVENT, OTHER_SECRET, SECRET, delivery
from tests.support.webhooks import refused as refused_deliveries

from uploadsvc.client import VerificationError, verify_receipt, verify_webhook
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


@pytest.mark.parametrize("secret", ["", "whsec_", "whsec_!", "other_YWJj", []])
def test_a_malformed_secret_is_no_key(secret: str | list[str]) -> None:
    sent = delivery()
    with pytest.raises((ValueError, VerificationError)):
        verify_webhook(sent.body, sent.headers, secret)


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
        "",
    ):
        with pytest.raises(VerificationError) as raised:
            verify_receipt(bad, jwks=key_set(key))
        assert raised.value.code == "invalid_receipt"
        assert not bad or bad not in str(raised.value)


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

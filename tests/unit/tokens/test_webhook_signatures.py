"""Signatures of events, verified by the library that receivers use."""

import base64
from datetime import UTC, datetime, timedelta

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from standardwebhooks import Webhook, WebhookVerificationError

from uploadsvc.tokens.webhook_signatures import WebhookSigner, webhook_public_key

OLD = "whsec_bWFkZSB1cCBmb3IgdGhlIHRlc3RzLCAzMiBieXRlcyE="
NEW = "whsec_YWxzbyBtYWRlIHVwIGZvciB0ZXN0cywgMzIgYnl0ZXM="
OTHER = "whsec_bm9ib2R5IGhhcyB0aGlzIHNlY3JldCBvZiAzMiBieXQ="
BODY = '{"type":"upload.completed","data":{"object":{"key":"uploads/ann/é.txt"}}}'.encode()


def now() -> datetime:
    return datetime.now(UTC)


def test_the_example_of_the_specification() -> None:
    # From "Signature scheme" of the specification, whose libraries test it too.
    signer = WebhookSigner(["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"])
    sent = datetime.fromtimestamp(1614265330, UTC)
    headers = signer.headers("msg_p5jXN8AQM9LWM0D4loKWxJek", b'{"test": 2432232314}', now=sent)
    assert headers["webhook-timestamp"] == "1614265330"
    assert headers["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


@pytest.mark.parametrize("receiver", [OLD, NEW])
def test_a_receiver_may_have_either_secret_during_a_rotation(receiver: str) -> None:
    headers = WebhookSigner([NEW, OLD]).headers("evt_1", BODY, now=now())
    assert Webhook(receiver).verify(BODY, headers)["type"] == "upload.completed"
    for secret, body in ((OTHER, BODY), (receiver, BODY.replace(b"ann", b"bob"))):
        with pytest.raises(WebhookVerificationError):
            Webhook(secret).verify(body, headers)
    with pytest.raises(WebhookVerificationError):
        Webhook(receiver).verify(BODY, {**headers, "webhook-id": "evt_2"})


@pytest.mark.parametrize("skew", [timedelta(minutes=-6), timedelta(minutes=6)])
def test_receivers_refuse_replays_and_skewed_clocks(skew: timedelta) -> None:
    headers = WebhookSigner([OLD]).headers("evt_1", BODY, now=now() + skew)
    with pytest.raises(WebhookVerificationError, match="timestamp"):
        Webhook(OLD).verify(BODY, headers)


def test_the_receipts_key_signs_too() -> None:
    key = Ed25519PrivateKey.generate()
    headers = WebhookSigner([OLD], private_key=key).headers("evt_1", BODY, now=now())
    # Libraries that know v1 only pass over it.
    Webhook(OLD).verify(BODY, headers)
    _, (version, signature) = (one.split(",") for one in headers["webhook-signature"].split(" "))
    assert version == "v1a"
    public = webhook_public_key(key.public_key())
    read = Ed25519PublicKey.from_public_bytes(base64.b64decode(public.removeprefix("whpk_")))
    content = f"evt_1.{headers['webhook-timestamp']}.".encode() + BODY
    read.verify(base64.b64decode(signature), content)
    with pytest.raises(InvalidSignature):
        read.verify(base64.b64decode(signature), content + b" ")

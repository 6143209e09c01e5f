"""Requests to receivers of events, good and bad, and the receivers of `docs/events.md`."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import httpx
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from tests.support.pages import text_of

from uploadsvc.tokens.webhook_signatures import WebhookSigner

GUIDE: Final = text_of("docs/events.md")
SECRET: Final = "whsec_bWFkZSB1cCBmb3IgdGhlIHRlc3RzLCAzMiBieXRlcyE="
OTHER_SECRET: Final = "whsec_YWxzbyBtYWRlIHVwIGZvciB0ZXN0cywgMzIgYnl0ZXM="
EVENT: Final[Mapping[str, Any]] = {
    "type": "upload.completed",
    "timestamp": "2026-11-23T12:00:00.000Z",
    "data": {"user": "ann", "verified": True, "object": {"key": "uploads/ann/a é.jpg", "size": 5}},
}
BODY: Final = json.dumps(EVENT, ensure_ascii=False).encode()


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """A request to a receiver.

    Attributes:
        headers: Its headers.
        body: Its body.
    """

    headers: Mapping[str, str]
    body: bytes = BODY

    async def send(self, url: str) -> int:
        """Send it, and return the status of the answer."""
        async with httpx.AsyncClient(trust_env=False) as client:
            answer = await client.post(
                url, content=self.body, headers={"Content-Type": "application/json", **self.headers}
            )
        return answer.status_code


def delivery(
    event_id: str = "evt_1",
    *,
    body: bytes = BODY,
    secrets: tuple[str, ...] = (SECRET,),
    age: timedelta = timedelta(),
) -> Delivery:
    """Return a delivery as the service sends it.

    Args:
        event_id: Id of the event.
        body: The event.
        secrets: The secrets that sign it.
        age: How long ago it was signed.
    """
    signer = WebhookSigner(secrets, private_key=Ed25519PrivateKey.generate())
    return Delivery(headers=signer.headers(event_id, body, now=datetime.now(UTC) - age), body=body)


def refused() -> dict[str, Delivery]:
    """Return deliveries that no receiver takes, by what is wrong with them."""
    good = delivery("evt_bad")
    return {
        "changed body": Delivery(headers=good.headers, body=BODY.replace(b"ann", b"eve")),
        "not text": Delivery(headers=good.headers, body=b"\xff"),
        "no body": Delivery(headers=good.headers, body=b""),
        "changed id": Delivery(headers={**good.headers, "webhook-id": "evt_2"}),
        "wrong secret": delivery("evt_bad", secrets=(OTHER_SECRET,)),
        "replayed": delivery("evt_bad", age=timedelta(minutes=6)),
        "from the future": delivery("evt_bad", age=timedelta(minutes=-6)),
        "later timestamp": Delivery(headers={**good.headers, "webhook-timestamp": "99999999999"}),
        "malformed signature": Delivery(headers={**good.headers, "webhook-signature": "v1"}),
        "no base64": Delivery(headers={**good.headers, "webhook-signature": "v1,="}),
        "no signature": Delivery(headers={"webhook-id": "evt_bad"}),
    }


async def assert_receives(url: str) -> None:
    """Let a receiver refuse what the service has not just signed, and take one event twice."""
    statuses = {name: await one.send(url) for name, one in refused().items()}
    assert statuses == dict.fromkeys(statuses, 401)
    assert await delivery().send(url) == 204
    assert await delivery().send(url) == 204
    # During a rotation.
    assert await delivery("evt_2", secrets=(OTHER_SECRET, SECRET)).send(url) == 204

"""Signed messages in the queue for later deliveries of an event to one receiver.

They are signed because anyone who can write to the queue can forge messages. Notifications are checked with
S3; deliveries cannot be.
"""

import base64
import hmac
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from uploadsvc.domain.json_fields import read_object
from uploadsvc.tokens.derived_keys import derive_key

_NAME: Final = "uploadsvc_delivery"
_START: Final = f'{{"{_NAME}":'


class WrongDeliveryError(ValueError):
    """The delivery is not signed with one of the secret keys."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """An event for one receiver.

    Attributes:
        receiver: Id of the receiver.
        event_id: ``webhook-id`` of the event.
        body: JSON of the event.
        attempt: Number of the attempt after the first receive of the message.
        postponed: Number of times that the receiver was busy.
        not_before: Earliest time of that attempt, in seconds since 1970.
    """

    receiver: str
    event_id: str
    body: bytes
    attempt: int
    postponed: int = 0
    not_before: int = 0


class Deliveries:
    """Writes and reads messages of deliveries.

    Args:
        secrets: The secret keys: the first signs, all verify.
    """

    def __init__(self, secrets: Sequence[bytes]) -> None:
        self._keys = [derive_key(secret, "delivery") for secret in secrets]

    def encode(self, delivery: Delivery) -> str:
        """Return the message in ASCII, because SQS rejects some characters."""
        fields: _Fields = (
            delivery.receiver,
            delivery.event_id,
            delivery.attempt,
            delivery.postponed,
            delivery.not_before,
            delivery.body.decode(),
        )
        mac = base64.b64encode(_mac(self._keys[0], fields)).decode()
        return f"{_START}{json.dumps({'fields': fields, 'mac': mac}, separators=(',', ':'))}}}"

    def decode(self, text: str) -> Delivery | None:
        """Parse a delivery. Returns ``None`` for other messages, such as notifications.

        Raises:
            WrongDeliveryError: It looks like a delivery, but is not signed with a secret key.
        """
        if not text.startswith(_START):
            return None
        fields = self._verified(text)
        if fields is None:
            error = "must be signed with a secret key of this service"
            raise WrongDeliveryError(error)
        receiver, event_id, attempt, postponed, not_before, body = fields
        return Delivery(
            receiver=receiver,
            event_id=event_id,
            body=body.encode(),
            attempt=attempt,
            postponed=postponed,
            not_before=not_before,
        )

    def _verified(self, text: str) -> "_Fields | None":
        try:
            message = read_object(text).child(_NAME)
            fields = _fields(message.values.get("fields"))
            mac = base64.b64decode(message.text("mac"), validate=True)
        except ValueError:
            return None
        return fields if any(hmac.compare_digest(mac, _mac(key, fields)) for key in self._keys) else None


_Fields = tuple[str, str, int, int, int, str]


def _fields(found: object) -> _Fields:
    match found:
        case [
            str(receiver),
            str(event_id),
            int(attempt),
            int(postponed),
            int(not_before),
            str(body),
        ]:
            return receiver, event_id, attempt, postponed, not_before, body
        case _:
            raise ValueError


def _mac(key: bytes, fields: _Fields) -> bytes:
    return hmac.digest(key, json.dumps(fields).encode(), "sha256")

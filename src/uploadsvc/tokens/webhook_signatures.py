"""Sign events by Standard Webhooks 1.0.

https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

import base64
import hmac
from collections.abc import Sequence
from datetime import datetime
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

_SECRET_PREFIX: Final = "whsec_"  # noqa: S105 - of all secrets
_PUBLIC_KEY_PREFIX: Final = "whpk_"


class WebhookSigner:
    """Signs events for one receiver.

    Args:
        secrets: Secrets ``whsec_…``. Each makes a ``v1`` signature, so a receiver can use any of them during
            a rotation.
        private_key: Makes an additional ``v1a`` signature.
    """

    def __init__(self, secrets: Sequence[str], *, private_key: Ed25519PrivateKey | None = None) -> None:
        self._secrets = [base64.b64decode(secret.removeprefix(_SECRET_PREFIX)) for secret in secrets]
        self._private_key = private_key

    def headers(self, event_id: str, body: bytes, *, now: datetime) -> dict[str, str]:
        """Return the headers of one attempt.

        Args:
            event_id: Id of the event.
            body: The request body.
            now: Time of the attempt, aware. Receivers reject old ones.
        """
        timestamp = str(int(now.timestamp()))
        content = f"{event_id}.{timestamp}.".encode() + body
        signatures = [f"v1,{_base64(hmac.digest(secret, content, 'sha256'))}" for secret in self._secrets]
        if self._private_key is not None:
            signatures.append(f"v1a,{_base64(self._private_key.sign(content))}")
        return {
            "webhook-id": event_id,
            "webhook-timestamp": timestamp,
            "webhook-signature": " ".join(signatures),
        }


def webhook_public_key(key: Ed25519PublicKey) -> str:
    """Return the public key for ``v1a``, in the format of receivers' libraries."""
    return _PUBLIC_KEY_PREFIX + _base64(key.public_bytes(Encoding.Raw, PublicFormat.Raw))


def _base64(value: bytes) -> str:
    return base64.b64encode(value).decode()

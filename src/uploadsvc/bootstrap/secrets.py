"""Secret keys and receipt keys."""

from collections.abc import Sequence

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from pydantic import SecretStr

from uploadsvc.settings import Settings, SettingsError
from uploadsvc.tokens.derived_keys import MIN_SECRET_BYTES, derive_key
from uploadsvc.tokens.receipt_keys import (
    ReceiptPrivateKey,
    ReceiptPublicKey,
    SharedKey,
    private_key,
    public_key,
)
from uploadsvc.tokens.receipts import Receipts


def secret_keys(settings: Settings) -> list[bytes]:
    """Return the secret keys: the first signs, all verify.

    Raises:
        SettingsError: No secret key is set.
    """
    if not settings.secrets:
        raise SettingsError(("secret_key",), f"missing; {MIN_SECRET_BYTES} random bytes or more")
    return settings.secrets


def build_receipts(settings: Settings, secrets: Sequence[bytes]) -> Receipts:
    """Build the signer of receipts, with the private key, the secret, or a key derived from the secret key.

    Raises:
        SettingsError: A key cannot be read, or its type is not allowed.
    """
    section = settings.receipts
    key: ReceiptPrivateKey | SharedKey
    others: list[ReceiptPublicKey] | list[SharedKey] = []
    if section.private_key is not None:
        key = _private_key(section.private_key)
        others = [_public_key(pem, index) for index, pem in enumerate(section.public_keys)]
    elif section.secret is not None:
        key = SharedKey(section.secret.get_secret_value().encode())
    else:
        key, *others = [SharedKey(derive_key(secret, "receipt")) for secret in secrets]
    return Receipts(
        key=key,
        others=others,
        issuer=section.issuer,
        audience=section.audience,
        expires_in=section.expires_in,
    )


def event_signing_key(settings: Settings) -> Ed25519PrivateKey | None:
    """Return the receipts' private key if it can sign events too: only Ed25519 can.

    Raises:
        SettingsError: The key cannot be read, or its type is not allowed.
    """
    if settings.receipts.private_key is None:
        return None
    key = _private_key(settings.receipts.private_key).key
    return key if isinstance(key, Ed25519PrivateKey) else None


def _private_key(pem: SecretStr) -> ReceiptPrivateKey:
    try:
        return private_key(pem.get_secret_value())
    except ValueError as error:
        raise SettingsError(("receipts", "private_key"), str(error)) from None


def _public_key(pem: str, index: int) -> ReceiptPublicKey:
    try:
        return public_key(pem)
    except ValueError as error:
        raise SettingsError(("receipts", "public_keys", str(index)), str(error)) from None

"""What signs receipts, and what they are checked with."""

from pydantic import SecretStr

from uploadsvc.bootstrap.secrets import secrets
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


def receipts(settings: Settings) -> Receipts:
    """Return what signs receipts: the operator's private key or secret, or a key derived from ours."""
    section = settings.receipts
    key: ReceiptPrivateKey | SharedKey
    others: list[ReceiptPublicKey] | list[SharedKey] = []
    # Not merely empty: a key that someone meant to set must not silently become a derived one.
    if section.private_key is not None:
        if section.secret is not None:
            raise SettingsError(
                ("receipts", "private_key"), "set this or UPLOADSVC_RECEIPTS__SECRET, not both"
            )
        key = _private_key(section.private_key)
        others = [_public_key(pem, index) for index, pem in enumerate(section.public_keys)]
    elif section.public_keys:
        raise SettingsError(
            ("receipts", "public_keys"),
            "needs UPLOADSVC_RECEIPTS__PRIVATE_KEY beside it: keys are published only where receipts "
            "are signed with one",
        )
    elif section.secret is not None:
        key = _secret(section.secret)
        _check_own(settings, key.key)
    else:
        key, *others = [SharedKey(derive_key(secret, "receipt")) for secret in secrets(settings)]
    return Receipts(
        key=key,
        others=others,
        issuer=section.issuer,
        audience=section.audience,
        expires_in=section.expires_in,
    )


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


def _secret(secret: SecretStr) -> SharedKey:
    key = secret.get_secret_value().encode()
    if len(key) < MIN_SECRET_BYTES:
        message = f"has {len(key)} bytes; {MIN_SECRET_BYTES} or more are needed"
        raise SettingsError(("receipts", "secret"), message)
    return SharedKey(key)


def _check_own(settings: Settings, key: bytes) -> None:
    """Refuse a secret that does something else as well: whoever checks receipts could do that too."""
    login = settings.auth.jwt.secret
    if login is not None and login.get_secret_value().encode() == key:
        message = "is UPLOADSVC_AUTH__JWT__SECRET; whoever checks receipts could sign anyone in"
        raise SettingsError(("receipts", "secret"), message)
    own = settings.secret_keys or ((settings.secret_key,) if settings.secret_key else ())
    if key in [one.get_secret_value().encode() for one in own]:
        message = "is a secret key of the service; whoever checks receipts could make ids and tokens"
        raise SettingsError(("receipts", "secret"), message)

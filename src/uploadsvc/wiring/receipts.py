"""What signs receipts."""

from uploadsvc.handles import MIN_SECRET_BYTES, derive_key
from uploadsvc.receipts import Receipts
from uploadsvc.settings import Settings, SettingsError
from uploadsvc.wiring.secrets import secrets


def receipts(settings: Settings) -> Receipts:
    """Return what signs receipts: the operator's secret, or a key derived from ours."""
    section = settings.receipts
    key = section.secret.get_secret_value().encode() if section.secret else None
    if key is not None and len(key) < MIN_SECRET_BYTES:
        message = f"has {len(key)} bytes; {MIN_SECRET_BYTES} or more are needed"
        raise SettingsError(("receipts", "secret"), message)
    return Receipts(
        key=key or derive_key(secrets(settings)[0], "receipt"),
        issuer=section.issuer,
        audience=section.audience,
        expires_in=section.expires_in,
    )

"""The secret keys, checked."""

from uploadsvc.settings import Settings, SettingsError
from uploadsvc.tokens.derived_keys import MIN_SECRET_BYTES


def secrets(settings: Settings) -> list[bytes]:
    """Return the secret keys: the first seals, all open."""
    if settings.secret_key and settings.secret_keys:
        raise SettingsError(("secret_keys",), "set this or UPLOADSVC_SECRET_KEY, not both")
    keys = settings.secret_keys or ((settings.secret_key,) if settings.secret_key else ())
    found = [key.get_secret_value().encode() for key in keys]
    if not found:
        raise SettingsError(("secret_key",), f"missing; {MIN_SECRET_BYTES} random bytes or more")
    name = "secret_keys" if settings.secret_keys else "secret_key"
    for key in found:
        if len(key) < MIN_SECRET_BYTES:
            raise SettingsError((name,), f"has {len(key)} bytes; {MIN_SECRET_BYTES} or more are needed")
    return found

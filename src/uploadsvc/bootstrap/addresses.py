"""Where callers reach the service."""

from uploadsvc.domain.endpoints import base_url
from uploadsvc.settings import Settings, SettingsError


def public_url(settings: Settings) -> str | None:
    """Return the address that callers know, without a slash at its end, if the settings name one.

    Raises:
        SettingsError: It is not one to which paths can be added.
    """
    if settings.public_url is None:
        return None
    try:
        return base_url(settings.public_url, name="public URL")
    except ValueError as error:
        raise SettingsError(("public_url",), str(error)) from None

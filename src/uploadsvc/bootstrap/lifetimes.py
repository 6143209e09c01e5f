"""How long what callers are handed may live."""

from uploadsvc.settings import Settings, SettingsError


def check_lifetimes(settings: Settings) -> None:
    """Let the lifetimes of tokens and downloads pass, or not.

    Raises:
        SettingsError: One that is set is longer than the most that a request may ask for.
    """
    for name, section in (("tokens", settings.tokens), ("downloads", settings.downloads)):
        if "expires_in" in section.model_fields_set and section.expires_in > section.max_expires_in:
            message = f"{section.expires_in} is above max_expires_in ({section.max_expires_in})"
            raise SettingsError((name, "expires_in"), message)

"""Reload the settings on SIGHUP."""

import structlog

from uploadsvc.server.errors import CannotStartError
from uploadsvc.settings import Settings, SettingsError
from uploadsvc.settings.reload import reload_settings
from uploadsvc.settings.types import variable

_log = structlog.get_logger("uploadsvc")


def read_again(started_with: Settings) -> Settings:
    """Reload the settings, and log the changes that need a restart.

    Args:
        started_with: The settings of the start.

    Raises:
        CannotStartError: A setting is wrong.
    """
    try:
        settings, changed = reload_settings(started_with)
    except SettingsError as error:
        raise CannotStartError(str(error)) from None
    if changed:
        names = ", ".join(variable(name) for name in changed)
        _log.warning("restart_needed", settings=names, meaning="they have no effect until then")
    return settings

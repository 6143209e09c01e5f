"""Reload the settings of a running process."""

from typing import Final

from uploadsvc.settings.load import load_settings
from uploadsvc.settings.model import Settings

AT_START: Final = ("demo", "demo_hosts", "log", "logs", "metrics", "server", "tracing")
"""Settings and sections that take effect only when a process starts."""


def reload_settings(started_with: Settings) -> tuple[Settings, tuple[str, ...]]:
    """Reload the settings, except those that take effect only at the start.

    Args:
        started_with: The settings of the start.

    Returns:
        The settings, and the top-level names whose changes have no effect.

    Raises:
        SettingsError: A setting is missing, invalid or unknown.
    """
    new = load_settings()
    names = [name for name in AT_START if name in Settings.model_fields]
    kept = {name: getattr(started_with, name) for name in names}
    changed = tuple(name for name in names if getattr(new, name) != kept[name])
    return new.model_copy(update={name: kept[name] for name in changed}), changed

"""Read the settings again while a process runs."""

from typing import Final

from uploadsvc.settings.load import load_settings
from uploadsvc.settings.model import Settings

AT_START: Final = ("demo", "demo_hosts", "log", "logs", "metrics", "server", "tracing")
"""Settings and sections that are used once, when a process starts."""


def reload_settings(started_with: Settings) -> tuple[Settings, tuple[str, ...]]:
    """Read the settings again, but keep those that are only used at the start.

    Args:
        started_with: The settings of the start.

    Returns:
        The settings, and the names at the top level that have changed without effect.

    Raises:
        SettingsError: A setting is missing, invalid or unknown.
    """
    new = load_settings()
    names = [name for name in AT_START if name in Settings.model_fields]
    kept = {name: getattr(started_with, name) for name in names}
    changed = tuple(name for name in names if getattr(new, name) != kept[name])
    return new.model_copy(update={name: kept[name] for name in changed}), changed

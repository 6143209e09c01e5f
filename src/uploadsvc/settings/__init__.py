"""The operator's settings. Only the command line, the app and bootstrap read them."""

from uploadsvc.settings.load import load_settings
from uploadsvc.settings.model import Settings
from uploadsvc.settings.types import SettingsError

__all__ = ["Settings", "SettingsError", "load_settings"]

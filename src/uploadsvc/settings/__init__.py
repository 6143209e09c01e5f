"""All that an operator can set. Read by the command line and the composition root, and by nobody else."""

from uploadsvc.settings.load import load_settings
from uploadsvc.settings.model import Settings
from uploadsvc.settings.types import SettingsError

__all__ = ["Settings", "SettingsError", "load_settings"]

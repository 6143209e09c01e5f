"""Log settings."""

from typing import Literal

from uploadsvc.settings.types import Section


class LogSettings(Section):
    """Logs, on standard error ([format](logs.md))."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    """Minimum level. Requests are logged at `info`, successful probes at `debug`. Libraries always log from
    `warning` on, because their lower levels contain signatures.
    """

    format: Literal["json", "plain"] = "json"
    """`json` for one JSON object per line, or `plain` for people."""

"""Settings of the logs."""

from typing import Literal

from uploadsvc.settings.types import Section


class LogSettings(Section):
    """Logs, on standard error ([what the lines say](logs.md))."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    """Least level of a line. Requests are logged at `info`, successful probes at `debug`. Libraries never log
    below `warning`: what they would say holds signatures.
    """

    format: Literal["json", "plain"] = "json"
    """`json` for one JSON object a line, or `plain` for people."""

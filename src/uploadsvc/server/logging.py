"""Logging: JSON lines, or plain lines on a terminal, with secrets redacted."""

import json
import logging
import sys
from collections.abc import MutableMapping
from datetime import UTC, datetime
from typing import Any, Final, TextIO, cast

import structlog

from uploadsvc.domain.redaction import without_named_secrets, without_secrets
from uploadsvc.server.log_output import LogOutput

_FREE_TEXT: Final = frozenset({"event", "exception", "stack"})
"""Fields with free text of libraries and tracebacks. Other fields hold one value each, such as a user id."""


def configure_logs(*, terminal: bool, waits: bool = True) -> None:
    """Set up logging for this process, including records of libraries.

    Args:
        terminal: Print plain coloured lines in place of JSON.
        waits: Wait if standard error is blocked. Otherwise lines are dropped and counted.
    """
    output = sys.stderr if waits else cast("TextIO", LogOutput(sys.stderr.fileno(), _dropped))
    shared: list[structlog.typing.Processor] = [
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    renderer: structlog.typing.Processor = (
        # Plain tracebacks: the others show local variables, which hold tokens.
        structlog.dev.ConsoleRenderer(
            colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback
        )
        if terminal
        else structlog.processors.JSONRenderer()
    )
    processors: list[structlog.typing.Processor] = [
        *shared,
        structlog.processors.format_exc_info,
        redact,
        renderer,
    ]
    structlog.configure(
        processors=processors,
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.WriteLoggerFactory(output),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(output)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *processors]
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)


def _dropped(count: int) -> str:
    time = datetime.now(UTC).isoformat()
    line = {"count": count, "event": "log_lines_dropped", "level": "warning", "timestamp": time}
    return json.dumps(line) + "\n"


def silence_logs() -> None:
    """Log nothing, for commands that report everything themselves. Records of libraries may hold URLs."""
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    logging.getLogger().setLevel(logging.CRITICAL)


def redact(_logger: object, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Redact signatures, tokens and secret keys in any record."""
    for name, value in event.items():
        if value is None or isinstance(value, int | float):
            continue
        # The renderer would print the repr of other values, which may hold anything.
        text = value if isinstance(value, str) else repr(value)
        event[name] = without_secrets(text) if name in _FREE_TEXT else without_named_secrets(text)
    return event

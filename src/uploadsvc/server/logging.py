"""Logging: JSON lines, or plain lines on a terminal, with secrets redacted."""

import json
import logging
import sys
import time
from collections.abc import MutableMapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Final, TextIO, cast

import structlog
from pydantic_core import PydanticSerializationError, to_json

from uploadsvc.domain.redaction import without_named_secrets, without_secrets
from uploadsvc.server.log_output import LogOutput

ACCESS: Final = "request"
"""Event of the access log."""

_FILTERED: Final[Any] = structlog.make_filtering_bound_logger(logging.INFO)

_ACCESS_FIELDS: Final = frozenset(
    {"event", "method", "route", "status", "ms", "service", "reason", "request_id"}
)
"""Fields of the access log whose values the service chooses or has checked. They need no redaction."""

_LEVELS: Final = {"exception": "error", "warn": "warning"}
_FREE_TEXT: Final = frozenset({"event", "exception", "stack"})
"""Fields with free text of libraries and tracebacks. Other fields hold one value each, such as a user id."""


def configure_logs(*, terminal: bool, waits: bool = True) -> LogOutput | None:
    """Set up logging for this process, including records of libraries.

    Args:
        terminal: Print plain coloured lines in place of JSON.
        waits: Wait if standard error is blocked. Otherwise lines are dropped and counted.

    Returns:
        What writes the lines, unless it waits.
    """
    processors = _plain_lines() if terminal else [json_line]
    queue = None if waits else LogOutput(sys.stderr.fileno(), _dropped)
    output = sys.stderr if queue is None else cast("TextIO", queue)
    structlog.configure(
        processors=processors,
        wrapper_class=_FILTERED if queue is None or terminal else _Logger,
        logger_factory=structlog.WriteLoggerFactory(output) if queue is None else lambda *_: _Lines(queue),
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
    return queue


class _Logger(_FILTERED):  # type: ignore[misc] # structlog makes the class
    """Leaves formatting the access log, which has a line for each request, to the writing thread."""

    def info(self, event: str, *args: object, **fields: object) -> object:
        """Log at level info."""
        if event != ACCESS or args or self._context:
            return super().info(event, *args, **fields)
        now = time.time()
        self._logger.write_later(lambda: _json({**fields, "event": event}, "info", now) + b"\n")
        return None


class _Lines(structlog.WriteLogger):
    """Passes lines to the writing thread."""

    def __init__(self, output: LogOutput) -> None:
        super().__init__(cast("TextIO", output))
        self.write_later = output.write_later


def _plain_lines() -> list[structlog.typing.Processor]:
    return [
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        redact,
        # Plain tracebacks: the others show local variables, which hold tokens.
        structlog.dev.ConsoleRenderer(
            colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback
        ),
    ]


def json_line(logger: object, method: str, event: MutableMapping[str, Any]) -> str:
    """Return a record as one line of JSON, with its level and time, redacted.

    One processor instead of five, because every request logs a line.
    """
    if event.get("exc_info"):
        event = structlog.processors.format_exc_info(logger, method, event)
    return _json(event, method, time.time()).decode()


def _json(event: MutableMapping[str, Any], method: str, now: float) -> bytes:
    event = redact(None, method, event)
    event["level"] = _LEVELS.get(method, method)
    event["timestamp"] = f"{_second(int(now))}.{int(now % 1 * 1_000_000):06}Z"
    try:
        return to_json(event)
    except PydanticSerializationError:
        # A lone surrogate, such as in a user id, cannot be encoded in UTF-8.
        return json.dumps(event).encode()


# Formatting a time takes longer than the rest of a line.
@lru_cache(maxsize=4)
def _second(seconds: int) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}"


def _dropped(count: int) -> str:
    event = {"count": count, "event": "log_lines_dropped"}
    return f"{_json(event, 'warning', time.time()).decode()}\n"


def silence_logs() -> None:
    """Log nothing, for commands that report everything themselves. Records of libraries may hold URLs."""
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    logging.getLogger().setLevel(logging.CRITICAL)


def redact(_logger: object, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Redact signatures, tokens and secret keys in any record."""
    clean = _ACCESS_FIELDS if event.get("event") == ACCESS else frozenset()
    for name in event.keys() - clean:
        value = event[name]
        if value is None or isinstance(value, int | float):
            continue
        # The renderer would print the repr of other values, which may hold anything.
        text = value if isinstance(value, str) else repr(value)
        event[name] = without_secrets(text) if name in _FREE_TEXT else without_named_secrets(text)
    return event

"""Logging: JSON lines, or plain lines on a terminal, with secrets redacted."""

import json
import logging
import sys
import threading
import time
import traceback
from collections.abc import Callable, MutableMapping
from datetime import UTC, datetime
from functools import lru_cache
from types import TracebackType
from typing import Any, Final, Literal, TextIO, cast

import structlog
from pydantic_core import PydanticSerializationError, to_json

from uploadsvc.domain.redaction import without_named_secrets, without_secrets
from uploadsvc.server.log_output import LogOutput
from uploadsvc.telemetry.records import current

ACCESS: Final = "request"
"""Event name of the access log."""

Level = Literal["debug", "info", "warning", "error"]

_ACCESS_FIELDS: Final = frozenset(
    {"event", "method", "route", "status", "ms", "service", "policy", "upload_method", "upload_id"}
    | {"client", "code", "request_id", "trace_id"}
)
"""Fields of the access log that need no redaction: the service chooses or has checked their values."""

_LEVELS: Final = {"exception": "error", "warn": "warning"}
_LINE_ENDS: Final = tuple(
    (character.encode(), f"\\u{ord(character):04x}".encode()) for character in "\x85\u2028\u2029"
)
_TRACES: Final = frozenset({"exception", "stack"})
_FREE_TEXT: Final = frozenset({"event", "exception", "stack"})
"""Fields with free text from libraries and tracebacks. Other fields have one value, such as a user id."""


def configure_logs(*, terminal: bool, waits: bool = True, level: Level = "info") -> LogOutput | None:
    """Set up logging for this process, including records of libraries, warnings and crashes.

    Args:
        terminal: Write plain lines instead of JSON, coloured on a terminal.
        waits: Wait if standard error is blocked. Otherwise lines are dropped and counted.
        level: Minimum level of the service's own lines. For libraries it is warning, because their lower
            levels contain headers and signatures.

    Returns:
        The writer, unless ``waits``.
    """
    processors = _plain_lines() if terminal else [json_line]
    queue = None if waits else LogOutput(sys.stderr.fileno(), _dropped)
    output = sys.stderr if queue is None else cast("TextIO", queue)
    number = logging.getLevelNamesMapping()[level.upper()]
    filtered: Any = structlog.make_filtering_bound_logger(number)
    structlog.configure(
        processors=processors,
        wrapper_class=filtered if queue is None or terminal else _later_logger(filtered, number),
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
    root.setLevel(max(number, logging.WARNING))
    if not waits:
        log_crashes()
    return queue


def _later_logger(filtered: Any, level: int) -> type:  # noqa: ANN401 - structlog makes the class
    """Return a logger whose access log lines are formatted by the writing thread."""

    class Logger(filtered):  # type: ignore[misc] # as above
        def info_later(self, event: str, fields: Callable[[], dict[str, Any]]) -> None:
            """Log at level info. The writing thread calls ``fields``."""
            if level <= logging.INFO:
                now = time.time()
                self._logger.write_later(lambda: _json({**fields(), "event": event}, "info", now) + b"\n")

    return Logger


def log_crashes() -> None:
    """Log warnings, and exceptions that end the process or a thread, in one line each."""
    log = structlog.get_logger("uploadsvc")

    def crashed(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        if not issubclass(kind, KeyboardInterrupt):
            log.error("crashed", exception="".join(traceback.format_exception(kind, error, trace)))

    def thread_crashed(found: threading.ExceptHookArgs) -> None:
        name = found.thread.name if found.thread else None
        error = traceback.format_exception(found.exc_type, found.exc_value, found.exc_traceback)
        log.error("thread_crashed", thread=name, exception="".join(error))

    def unraisable(found: Any) -> None:  # noqa: ANN401 - sys.UnraisableHookArgs exists for type checkers alone
        error = traceback.format_exception(found.exc_type, found.exc_value, found.exc_traceback)
        log.error("exception_ignored", exception="".join(error))

    sys.excepthook, threading.excepthook, sys.unraisablehook = crashed, thread_crashed, unraisable
    logging.captureWarnings(capture=True)


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
        name_request,
        redact,
        escape,
        # Plain tracebacks: others show local variables, which contain tokens.
        structlog.dev.ConsoleRenderer(
            colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback
        ),
    ]


def json_line(logger: object, method: str, event: MutableMapping[str, Any]) -> str:
    """Return a record as one line of JSON, with its level and time, redacted.

    One processor instead of five, because it runs for every request.
    """
    if event.get("exc_info"):
        event = structlog.processors.format_exc_info(logger, method, event)
    name_request(logger, method, event)
    return _json(event, method, time.time()).decode()


def _json(event: MutableMapping[str, Any], method: str, now: float) -> bytes:
    event = redact(None, method, event)
    event["level"] = _LEVELS.get(method, method)
    event["timestamp"] = f"{_second(int(now))}.{int(now % 1 * 1_000_000):06}Z"
    try:
        line = to_json(event)
    except PydanticSerializationError:
        # A lone surrogate, such as in a user id, cannot be encoded in UTF-8.
        return json.dumps(event).encode()
    if not line.isascii():
        # Some programs treat these as line ends.
        for character, escaped in _LINE_ENDS:
            line = line.replace(character, escaped)
    return line


def name_request(_logger: object, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Add the ids of the current request or message."""
    record = current()
    if record is not None:
        for name, value in record.ids().items():
            event.setdefault(name, value)
    return event


def escape(_logger: object, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Escape line ends and control characters, so that a plain line stays one. Tracebacks keep theirs."""
    for name, value in event.items():
        if isinstance(value, str) and name not in _TRACES and not value.isprintable():
            event[name] = value.encode("unicode_escape").decode()
    return event


# Formatting a time takes longer than the rest of a line.
@lru_cache(maxsize=4)
def _second(seconds: int) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}"


def _dropped(count: int) -> str:
    event = {"count": count, "event": "log_lines_dropped"}
    return f"{_json(event, 'warning', time.time()).decode()}\n"


def silence_logs() -> None:
    """Turn logging off, for commands that report everything themselves. Libraries may log URLs."""
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
        # The renderer would print the repr of other values, which may contain anything.
        text = value if isinstance(value, str) else repr(value)
        event[name] = without_secrets(text) if name in _FREE_TEXT else without_named_secrets(text)
    return event

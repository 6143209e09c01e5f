"""Logs: JSON lines for machines, plain lines for a terminal. Nothing signed and no token is ever in one."""

import logging
import re
import sys
from collections.abc import MutableMapping
from typing import Any, Final

import structlog

# In a URL, a form's fields or a header, whatever quotes stand around.
_SECRETS: Final = re.compile(
    r"""(X-Amz-(?:Signature|Credential|Security-Token)["'\\]*\s*[=:]\s*["'\\]*)[^&\s"'\\]+"""
    r"|(Bearer )[A-Za-z0-9._~+/=-]+",
    re.IGNORECASE,
)


def configure_logs(*, terminal: bool) -> None:
    """Set up logging for this process, the libraries' records included.

    Args:
        terminal: Plain coloured lines in place of JSON.
    """
    shared: list[structlog.typing.Processor] = [
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    renderer: structlog.typing.Processor = (
        # Plain tracebacks: others show local variables, tokens among them.
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
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *processors]
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)


def silence_logs() -> None:
    """Log nothing: for commands that say all that there is to say by themselves.

    What others log may hold a URL.
    """
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    logging.getLogger().setLevel(logging.CRITICAL)


def redact(_logger: object, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Black out what looks like a signature or a token, whoever logged it."""
    for name, value in event.items():
        if value is None or isinstance(value, int | float):
            continue
        # What is not text would be rendered by its repr, and could hold anything.
        text = value if isinstance(value, str) else repr(value)
        event[name] = _SECRETS.sub(r"\1\2[redacted]", text)
    return event

"""File descriptors of the process: every connection takes one."""

import os
import resource
from typing import Final

import structlog

from uploadsvc.server.occasions import Occasions
from uploadsvc.settings.server import ServerSettings

OTHERS: Final = 384
"""Descriptors that are kept for S3, receivers of events, logs, and connections that are being refused."""

MAX_REFUSED: Final = 128
"""Connections above the limit that are told so. Any more are closed without a word."""

MOST: Final = 1_048_576
"""Some containers have no limit at all, and some programs close all descriptors that there could be."""

_SCARCE: Final = 0.9
_log = structlog.get_logger("uploadsvc")


def raise_limit() -> None:
    """Raise this process's limit as far as it may. Processes that it starts have the same one."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = MOST if hard == resource.RLIM_INFINITY else min(hard, MOST)
    if soft != resource.RLIM_INFINITY and soft < most:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))


def limit() -> int:
    """Return how many descriptors this process may have."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return MOST if soft == resource.RLIM_INFINITY else soft


def within(limits: ServerSettings, descriptors: int) -> ServerSettings:
    """Return limits with no more connections than so many descriptors allow, and log if these are fewer."""
    # Half of a few, and nearly all of many.
    most = max(descriptors - OTHERS, descriptors // 2)
    if limits.max_connections <= most:
        return limits
    _log.warning(
        "connections_limited",
        max_connections=most,
        wanted=limits.max_connections,
        descriptors=descriptors,
        advice="raise the limit of open files (ulimit -n), or lower UPLOADSVC_SERVER__MAX_CONNECTIONS",
    )
    return limits.model_copy(update={"max_connections": most})


def refusable(descriptors: int) -> int:
    """Return how many connections above the limit may be open at once, so that S3 has descriptors left."""
    return min(MAX_REFUSED, descriptors // 8)


class DescriptorWatch:
    """Logs that descriptors are running out, whoever takes them."""

    def __init__(self) -> None:
        self._scarce = Occasions("descriptors_scarce")

    def look(self) -> None:
        """Log if they are; at most once in ten seconds."""
        most = limit()
        try:
            # The kernel gives the lowest number that is free, so this is nearly how many are open.
            lowest = os.dup(0)
            os.close(lowest)
        except OSError:
            lowest = most
        if lowest >= most * _SCARCE:
            self._scarce.add(open=lowest, limit=most)

"""File descriptors of the process. Every connection takes one."""

import os
import resource
from typing import Final

import structlog

from uploadsvc.server.occasions import Occasions
from uploadsvc.settings.server import ServerSettings

OTHERS: Final = 384
"""Descriptors reserved for S3, receivers of events, logs, and connections above the limit."""

MAX_REFUSED: Final = 128
"""Connections above the limit that get a response. Others are closed without one."""

MOST: Final = 1_048_576
"""Used where there is no limit, as in some containers: some programs close every possible descriptor."""

_SCARCE: Final = 0.9
_log = structlog.get_logger("uploadsvc")


def raise_limit() -> None:
    """Raise the limit of this process as far as allowed. Child processes inherit it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = MOST if hard == resource.RLIM_INFINITY else min(hard, MOST)
    if soft != resource.RLIM_INFINITY and soft < most:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))


def limit() -> int:
    """Return the limit of this process."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return MOST if soft == resource.RLIM_INFINITY else soft


def within(limits: ServerSettings, descriptors: int) -> ServerSettings:
    """Lower the limit of connections to what the descriptors allow. Logs a warning if it was higher."""
    # Half of a small number, nearly all of a large one.
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
    """Return how many connections above the limit may be open, so that descriptors remain for S3."""
    return min(MAX_REFUSED, descriptors // 8)


class DescriptorWatch:
    """Logs a warning when descriptors run out."""

    def __init__(self) -> None:
        self._scarce = Occasions("descriptors_scarce")

    def look(self) -> None:
        """Check, at most once in ten seconds."""
        most = limit()
        try:
            # The kernel assigns the lowest free number, so this is close to the number of open ones.
            lowest = os.dup(0)
            os.close(lowest)
        except OSError:
            lowest = most
        if lowest >= most * _SCARCE:
            self._scarce.add(open=lowest, limit=most)

"""Limits on the connections and requests of one process."""

import heapq
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from starlette.types import ASGIApp

from uploadsvc.api.access_log import PROBES
from uploadsvc.server.descriptors import MAX_REFUSED
from uploadsvc.server.listener import is_readable
from uploadsvc.server.occasions import Occasions
from uploadsvc.settings.server import ServerSettings

if TYPE_CHECKING:
    from uploadsvc.server.http import HttpProtocol

_PROBES: Final = frozenset(path.encode() for path in PROBES)
"""Always served: otherwise an orchestrator would replace a process that is merely busy."""

_SHARE: Final = 16
"""Share of the idle connections to close when there are too many: one in 16, because a search takes time."""

_SEARCH_SECONDS: Final = 0.25
"""Seconds before the next search for idle connections, after one that found none."""


class Capacity:
    """Load of one process, and its limits.

    Args:
        limits: The limits.
        overloaded: App that answers requests above the limit.
        max_refused: Maximum number of connections above the limit that get a response.
        on_refusal: Called with the reason of each refusal.

    Attributes:
        limits: The limits.
        overloaded: App that answers requests above the limit.
        unread: Requests whose bodies are still arriving. They do not count as in progress.
        refused: Open connections above the limit.
        max_refused: Maximum number of these that get a response. Others are closed without one.
        on_refusal: Called with the reason of each refusal.
    """

    def __init__(
        self,
        limits: ServerSettings,
        *,
        overloaded: ASGIApp,
        max_refused: int = MAX_REFUSED,
        on_refusal: Callable[[str], None] = lambda _: None,
    ) -> None:
        self.limits = limits
        self.overloaded = overloaded
        self.unread = 0
        self.refused = 0
        self.max_refused = max_refused
        self.on_refusal = on_refusal
        self._searched_at = -_SEARCH_SECONDS
        self._full = Occasions("connections_full")
        self._busy = Occasions("requests_refused")

    def refuses(self, target: bytes, in_progress: int) -> bool:
        """Return whether to refuse a request because too many are in progress.

        Args:
            target: URL of the request.
            in_progress: Number of requests in progress, `unread` included.
        """
        most = self.limits.max_concurrency
        if in_progress - self.unread < most or target.partition(b"?")[0] in _PROBES:
            return False
        self.on_refusal("concurrency")
        self._busy.add(max_concurrency=most)
        return True

    def admits(self, newcomer: "HttpProtocol") -> bool:
        """Return whether a new connection is within the limit. Closes idle ones to make room."""
        most = self.limits.max_connections
        if len(newcomer.connections) - self.refused <= most:
            return True
        closed = self._close_idle(newcomer)
        self._full.add(max_connections=most, idle_closed=closed)
        return closed > 0

    def _close_idle(self, newcomer: "HttpProtocol") -> int:
        """Close the connections that have been idle for longest."""
        now = newcomer.loop.time()
        if now < self._searched_at + _SEARCH_SECONDS:
            return 0
        others: set[HttpProtocol] = newcomer.connections - {newcomer}  # type: ignore[assignment]
        idle = [connection for connection in others if connection.idle]
        oldest = heapq.nsmallest(max(len(idle) // _SHARE, 1), idle, key=lambda connection: connection.due)
        closed = 0
        for connection in oldest:
            # Closing it would lose a request that is arriving.
            if not is_readable(connection.transport.get_extra_info("socket")):
                connection.close_idle()
                self.on_refusal("idle")
                closed += 1
        if not closed:
            self._searched_at = now
        return closed

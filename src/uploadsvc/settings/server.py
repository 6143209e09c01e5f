"""Server settings: limits and timeouts of one process."""

from typing import Final

from pydantic import Field

from uploadsvc.settings.types import Section

MAX_SECONDS: Final = 3600


class ServerSettings(Section):
    """Limits of `serve`, for [each worker process](container.md#limits). Times are in seconds."""

    header_timeout: int = Field(default=15, ge=1, le=MAX_SECONDS)
    """Seconds for the head of a request to arrive, from its first byte. Afterwards it gets a 408."""

    body_timeout: int = Field(default=60, ge=1, le=MAX_SECONDS)
    """Seconds for the body to arrive after the head, and for a client that has stopped reading to resume."""

    idle_timeout: int = Field(default=75, ge=1, le=MAX_SECONDS)
    """Seconds that an idle connection stays open. Set more than in the proxy in front."""

    max_connections: int = Field(default=10_000, ge=1, le=1_000_000)
    """Maximum number of open connections. A new one above it closes those that have been idle for longest. If
    none is idle, it gets a 503.
    """

    max_concurrency: int = Field(default=1000, ge=1, le=100_000)
    """Maximum number of requests in progress. Further ones get a 503, except for `/healthz` and `/readyz`. A
    request whose body is still arriving does not count.
    """

    drain_delay: int = Field(default=0, ge=0, le=MAX_SECONDS)
    """Seconds after SIGTERM in which `/readyz` returns 503, so that load balancers stop sending requests, and
    all other requests are served as before.
    """

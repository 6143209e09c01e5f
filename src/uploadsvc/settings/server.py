"""Settings of the server: what one process takes from its clients, and how long it waits for them."""

from typing import Final

from pydantic import Field

from uploadsvc.settings.types import Section

MAX_SECONDS: Final = 3600


class ServerSettings(Section):
    """Limits of `serve`, for [each worker process](container.md#limits). Times are in seconds."""

    header_timeout: int = Field(default=15, ge=1, le=MAX_SECONDS)
    """Seconds in which the head of a request must arrive, from its first byte. Then it is a 408."""

    body_timeout: int = Field(default=60, ge=1, le=MAX_SECONDS)
    """Seconds in which its body must arrive after that, and for which a response waits for a client that has
    stopped reading.
    """

    idle_timeout: int = Field(default=75, ge=1, le=MAX_SECONDS)
    """Seconds for which a connection stays open without a request. More than that of the proxy in front."""

    max_connections: int = Field(default=10_000, ge=1, le=1_000_000)
    """Most open connections. For a new one above that, those that have been idle for longest are closed. If
    none is idle, it gets a 503.
    """

    max_concurrency: int = Field(default=1000, ge=1, le=100_000)
    """Most requests in progress. Those above that get a 503, except for `/healthz` and `/readyz`. A request
    whose body is still arriving does not count.
    """

    drain_delay: int = Field(default=0, ge=0, le=MAX_SECONDS)
    """Seconds after SIGTERM in which `/readyz` is a 503 and all other requests are served as before, so that
    load balancers stop sending them.
    """

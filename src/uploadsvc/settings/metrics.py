"""Metrics settings. Names and defaults are part of the contract."""

from typing import Annotated, Final

from pydantic import AfterValidator

from uploadsvc.domain.hosts import host_name
from uploadsvc.settings.types import Section, Text

_MAX_PORT: Final = 65_535


def parse_address(address: str) -> tuple[str, int]:
    """Parse ``host:port``, with an IPv6 address in brackets.

    Raises:
        ValueError: It has another form.
    """
    host, _, port = address.rpartition(":")
    valid = port.isascii() and port.isdigit() and 0 < int(port[:6]) <= _MAX_PORT
    if not valid or not host_name(host) or host_name(f"{host}:1") is None:
        message = (
            f"{address!r} is not an address to listen on; write host:port, such as 127.0.0.1:9464, "
            "0.0.0.0:9464 or [::1]:9464"
        )
        raise ValueError(message)
    return host.strip("[]"), int(port)


def _check_address(address: str) -> str:
    parse_address(address)
    return address


class MetricsSettings(Section):
    """Metrics for Prometheus ([list](metrics.md))."""

    address: Annotated[Text, AfterValidator(_check_address)] | None = None
    """Address at which `uploadsvc serve` and `uploadsvc events` serve `/metrics`: `host:port`, such as
    `0.0.0.0:9464`. Anyone who can reach it can read the metrics, so keep it inside your network. If not set,
    metrics are off.
    """

    @property
    def listen(self) -> tuple[str, int] | None:
        """Host and port; ``None`` if metrics are off."""
        return None if self.address is None else parse_address(self.address)

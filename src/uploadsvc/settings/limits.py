"""Limit settings."""

from typing import Annotated

from pydantic import AfterValidator, Field, SecretStr

from uploadsvc.domain.rates import Rate, parse_rate
from uploadsvc.limiting.store import StoreAddress, parse_store_url
from uploadsvc.settings.types import FORM, Secret, Section


def _checked_rate(value: str) -> str:
    parse_rate(value)
    return value


def _checked_url(value: SecretStr) -> SecretStr:
    parse_store_url(value.get_secret_value())
    return value


RateText = Annotated[str, AfterValidator(_checked_rate), Field(json_schema_extra={FORM: "a rate"})]
"""A rate such as ``600/minute``."""


class LimitSettings(Section):
    """[Limits](limits.md) for all requests. Policies have their own limits."""

    store_url: Annotated[Secret, AfterValidator(_checked_url)] | None = None
    """Valkey or Redis that all processes share for counting: `valkey://user:password@host:6379/0`, or with
    `redis://`, `valkeys://` or `rediss://`, the last two for TLS. If not set, each process counts alone.
    """

    user: RateText | None = None
    """Requests of one user, such as `600/minute`; the units are second, minute, hour and day. A request for
    several uploads counts once per upload. If not set, there is no limit.
    """

    service: RateText | None = None
    """Requests of one service (API key), for all users together, counted in the same way."""

    address: RateText | None = None
    """Requests without a valid credential from one client address. Further ones get a 429 instead of a 401.
    Valid credentials always pass.
    """

    @property
    def store(self) -> StoreAddress | None:
        """Address of the store; ``None`` without one."""
        return None if self.store_url is None else parse_store_url(self.store_url.get_secret_value())

    @staticmethod
    def rate(text: str | None) -> Rate | None:
        """Parse a rate."""
        return None if text is None else parse_rate(text)

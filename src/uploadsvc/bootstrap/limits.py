"""The shared store and the rate limits. Without limits in the settings, nothing is built or imported."""

from typing import TYPE_CHECKING

from uploadsvc.limiting.store import SharedStore, StoreKeys
from uploadsvc.settings import Settings
from uploadsvc.telemetry.metrics import Metrics
from uploadsvc.tokens.derived_keys import derive_key

if TYPE_CHECKING:
    from uploadsvc.limiting.rates import RateLimits


def build_store(settings: Settings, *, metrics: Metrics) -> SharedStore | None:
    """Build the shared store, not open yet; ``None`` without one."""
    address = settings.limits.store
    if address is None:
        return None
    failures, up = metrics.limits_store_failures, metrics.limits_store_up
    return SharedStore(address, on_failure=failures.inc, on_change=lambda is_up: up.set(float(is_up)))


def build_keys(settings: Settings) -> StoreKeys:
    """Return the maker of key names. They do not reveal users."""
    # The first key only, so that all processes use the same counters for a user.
    return StoreKeys(derive_key(settings.secrets[0], "limits"))


def build_rates(settings: Settings, *, store: SharedStore | None, metrics: Metrics) -> "RateLimits | None":
    """Build the rate limits; ``None`` without any."""
    limits = settings.limits
    policies = {name: limits.rate(policy.rate) for name, policy in settings.policies.items()}
    rates = {name: rate for name, rate in policies.items() if rate is not None}
    if not (limits.user or limits.service or limits.address or rates):
        return None
    # Imported here, because that takes a tenth of a second.
    from uploadsvc.limiting.rates import RateLimits  # noqa: PLC0415

    return RateLimits(
        user=limits.rate(limits.user),
        service=limits.rate(limits.service),
        address=limits.rate(limits.address),
        policies=rates,
        keys=build_keys(settings),
        store=store,
        metrics=metrics,
    )

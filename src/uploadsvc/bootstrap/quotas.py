"""Quotas. Without any in the settings, nothing is built."""

from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING, Final

from uploadsvc.limiting.local_quotas import LocalLedger
from uploadsvc.services.quotas import Quotas, quotas_of
from uploadsvc.settings import Settings
from uploadsvc.telemetry.metrics import Metrics

if TYPE_CHECKING:
    from uploadsvc.limiting.ledger import Ledger
    from uploadsvc.limiting.store import SharedStore, StoreKeys

_PREFIX: Final = "uploadsvc:quota"


def has_quotas(settings: Settings) -> bool:
    """Return whether any user can have a quota."""
    policies = settings.policies.values()
    limited = any(policy.quota is not None or policy.max_unfinished is not None for policy in policies)
    return limited or settings.auth.jwt.quotas_claim is not None


def build_quotas(
    settings: Settings,
    *,
    store: "SharedStore | None",
    keys: "Callable[[], StoreKeys]",
    metrics: Metrics,
    clock: Callable[[], datetime],
) -> Quotas | None:
    """Build the quotas; ``None`` if no user can have one.

    Args:
        settings: The settings.
        store: The shared store; ``None`` to count in memory.
        keys: Makes its key names.
        metrics: Counts refusals.
        clock: Returns the current time, aware.
    """
    if not has_quotas(settings):
        return None
    names, place = keys(), (settings.s3.bucket, settings.key_prefix)
    return Quotas(
        policies=quotas_of(section.policy(name) for name, section in settings.policies.items()),
        changeable=settings.auth.jwt.quotas_claim is not None,
        ledger=_ledger(store),
        # With bucket and prefix, because another service may use the same store.
        account=lambda policy, user: names.name("quota", *place, policy, user),
        on_refusal=metrics.limits_hit.inc,
        clock=clock,
    )


def _ledger(store: "SharedStore | None") -> "Ledger":
    if store is None:
        return LocalLedger()
    # Imported here, because that takes a tenth of a second.
    from uploadsvc.limiting.quotas import SharedLedger  # noqa: PLC0415

    return SharedLedger(store, prefix=_PREFIX)

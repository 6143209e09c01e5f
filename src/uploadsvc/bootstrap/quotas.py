"""Quotas, from the settings."""

from collections.abc import Callable
from datetime import datetime

from uploadsvc.limiting.local_quotas import LocalLedger
from uploadsvc.limiting.quotas import SharedLedger
from uploadsvc.limiting.store import SharedStore, StoreKeys
from uploadsvc.services.quotas import Quotas, quotas_of
from uploadsvc.settings import Settings
from uploadsvc.telemetry.metrics import Metrics

_PREFIX = "uploadsvc:quota"


def build_quotas(
    settings: Settings,
    *,
    store: SharedStore | None,
    keys: StoreKeys,
    metrics: Metrics,
    clock: Callable[[], datetime],
) -> Quotas | None:
    """Return the quotas; ``None`` if no user can have one.

    Args:
        settings: The settings.
        store: The store of limits; ``None`` to count in memory.
        keys: Names of what it holds.
        metrics: Counts refusals.
        clock: Returns the current time, aware.
    """
    changeable = settings.auth.jwt.quotas_claim is not None
    policies = quotas_of(section.policy(name) for name, section in settings.policies.items())
    if not changeable and all(quota.unlimited for quota in policies.values()):
        return None
    ledger = LocalLedger() if store is None else SharedLedger(store, prefix=_PREFIX)
    # Another service may count in the same store.
    place = settings.s3.bucket, settings.key_prefix
    return Quotas(
        policies=policies,
        changeable=changeable,
        ledger=ledger,
        account=lambda policy, user: keys.name("quota", *place, policy, user),
        on_refusal=lambda limit, policy: metrics.limits_hit.add(1, limit, policy),
        clock=clock,
    )

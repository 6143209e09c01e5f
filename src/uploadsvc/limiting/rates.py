"""Rate limits: requests by user and by service, uploads by policy, failed authentication by address.

They use the sliding window counter of `limits`: the count of the previous window, weighted by the share of it
that is not yet over, plus the count of the current one must stay within the rate.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from ipaddress import IPv6Address, IPv6Network, ip_address
from typing import Final, NamedTuple, TypeVar

from limits import (
    RateLimitItem,
    RateLimitItemPerDay,
    RateLimitItemPerHour,
    RateLimitItemPerMinute,
    RateLimitItemPerSecond,
)
from limits.aio.storage import RedisStorage, SlidingWindowCounterSupport, Storage
from limits.aio.strategies import SlidingWindowCounterRateLimiter

from uploadsvc.domain.errors import RateLimited, Unauthenticated
from uploadsvc.domain.principal import Principal
from uploadsvc.domain.rates import Counts, Rate, Standing
from uploadsvc.limiting.counters import LocalCounters
from uploadsvc.limiting.store import SharedStore, StoreDownError, StoreKeys
from uploadsvc.telemetry.metrics import NO_POLICY, Metrics

_ITEMS: Final[Mapping[str, type[RateLimitItem]]] = {
    "second": RateLimitItemPerSecond,
    "minute": RateLimitItemPerMinute,
    "hour": RateLimitItemPerHour,
    "day": RateLimitItemPerDay,
}

T = TypeVar("T")

_IPV6_BITS: Final = 64
"""Prefix length of the smallest IPv6 network of one customer (RFC 6177)."""

_MAX_ADDRESSES: Final = 10_000

_GENUINE: Final = frozenset({"expired", "not_yet_valid"})
"""Reasons for a 401 found after the signature was verified: those are not guesses."""


class Limit(NamedTuple):
    """A limit from the settings.

    Attributes:
        name: Name in the response headers.
        kind: Label of the metrics.
        policy: Label of the metrics.
        rate: The allowed rate.
        item: The rate, as a value of `limits`.
    """

    name: str
    kind: str
    policy: str
    rate: Rate
    item: RateLimitItem

    @classmethod
    def of(cls, kind: str, rate: Rate, policy: str | None = None) -> "Limit":
        """Return a limit on requests, or on the uploads of a policy."""
        name = kind if policy is None else f"policy-{policy}"
        item = _ITEMS[rate.unit](rate.amount, namespace=name)
        return cls(name, kind, policy or NO_POLICY, rate, item)


class Charge(NamedTuple):
    """Cost of a request under one limit.

    Attributes:
        limit: The limit.
        whom: Name of the counter.
        cost: Number to count.
    """

    limit: Limit
    whom: str
    cost: int = 1


class _Counters:
    """A strategy of `limits` and its storage."""

    def __init__(self, storage: Storage) -> None:
        assert isinstance(storage, SlidingWindowCounterSupport)  # noqa: S101 - for mypy
        self._windows: SlidingWindowCounterSupport = storage
        self._limiter = SlidingWindowCounterRateLimiter(storage)

    async def take(self, charges: Sequence[Charge]) -> tuple[Charge, Standing] | None:
        """Count the charges in order. Stop at the first that does not fit, and return it."""
        if len(charges) > 1 and any(charge.cost > 1 for charge in charges):
            # Otherwise a request for many uploads would use up the rate without creating any.
            for limit, whom, cost in charges:
                if not await self._limiter.test(limit.item, whom, cost=cost):
                    return await self._short(Charge(limit, whom, cost))
        for charge in charges:
            if not await self._limiter.hit(charge.limit.item, charge.whom, cost=charge.cost):
                return await self._short(charge)
        return None

    async def take_some(self, charge: Charge) -> tuple[int, Standing]:
        """Count as many as fit. Return their number, and the standing for one more."""
        limit, whom, cost = charge
        taken = 0
        if await self._limiter.hit(limit.item, whom, cost=cost):
            taken = cost
        else:
            fitting = min((await self._counts(limit, whom)).free(limit.rate), cost - 1)
            # It may not fit if another request was faster.
            if fitting and await self._limiter.hit(limit.item, whom, cost=fitting):
                taken = fitting
        _, standing = await self._short(Charge(limit, whom, 1))
        return taken, standing

    async def _short(self, charge: Charge) -> tuple[Charge, Standing]:
        limit, whom, cost = charge
        counts = await self._counts(limit, whom)
        return charge, Standing.of(limit.name, limit.rate, counts, cost)

    async def _counts(self, limit: Limit, whom: str) -> Counts:
        seconds = limit.item.get_expiry()
        found = await self._windows.get_sliding_window(limit.item.key_for(whom), seconds)
        previous, previous_left, current, current_kept = found
        return Counts(previous, previous_left, current, max(0.0, current_kept - seconds))


class RateLimits:
    """All rate limits, counted in a shared store or, without one, in this process.

    While the store is down, each process counts alone, from zero.

    Args:
        user: Requests of one user; ``None`` for no limit.
        service: Requests of one service.
        address: Failed authentications from one address. Valid credentials always pass, because many people
            can share an address.
        policies: Uploads of one user by policy.
        keys: Makes the names of the counters.
        store: The shared store; ``None`` without one.
        metrics: Counts refusals.
        local: Makes the counters of this process.
    """

    def __init__(
        self,
        *,
        user: Rate | None = None,
        service: Rate | None = None,
        address: Rate | None = None,
        policies: Mapping[str, Rate],
        keys: StoreKeys,
        store: SharedStore | None = None,
        metrics: Metrics,
        local: Callable[..., LocalCounters] = LocalCounters,
    ) -> None:
        self._user = user and Limit.of("user", user)
        self._service = service and Limit.of("service", service)
        self._address = address and Limit.of("address", address)
        self._policies = {name: Limit.of("rate", rate, name) for name, rate in policies.items()}
        self._keys = keys
        self._store = store
        self._metrics = metrics
        self._local = _Counters(local())
        # A separate storage, so that a client with many addresses cannot evict the counters of users.
        self._local_addresses = _Counters(local(max_counters=_MAX_ADDRESSES))
        self._shared = None if store is None else _Counters(_shared_storage(store))

    def take_over(self, other: "RateLimits") -> None:
        """Take over the counts of another instance in memory. A shared store keeps its own."""
        self._local = other._local  # noqa: SLF001 - of its kind
        self._local_addresses = other._local_addresses  # noqa: SLF001 - of its kind

    @property
    def of_requests(self) -> bool:
        """Whether any limit counts requests."""
        return bool(self._user or self._service or self._address)

    async def request(self, caller: Principal) -> None:
        """Count a request for its user and its service.

        Raises:
            RateLimited: One of them has sent too many.
        """
        charges = self._charges(caller, 1)
        if charges:
            await self._take(charges, caller)

    async def failure(self, address: str | None, error: Unauthenticated) -> RateLimited | None:
        """Count a failed authentication.

        Args:
            address: The client's address; ``None`` if it has none.
            error: Why it failed.

        Returns:
            The error to respond with instead, if too many came from the address.
        """
        if self._address is None or address is None or error.reason in _GENUINE:
            return None
        charge = self._charge(self._address, network_of(address), 1)
        short = await self._decide(self._local_addresses, [charge])
        return short and self._refusal(*short)

    async def uploads(self, caller: Principal, policy: str, count: int = 1) -> None:
        """Count the uploads that one request creates: all of them, or none.

        The request itself was counted as one request. Each upload after the first counts as one more.

        Raises:
            RateLimited: There are too many.
        """
        charges = self._charges(caller, count - 1) if count > 1 else []
        if (limit := self._policies.get(policy)) is not None:
            charges.append(self._charge(limit, caller.user, count))
        if charges:
            await self._take(charges, caller)

    async def each_upload(self, caller: Principal, policies: Sequence[str]) -> list[RateLimited | None]:
        """Count as many uploads of a batch as the limits allow.

        Args:
            caller: The caller.
            policies: Policy of each upload; an unknown policy has no rate.

        Returns:
            For each upload the error that refuses it, or ``None``.
        """
        refusals: list[RateLimited | None] = [None] * len(policies)
        for charge in self._charges(caller, len(policies) - 1) if len(policies) > 1 else ():
            await self._refuse_some(charge, caller, refusals, range(1, len(policies)))
        for name in dict.fromkeys(policies):
            limit = self._policies.get(name)
            indexes = [index for index, policy in enumerate(policies) if policy == name]
            if limit is not None:
                charge = self._charge(limit, caller.user, len(indexes))
                await self._refuse_some(charge, caller, refusals, indexes)
        return refusals

    async def each_request(self, caller: Principal, count: int) -> list[RateLimited | None]:
        """Count what a request does at once as that many requests, as many as the limits allow.

        The request itself has counted as the first.

        Returns:
            For each the error that refuses it, or ``None``.
        """
        return await self.each_upload(caller, [""] * count)

    async def _refuse_some(
        self, charge: Charge, caller: Principal, refusals: list[RateLimited | None], indexes: Sequence[int]
    ) -> None:
        open_ones = [index for index in indexes if refusals[index] is None]
        if not open_ones:
            return
        wanted = charge._replace(cost=len(open_ones))
        taken, standing = await self._ask(self._local, lambda counters: counters.take_some(wanted))
        for index in open_ones[taken:]:
            refusals[index] = self._refusal(charge._replace(cost=1), standing, caller)

    def _charges(self, caller: Principal, cost: int) -> list[Charge]:
        charges = []
        if self._user is not None and caller.user:
            charges.append(self._charge(self._user, caller.user, cost))
        if self._service is not None and caller.service is not None:
            charges.append(self._charge(self._service, caller.service, cost))
        return charges

    def _charge(self, limit: Limit, whom: str, cost: int) -> Charge:
        return Charge(limit, self._keys.name(limit.name, whom), cost)

    async def _take(self, charges: Sequence[Charge], caller: Principal) -> None:
        if short := await self._decide(self._local, charges):
            raise self._refusal(*short, caller)

    async def _decide(self, local: _Counters, charges: Sequence[Charge]) -> tuple[Charge, Standing] | None:
        return await self._ask(local, lambda counters: counters.take(charges))

    async def _ask(self, local: _Counters, question: Callable[[_Counters], Awaitable[T]]) -> T:
        """Use the shared counters, or those of this process."""
        if (shared := self._shared) is not None and (store := self._store) is not None:
            try:
                return await store.ask(lambda: question(shared))
            except StoreDownError:
                pass
        return await question(local)

    def _refusal(self, charge: Charge, standing: Standing, caller: Principal | None = None) -> RateLimited:
        limit = charge.limit
        self._metrics.limits_hit.inc(limit.kind, limit.policy)
        return RateLimited(_detail(charge, standing, caller), standing)


def _shared_storage(store: SharedStore) -> RedisStorage:
    storage = RedisStorage("async+valkey://", key_prefix="uploadsvc:rate")
    # The library would open its own connections.
    storage.bridge.storage = store.client  # type: ignore[attr-defined] # of the bridge for valkey-py
    storage.bridge.register_scripts()
    return storage


def network_of(address: str) -> str:
    """Return the IPv4 address, or the /64 network of an IPv6 address, which belongs to one client."""
    try:
        parsed = ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(parsed, IPv6Address):
        if parsed.ipv4_mapped is not None:
            return str(parsed.ipv4_mapped)
        return str(IPv6Network((parsed, _IPV6_BITS), strict=False))
    return str(parsed)


def _detail(charge: Charge, standing: Standing, caller: Principal | None) -> str:
    limit, _, cost = charge
    amount, unit = limit.rate
    wait = "1 second" if standing.wait == 1 else f"{standing.wait} seconds"
    if limit.kind == "rate":
        allowed = f"Policy {limit.policy!r} allows {amount} uploads of one user per {unit}"
    elif limit.kind == "address":
        allowed = f"From one address, {amount} requests per {unit} may come without a valid credential"
    elif limit.kind == "service":
        service = caller.service if caller is not None else None
        allowed = f"The service {service!r} may send {amount} requests per {unit}"
    else:
        allowed = f"A user may send {amount} requests per {unit}"
    if cost > amount:
        return f"{allowed}; ask for fewer uploads at once."
    return f"{allowed}; try again in {wait}."

"""Reserve quota for uploads before they are created."""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import NamedTuple

from uploadsvc.domain.errors import QuotaExceeded
from uploadsvc.domain.plan import Plan
from uploadsvc.domain.principal import Principal
from uploadsvc.domain.quotas import Wanted
from uploadsvc.services.quotas import Quotas
from uploadsvc.tokens.signed_ids import UploadClaims


class Planned(NamedTuple):
    """An upload that has not begun: policy name, UUID and plan."""

    policy: str
    upload_uuid: str
    plan: Plan


class Reservations:
    """Quota reservations of uploads that are being created.

    Args:
        quotas: The quotas.
        clock: Returns the current time, aware.
    """

    def __init__(self, quotas: Quotas, *, clock: Callable[[], datetime]) -> None:
        self._quotas = quotas
        self._clock = clock

    async def take(self, caller: Principal, planned: Sequence[Planned]) -> list[QuotaExceeded | None]:
        """Reserve for uploads in order, each if it fits. Returns ``None`` or the refusal of each."""
        refusals: dict[str, QuotaExceeded | None] = {}
        for policy in dict.fromkeys(one.policy for one in planned):
            wanted = [self._wanted(one) for one in planned if one.policy == policy]
            found = await self._quotas.reserve(caller, policy, wanted)
            refusals |= {one.upload: refusal for one, refusal in zip(wanted, found, strict=True)}
        return [refusals[one.upload_uuid] for one in planned]

    async def take_all(self, caller: Principal, planned: Sequence[Planned]) -> list[QuotaExceeded | None]:
        """Reserve for all of them, or for none if one does not fit. Returns the same as `take`."""
        refusals = await self.take(caller, planned)
        if any(refusals):
            fitting = [one for one, other in zip(planned, refusals, strict=True) if other is None]
            await self.give_back(caller, fitting)
        return refusals

    async def take_bare(self, caller: Principal, policy: str, upload_uuid: str, size: int) -> None:
        """Reserve for a URL whose object will not name its upload. Counts until the end of the day.

        Raises:
            QuotaExceeded: It does not fit.
        """
        for refusal in await self._quotas.reserve(caller, policy, [Wanted(upload_uuid, size)]):
            if refusal is not None:
                raise refusal

    async def give_back(self, caller: Principal, planned: Iterable[Planned]) -> None:
        """Release the reservations of uploads whose URLs are not given out."""
        for one in planned:
            await self._quotas.release(caller.user, one.policy, [one.upload_uuid])

    async def begun(self, caller: Principal, uploads: Iterable[UploadClaims]) -> None:
        """Record S3's ids of multipart uploads."""
        await asyncio.gather(*(self._quotas.begun(caller, claims) for claims in uploads))

    def _wanted(self, planned: Planned) -> Wanted:
        plan = planned.plan
        ends = int(self._clock().timestamp()) + plan.upload_expires_in if plan.method == "multipart" else 0
        return Wanted(planned.upload_uuid, plan.max_size, ends)

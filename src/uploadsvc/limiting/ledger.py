"""Interface of the stores that count quotas."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Protocol

from uploadsvc.domain.quotas import Excess, Quota, Wanted


class Ledger(Protocol):
    """Counts the usage of accounts. An account is one user with one policy; its name reveals neither.

    Times are aware and come from the service's clock. No method fails if the store is down.
    """

    async def reserve(
        self, account: str, quota: Quota, wanted: Sequence[Wanted], *, now: datetime
    ) -> list[Excess | None]:
        """Reserve for several uploads in order, each if it fits. Idempotent.

        Returns:
            For each upload ``None``, or the reason why it does not fit.
        """
        ...

    async def settle(self, account: str, upload: str, size: int, *, now: datetime) -> None:
        """Replace the reserved bytes of an upload by those that were stored.

        Also ends a multipart upload. Bytes that are stored after a release count too. Does nothing for an
        upload that was not created today, or was never begun.
        """
        ...

    async def release(
        self, account: str, uploads: Iterable[str], *, now: datetime, begun: bool = True
    ) -> None:
        """Release the reservations of uploads that store nothing. Settled uploads still count.

        Args:
            account: The account.
            uploads: UUIDs of the uploads.
            now: The current time.
            begun: Whether a URL was given out, so that bytes can still arrive.
        """
        ...

    async def name(self, account: str, upload: str, name: str, *, now: datetime) -> None:
        """Record a second name of an unfinished multipart upload."""
        ...

    async def close_named(self, account: str, name: str, *, brought_nothing: bool, now: datetime) -> None:
        """End a multipart upload that is known only by its second name."""
        ...

"""Counts what users upload against their quotas."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Protocol

from uploadsvc.domain.quotas import Excess, Quota, Wanted


class Ledger(Protocol):
    """Counts what accounts use. An account is one user with one policy; its name tells neither.

    All times are the service's own, aware. No method fails if the store does.
    """

    async def reserve(
        self, account: str, quota: Quota, wanted: Sequence[Wanted], *, now: datetime
    ) -> list[Excess | None]:
        """Reserve for several uploads, in this order, each if it fits. Repeating it reserves nothing more.

        Returns:
            For each upload ``None``, or why it does not fit.
        """
        ...

    async def settle(self, account: str, upload: str, size: int, *, now: datetime) -> None:
        """Count the bytes that an upload brought, in place of those that were reserved.

        A multipart upload is finished by it. Bytes that come after the upload was released count too. Nothing
        happens if the upload was not created today, or was never begun.
        """
        ...

    async def release(
        self, account: str, uploads: Iterable[str], *, now: datetime, begun: bool = True
    ) -> None:
        """Give back what is reserved for uploads that bring nothing. What is settled stays.

        Args:
            account: The account.
            uploads: UUIDs of the uploads.
            now: The time.
            begun: Whether somebody may have a URL, so that bytes can still come.
        """
        ...

    async def name(self, account: str, upload: str, name: str, *, now: datetime) -> None:
        """Remember another name of an unfinished multipart upload."""
        ...

    async def close_named(self, account: str, name: str, *, brought_nothing: bool, now: datetime) -> None:
        """Close a multipart upload of which only the other name is known."""
        ...

"""Count uploads against the quotas of users."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime

from uploadsvc.domain.errors import QuotaExceeded
from uploadsvc.domain.policy import Policy
from uploadsvc.domain.principal import Principal
from uploadsvc.domain.quotas import UNLIMITED, Excess, Quota, Wanted, changed
from uploadsvc.limiting.ledger import Ledger
from uploadsvc.limiting.local_quotas import LocalLedger
from uploadsvc.tokens.signed_ids import UploadClaims


class Quotas:
    """The quotas of all users and policies.

    Args:
        policies: Quotas of the policies, by name.
        changeable: Whether tokens can change a user's quotas.
        ledger: Store of the counts.
        account: Returns the account name for a policy and a user.
        on_refusal: Called with the names of quota and policy for each upload that does not fit.
        clock: Returns the current time, aware.
    """

    def __init__(
        self,
        *,
        policies: Mapping[str, Quota],
        changeable: bool,
        ledger: Ledger,
        account: Callable[[str, str], str],
        on_refusal: Callable[[str, str], None],
        clock: Callable[[], datetime],
    ) -> None:
        self._policies = policies
        self._changeable = changeable
        self._ledger = ledger
        self._account = account
        self._on_refusal = on_refusal
        self._clock = clock

    def take_over(self, other: "Quotas") -> None:
        """Take over the counts of another instance in memory. A shared store keeps its own."""
        if isinstance(self._ledger, LocalLedger) and isinstance(other._ledger, LocalLedger):  # noqa: SLF001 - of its kind
            self._ledger = other._ledger  # noqa: SLF001 - of its kind

    def of(self, caller: Principal, policy: str) -> Quota:
        """Return the quota of a caller under a policy."""
        return changed(self._policies.get(policy, UNLIMITED), caller.quotas, policy)

    async def reserve(
        self, caller: Principal, policy: str, wanted: Sequence[Wanted]
    ) -> list[QuotaExceeded | None]:
        """Reserve for several uploads of one policy in order, each if it fits.

        Returns:
            For each upload ``None``, or the error that refuses it.
        """
        quota = self.of(caller, policy)
        counted = [one for one in wanted if _counts(quota, one)]
        if not counted:
            return [None] * len(wanted)
        account, now = self._account(policy, caller.user), self._clock()
        excesses = await self._ledger.reserve(account, quota, counted, now=now)
        found = {one.upload: excess for one, excess in zip(counted, excesses, strict=True)}
        return [self._refusal(found.get(one.upload), one, quota, policy) for one in wanted]

    def _refusal(
        self, excess: Excess | None, wanted: Wanted, quota: Quota, policy: str
    ) -> QuotaExceeded | None:
        if excess is None:
            return None
        self._on_refusal("quota" if excess.quota == "bytes_per_day" else "max_unfinished", policy)
        return _error(excess, wanted, quota, policy)

    async def release(self, user: str, policy: str, uploads: Iterable[str]) -> None:
        """Release the reservations of uploads that were not begun."""
        if self._may_count(policy):
            await self._ledger.release(self._account(policy, user), uploads, now=self._clock(), begun=False)

    async def begun(self, caller: Principal, claims: UploadClaims) -> None:
        """Record S3's id of a multipart upload, the only one in a listing."""
        if not self.of(caller, claims.policy).unlimited:
            account = self._account(claims.policy, caller.user)
            await self._ledger.name(
                account, claims.upload_uuid, self._name(claims.upload_id), now=self._clock()
            )

    async def brought(self, user: str, policy: str, upload: str, size: int) -> None:
        """Count the bytes of a stored object. Idempotent.

        Args:
            user: Owner of the upload.
            policy: Its policy.
            upload: Its UUID.
            size: Bytes of the object; 0 if it was refused and deleted.
        """
        if self._may_count(policy):
            await self._ledger.settle(self._account(policy, user), upload, size, now=self._clock())

    async def aborted(self, user: str, claims: UploadClaims) -> None:
        """Release the reservation of an aborted upload that has stored nothing. Idempotent.

        While the URL of a PUT or a form is valid, its bytes can still arrive, so they stay reserved.
        """
        ended = claims.method == "multipart" or claims.url_expires_at <= self._clock().timestamp()
        if ended and self._may_count(claims.policy):
            account = self._account(claims.policy, user)
            await self._ledger.release(account, [claims.upload_uuid], now=self._clock())

    async def aborted_listed(self, user: str, upload_id: str, *, stored: bool) -> None:
        """End a multipart upload that was aborted by S3's id, from a listing. Idempotent.

        Args:
            user: Owner of the upload.
            upload_id: S3's id of the upload.
            stored: Whether there is an object with its key, so that it may have been completed.
        """
        # A listing does not contain the policy.
        for policy in self._policies:
            if self._may_count(policy):
                await self._ledger.close_named(
                    self._account(policy, user),
                    self._name(upload_id),
                    brought_nothing=not stored,
                    now=self._clock(),
                )

    def _may_count(self, policy: str) -> bool:
        # A later call, or the events worker, may not know the quotas in the token that created the upload.
        return self._changeable or not self._policies.get(policy, UNLIMITED).unlimited

    def _name(self, upload_id: str) -> str:
        # For anyone who may write to the bucket, S3's ids are credentials.
        return self._account("", upload_id)


def quotas_of(policies: Iterable[Policy]) -> dict[str, Quota]:
    """Return the quotas by name of the policy."""
    return {
        policy.name: Quota(daily_bytes=policy.quota, max_unfinished=policy.max_unfinished)
        for policy in policies
    }


def _counts(quota: Quota, wanted: Wanted) -> bool:
    return quota.daily_bytes is not None or (quota.max_unfinished is not None and bool(wanted.ends))


def _error(excess: Excess, wanted: Wanted, quota: Quota, policy: str) -> QuotaExceeded:
    frees_at = None if excess.frees_at is None else datetime.fromtimestamp(excess.frees_at, UTC)
    if excess.quota == "bytes_per_day":
        limit = quota.daily_bytes or 0
        detail = (
            f"The upload can have {wanted.size} bytes, and {excess.left} are left of the {limit} bytes a day "
            f"that you may upload by policy {policy!r}."
        )
        if frees_at is None:
            detail += " It never fits; name the size of a smaller file."
        else:
            detail += f" The next day begins at {_shown(frees_at)}."
    else:
        limit = quota.max_unfinished or 0
        detail = (
            f"You have {limit} unfinished multipart uploads by policy {policy!r}, and no more are allowed; "
            "complete or abort one."
        )
        if frees_at is not None:
            detail += f" The first one expires at {_shown(frees_at)}."
    return QuotaExceeded(detail, quota=excess.quota, limit=limit, left=excess.left, frees_at=frees_at)


def _shown(time: datetime) -> str:
    return f"{time:%Y-%m-%dT%H:%M:%SZ}"

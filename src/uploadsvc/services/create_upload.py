"""Create uploads: plan, sign, issue an id."""

import asyncio
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Final
from uuid import uuid4

from uploadsvc.domain import errors
from uploadsvc.domain.keys import newest_first_uuid
from uploadsvc.domain.metadata import UPLOAD_CLAIMS
from uploadsvc.domain.plan import Plan, UploadRequest
from uploadsvc.domain.planner import Planner
from uploadsvc.domain.principal import Principal
from uploadsvc.domain.providers import MAX_SINGLE_PUT
from uploadsvc.s3.multipart import MultipartStorage
from uploadsvc.s3.presigner import Presigner, SigningBatch
from uploadsvc.services.multipart import FIRST_PARTS, SignedPart, sign_parts
from uploadsvc.services.policies import DEFAULT_POLICY, PolicyRegistry
from uploadsvc.services.quotas import Quotas
from uploadsvc.services.reservations import Planned, Reservations
from uploadsvc.services.turns import Turns, gather_few
from uploadsvc.telemetry.metrics import Metrics
from uploadsvc.telemetry.records import begin_batch, note_item, note_policy, note_upload
from uploadsvc.tokens.object_claims import ObjectClaims
from uploadsvc.tokens.signed_ids import SignedIds, UploadClaims

if TYPE_CHECKING:
    from uploadsvc.limiting.rates import RateLimits

_SLICE: Final = 4
"""Uploads to sign between two yields to the event loop. Each takes about 50 microseconds."""

_NOT_BEGUN: Final = RuntimeError("an upload of a batch did not begin")


# Not frozen: freezing would double the time to create one in every request.
@dataclass(slots=True, kw_only=True)
class Grant:
    """A new upload: its id and all that is needed to send the bytes.

    Attributes:
        id: Signed id.
        plan: Its plan.
        bucket: Bucket of the object.
        url: Presigned PUT, or target of the form; empty for a multipart upload.
        fields: All fields of a form; empty otherwise.
        parts: The first parts of a multipart upload, signed; empty otherwise.
        expires_at: End of the URLs or the form.
        upload_expires_at: End of the id.
    """

    id: str
    plan: Plan
    bucket: str
    url: str
    fields: Mapping[str, str]
    parts: Sequence[SignedPart]
    expires_at: datetime
    upload_expires_at: datetime


class UploadCreator:
    """Creates uploads under the caller's prefix.

    Args:
        policies: Policies of the service.
        presigner: Signs URLs and forms.
        multipart: Multipart uploads of the bucket.
        ids: Signs upload ids.
        object_claims: Signs the claims in objects; ``None`` if they carry none.
        quotas: Quotas of users; ``None`` if there are none.
        clock: Returns the current time, aware.
        metrics: Counts uploads.
        rates: Rate limits; ``None`` for none.
    """

    def __init__(
        self,
        *,
        policies: PolicyRegistry,
        presigner: Presigner,
        multipart: MultipartStorage,
        ids: SignedIds,
        object_claims: ObjectClaims | None = None,
        quotas: Quotas | None = None,
        clock: Callable[[], datetime],
        metrics: Metrics,
        rates: "RateLimits | None" = None,
    ) -> None:
        self.policies = policies
        self._presigner = presigner
        self._multipart = multipart
        self._ids = ids
        self._object_claims = object_claims
        self._reservations = None if quotas is None else Reservations(quotas, clock=clock)
        self._clock = clock
        self._metrics = metrics
        self._rates = rates
        self._turns = Turns()

    async def create(self, caller: Principal, policy: str | None, request: UploadRequest) -> Grant:
        """Create an upload. Only a multipart upload calls S3; a PUT or a form is signed locally.

        Raises:
            QuotaExceeded: The upload does not fit into the caller's quota.
            UploadsvcError: The policy is unknown or does not allow the upload.
        """
        try:
            planner = self.policies.choose(caller, policy)
            if planner.policy.rate is not None:
                await self.admit(caller, planner)
            planned = self._plan(planner, caller, request)
            if self._reservations is None:
                grant = await self._begin(planned)
            else:
                (refusal,) = await self._reservations.take(caller, [planned])
                if refusal is not None:
                    raise refusal
                grant = await self._begin_reserved(caller, planned)
        except errors.UploadsvcError as error:
            self._count_refusal(policy, error)
            raise
        self.count(planned)
        return grant

    async def create_each(
        self, caller: Principal, requests: Sequence[tuple[str | None, UploadRequest]]
    ) -> list[Grant | BaseException]:
        """Create several uploads, each under its own policy.

        Returns:
            A grant or an exception for each request, in the same order.
        """
        begin_batch()
        results: list[Grant | BaseException] = []
        over_rate = await self._over_rate(caller, [policy for policy, _ in requests])
        waiting: dict[int, Planned] = {}
        for index, (policy, request) in enumerate(requests):
            if index % _SLICE == 0:
                await asyncio.sleep(0)
            try:
                _raise(over_rate[index])
                planned = self._plan(self.policies.choose(caller, policy), caller, request)
                if planned.plan.method == "multipart" or self._reservations is not None:
                    waiting[index] = planned
                    results.append(_NOT_BEGUN)
                else:
                    results.append(await self._begin(planned))
                    self.count(planned)
            except errors.UploadsvcError as error:
                note_item(policy=self.policies.label(policy), code=error.code)
                self._count_refusal(policy, error)
                results.append(error)
        for index, result in (await self._begin_each(caller, waiting)).items():
            results[index] = result
        return results

    async def _begin_each(
        self, caller: Principal, waiting: Mapping[int, Planned]
    ) -> dict[int, Grant | BaseException]:
        """Begin uploads that have to wait for S3 or for quotas. Returns a grant or an exception for each."""

        async def begin(planned: Planned) -> Grant:
            return await self._begin_reserved(caller, planned)

        results: dict[int, Grant | BaseException] = {**await self._refusals(caller, waiting)}
        fitting = [index for index in waiting if index not in results]
        # Concurrently, because they wait for S3.
        begun = await gather_few(begin, [waiting[index] for index in fitting], self._turns)
        results |= zip(fitting, begun, strict=True)
        for index, result in results.items():
            if isinstance(result, Grant):
                self.count(waiting[index])
            elif isinstance(result, errors.UploadsvcError):
                planned = waiting[index]
                self._count_refusal(planned.policy, result)
                note_item(policy=planned.policy, upload_method=planned.plan.method, code=result.code)
        return results

    async def create_all(
        self, caller: Principal, policy: str | None, requests: Sequence[UploadRequest]
    ) -> list[Grant]:
        """Create several uploads under one policy: all of them or none.

        Returns:
            One grant for each request, in the same order.

        Raises:
            QuotaExceeded: The uploads do not fit into the caller's quota; the error names a file.
            UploadsvcError: The policy is unknown or does not allow one of the uploads; the error names the
                file. If S3 fails to create one, the others are aborted.
        """
        with self.counted_refusals(policy):
            planner = self.policies.choose(caller, policy)
            await self.admit(caller, planner, len(requests))
            if len(requests) > 1:
                begin_batch()
            planned = []
            for request in requests:
                try:
                    planned.append(self._plan(planner, caller, request))
                except errors.UploadsvcError as error:
                    raise _about(request.filename, error) from None
            await self._reserve_all(caller, requests, planned)
            begun = await gather_few(self._begin, planned, self._turns)
            grants = [one for one in begun if isinstance(one, Grant)]
            for failure in begun:
                if isinstance(failure, BaseException):
                    await asyncio.gather(*(self._abort(one) for one in grants), return_exceptions=True)
                    if self._reservations is not None:
                        await self._reservations.give_back(caller, planned)
                    raise failure
            await self._name_begun(caller, grants)
        for one in planned:
            self.count(one)
        return grants

    async def admit(self, caller: Principal, planner: Planner, count: int = 1) -> None:
        """Count the uploads of a request against the rate limits, whether or not they succeed.

        Raises:
            RateLimited: There are too many.
        """
        if self._rates is not None:
            await self._rates.uploads(caller, planner.policy.name, count)

    async def _over_rate(
        self, caller: Principal, policies: Sequence[str | None]
    ) -> list[errors.RateLimited | None]:
        if self._rates is None:
            return [None] * len(policies)
        return await self._rates.each_upload(caller, [policy or DEFAULT_POLICY for policy in policies])

    def choose(self, caller: Principal, policy: str | None) -> Planner:
        """Return the planner of a policy, as `PolicyRegistry.choose` does.

        Raises:
            UploadsvcError: The caller cannot use it.
        """
        with self.counted_refusals(policy):
            return self.policies.choose(caller, policy)

    def resolve(self, caller: Principal, policy: str | None) -> Planner:
        """Return the planner for a client that may be unable to name a policy.

        Raises:
            UploadsvcError: The caller cannot use it.
        """
        with self.counted_refusals(policy):
            return self.policies.resolve(caller, policy)

    @contextmanager
    def counted_refusals(self, policy: str | None) -> Iterator[None]:
        """Count the refusal of an upload under this policy."""
        try:
            yield
        except errors.UploadsvcError as error:
            self._count_refusal(policy, error)
            raise

    def _count_refusal(self, policy: str | None, error: errors.UploadsvcError) -> None:
        self._metrics.uploads_refused.inc(self.policies.label(policy), error.code)

    def count(self, planned: Planned) -> None:
        """Count a granted upload, and the maximum of bytes that its signatures allow."""
        policy, _, plan = planned
        self._metrics.uploads_created.inc(policy, plan.method)
        self._metrics.bytes_promised.add(plan.max_size, policy)

    async def _refusals(
        self, caller: Principal, waiting: Mapping[int, Planned]
    ) -> dict[int, errors.QuotaExceeded]:
        """Reserve for several uploads, and return the refusals."""
        if self._reservations is None:
            return {}
        refusals = await self._reservations.take(caller, list(waiting.values()))
        return {index: one for index, one in zip(waiting, refusals, strict=True) if one is not None}

    async def _reserve_all(
        self, caller: Principal, requests: Sequence[UploadRequest], planned: Sequence[Planned]
    ) -> None:
        if self._reservations is None:
            return
        refusals = await self._reservations.take_all(caller, planned)
        for request, refusal in zip(requests, refusals, strict=True):
            if refusal is not None:
                raise _about(request.filename, refusal)

    async def _begin_reserved(self, caller: Principal, planned: Planned) -> Grant:
        try:
            grant = await self._begin(planned)
        except Exception:
            if self._reservations is not None:
                await self._reservations.give_back(caller, [planned])
            raise
        await self._name_begun(caller, [grant])
        return grant

    async def _name_begun(self, caller: Principal, grants: Sequence[Grant]) -> None:
        """Record S3's ids of multipart uploads."""
        multipart = [self._ids.verify(one.id) for one in grants if one.plan.method == "multipart"]
        if self._reservations is not None and multipart:
            await self._reservations.begun(caller, multipart)

    def _plan(self, planner: Planner, caller: Principal, request: UploadRequest) -> Planned:
        note_policy(planner.policy.name)
        # One read of random bytes for both.
        digits, now = os.urandom(26).hex(), self._clock()
        upload_uuid, unique = digits[:32], newest_first_uuid(now, digits[32:])
        plan = planner.plan(
            request, user=caller.user, upload_uuid=upload_uuid, unique=unique, today=now.date()
        )
        return Planned(planner.policy.name, upload_uuid, plan)

    def claims(self, planned: Planned) -> UploadClaims:
        """Return the claims of an upload, without a lifetime or S3's upload id."""
        policy, upload_uuid, plan = planned
        return UploadClaims(
            upload_uuid=upload_uuid,
            policy=policy,
            bucket=self._presigner.bucket,
            key=plan.key,
            method=plan.method,
            min_size=plan.min_size,
            max_size=plan.max_size,
            content_type=plan.content_type,
            checksum=plan.checksum,
            part_checksum=plan.part_checksum,
            upload_id="",
            part_size=plan.parts.part_size if plan.parts else 0,
            no_overwrite=plan.no_overwrite,
            tags_object=plan.tags_object,
            url_expires_at=0,
            expires_at=0,
            content_encoding=plan.content_encoding,
        )

    def carry(self, claims: UploadClaims, plan: Plan) -> None:
        """Add the claims of the upload to the object's metadata, if objects carry claims."""
        if self._object_claims is not None:
            described = plan.fields if plan.method == "post" else plan.headers
            described[f"x-amz-meta-{UPLOAD_CLAIMS}"] = self._object_claims.sign(claims)

    async def _begin(self, planned: Planned) -> Grant:
        plan = planned.plan
        note_upload(planned.policy, plan.method, planned.upload_uuid)
        credentials = await self._presigner.credentials()
        claims = self.claims(planned)
        if plan.method == "multipart":
            self.carry(claims, plan)
            claims.upload_id = await self._multipart.create(
                plan.key, plan.headers, checksum=plan.part_checksum
            )
        # S3 may have taken seconds, which must not shorten the lifetime of the URLs.
        batch = self._presigner.batch(credentials, expires_in=plan.expires_in)
        claims.expires_at = batch.began + plan.upload_expires_in
        if plan.method != "multipart":
            claims.url_expires_at = batch.ends
            claims.expires_at = max(claims.expires_at, batch.ends)
            self.carry(claims, plan)
        if plan.method == "multipart":
            async with self._turns.turn():
                url, fields, parts = self._sign(plan, claims, batch)
        else:
            url, fields, parts = self._sign(plan, claims, batch)
        note_item(policy=planned.policy, upload_method=plan.method, upload_id=planned.upload_uuid)
        return Grant(
            id=self._ids.sign(claims),
            plan=plan,
            bucket=self._presigner.bucket,
            url=url,
            fields=fields,
            parts=parts,
            expires_at=batch.expires_at,
            upload_expires_at=_time(claims.expires_at),
        )

    def _sign(
        self, plan: Plan, claims: UploadClaims, batch: SigningBatch
    ) -> tuple[str, Mapping[str, str], list[SignedPart]]:
        if plan.method == "put":
            return batch.url("PUT", plan.key, headers=plan.headers), {}, []
        if plan.method == "post":
            fields = batch.form(plan.fields, size_range=(plan.min_size, plan.max_size))
            return self._presigner.endpoint.base_url, fields, []
        # Signing a part requires its checksum, so the client requests the parts later, with checksums.
        count = plan.parts.count if plan.parts and not plan.part_checksum else 0
        numbers = range(1, min(count, FIRST_PARTS) + 1)
        return "", {}, sign_parts(claims, numbers, checksums=None, batch=batch)

    async def bare_put(
        self, caller: Principal, policy: str | None, request: UploadRequest
    ) -> tuple[str, str]:
        """Return a presigned PUT that needs only the headers in the request, and its key.

        Raises:
            QuotaExceeded: The upload does not fit into the caller's quota.
            UploadsvcError: The policy restricts a value that the request does not name, or sets one that
                needs a header.
        """
        with self.counted_refusals(policy):
            planner = self.policies.choose(caller, policy)
            await self.admit(caller, planner)
            now = self._clock()
            unique = newest_first_uuid(now, os.urandom(10).hex())
            key, headers = planner.plan_bare(request, user=caller.user, unique=unique, today=now.date())
            note_upload(planner.policy.name, "put", "")
            size = MAX_SINGLE_PUT if request.size is None else request.size
            if self._reservations is not None:
                await self._reservations.take_bare(caller, planner.policy.name, uuid4().hex, size)
            batch = await self._presigner.start(expires_in=planner.policy.expires_in)
        self._metrics.uploads_created.inc(planner.policy.name, "put")
        self._metrics.bytes_promised.add(size, planner.policy.name)
        return batch.url("PUT", key, headers=headers), key

    async def _abort(self, grant: Grant) -> None:
        if grant.plan.method == "multipart":
            await self._multipart.abort(grant.plan.key, self._ids.verify(grant.id).upload_id)


# Uploads of the same second share their expiry times.
@lru_cache(maxsize=64)
def _time(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def _raise(error: errors.UploadsvcError | None) -> None:
    if error is not None:
        raise error


def _about(filename: str | None, error: errors.UploadsvcError) -> errors.UploadsvcError:
    """Return the error with the filename in its detail."""
    if not filename:
        return error
    return error.about(errors.shown(filename))

"""The use case of creating uploads: plan, sign, seal."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from uuid import uuid4

from uploadsvc.domain import errors
from uploadsvc.domain.credentials import Credentials
from uploadsvc.domain.plan import Plan, UploadRequest
from uploadsvc.domain.planner import Planner
from uploadsvc.domain.principal import Principal
from uploadsvc.s3.presigner import Presigner, end_of_life
from uploadsvc.s3.storage import Storage
from uploadsvc.services.multipart import FIRST_PARTS, Multipart, SignedPart
from uploadsvc.services.policies import PolicyRegistry
from uploadsvc.services.results import Grant
from uploadsvc.tokens.signed_ids import SignedIds, UploadClaims


class UploadCreator:
    """New uploads under the callers' own prefixes.

    Args:
        planners: Those of the policies.
        presigner: For what callers are handed.
        storage: The bucket.
        multipart: What is particular to multipart uploads.
        ids: Seals upload ids.
        clock: The time now, aware.
    """

    def __init__(
        self,
        *,
        planners: PolicyRegistry,
        presigner: Presigner,
        storage: Storage,
        multipart: Multipart,
        ids: SignedIds,
        clock: Callable[[], datetime],
    ) -> None:
        self.planners = planners
        self._presigner = presigner
        self._storage = storage
        self._multipart = multipart
        self._ids = ids
        self._clock = clock

    async def create(self, caller: Principal, policy: str | None, request: UploadRequest) -> Grant:
        """Plan, sign and seal an upload. Only a multipart upload is begun in S3; all else is local.

        Raises:
            UploadsvcError: The policy is unknown or does not allow it.
        """
        planner = self.planners.choose(caller, policy)
        upload_uuid = uuid4().hex
        return await self._begin(planner, upload_uuid, self._plan(planner, caller, request, upload_uuid))

    async def create_all(
        self, caller: Principal, policy: str | None, requests: Sequence[UploadRequest]
    ) -> list[Grant]:
        """Create several uploads by one policy, or none: what is refused is refused before any is begun.

        Returns:
            One grant for each, in their order.

        Raises:
            UploadsvcError: The policy is unknown or does not allow one of them, which the error names by its
                filename; or S3 does not begin one, and those that it did begin are given up.
        """
        planner = self.planners.choose(caller, policy)
        planned = []
        for request in requests:
            upload_uuid = uuid4().hex
            try:
                planned.append((upload_uuid, self._plan(planner, caller, request, upload_uuid)))
            except errors.UploadsvcError as error:
                raise _about(request.filename, error) from None
        begun = await asyncio.gather(
            *(self._begin(planner, upload_uuid, plan) for upload_uuid, plan in planned),
            return_exceptions=True,
        )
        grants = [one for one in begun if isinstance(one, Grant)]
        for failure in begun:
            if isinstance(failure, BaseException):
                await asyncio.gather(*(self._give_up(one) for one in grants), return_exceptions=True)
                raise failure
        return grants

    def _plan(self, planner: Planner, caller: Principal, request: UploadRequest, upload_uuid: str) -> Plan:
        today = self._now().date()
        return planner.plan(
            request, user=caller.user, upload_uuid=upload_uuid, unique=str(uuid4()), today=today
        )

    async def _begin(self, planner: Planner, upload_uuid: str, plan: Plan) -> Grant:
        credentials = await self._storage.credentials()
        upload_id = await self._multipart.create(plan) if plan.method == "multipart" else ""
        # Only now: the first credentials of all may have been waited for.
        now = self._now()
        expires_at = end_of_life(credentials, now=now, expires_in=plan.expires_in)
        upload_expires_at = now + timedelta(seconds=plan.upload_expires_in)
        if plan.method != "multipart":
            upload_expires_at = max(upload_expires_at, expires_at)
        claims = UploadClaims(
            upload_uuid=upload_uuid,
            policy=planner.policy.name,
            bucket=self._presigner.bucket,
            key=plan.key,
            method=plan.method,
            min_size=plan.min_size,
            max_size=plan.max_size,
            content_type=plan.content_type,
            checksum=plan.checksum,
            part_checksum=plan.part_checksum,
            upload_id=upload_id,
            part_size=plan.parts.part_size if plan.parts else 0,
            no_overwrite=plan.no_overwrite,
            tags_object=plan.tags_object,
            replaceable_until=int(expires_at.timestamp()) if plan.replaceable else 0,
            expires_at=int(upload_expires_at.timestamp()),
        )
        url, fields, parts = self._sign(plan, claims, credentials=credentials, now=now, expires_at=expires_at)
        return Grant(
            id=self._ids.sign(claims),
            plan=plan,
            bucket=self._presigner.bucket,
            url=url,
            fields=fields,
            parts=parts,
            expires_at=expires_at,
            upload_expires_at=upload_expires_at,
        )

    def _sign(
        self,
        plan: Plan,
        claims: UploadClaims,
        *,
        credentials: Credentials,
        now: datetime,
        expires_at: datetime,
    ) -> tuple[str, Mapping[str, str], list[SignedPart]]:
        if plan.method == "multipart":
            # A part's checksum is signed too: where there are such, parts are asked for with theirs.
            count = plan.parts.count if plan.parts else 0
            first = 0 if plan.part_checksum else min(count, FIRST_PARTS)
            parts = self._multipart.sign(
                claims,
                range(1, first + 1),
                checksums=None,
                credentials=credentials,
                now=now,
                expires_at=expires_at,
            )
            return "", {}, parts
        if plan.method == "put":
            url = self._presigner.url(
                "PUT", plan.key, credentials=credentials, now=now, expires_at=expires_at, headers=plan.headers
            )
            return url, {}, []
        fields = self._presigner.form(
            plan.fields,
            credentials=credentials,
            now=now,
            expires_at=expires_at,
            size_range=(plan.min_size, plan.max_size),
        )
        return self._presigner.endpoint.base_url, fields, []

    async def bare_put(
        self, caller: Principal, policy: str | None, request: UploadRequest
    ) -> tuple[str, str]:
        """Return a presigned PUT that needs no header but those of what the request names, and its key.

        Raises:
            UploadsvcError: The policy restricts what the request leaves open, or sets what a bare URL
                cannot carry.
        """
        planner = self.planners.choose(caller, policy)
        today = self._now().date()
        key, headers = planner.plan_bare(request, user=caller.user, unique=str(uuid4()), today=today)
        credentials = await self._storage.credentials()
        now = self._now()
        expires_at = end_of_life(credentials, now=now, expires_in=planner.policy.expires_in)
        url = self._presigner.url(
            "PUT", key, credentials=credentials, now=now, expires_at=expires_at, headers=headers
        )
        return url, key

    async def _give_up(self, grant: Grant) -> None:
        if grant.plan.method == "multipart":
            await self._multipart.abort(self._ids.verify(grant.id))

    def _now(self) -> datetime:
        return self._clock().replace(microsecond=0)


def _about(filename: str | None, error: errors.UploadsvcError) -> errors.UploadsvcError:
    """Return a refusal that names the file."""
    if not filename:
        return error
    return type(error)(f"{errors.shown(filename)}: {error.detail}", field=error.field)

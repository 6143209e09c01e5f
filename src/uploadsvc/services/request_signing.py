"""Sign single S3 requests, for browsers that call S3's API themselves.

The key's prefix identifies the owner. S3 answers the browser, and the service verifies nothing afterwards. So
a request is refused unless its signature can enforce every restriction of the policy.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from uploadsvc.domain import errors
from uploadsvc.domain.keys import Namespace
from uploadsvc.domain.parts import check_total
from uploadsvc.domain.plan import ClientTraits, UploadRequest
from uploadsvc.domain.planner import Planner
from uploadsvc.domain.principal import Principal
from uploadsvc.s3.multipart import MultipartStorage, NoSuchUploadError
from uploadsvc.s3.presigner import Presigner
from uploadsvc.services.create_upload import UploadCreator
from uploadsvc.services.quotas import Quotas
from uploadsvc.services.reservations import Planned
from uploadsvc.telemetry.records import note_policy, note_upload
from uploadsvc.tokens.signed_uuids import SignedUuids

Method = Literal["GET", "PUT", "POST", "DELETE"]


@dataclass(frozen=True, slots=True, kw_only=True)
class S3Request:
    """A request that a browser wants to send to S3.

    Attributes:
        method: HTTP method.
        key: Filename of a new object, or a full key under the caller's prefix.
        upload_id: S3's id of the multipart upload, once created.
        part_number: Number of the part, from 1.
        content_type: Media type of a new object; ``None`` if unknown.
        size: Size of a new object in bytes; ``None`` if unknown.
        takes_forms: Whether the client can send a form instead of a PUT.
        policy: Name of the policy; ``None`` for the default of the credential.
        expires_in: Lifetime of the URL in seconds; ``None`` for the default of the policy.
    """

    method: Method
    key: str
    upload_id: str | None = None
    part_number: int | None = None
    content_type: str | None = None
    size: int | None = None
    takes_forms: bool = False
    policy: str | None = None
    expires_in: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedRequest:
    """A request to send to S3.

    Attributes:
        url: Presigned URL, or target of the form.
        key: Key of the object.
        headers: Headers that must be sent with it.
        fields: All fields of a form; ``None`` if it is not a form.
        upload: Signed id to complete an upload that was sent in one request.
    """

    url: str
    key: str
    headers: Mapping[str, str] = field(default_factory=dict)
    fields: Mapping[str, str] | None = None
    upload: str | None = None


class RequestSigner:
    """Signs single S3 requests.

    Args:
        creator: Creates uploads that are sent in one request.
        uuids: Makes and recognizes the keys of multipart uploads that are signed this way.
        namespace: The key prefix.
        presigner: Signs the URLs.
        multipart: Multipart uploads of the bucket.
        quotas: Quotas of users; ``None`` if there are none.
        clock: Returns the current time, aware.
    """

    def __init__(
        self,
        *,
        creator: UploadCreator,
        uuids: SignedUuids,
        namespace: Namespace,
        presigner: Presigner,
        multipart: MultipartStorage,
        quotas: Quotas | None = None,
        clock: Callable[[], datetime],
    ) -> None:
        self._creator = creator
        self._uuids = uuids
        self._namespace = namespace
        self._presigner = presigner
        self._multipart = multipart
        self._quotas = quotas
        self._clock = clock

    async def sign(self, caller: Principal, request: S3Request) -> SignedRequest:
        """Sign a request.

        Raises:
            NotFound: The key belongs to another user, or S3 does not know the multipart upload.
            MethodNotAvailable: It is not a request of an upload, or its signature cannot enforce the policy.
            FileTooLarge: The total of the parts is above the policy's ``max_size``.
            UploadsvcError: The policy does not allow the upload.
        """
        planner = self._creator.resolve(caller, request.policy)
        note_policy(planner.policy.name)
        if request.upload_id is None:
            if request.method == "PUT":
                return await self._put(caller, planner, request)
            if request.method == "POST":
                return await self._create_multipart(caller, planner, request)
            detail = f"Without an uploadId, PUT and POST are signed; not {request.method}."
            raise errors.MethodNotAvailable(detail, field="method")
        return await self._continue_multipart(caller, planner, request, request.upload_id)

    async def _put(self, caller: Principal, planner: Planner, request: S3Request) -> SignedRequest:
        policy = planner.policy.name
        with self._creator.counted_refusals(policy):
            wanted = self._upload_request(caller, planner, request)
        forms = request.takes_forms and "post" in planner.methods
        if not forms and request.size is None:
            url, key = await self._creator.bare_put(caller, policy, wanted)
            return SignedRequest(url=url, key=key)
        grant = await self._creator.create(caller, policy, wanted)
        headers = {name: value for name, value in grant.plan.headers.items() if name != "Content-Length"}
        form = grant.fields if grant.plan.method == "post" else None
        return SignedRequest(url=grant.url, key=grant.plan.key, headers=headers, fields=form, upload=grant.id)

    async def _create_multipart(
        self, caller: Principal, planner: Planner, request: S3Request
    ) -> SignedRequest:
        with self._creator.counted_refusals(planner.policy.name):
            await self._creator.admit(caller, planner)
            planned = self._plan_multipart(caller, planner, request)
            plan = planned.plan
            self._creator.carry(self._creator.claims(planned), plan)
            url = await self._url(
                planner, "POST", plan.key, request, headers=plan.headers, query={"uploads": ""}
            )
        self._creator.count(planned)
        return SignedRequest(url=url, key=plan.key, headers=plan.headers)

    def _plan_multipart(self, caller: Principal, planner: Planner, request: S3Request) -> Planned:
        _check_unsized_parts(planner)
        self._check_uncounted(caller, planner)
        wanted = self._upload_request(caller, planner, request, multipart=True)
        if wanted.relative_key is not None or not planner.policy.key.unique:
            detail = (
                "A multipart upload that is signed request by request needs a key by the policy, with {uuid}."
            )
            raise errors.MethodNotAvailable(detail, field="key")
        unique = self._uuids.issue(user=caller.user, policy=planner.policy.name)
        # Later calls have only the key.
        upload_uuid = _hexadecimal(unique)
        note_upload(planner.policy.name, "multipart", upload_uuid)
        plan = planner.plan(
            wanted,
            user=caller.user,
            upload_uuid=upload_uuid,
            unique=unique,
            today=self._clock().date(),
        )
        return Planned(planner.policy.name, upload_uuid, plan)

    async def _continue_multipart(
        self, caller: Principal, planner: Planner, request: S3Request, upload_id: str
    ) -> SignedRequest:
        _check_unsized_parts(planner)
        key = self._namespace.owned_key(caller.user, request.key)
        policy = planner.policy
        relative_key = key.removeprefix(self._namespace.user_prefix(caller.user))
        uuid = policy.key.unique_name(relative_key, policy=policy.name)
        if uuid is None or not self._uuids.verify(uuid, user=caller.user, policy=policy.name):
            # It was created by another route, which signs the size of each part, or under another policy.
            detail = "There is no such upload under this policy."
            raise errors.NotFound(detail)
        note_upload(policy.name, "multipart", _hexadecimal(uuid))
        if request.method in {"PUT", "POST"}:
            self._check_uncounted(caller, planner)
        query, headers = {"uploadId": upload_id}, dict[str, str]()
        if request.method == "PUT":
            if request.part_number is None:
                detail = "Name the part: give partNumber."
                raise errors.ValidationFailed(detail, field="partNumber")
            query = {"partNumber": str(request.part_number), **query}
        elif request.method == "POST":
            await self._check_parts(planner, key, upload_id)
            headers = planner.no_overwrite_headers
        url = await self._url(planner, request.method, key, request, headers=headers, query=query)
        return SignedRequest(url=url, key=key, headers=headers)

    def _check_uncounted(self, caller: Principal, planner: Planner) -> None:
        """Check that no quota applies: a signed request can be sent any number of times, with any parts.

        Raises:
            MethodNotAvailable: A quota applies.
        """
        name = planner.policy.name
        if self._quotas is not None and not self._quotas.of(caller, name).unlimited:
            detail = (
                f"Policy {name!r} has a quota, and a multipart upload that is signed request by request "
                "cannot be counted; use POST /v1/uploads."
            )
            raise errors.MethodNotAvailable(detail, field="method")

    async def _check_parts(self, planner: Planner, key: str, upload_id: str) -> None:
        try:
            parts = await self._multipart.list_parts(key, upload_id, checksum=None, part_count=0)
        except NoSuchUploadError:
            detail = "S3 does not know this multipart upload: it is complete, was aborted or never existed."
            raise errors.NotFound(detail) from None
        policy = planner.policy
        check_total(sum(part.size for part in parts), min_size=policy.min_size, max_size=planner.max_size)

    def _upload_request(
        self, caller: Principal, planner: Planner, request: S3Request, *, multipart: bool = False
    ) -> UploadRequest:
        relative_key, filename = None, request.key
        if request.key.startswith(f"{self._namespace.key_prefix}/"):
            key = self._namespace.owned_key(caller.user, request.key)
            folder = planner.policy.client_folder
            filename = key.removeprefix(self._namespace.user_prefix(caller.user))
            if not filename.startswith(folder):
                detail = f"Policy {planner.policy.name!r} takes keys below {folder!r} in your prefix."
                raise errors.InvalidKey(detail, field="key")
            relative_key = filename.removeprefix(folder)
        return UploadRequest(
            filename=filename,
            relative_key=relative_key,
            content_type=request.content_type,
            size=request.size,
            method="multipart" if multipart else "auto" if request.size is None else "put",
            expires_in=request.expires_in,
            client=ClientTraits(size_open=multipart),
        )

    async def _url(
        self,
        planner: Planner,
        method: Method,
        key: str,
        request: S3Request,
        *,
        headers: Mapping[str, str],
        query: Mapping[str, str],
    ) -> str:
        policy = planner.policy
        lifetime = min(request.expires_in or policy.expires_in, policy.max_expires_in)
        batch = await self._presigner.start(expires_in=lifetime)
        return batch.url(method, key, headers=headers, query=query)


def _hexadecimal(uuid: str) -> str:
    return uuid.replace("-", "")


def _check_unsized_parts(planner: Planner) -> None:
    """Check that the policy allows parts of any size.

    Raises:
        MethodNotAvailable: The policy requires signed part sizes.
    """
    if not planner.policy.unsized_multipart:
        detail = (
            f"Signed request by request, a part can have any size, which policy {planner.policy.name!r} does "
            "not allow (unsized_multipart)."
        )
        raise errors.MethodNotAvailable(detail, field="method")

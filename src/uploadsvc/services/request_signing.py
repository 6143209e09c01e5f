"""Requests of a browser that speaks S3 itself: each is signed by its own, and none leads back here.

Whose upload it is, the key's prefix says. S3 answers the browser, not this service, so nothing verifies what
has landed: what the policy restricts must be in the signature, or is refused.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal
from uuid import uuid4

from uploadsvc.domain import errors
from uploadsvc.domain.keys import Namespace
from uploadsvc.domain.parts import check_total
from uploadsvc.domain.plan import UploadRequest
from uploadsvc.domain.planner import Planner
from uploadsvc.domain.principal import Principal
from uploadsvc.s3.multipart import MultipartStorage, NoSuchUploadError
from uploadsvc.s3.presigner import Presigner
from uploadsvc.services.create_upload import UploadCreator
from uploadsvc.tokens.signed_uuids import SignedUuids

Method = Literal["GET", "PUT", "POST", "DELETE"]


@dataclass(frozen=True, slots=True, kw_only=True)
class DirectRequest:
    """What a browser is about to ask of S3.

    Attributes:
        method: The HTTP method.
        key: For a new object what the client would like it to be called, or a whole key of the caller's own.
        upload_id: S3's own name for a multipart upload, once it has begun.
        part_number: Of a part, counted from 1.
        content_type: Of a new object; ``None`` where the client does not say.
        size: Of a new object, in bytes; ``None`` where the client does not say.
        takes_forms: Whether the client can send a form in place of a PUT.
        policy: The policy's name; ``None`` leaves it to the credential.
        expires_in: How long the URL shall live, in seconds; ``None`` leaves it to the policy.
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
    """A request to be sent to S3 as it is.

    Attributes:
        url: Where to.
        key: The whole key.
        headers: What must be sent with it.
        fields: All fields of a form that is posted instead; ``None`` for no form.
        upload: The sealed id of an upload by one request, with which it can be completed.
    """

    url: str
    key: str
    headers: Mapping[str, str] = field(default_factory=dict)
    fields: Mapping[str, str] | None = None
    upload: str | None = None


class RequestSigner:
    """Signs them.

    Args:
        creator: Creates what goes by one request.
        names: Tell the keys of these uploads from others.
        namespace: The key prefix.
        presigner: For what callers are handed.
        multipart: The bucket's multipart uploads.
        clock: The time now, aware.
    """

    def __init__(
        self,
        *,
        creator: UploadCreator,
        names: SignedUuids,
        namespace: Namespace,
        presigner: Presigner,
        multipart: MultipartStorage,
        clock: Callable[[], datetime],
    ) -> None:
        self._creator = creator
        self._names = names
        self._namespace = namespace
        self._presigner = presigner
        self._multipart = multipart
        self._clock = clock

    async def sign(self, caller: Principal, request: DirectRequest) -> SignedRequest:
        """Sign a request.

        Raises:
            NotFound: The key is somebody else's, or S3 knows no such multipart upload.
            MethodNotAvailable: There is no such request, or the policy does not let it be made unwatched.
            FileTooLarge: The parts to be put together are above the policy's ``max_size``.
            UploadsvcError: The policy does not allow it.
        """
        planner = self._creator.policies.resolve(caller, request.policy)
        if request.upload_id is None:
            if request.method == "PUT":
                return await self._put(caller, planner, request)
            if request.method == "POST":
                return await self._begin(caller, planner, request)
            detail = f"Without an uploadId, PUT and POST are signed; not {request.method}."
            raise errors.MethodNotAvailable(detail, field="method")
        return await self._go_on(caller, planner, request, request.upload_id)

    async def _put(self, caller: Principal, planner: Planner, request: DirectRequest) -> SignedRequest:
        policy, wanted = planner.policy.name, self._wanted(caller, request)
        forms = request.takes_forms and "post" in planner.methods
        if not forms and request.size is None:
            url, key = await self._creator.bare_put(caller, policy, wanted)
            return SignedRequest(url=url, key=key)
        grant = await self._creator.create(caller, policy, wanted)
        headers = {name: value for name, value in grant.plan.headers.items() if name != "Content-Length"}
        form = grant.fields if grant.plan.method == "post" else None
        return SignedRequest(url=grant.url, key=grant.plan.key, headers=headers, fields=form, upload=grant.id)

    async def _begin(self, caller: Principal, planner: Planner, request: DirectRequest) -> SignedRequest:
        _check_unwatched(planner)
        wanted = self._wanted(caller, request, multipart=True)
        if wanted.relative_key is not None or not planner.policy.key.unique:
            detail = "Signed by its own, a multipart upload has a key that the service makes, with a {uuid}."
            raise errors.MethodNotAvailable(detail, field="key")
        plan = planner.plan(
            wanted,
            user=caller.user,
            upload_uuid=uuid4().hex,
            unique=self._names.issue(user=caller.user, policy=planner.policy.name),
            today=self._clock().date(),
        )
        url = await self._url(planner, "POST", plan.key, request, headers=plan.headers, query={"uploads": ""})
        return SignedRequest(url=url, key=plan.key, headers=plan.headers)

    async def _go_on(
        self, caller: Principal, planner: Planner, request: DirectRequest, upload_id: str
    ) -> SignedRequest:
        _check_unwatched(planner)
        key = self._namespace.owned_key(caller.user, request.key)
        policy = planner.policy
        rest = key.removeprefix(self._namespace.user_prefix(caller.user))
        name = policy.key.unique_name(rest, policy=policy.name)
        if name is None or not self._names.verify(name, user=caller.user, policy=policy.name):
            # One that was begun otherwise is watched, and one of another policy is held to that.
            detail = "There is no such upload by this policy."
            raise errors.NotFound(detail)
        query, headers = {"uploadId": upload_id}, dict[str, str]()
        if request.method == "PUT":
            if request.part_number is None:
                detail = "A part has a number; give partNumber."
                raise errors.ValidationFailed(detail, field="partNumber")
            query = {"partNumber": str(request.part_number), **query}
        elif request.method == "POST":
            await self._check_parts(planner, key, upload_id)
            headers = planner.guard
        url = await self._url(planner, request.method, key, request, headers=headers, query=query)
        return SignedRequest(url=url, key=key, headers=headers)

    async def _check_parts(self, planner: Planner, key: str, upload_id: str) -> None:
        try:
            parts = await self._multipart.list_parts(key, upload_id, checksum=None, part_count=0)
        except NoSuchUploadError:
            detail = "S3 knows no such multipart upload: it is complete, was given up, or never was."
            raise errors.NotFound(detail) from None
        policy = planner.policy
        check_total(sum(part.size for part in parts), min_size=policy.min_size, max_size=planner.max_size)

    def _wanted(self, caller: Principal, request: DirectRequest, *, multipart: bool = False) -> UploadRequest:
        relative_key, filename = None, request.key
        if request.key.startswith(f"{self._namespace.key_prefix}/"):
            own = self._namespace.owned_key(caller.user, request.key)
            relative_key = own.removeprefix(self._namespace.user_prefix(caller.user))
            filename = relative_key
        return UploadRequest(
            filename=filename,
            relative_key=relative_key,
            content_type=request.content_type,
            size=request.size,
            method="multipart" if multipart else "auto" if request.size is None else "put",
            size_open=multipart,
            expires_in=request.expires_in,
        )

    async def _url(
        self,
        planner: Planner,
        method: Method,
        key: str,
        request: DirectRequest,
        *,
        headers: Mapping[str, str],
        query: Mapping[str, str],
    ) -> str:
        policy = planner.policy
        asked = min(request.expires_in or policy.expires_in, policy.max_expires_in)
        batch = await self._presigner.start(expires_in=asked)
        return batch.url(method, key, headers=headers, query=query)


def _check_unwatched(planner: Planner) -> None:
    """Let multipart uploads go unwatched, or not.

    Raises:
        MethodNotAvailable: The policy wants each part's size signed.
    """
    if not planner.policy.unsized_multipart:
        detail = (
            f"Signed by its own, a part can have any size, and policy {planner.policy.name!r} does not allow "
            "that (unsized_multipart)."
        )
        raise errors.MethodNotAvailable(detail, field="method")

"""Bodies of the API, Better Upload and Uppy: each is refused, or planned under the caller's prefix."""

from collections.abc import Callable, Mapping
from datetime import date
from typing import Any, Final

from pydantic import ValidationError

from fuzz.inputs import fields, text
from uploadsvc.api.integrations.better_upload.parts_xml import read_parts
from uploadsvc.api.integrations.better_upload.schemas import Offer, TooManyFilesError, upload_requests
from uploadsvc.api.integrations.uppy.common import text_metadata
from uploadsvc.api.integrations.uppy.companion import (
    _METADATA_PARAMETER,
    _Complete,
    _CreateMultipart,
    _upload_request,
)
from uploadsvc.api.integrations.uppy.sign_request import SignUppyRequest
from uploadsvc.api.v1.schemas import CompleteUpload, CreateUpload, CreateUploads
from uploadsvc.domain.errors import UploadsvcError, ValidationFailed
from uploadsvc.domain.keys import KeyTemplate, Namespace
from uploadsvc.domain.parts import MAX_PARTS
from uploadsvc.domain.plan import UploadRequest
from uploadsvc.domain.planner import Planner
from uploadsvc.domain.policy import Policy
from uploadsvc.domain.providers import PROVIDERS

_NAMESPACE: Final = Namespace("uploads")
_UUID: Final = "0190f3c0-0000-7000-8000-000000000000"


def _planner(provider: str, **rules: Any) -> Planner:  # noqa: ANN401 - any field of a policy
    policy = Policy(name="p", **rules)
    policy.check(provider=PROVIDERS[provider], namespace=_NAMESPACE)
    return Planner(policy=policy, provider=PROVIDERS[provider], namespace=_NAMESPACE)


_PLANNERS: Final = (
    _planner("aws", metadata={"album": None}, content_encodings=frozenset({"gzip"})),
    _planner("generic", key=KeyTemplate("{date}/{uuid}/{path}{filename}")),
    _planner(
        "seaweedfs",
        key=KeyTemplate("{policy}/{uuid}{ext}"),
        content_types=frozenset({"image/*", "text/html"}),
        content_disposition="attachment",
    ),
    _planner("minio", client_keys=True, overwrite=True, max_size=2**20, methods=frozenset({"put", "post"})),
)


def _check_plans(request: UploadRequest) -> None:
    """Plan an upload under each policy, and check what would be signed."""
    for planner in _PLANNERS:
        try:
            plan = planner.plan(
                request, user="ann", upload_uuid=_UUID, unique=_UUID, today=date(2026, 11, 23)
            )
        except UploadsvcError as error:
            assert error.code != "internal_error"
            continue
        assert plan.key.startswith("uploads/ann/")
        assert not {"", ".", ".."} & set(plan.key.split("/"))
        assert request.size is None or request.size <= planner.max_size
        _check_headers(plan.headers)
        _check_headers(plan.fields or {}, only_names=True)


def _check_headers(headers: Mapping[str, str], *, only_names: bool = False) -> None:
    for name, value in headers.items():
        assert name.isascii()
        assert not {"\r", "\n", "\0"} & set(name + value)
        assert only_names or value.isascii()


def _parsed(read: Callable[[], object]) -> Any:  # noqa: ANN401 - any model
    try:
        return read()
    except ValidationError:
        return None


def uploads(data: bytes) -> None:
    """``POST /v1/uploads``, its batch, and completion."""
    body = _parsed(lambda: CreateUpload.model_validate_json(data))
    if body is not None:
        _check_plans(body.request())
    _parsed(lambda: CreateUploads.model_validate_json(data))
    completed = _parsed(lambda: CompleteUpload.model_validate_json(data))
    if completed is not None and (etags := completed.etags()):
        assert all(1 <= number <= MAX_PARTS for number in etags)


def better_upload(data: bytes) -> None:
    """``POST /better-upload``."""
    offer = _parsed(lambda: Offer.model_validate_json(data))
    for planner in _PLANNERS if offer is not None else ():
        try:
            requests = upload_requests(offer, planner)
        except (TooManyFilesError, UploadsvcError):
            continue
        assert len(requests) == len(offer.files) == offer.count
        for request in requests:
            _check_plans(request)


def better_upload_xml(data: bytes) -> None:
    """The XML that completes an upload of Better Upload."""
    try:
        etags = read_parts(data)
    except ValidationFailed as error:
        assert text(data)[:40] not in error.detail or len(data) < 40
        return
    assert all(1 <= number <= MAX_PARTS for number in etags)
    assert all(etag.isascii() and etag.isprintable() and '"' not in etag for etag in etags.values())


def uppy(data: bytes) -> None:
    """Companion's routes and ``POST /uppy/sign``."""
    body = _parsed(lambda: _CreateMultipart.model_validate_json(data))
    if body is not None:
        metadata = text_metadata(body.metadata or {})
        _check_uppy(body.filename, body.type, metadata)
    completed = _parsed(lambda: _Complete.model_validate_json(data))
    assert completed is None or all(1 <= part.number <= MAX_PARTS for part in completed.parts)
    signed = _parsed(lambda: SignUppyRequest.model_validate_json(data))
    if signed is not None:
        signed.request()
        _check_plans(UploadRequest(filename=signed.key, content_type=signed.content_type, size=signed.size))
    filename, kind, *pairs = fields(data, 8)
    found = zip(pairs[::2], pairs[1::2], strict=True)
    query = {match[1]: value for name, value in found if (match := _METADATA_PARAMETER.fullmatch(name))}
    _check_uppy(filename, kind, query)


def _check_uppy(filename: str | None, kind: str | None, metadata: Mapping[str, str]) -> None:
    for method in ("post", "multipart"):
        try:
            request = _upload_request(filename, kind, metadata, method=method)
        except ValidationFailed:
            continue
        _check_plans(request)

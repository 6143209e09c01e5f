"""``/v1/uploads``: create, list, sign parts, status, complete, delete."""

import json
from collections.abc import Iterable, Iterator
from http import HTTPStatus
from typing import Annotated, Final

from fastapi import APIRouter, Body, Depends, Path, Query, Request, Response
from pydantic_core import to_json

from uploadsvc.api.dependencies import Authenticate
from uploadsvc.api.json_responses import JsonResponse, PiecewiseJson
from uploadsvc.api.openapi_types import WithoutNull
from uploadsvc.api.problems import CALLER, STORAGE, domain_problem, problem_responses, root_of
from uploadsvc.api.routing import problem_router
from uploadsvc.api.v1 import schemas, serializers
from uploadsvc.api.v1.schema_base import PageLimit
from uploadsvc.domain.errors import UploadsvcError
from uploadsvc.domain.principal import Principal
from uploadsvc.services.create_upload import Grant, UploadCreator
from uploadsvc.services.uploads import Uploads

_PATH: Final = "/v1/uploads"
_CREATE_EXAMPLE = {"filename": "photo.jpg", "content_type": "image/jpeg", "size": 123456}
_BATCH_EXAMPLE = {"uploads": [_CREATE_EXAMPLE, {"filename": "notes.txt", "size": 7, "policy": "default"}]}

UploadId = Annotated[
    str, Path(description="ID of the upload, as `createUpload` returned it.", examples=["aGFuZGxl"])
]


def uploads_router(creator: UploadCreator, uploads: Uploads, authenticate: Authenticate) -> APIRouter:
    """Return the routes under ``/v1/uploads``."""
    router = problem_router(prefix=_PATH, tag="uploads")
    _add_create(router, creator, authenticate)
    _add_one(router, uploads, authenticate)
    _add_multipart(router, uploads, authenticate)
    return router


def _add_create(router: APIRouter, creator: UploadCreator, authenticate: Authenticate) -> None:
    @router.post(
        "",
        operation_id="createUpload",
        summary="Create an upload",
        status_code=HTTPStatus.CREATED,
        response_model=schemas.Upload,
        response_description="The upload, with what you need to send its bytes.",
        responses=problem_responses(
            *CALLER,
            "quota_exceeded",
            "policy_not_found",
            "file_too_large",
            "body_too_large",
            "content_type_not_allowed",
            "size_required",
            "checksum_required",
            "file_too_small",
            "invalid_key",
            "metadata_not_allowed",
            "method_not_available",
            *STORAGE,
        ),
    )
    async def create_upload(
        caller: Annotated[Principal, Depends(authenticate)],
        body: Annotated[schemas.CreateUpload, Body(examples=[_CREATE_EXAMPLE])],
    ) -> Response:
        """Describe the file, and get presigned URLs or a form to send it to S3, under your key prefix.

        Then send the bytes to S3 as the answer says, and call `completeUpload`.
        """
        grant = await creator.create(caller, body.policy, body.request())
        return JsonResponse(to_json(serializers.upload_json(grant)), HTTPStatus.CREATED)

    @router.post(
        "/batch",
        operation_id="createUploads",
        summary="Create several uploads",
        response_model=schemas.BatchResults,
        response_description="One result per upload, in the same order.",
        responses=problem_responses(*CALLER, "body_too_large"),
    )
    async def create_uploads(
        caller: Annotated[Principal, Depends(authenticate)],
        body: Annotated[schemas.CreateUploads, Body(examples=[_BATCH_EXAMPLE])],
        request: Request,
    ) -> Response:
        """Create up to 100 uploads. If one is refused, its result is a problem; the others are created."""
        requests = [(requested.policy, requested.request()) for requested in body.uploads]
        results = await creator.create_each(caller, requests)
        return await PiecewiseJson.of(_results_json(results, root_of(request.scope, f"{_PATH}/batch")))


def _results_json(results: Iterable[Grant | BaseException], root: str) -> Iterator[bytes]:
    separator = b'{"results": ['
    for result in results:
        yield separator + _result_json(result, root)
        separator = b", "
    yield b"]}"


def _result_json(result: Grant | BaseException, root: str) -> bytes:
    if isinstance(result, Grant):
        return to_json({"upload": serializers.upload_json(result)})
    if isinstance(result, UploadsvcError):
        return json.dumps({"problem": domain_problem(result).at(root).content()}).encode()
    raise result


def _add_one(router: APIRouter, uploads: Uploads, authenticate: Authenticate) -> None:
    @router.get(
        "/{id}",
        operation_id="getUpload",
        summary="Get the status of an upload",
        response_model=schemas.UploadState,
        response_description="The current status.",
        responses=problem_responses(*CALLER, "not_found", "upload_expired", *STORAGE),
    )
    async def get_upload(
        caller: Annotated[Principal, Depends(authenticate)],
        id: UploadId,  # noqa: A002 - the name is the contract's
    ) -> Response:
        """Ask S3 whether the object has arrived, or which of its parts."""
        return await PiecewiseJson.of(serializers.state_json(id, await uploads.status(caller, id)))

    @router.post(
        "/{id}/complete",
        operation_id="completeUpload",
        summary="Complete and verify an upload",
        response_model=schemas.CompletedUpload,
        response_description="The verified object and its receipt.",
        responses=problem_responses(
            *CALLER,
            "not_found",
            "upload_incomplete",
            "upload_aborted",
            "object_exists",
            "upload_expired",
            "body_too_large",
            "method_not_available",
            "verification_failed",
            "content_mismatch",
            *STORAGE,
        ),
    )
    async def complete_upload(
        caller: Annotated[Principal, Depends(authenticate)],
        id: UploadId,  # noqa: A002 - the name is the contract's
        body: Annotated[schemas.CompleteUpload | None, Body(examples=[{}]), WithoutNull()] = None,
    ) -> Response:
        """Assemble the parts, if any, and verify the object in S3. Safe to repeat."""
        completion = await uploads.complete(caller, id, body.etags() if body else None)
        return JsonResponse(serializers.completed_upload(completion).model_dump_json().encode())

    @router.delete(
        "/{id}",
        operation_id="deleteUpload",
        summary="Cancel an upload",
        status_code=HTTPStatus.NO_CONTENT,
        response_class=Response,
        response_description="The upload is aborted or its object deleted, or there was nothing to delete.",
        responses=problem_responses(*CALLER, "not_found", "upload_expired", *STORAGE),
    )
    async def delete_upload(
        caller: Annotated[Principal, Depends(authenticate)],
        id: UploadId,  # noqa: A002 - the name is the contract's
    ) -> None:
        """Abort a multipart upload, or delete the object if the operator allows it. Safe to repeat."""
        await uploads.delete(caller, id)


def _add_multipart(router: APIRouter, uploads: Uploads, authenticate: Authenticate) -> None:
    @router.get(
        "",
        operation_id="listUploads",
        summary="List your unfinished uploads",
        response_description="A page of unfinished uploads.",
        responses=problem_responses(*CALLER, *STORAGE),
    )
    async def list_uploads(
        caller: Annotated[Principal, Depends(authenticate)],
        cursor: Annotated[
            str | None,
            Query(
                description="The `cursor` of the previous page. Leave it out for the first page.",
                examples=[schemas.EXAMPLE_UPLOAD_CURSOR],
            ),
            WithoutNull(),
        ] = None,
        limit: PageLimit = None,
    ) -> schemas.UploadPage:
        """List your multipart uploads that are neither completed nor aborted."""
        unfinished, cursor = await uploads.unfinished(caller, cursor=cursor, limit=limit or 100)
        return serializers.upload_page(unfinished, cursor)

    @router.post(
        "/{id}/parts",
        operation_id="signParts",
        summary="Sign parts of a multipart upload",
        response_model=schemas.SignedParts,
        response_description="Presigned PUTs for the parts.",
        responses=problem_responses(
            *CALLER, "not_found", "upload_expired", "body_too_large", "method_not_available", *STORAGE
        ),
    )
    async def sign_parts(
        caller: Annotated[Principal, Depends(authenticate)],
        id: UploadId,  # noqa: A002 - the name is the contract's
        body: Annotated[schemas.SignParts, Body(examples=[{"part_numbers": [2, 3]}])],
    ) -> Response:
        """Get new URLs for parts, as often as you need until the upload's `id` expires."""
        parts, expires_at = await uploads.sign_parts(caller, id, body.part_numbers, body.checksums)
        return JsonResponse(to_json(serializers.signed_parts_json(parts, expires_at)))

"""``/v1/objects``, ``/v1/object`` and ``/v1/downloads``: list, get, delete and download stored objects."""

from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Body, Depends, Query, Response

from uploadsvc.api.dependencies import Authenticate
from uploadsvc.api.json_responses import PiecewiseJson
from uploadsvc.api.openapi_types import WithoutNull
from uploadsvc.api.problems import CALLER, STORAGE, problem_responses
from uploadsvc.api.routing import problem_router
from uploadsvc.api.v1.object_schemas import (
    EXAMPLE_OBJECT_CURSOR,
    CreateDownload,
    Download,
    ObjectPage,
    StoredObject,
)
from uploadsvc.api.v1.schema_base import EXAMPLE_KEY, PageLimit
from uploadsvc.api.v1.serializers import object_page_json, stored_object
from uploadsvc.domain.principal import Principal
from uploadsvc.services.objects import Objects

Key = Annotated[str, Query(description="Full object key, as returned in `key`.", examples=[EXAMPLE_KEY])]


def objects_router(objects: Objects, authenticate: Authenticate) -> APIRouter:
    """Return the routes of stored objects and downloads."""
    router = problem_router(prefix="/v1", tag="objects")

    @router.get(
        "/objects",
        operation_id="listObjects",
        summary="List your objects",
        response_model=ObjectPage,
        response_description="A page of objects, sorted by key.",
        responses=problem_responses(*CALLER, "invalid_key", *STORAGE),
    )
    async def list_objects(
        caller: Annotated[Principal, Depends(authenticate)],
        prefix: Annotated[
            str | None,
            Query(description="Start of the keys to list, relative to your key prefix.", examples=["2026/"]),
            WithoutNull(),
        ] = None,
        cursor: Annotated[
            str | None,
            Query(description="The `cursor` of the previous page.", examples=[EXAMPLE_OBJECT_CURSOR]),
            WithoutNull(),
        ] = None,
        limit: PageLimit = None,
    ) -> Response:
        """List the objects under your key prefix, in the order of their keys.

        By default, keys begin with a UUID that puts the newest object first. If the policy's keys begin with
        the date, list one day with `prefix=2026/11/23/`.
        """
        page = await objects.list_page(caller, prefix=prefix or "", cursor=cursor, limit=limit or 100)
        return await PiecewiseJson.of(object_page_json(page))

    @router.get(
        "/object",
        operation_id="getObject",
        summary="Get an object's metadata",
        response_description="The object.",
        responses=problem_responses(*CALLER, "not_found", "invalid_key", *STORAGE),
    )
    async def get_object(caller: Annotated[Principal, Depends(authenticate)], key: Key) -> StoredObject:
        """Get an object's size, content type, ETag, checksum and metadata from S3."""
        return stored_object(await objects.get(caller, key))

    @router.delete(
        "/object",
        operation_id="deleteObject",
        summary="Delete an object",
        status_code=HTTPStatus.NO_CONTENT,
        response_class=Response,
        response_description="The object is deleted, or there was none.",
        responses=problem_responses(*CALLER, "not_found", "invalid_key", *STORAGE),
    )
    async def delete_object(caller: Annotated[Principal, Depends(authenticate)], key: Key) -> None:
        """Delete one of your objects, if the operator allows it. Safe to repeat."""
        await objects.delete(caller, key)

    @router.post(
        "/downloads",
        operation_id="createDownload",
        summary="Create a download URL",
        status_code=HTTPStatus.CREATED,
        response_description="A presigned GET.",
        responses=problem_responses(
            *CALLER,
            "not_found",
            "object_unavailable",
            "body_too_large",
            "invalid_key",
            "content_type_not_allowed",
            *STORAGE,
        ),
    )
    async def create_download(
        caller: Annotated[Principal, Depends(authenticate)],
        body: Annotated[CreateDownload, Body(examples=[{"key": EXAMPLE_KEY}])],
    ) -> Download:
        """Sign a GET for one of your objects.

        An attachment is signed without a call to S3, which answers 404 if there is no such object. With
        `inline`, the object must exist, and its type must not be one that browsers execute, such as HTML or
        SVG. Where the operator has uploads scanned, the object must have been released by the scanner.
        """
        url, expires_at = await objects.download_url(
            caller,
            body.key,
            disposition=body.disposition,
            filename=body.filename,
            expires_in=body.expires_in,
        )
        return Download(url=url, expires_at=expires_at)

    return router

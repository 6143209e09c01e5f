"""``/v1/objects``, ``/v1/object`` and ``/v1/downloads``: list, get, delete and download stored objects."""

from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Body, Depends, Query, Response

from uploadsvc.api.dependencies import Authenticate
from uploadsvc.api.problems import CALLER, STORAGE, problem_responses
from uploadsvc.api.routing import problem_router
from uploadsvc.api.v1.schemas import (
    EXAMPLE_KEY,
    EXAMPLE_OBJECT_CURSOR,
    CreateDownload,
    Download,
    ObjectPage,
    StoredObject,
)
from uploadsvc.api.v1.serializers import object_page, stored_object
from uploadsvc.domain.principal import Principal
from uploadsvc.services.objects import MAX_LISTED, Objects

Key = Annotated[str, Query(description="The whole key, as answers give it.", examples=[EXAMPLE_KEY])]


def objects_router(objects: Objects, authenticate: Authenticate) -> APIRouter:
    """Return the routes of stored objects and downloads."""
    router = problem_router(prefix="/v1", tag="objects")

    @router.get(
        "/objects",
        operation_id="listObjects",
        summary="List your objects",
        response_description="Some of them, in the order of their keys.",
        responses=problem_responses(*CALLER, "invalid_key", *STORAGE),
    )
    async def list_objects(
        caller: Annotated[Principal, Depends(authenticate)],
        prefix: Annotated[str | None, Query(description="Below your own prefix.", examples=["2026/"])] = None,
        cursor: Annotated[
            str | None, Query(description="From the page before.", examples=[EXAMPLE_OBJECT_CURSOR])
        ] = None,
        limit: Annotated[
            int | None, Query(ge=1, le=MAX_LISTED, description="By default 100.", examples=[100])
        ] = None,
    ) -> ObjectPage:
        """List what lies under your own key prefix, in the order of the keys.

        With random keys, this is not the order of time. Where the policy's keys begin with the date, list a
        day with `prefix=2026/11/23/`.
        """
        page = await objects.list_page(caller, prefix=prefix or "", cursor=cursor, limit=limit or 100)
        return object_page(page)

    @router.get(
        "/object",
        operation_id="getObject",
        summary="See one object's facts",
        response_description="The object.",
        responses=problem_responses(*CALLER, "not_found", "invalid_key", *STORAGE),
    )
    async def get_object(caller: Annotated[Principal, Depends(authenticate)], key: Key) -> StoredObject:
        """Ask S3 for one object's size, type, ETag and metadata."""
        return stored_object(await objects.get(caller, key))

    @router.delete(
        "/object",
        operation_id="deleteObject",
        summary="Delete one object",
        status_code=HTTPStatus.NO_CONTENT,
        response_class=Response,
        response_description="Gone, or never there.",
        responses=problem_responses(*CALLER, "not_found", "invalid_key", *STORAGE),
    )
    async def delete_object(caller: Annotated[Principal, Depends(authenticate)], key: Key) -> None:
        """Delete one of your objects, where this service lets callers delete."""
        await objects.delete(caller, key)

    @router.post(
        "/downloads",
        operation_id="createDownload",
        summary="Get a download URL",
        status_code=HTTPStatus.CREATED,
        response_description="A presigned GET.",
        responses=problem_responses(
            *CALLER, "not_found", "body_too_large", "invalid_key", "content_type_not_allowed", *STORAGE
        ),
    )
    async def create_download(
        caller: Annotated[Principal, Depends(authenticate)],
        body: Annotated[CreateDownload, Body(examples=[{"key": EXAMPLE_KEY}])],
    ) -> Download:
        """Sign a GET for one of your objects.

        An attachment is signed locally, so S3 answers 404 if nothing is stored. With `inline`, the object
        must exist, and must not be of a type that browsers run, such as HTML or SVG.
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

"""``/v1/objects``, ``/v1/object`` and ``/v1/downloads``: list, get, delete and download stored objects."""

from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Body, Depends, Query, Request, Response

from uploadsvc.api.dependencies import Authenticate
from uploadsvc.api.json_responses import PiecewiseJson
from uploadsvc.api.openapi_types import WithoutNull
from uploadsvc.api.problems import CALLER, STORAGE, problem_responses, root_of
from uploadsvc.api.routing import problem_router
from uploadsvc.api.v1.object_schemas import (
    EXAMPLE_OBJECT_CURSOR,
    AllObjectsPage,
    CreateDownload,
    DeleteObjects,
    DeletionResults,
    Download,
    ObjectPage,
    StoredObject,
)
from uploadsvc.api.v1.schema_base import EXAMPLE_KEY, PageLimit
from uploadsvc.api.v1.serializers import all_objects_json, deletions_json, object_page_json, stored_object
from uploadsvc.domain.principal import Principal
from uploadsvc.services.objects import Objects

Key = Annotated[
    str,
    Query(
        description="Full key of the object, as the service returned it in `key`; percent-encoded, as every "
        "query.",
        examples=[EXAMPLE_KEY],
    ),
]


Cursor = Annotated[
    str | None,
    Query(
        description="The `cursor` of the previous page. Leave it out for the first page.",
        examples=[EXAMPLE_OBJECT_CURSOR],
    ),
    WithoutNull(),
]


def objects_router(objects: Objects, authenticate: Authenticate) -> APIRouter:
    """Return the routes of stored objects and downloads."""
    router = problem_router(prefix="/v1", tag="objects")
    _add_reading(router, objects, authenticate)
    _add_deleting(router, objects, authenticate)
    _add_downloads(router, objects, authenticate)
    return router


def all_objects_router(objects: Objects, authenticate: Authenticate) -> APIRouter:
    """Return the route that lists the objects of all users.

    Args:
        objects: Lists them.
        authenticate: Returns the caller. A service names no user.
    """
    router = problem_router(prefix="/v1", tag="objects")

    @router.get(
        "/objects/all",
        operation_id="listAllObjects",
        summary="List the objects of all users",
        response_model=AllObjectsPage,
        response_description="A page of objects, sorted by key.",
        responses=problem_responses(*CALLER, "invalid_key", *STORAGE),
    )
    async def list_all_objects(
        caller: Annotated[Principal, Depends(authenticate)],
        prefix: Annotated[
            str | None,
            Query(
                description="Start of the keys to list, after the service's own prefix: `alice/` for one "
                "user, "
                "`ali` for all whose ids begin like this.",
                examples=["alice/2026/"],
            ),
            WithoutNull(),
        ] = None,
        cursor: Cursor = None,
        limit: PageLimit = None,
    ) -> Response:
        """List the objects of all users, each with its user, in the order of their keys.

        Only with an API key that has `all_users`, and without `X-On-Behalf-Of`. To get, delete or download
        one of the objects, name its user in that header.
        """
        page, following = await objects.list_all(
            caller, prefix=prefix or "", cursor=cursor, limit=limit or 100
        )
        return await PiecewiseJson.of(all_objects_json(page, following))

    return router


def _add_reading(router: APIRouter, objects: Objects, authenticate: Authenticate) -> None:
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
            Query(
                description="Start of the keys to list, after your own prefix: `2026/` for keys such as "
                "`uploads/alice/2026/photo.jpg`. It may end within a name.",
                examples=["2026/"],
            ),
            WithoutNull(),
        ] = None,
        cursor: Cursor = None,
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
        """Ask S3 for an object's size, content type, ETag, checksum and metadata."""
        return stored_object(await objects.get(caller, key))


def _add_deleting(router: APIRouter, objects: Objects, authenticate: Authenticate) -> None:
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
        "/objects/delete",
        operation_id="deleteObjects",
        summary="Delete several objects",
        response_model=DeletionResults,
        response_description="One result per key, in the same order.",
        responses=problem_responses(*CALLER, "body_too_large"),
    )
    async def delete_objects(
        caller: Annotated[Principal, Depends(authenticate)],
        body: Annotated[DeleteObjects, Body(examples=[{"keys": [EXAMPLE_KEY]}])],
        request: Request,
    ) -> Response:
        """Delete up to 1,000 of your objects, if the operator allows it. Safe to repeat.

        A key that cannot be deleted has a problem in its result; the others are deleted. Each key counts as
        one request.
        """
        failed = await objects.delete_each(caller, body.keys)
        root = root_of(request.scope, "/v1/objects/delete")
        return await PiecewiseJson.of(deletions_json(body.keys, failed, root))


def _add_downloads(router: APIRouter, objects: Objects, authenticate: Authenticate) -> None:
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

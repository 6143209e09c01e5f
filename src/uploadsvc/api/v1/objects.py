"""Stored objects: list, look, delete, download."""

from typing import Annotated

from fastapi import APIRouter, Body, Depends, Query, Response

from uploadsvc.api.dependencies import Authenticate
from uploadsvc.api.problems import CALLER, STORAGE, document
from uploadsvc.api.routing import problem_router
from uploadsvc.api.v1.schemas import CreateDownload, Download, ObjectModel, ObjectPage
from uploadsvc.api.v1.serializers import object_model, page_model
from uploadsvc.domain.principal import Principal
from uploadsvc.services.objects import MAX_LISTED, Objects

_KEY = "uploads/alice/7f9c24e5-2f4c-4a5e-9d53-0a1a1c5b9d10/photo.jpg"

Key = Annotated[str, Query(description="The whole key, as answers give it.", examples=[_KEY])]


def objects_router(objects: Objects, authenticate: Authenticate) -> APIRouter:
    """Return the routes of stored objects and downloads."""
    router = problem_router(prefix="/v1", tag="objects")

    @router.get(
        "/objects",
        operation_id="listObjects",
        summary="List your objects",
        response_description="Some of them, in the order of their keys.",
        responses=document(*CALLER, "invalid_key", *STORAGE),
    )
    async def list_objects(
        caller: Annotated[Principal, Depends(authenticate)],
        prefix: Annotated[str | None, Query(description="Below your own prefix.", examples=["2026/"])] = None,
        cursor: Annotated[
            str | None, Query(description="From the page before.", examples=["MjAyNi9waG90by5qcGc"])
        ] = None,
        limit: Annotated[
            int | None, Query(ge=1, le=MAX_LISTED, description="By default 100.", examples=[100])
        ] = None,
    ) -> ObjectPage:
        """List what lies under your own key prefix."""
        page = await objects.list_page(caller, prefix=prefix or "", cursor=cursor, limit=limit or 100)
        return page_model(page)

    @router.get(
        "/object",
        operation_id="getObject",
        summary="See one object's facts",
        response_description="The object.",
        responses=document(*CALLER, "not_found", "invalid_key", *STORAGE),
    )
    async def get_object(caller: Annotated[Principal, Depends(authenticate)], key: Key) -> ObjectModel:
        """Ask S3 for one object's size, type, ETag and metadata."""
        return object_model(await objects.get(caller, key))

    @router.delete(
        "/object",
        operation_id="deleteObject",
        summary="Delete one object",
        status_code=204,
        response_class=Response,
        response_description="Gone, or never there.",
        responses=document(*CALLER, "not_found", "invalid_key", *STORAGE),
    )
    async def delete_object(caller: Annotated[Principal, Depends(authenticate)], key: Key) -> None:
        """Delete one of your objects, where this service lets callers delete."""
        await objects.delete(caller, key)

    @router.post(
        "/downloads",
        operation_id="createDownload",
        summary="Get a download URL",
        status_code=201,
        response_description="A presigned GET.",
        responses=document(*CALLER, "not_found", "body_too_large", "invalid_key", *STORAGE),
    )
    async def create_download(
        caller: Annotated[Principal, Depends(authenticate)],
        body: Annotated[CreateDownload, Body(examples=[{"key": _KEY}])],
    ) -> Download:
        """Sign a GET for one of your objects. Signing is local: where nothing is stored, S3 says so."""
        url, expires_at = await objects.download_url(
            caller,
            body.key,
            disposition=body.disposition,
            filename=body.filename,
            expires_in=body.expires_in,
        )
        return Download(url=url, expires_at=expires_at)

    return router

"""Request and response bodies of stored objects and downloads."""

from datetime import datetime
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field
from typing_extensions import TypeAliasType

from uploadsvc.api.openapi_types import Bytes, RequestedSeconds, omit_nulls
from uploadsvc.api.problems import Problem, UploadsvcProblem
from uploadsvc.api.v1.schema_base import (
    BUCKET,
    ETAG,
    EXAMPLE_ETAG,
    EXAMPLE_KEY,
    EXAMPLE_TIME,
    EXAMPLE_URL,
    KEY,
    SIZE,
    Checksum,
    Metadata,
    RequestBody,
)
from uploadsvc.services.objects import MAX_DELETED

EXAMPLE_OBJECT_CURSOR: Final = "MjAyNi9waG90by5qcGc"
EXAMPLE_ALL_CURSOR: Final = "YWxpY2UvMjAyNi9waG90by5qcGc"

RequestedDisposition = TypeAliasType(
    "RequestedDisposition",
    Annotated[
        Literal["attachment", "inline"],
        Field(description="What a browser does with a download: save it, or show it if it can."),
    ],
)


class StoredObject(BaseModel):
    """An object in S3."""

    # `Object` is JavaScript's own: generators would rename it, or hide the language's.

    key: str = Field(description=KEY, examples=[EXAMPLE_KEY])
    bucket: str = Field(description=BUCKET, examples=["example-bucket"])
    size: Bytes = Field(description=SIZE, examples=[123456])
    content_type: str = Field(
        description="Media type with which S3 serves the object (`Content-Type`).", examples=["image/jpeg"]
    )
    etag: str = Field(description=ETAG, examples=[EXAMPLE_ETAG])
    version_id: str | None = Field(
        description="S3's ID of this version of the object; null if the bucket keeps no versions.",
        examples=["qvJ0hFvtgYhBoxj2WUIzVGMy8fSsvBVL"],
    )
    checksum: Checksum | None = Field(
        description="Checksum that S3 keeps of the object, the verified one if there is one; null if S3 "
        "keeps "
        "none."
    )
    last_modified: datetime = Field(description="When S3 stored the object.", examples=[EXAMPLE_TIME])
    metadata: Metadata = Field(
        description="Names and values that the upload gave the object; empty if there were none."
    )


class ListedObject(BaseModel):
    """An object in a listing."""

    key: str = Field(description=KEY, examples=[EXAMPLE_KEY])
    size: Bytes = Field(description=SIZE, examples=[123456])
    etag: str = Field(description=ETAG, examples=[EXAMPLE_ETAG])
    last_modified: datetime = Field(description="When S3 stored the object.", examples=[EXAMPLE_TIME])


class ObjectPage(BaseModel):
    """A page of your objects."""

    objects: list[ListedObject] = Field(description="The objects of this page, sorted by key.")
    cursor: str | None = Field(
        description="Send it to get the next page; null on the last one.", examples=[EXAMPLE_OBJECT_CURSOR]
    )


class UserObject(ListedObject):
    """An object in a listing of all users."""

    user: str = Field(description="User whose prefix contains the key.", examples=["alice"])


class AllObjectsPage(BaseModel):
    """A page of the objects of all users."""

    objects: list[UserObject] = Field(
        description="The objects of this page, sorted by key, so those of one user follow each other. It can "
        "be empty although there is a next page."
    )
    cursor: str | None = Field(
        description="Send it to get the next page; null on the last one.", examples=[EXAMPLE_ALL_CURSOR]
    )


class DeleteObjects(RequestBody):
    """The objects to delete."""

    keys: list[str] = Field(
        min_length=1,
        max_length=MAX_DELETED,
        fail_fast=True,
        description="Full object keys, as returned in `key`.",
    )


def _problem_left_out(schema: dict[str, Any]) -> None:
    omit_nulls(schema)
    del schema["properties"]["problem"]["default"]


class DeletionResult(BaseModel):
    """The result for one key."""

    model_config = ConfigDict(json_schema_extra=_problem_left_out)

    key: str = Field(description="The key, as in the request.", examples=[EXAMPLE_KEY])
    problem: UploadsvcProblem | None = Field(
        default=None,
        description="Why the object is not deleted. Left out if it is deleted, or there was none.",
    )


class DeletionResults(BaseModel):
    """The results of deleting several objects."""

    results: list[DeletionResult] = Field(
        description="One result per key, in the same order.",
        examples=[
            [
                {"key": EXAMPLE_KEY},
                {
                    "key": "uploads/bob/notes.txt",
                    "problem": Problem("not_found", "There is no such object.").content(),
                },
            ]
        ],
    )


class CreateDownload(RequestBody):
    """The object to download."""

    key: str = Field(description=KEY, examples=[EXAMPLE_KEY])
    disposition: RequestedDisposition | None = Field(
        default=None,
        description="Whether browsers save the file or may show it (`Content-Disposition`). "
        "Default: `attachment`.",
    )
    filename: str | None = Field(
        default=None,
        description="Name under which a browser saves the file. Default: the last segment of the key.",
        examples=["holiday.jpg"],
    )
    expires_in: RequestedSeconds | None = Field(
        default=None,
        description="Lifetime of the URL in seconds, at most what the operator allows. Default: the "
        "operator's.",
        examples=[300],
    )


class Download(BaseModel):
    """A presigned GET."""

    url: str = Field(
        description="Presigned URL of the GET. Whoever has it can download until it expires.",
        examples=[EXAMPLE_URL],
    )
    expires_at: datetime = Field(description="When the URL expires.", examples=[EXAMPLE_TIME])


class ClaimObject(RequestBody):
    """The object to claim: `receipt` or `key`."""

    receipt: str | None = Field(
        default=None,
        description="Receipt of the upload, as `completeUpload` returned it, not expired. It names the "
        "object and "
        "its user.",
        examples=["eyJhbGciOiJFZERTQSJ9.e30.c2ln"],
    )
    key: str | None = Field(
        default=None,
        description="Full key of the object. `X-On-Behalf-Of` must name its user.",
        examples=[EXAMPLE_KEY],
    )


class ClaimedObject(BaseModel):
    """An object that has been claimed."""

    object: StoredObject = Field(description="The object.")

"""Request and response bodies of stored objects and downloads."""

from datetime import datetime
from typing import Final, Literal

from pydantic import BaseModel, Field
from typing_extensions import TypeAliasType

from uploadsvc.api.openapi_types import Bytes, RequestedSeconds
from uploadsvc.api.v1.schema_base import (
    EXAMPLE_ETAG,
    EXAMPLE_KEY,
    EXAMPLE_TIME,
    EXAMPLE_URL,
    Checksum,
    Metadata,
    RequestBody,
)

EXAMPLE_OBJECT_CURSOR: Final = "MjAyNi9waG90by5qcGc"

RequestedDisposition = TypeAliasType("RequestedDisposition", Literal["attachment", "inline"])


class StoredObject(BaseModel):
    """An object in S3."""

    # `Object` is JavaScript's own: generators would rename it, or hide the language's.

    key: str = Field(description="Full object key.", examples=[EXAMPLE_KEY])
    bucket: str = Field(description="Name of the bucket.", examples=["example-bucket"])
    size: Bytes = Field(description="Size in bytes.", examples=[123456])
    content_type: str = Field(description="Media type.", examples=["image/jpeg"])
    etag: str = Field(description="ETag, without quotes.", examples=[EXAMPLE_ETAG])
    version_id: str | None = Field(
        description="Version of the object; null if the bucket keeps no versions.",
        examples=["qvJ0hFvtgYhBoxj2WUIzVGMy8fSsvBVL"],
    )
    checksum: Checksum | None = Field(description="Checksum of the object; null if the store has none.")
    last_modified: datetime = Field(description="When the object was stored.", examples=[EXAMPLE_TIME])
    metadata: Metadata = Field(description="Metadata of the object.")


class ListedObject(BaseModel):
    """An object in a listing."""

    key: str = Field(description="Full object key.", examples=[EXAMPLE_KEY])
    size: Bytes = Field(description="Size in bytes.", examples=[123456])
    etag: str = Field(description="ETag, without quotes.", examples=[EXAMPLE_ETAG])
    last_modified: datetime = Field(description="When the object was stored.", examples=[EXAMPLE_TIME])


class ObjectPage(BaseModel):
    """A page of your objects."""

    objects: list[ListedObject] = Field(description="The objects of this page, sorted by key.")
    cursor: str | None = Field(
        description="Send it to get the next page; null on the last one.", examples=[EXAMPLE_OBJECT_CURSOR]
    )


class CreateDownload(RequestBody):
    """The object to download."""

    key: str = Field(description="Full object key.", examples=[EXAMPLE_KEY])
    disposition: RequestedDisposition | None = Field(
        default=None,
        description="Whether browsers save the file or may show it (`Content-Disposition`). "
        "Default: `attachment`.",
    )
    filename: str | None = Field(
        default=None, description="Name for the saved file. Default: the last segment of the key."
    )
    expires_in: RequestedSeconds | None = Field(
        default=None, description="Lifetime of the URL in seconds, at most what the operator allows."
    )


class Download(BaseModel):
    """A presigned GET."""

    url: str = Field(description="Presigned URL of the GET.", examples=[EXAMPLE_URL])
    expires_at: datetime = Field(description="When the URL expires.", examples=[EXAMPLE_TIME])


class ClaimObject(RequestBody):
    """The object to claim: `receipt` or `key`."""

    receipt: str | None = Field(
        default=None,
        description="Receipt of the upload, not expired.",
        examples=["eyJhbGciOiJFZERTQSJ9.e30.c2ln"],
    )
    key: str | None = Field(
        default=None,
        description="Full object key. `X-On-Behalf-Of` must name its user.",
        examples=[EXAMPLE_KEY],
    )


class ClaimedObject(BaseModel):
    """An object that has been claimed."""

    object: StoredObject = Field(description="The object.")

"""The wire: what requests and answers look like. Domain values in, domain values out."""

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, RootModel, StrictBool, StrictInt, model_validator
from typing_extensions import TypeAliasType

from uploadsvc.api.problems import UploadsvcProblem
from uploadsvc.domain.checksums import Algorithm, Checksum
from uploadsvc.domain.parts import MAX_PARTS
from uploadsvc.domain.plan import UploadRequest
from uploadsvc.domain.policy import MAX_EXPIRES_IN

_KEY = "uploads/alice/7f9c24e5-2f4c-4a5e-9d53-0a1a1c5b9d10/photo.jpg"
_TIME = "2026-11-23T12:15:00Z"
_CURSOR = "MjAyNi9waG90by5qcGc"
_URL = "https://example-bucket.s3.eu-central-1.amazonaws.com/"

# Schemas of their own in the document: of what is nullable and has no name, generators make names such as
# CreateUploadMethodType0.
RequestedMethod = TypeAliasType("RequestedMethod", Literal["auto", "put", "post", "multipart"])
RequestedDisposition = TypeAliasType("RequestedDisposition", Literal["attachment", "inline"])
UploadMethod = TypeAliasType("UploadMethod", Literal["put", "post", "multipart"])
UploadStatus = TypeAliasType("UploadStatus", Literal["pending", "uploading", "stored", "aborted"])
Metadata = TypeAliasType("Metadata", Annotated[dict[str, str], Field(examples=[{"album": "2026"}])])


class _Request(BaseModel):
    model_config = ConfigDict(extra="forbid")


class ChecksumModel(BaseModel):
    """A checksum of the whole file."""

    model_config = ConfigDict(title="Checksum", extra="forbid")

    algorithm: Algorithm
    value: str = Field(
        description="Base64 of the checksum's bytes.",
        examples=["VcZND81vnV98goCThX4/39poR4u06b0k1IHvORx4BOg="],
    )

    @model_validator(mode="after")
    def _is_one(self) -> "ChecksumModel":
        Checksum(self.algorithm, self.value)
        return self


class RequestedChecksum(_Request):
    """A checksum that S3 shall compare."""

    algorithm: Algorithm
    value: str | None = Field(
        default=None,
        description="Base64 of the checksum's bytes; where `method` is `multipart`, of `sha256` that over "
        "the SHA-256s of the parts. Left out only where a multipart upload begins before it is known.",
        examples=["VcZND81vnV98goCThX4/39poR4u06b0k1IHvORx4BOg="],
    )

    @model_validator(mode="after")
    def _is_one(self) -> "RequestedChecksum":
        if self.value is not None and Checksum(self.algorithm, self.value).digest != self.value:
            message = "must be base64 without the number of parts"
            raise ValueError(message)
        return self


class CreateUpload(_Request):
    """What shall be uploaded. Every field may be left out."""

    filename: str | None = Field(default=None, description="Made safe and used in the key.")
    content_type: str | None = Field(
        default=None, description="By default what the filename's extension stands for."
    )
    size: Annotated[StrictInt, Field(ge=0, le=2**63 - 1)] | None = Field(default=None, description="Bytes.")
    policy: str | None = Field(default=None, description="By default `default`.")
    method: RequestedMethod | None = Field(
        default=None, description="By default `auto`: the method that can enforce the policy."
    )
    relative_key: str | None = Field(
        default=None, description="A key below your own prefix, where the policy lets you choose."
    )
    metadata: Metadata | None = Field(default=None, description="Names that the policy lists.")
    checksum: RequestedChecksum | None = Field(default=None, description="S3 refuses bytes that differ.")
    overwrite: StrictBool | None = Field(default=None, description="Replace an object that is there.")
    expires_in: Annotated[StrictInt, Field(ge=1, le=MAX_EXPIRES_IN)] | None = Field(
        default=None, description="Seconds; cut to the most that the policy allows."
    )

    def request(self) -> UploadRequest:
        """Return the domain's value."""
        asked = self.checksum
        return UploadRequest(
            filename=self.filename,
            content_type=self.content_type,
            size=self.size,
            method=self.method or "auto",
            relative_key=self.relative_key,
            metadata=self.metadata or {},
            checksum=Checksum(asked.algorithm, asked.value) if asked and asked.value is not None else None,
            checksum_algorithm=asked.algorithm if asked else None,
            overwrite=self.overwrite,
            expires_in=self.expires_in,
        )


class _Granted(BaseModel):
    id: str = Field(description="Opaque; names this upload in later calls.", examples=["aGFuZGxl"])
    key: str = Field(description="The whole object key.", examples=[_KEY])
    bucket: str = Field(examples=["example-bucket"])
    expires_at: datetime = Field(description="When the URLs end.", examples=[_TIME])
    upload_expires_at: datetime = Field(description="When the id ends.", examples=["2026-11-24T12:00:00Z"])


class PutUpload(_Granted):
    """Send the bytes by PUT."""

    method: Literal["put"]
    url: str = Field(examples=[_URL])
    headers: dict[str, str] = Field(
        description="To be sent exactly so; the browser adds Host and length.",
        examples=[{"Content-Type": "image/jpeg", "If-None-Match": "*"}],
    )


class PostUpload(_Granted):
    """Send the bytes as a form by POST."""

    method: Literal["post"]
    url: str = Field(examples=[_URL])
    fields: dict[str, str] = Field(
        description="All of them, before the field `file`.",
        examples=[
            {
                "key": _KEY,
                "Content-Type": "image/jpeg",
                "x-amz-algorithm": "AWS4-HMAC-SHA256",
                "x-amz-credential": "AKIDEXAMPLE/20261123/eu-central-1/s3/aws4_request",
                "x-amz-date": "20261123T120000Z",
                "policy": "eyJleHBpcmF0aW9uIj…",
                "x-amz-signature": "5b8bd5d4…",
            }
        ],
    )


class SignedPartModel(BaseModel, title="SignedPart"):
    """A presigned PUT of one part."""

    part_number: int = Field(description="Counted from 1.", examples=[1])
    size: int = Field(description="The bytes that it must have.", examples=[8_388_608])
    url: str = Field(examples=[f"{_URL}{_KEY}?partNumber=1&uploadId=…"])
    headers: dict[str, str] = Field(description="To be sent exactly so.", examples=[{}])


class MultipartUpload(_Granted):
    """Send the bytes in parts, each by PUT, in any order and several at once."""

    method: Literal["multipart"]
    part_size: int = Field(description="Of every part but the last, in bytes.", examples=[8_388_608])
    part_count: int = Field(examples=[3])
    parts: list[SignedPartModel] = Field(
        description="The first ones, up to 100. Ask for the others; for all, where there is a checksum."
    )


class Upload(RootModel[Annotated[PutUpload | PostUpload | MultipartUpload, Field(discriminator="method")]]):
    """A new upload, and what it takes to send its bytes straight to S3."""


class CreateUploads(_Request):
    """Several uploads at once."""

    uploads: list[CreateUpload] = Field(min_length=1, max_length=100)


class BatchUpload(BaseModel):
    """One that was created."""

    upload: Upload


class BatchProblem(BaseModel):
    """One that was refused; the others are not touched by it."""

    problem: UploadsvcProblem


def _one_of(schema: dict[str, Any]) -> None:
    # Of `anyOf` some generators make a type that has the fields of all variants.
    schema["oneOf"] = schema.pop("anyOf")


class BatchResult(RootModel[BatchUpload | BatchProblem]):
    """What became of one of them: an upload, or a problem."""

    model_config = ConfigDict(json_schema_extra=_one_of)


class BatchResults(BaseModel):
    """One result for each upload asked for, in their order."""

    results: list[BatchResult]


class ObjectModel(BaseModel):
    """A stored object."""

    # `Object` alone is JavaScript's own: generators rename it, or hide the language's.
    model_config = ConfigDict(title="StoredObject")

    key: str = Field(examples=[_KEY])
    bucket: str = Field(examples=["example-bucket"])
    size: int = Field(description="Bytes.", examples=[123456])
    content_type: str = Field(examples=["image/jpeg"])
    etag: str = Field(description="Without quotes.", examples=["9b2cf535f27731c974343645a3985328"])
    version_id: str | None = Field(
        description="Where the bucket keeps versions.", examples=["qvJ0hFvtgYhBoxj2WUIzVGMy8fSsvBVL"]
    )
    checksum: ChecksumModel | None = Field(description="Where the store keeps one.")
    last_modified: datetime = Field(examples=[_TIME])
    metadata: Metadata


class ArrivedPart(BaseModel):
    """A part that S3 has."""

    part_number: int = Field(examples=[1])
    size: int = Field(description="Bytes.", examples=[8_388_608])
    etag: str = Field(examples=["9b2cf535f27731c974343645a3985328"])


class SentPart(_Request):
    """A part as the client believes to have sent it."""

    part_number: Annotated[StrictInt, Field(ge=1, le=MAX_PARTS)] = Field(examples=[1])
    etag: str = Field(description="As S3 answered it.", examples=["9b2cf535f27731c974343645a3985328"])


class CompleteUpload(_Request):
    """For a multipart upload; all of it may be left out."""

    parts: Annotated[list[SentPart], Field(max_length=MAX_PARTS)] | None = Field(
        default=None, description="What was sent, to be compared with what S3 has; left out, S3 is asked."
    )

    def etags(self) -> dict[int, str] | None:
        """Return the ETags by part number."""
        return None if self.parts is None else {part.part_number: part.etag for part in self.parts}


class UploadState(BaseModel):
    """What S3 says of an upload now."""

    id: str = Field(examples=["aGFuZGxl"])
    key: str = Field(examples=[_KEY])
    bucket: str = Field(examples=["example-bucket"])
    method: UploadMethod
    status: UploadStatus = Field(
        description="A multipart upload is `uploading` once a part has arrived, and `aborted` when S3 has "
        "forgotten it without an object of its own.",
        examples=["stored"],
    )
    upload_expires_at: datetime = Field(examples=["2026-11-24T12:00:00Z"])
    object: ObjectModel | None
    part_size: int | None = Field(
        description="Of a multipart upload; null where the id came from a listing.", examples=[8_388_608]
    )
    part_count: int | None = Field(
        description="Of a multipart upload; null where the id came from a listing.", examples=[3]
    )
    parts: list[ArrivedPart] | None = Field(
        description="Those that have arrived, while a multipart upload is under way."
    )


class CompletedUpload(BaseModel):
    """A verified upload."""

    object: ObjectModel
    receipt: str = Field(
        description="A JWT over what was verified, for any backend to check.", examples=["eyJhbGciOi…"]
    )
    replaceable_until: datetime | None = Field(
        description="Until then a live URL could replace the bytes; null when nothing can.", examples=[_TIME]
    )


class ListedObjectModel(BaseModel):
    """One line of a listing."""

    model_config = ConfigDict(title="ListedObject")

    key: str = Field(examples=[_KEY])
    size: int = Field(description="Bytes.", examples=[123456])
    etag: str = Field(examples=["9b2cf535f27731c974343645a3985328"])
    last_modified: datetime = Field(examples=[_TIME])


class ObjectPage(BaseModel):
    """Some of your objects."""

    objects: list[ListedObjectModel]
    cursor: str | None = Field(description="Asks for the next ones; null at the end.", examples=[_CURSOR])


class CreateDownload(_Request):
    """What shall be downloaded."""

    key: str = Field(description="The whole key.", examples=[_KEY])
    disposition: RequestedDisposition | None = Field(default=None, description="By default `attachment`.")
    filename: str | None = Field(default=None, description="By default the key's last segment.")
    expires_in: Annotated[StrictInt, Field(ge=1, le=MAX_EXPIRES_IN)] | None = Field(
        default=None, description="Seconds; cut to the most that is allowed."
    )


class Download(BaseModel):
    """A presigned GET."""

    url: str = Field(examples=[_URL])
    expires_at: datetime = Field(examples=[_TIME])


class Health(BaseModel):
    """The process is alive."""

    status: Literal["ok"]


class Ready(BaseModel):
    """Credentials and bucket have answered since the start."""

    status: Literal["ready"]
    storage: Literal["ok", "failing"] = Field(description="What the store answered last.")


class UploadUrl(BaseModel):
    """A presigned PUT."""

    url: str = Field(examples=[_URL])

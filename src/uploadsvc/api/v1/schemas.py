"""Request and response bodies of uploads.

Class names, docstrings and descriptions are part of ``openapi.json``. A model may share its name
with a domain class; modules that need both import this one as a module.
"""

from datetime import datetime
from typing import Annotated, Any, Final, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    RootModel,
    StrictBool,
    model_validator,
    with_config,
)
from typing_extensions import TypeAliasType, TypedDict

from uploadsvc.api.openapi_types import (
    Bytes,
    Int32,
    RequestedBytes,
    RequestedPartNumber,
    RequestedSeconds,
    omit_nulls,
)
from uploadsvc.api.problems import UploadsvcProblem
from uploadsvc.api.v1.object_schemas import StoredObject
from uploadsvc.api.v1.schema_base import (
    BUCKET,
    ETAG,
    EXAMPLE_ETAG,
    EXAMPLE_FOLDER,
    EXAMPLE_KEY,
    EXAMPLE_TIME,
    EXAMPLE_URL,
    KEY,
    MAX_FIELDS,
    METHOD,
    Metadata,
    RequestBody,
    UploadMethod,
)
from uploadsvc.domain import checksums
from uploadsvc.domain.parts import MAX_PARTS
from uploadsvc.domain.plan import UploadRequest
from uploadsvc.services.multipart import MAX_SIGNED_PARTS

EXAMPLE_UPLOAD_CURSOR: Final = "WyJ2aWRlby5tcDQiLCAiMSJd"

UploadStatus = TypeAliasType(
    "UploadStatus",
    Annotated[
        Literal["pending", "uploading", "stored", "aborted"], Field(description="Progress of the upload.")
    ],
)


class RequestedChecksum(RequestBody):
    """A checksum for S3 to compare with the bytes that it receives."""

    algorithm: checksums.Algorithm = Field(description="Checksum algorithm.")
    value: str | None = Field(
        default=None,
        description="The checksum's bytes, base64-encoded. For `sha256` of a multipart upload: the SHA-256 "
        "of the concatenated SHA-256s of its parts. Leave it out only if a multipart upload starts before "
        "the checksum is known.",
        examples=["VcZND81vnV98goCThX4/39poR4u06b0k1IHvORx4BOg="],
    )

    @model_validator(mode="after")
    def _check_value(self) -> "RequestedChecksum":
        if self.value is not None and checksums.Checksum(self.algorithm, self.value).digest != self.value:
            message = "must be base64 without the number of parts"
            raise ValueError(message)
        return self


class CreateUpload(RequestBody):
    """The file to upload. Every field is optional."""

    filename: str | None = Field(
        default=None,
        description="Name of the file as its owner knows it: `photo.jpg`, or with folders "
        "`photos/2026/a.jpg`. It becomes part of the key: what keys should not contain, such as `?` or "
        "control characters, is replaced by `_`. The folders become part of it only if the policy has "
        "`keeps_folders`.",
        examples=["photo.jpg"],
    )
    content_type: str | None = Field(
        default=None,
        description="Media type of the file, such as `image/jpeg`: `file.type` in a browser. S3 stores "
        "it and "
        "serves the file with it. Default: the type of the filename's extension, else "
        "`application/octet-stream`.",
        examples=["image/jpeg"],
    )
    content_encoding: str | None = Field(
        default=None,
        description="Encoding of a file that is already compressed, such as `gzip`: whoever downloads it "
        "gets it decompressed. Only if the policy lists it.",
        examples=["gzip"],
    )
    size: RequestedBytes | None = Field(
        default=None,
        description="Size of the file in bytes: `file.size` in a browser. S3 then accepts exactly that many. "
        "Without it, you get a form (`post`), which accepts any size within the policy; `put` and "
        "`multipart` need it.",
        examples=[123456],
    )
    policy: str | None = Field(
        default=None,
        description="Name of the policy whose limits apply to the file, from `GET /v1/policies`. Default: "
        "the policy called `default`.",
        examples=["default"],
    )
    # Not a named type: Go's constants of two enums with shared values have the same names.
    method: Literal["auto", "put", "post", "multipart"] | None = Field(
        default=None,
        description="How you want to send the bytes: `put` in one request, `post` as a form, `multipart` in "
        "parts that can be retried one by one. Default: `auto`, which lets the service choose a "
        "method that enforces the "
        "policy: parts for large files.",
        examples=["auto"],
    )
    relative_key: str | None = Field(
        default=None,
        description="The object's key, if you choose it yourself: the part after your own prefix, or after "
        "the policy's folder in it (`client_keys_prefix`). `albums/2026/cover.jpg` becomes "
        "`uploads/alice/albums/2026/cover.jpg`. Only if the policy has `client_keys`; otherwise leave it "
        "out, "
        "and the policy generates a new key for each upload.",
        examples=["albums/2026/cover.jpg"],
    )
    metadata: Metadata | None = Field(
        default=None,
        description="Your own names and values, which S3 keeps with the object: they are returned in "
        "every response and event about it, and as headers of downloads (`x-amz-meta-album`). The policy "
        "lists the names (`metadata`); the total is at most 2 KB. They cannot be changed later.",
    )
    checksum: RequestedChecksum | None = Field(
        default=None,
        description="Checksum of the file, for S3 to compare with the bytes that arrive: it rejects "
        "those that "
        "do not match.",
    )
    overwrite: StrictBool | None = Field(
        default=None,
        description="Whether the upload may replace an object that has its key. If not, S3 refuses the "
        "bytes. "
        "Default: the policy's `overwrite`.",
    )
    expires_in: RequestedSeconds | None = Field(
        default=None,
        description="Lifetime of the presigned URLs in seconds, at most the policy's `max_expires_in`. A "
        "request that S3 has begun to receive may take longer. Default: the policy's `expires_in`.",
        examples=[900],
    )

    def request(self) -> UploadRequest:
        """Convert to the domain's value."""
        checksum = self.checksum
        return UploadRequest(
            filename=self.filename,
            content_type=self.content_type,
            content_encoding=self.content_encoding,
            size=self.size,
            method=self.method or "auto",
            relative_key=self.relative_key,
            metadata=self.metadata or {},
            checksum=(
                checksums.Checksum(checksum.algorithm, checksum.value)
                if checksum and checksum.value is not None
                else None
            ),
            checksum_algorithm=checksum.algorithm if checksum else None,
            overwrite=self.overwrite,
            expires_in=self.expires_in,
        )


class _Created(BaseModel):
    id: str = Field(
        description="ID of the upload, for `completeUpload` and the other calls about it. Signed: keep it as "
        "it is.",
        examples=["aGFuZGxl"],
    )
    key: str = Field(description=f"{KEY} Save it with your own data.", examples=[EXAMPLE_KEY])
    bucket: str = Field(description=BUCKET, examples=["example-bucket"])
    expires_at: datetime = Field(
        description="When the presigned URLs expire. For parts, get new ones from `signParts`.",
        examples=[EXAMPLE_TIME],
    )
    upload_expires_at: datetime = Field(
        description="When the upload's `id` expires: complete the upload before then.",
        examples=["2026-11-24T12:00:00Z"],
    )


class PutUpload(_Created):
    """Send the bytes with one PUT."""

    method: Literal["put"] = Field(description=METHOD)
    url: str = Field(description="Presigned URL of the PUT.", examples=[EXAMPLE_URL])
    headers: dict[str, str] = Field(
        description="Headers to send with the PUT, exactly as they are: they are signed. HTTP clients "
        "add `Host` and "
        "`Content-Length` themselves.",
        examples=[{"Content-Type": "image/jpeg", "If-None-Match": "*"}],
    )


class PostUpload(_Created):
    """Send the bytes as a form with one POST."""

    method: Literal["post"] = Field(description=METHOD)
    url: str = Field(description="Where to POST the form.", examples=[EXAMPLE_URL])
    fields: dict[str, str] = Field(
        description="Fields of the form. Send all of them, before the field `file` with the bytes.",
        examples=[
            {
                "key": EXAMPLE_KEY,
                "Content-Type": "image/jpeg",
                "x-amz-algorithm": "AWS4-HMAC-SHA256",
                "x-amz-credential": "AKIDEXAMPLE/20261123/eu-central-1/s3/aws4_request",
                "x-amz-date": "20261123T120000Z",
                "policy": "eyJleHBpcmF0aW9uIj…",
                "x-amz-signature": "5b8bd5d4…",
            }
        ],
    )


class SignedPart(BaseModel):
    """A presigned PUT for one part."""

    part_number: Int32 = Field(description="Number of the part. The first is 1.", examples=[1])
    size: Bytes = Field(description="Size in bytes, which the part must have exactly.", examples=[8_388_608])
    url: str = Field(
        description="Presigned URL of the PUT.",
        examples=[f"{EXAMPLE_URL}{EXAMPLE_KEY}?partNumber=1&uploadId=…"],
    )
    headers: dict[str, str] = Field(
        description="Headers to send with the PUT, exactly as they are: they are signed.", examples=[{}]
    )


class MultipartUpload(_Created):
    """Send the bytes in parts, each with a PUT, in any order and in parallel."""

    method: Literal["multipart"] = Field(description=METHOD)
    part_size: Bytes = Field(description="Size in bytes of every part except the last.", examples=[8_388_608])
    part_count: Int32 = Field(description="Number of parts.", examples=[3])
    parts: list[SignedPart] = Field(
        description="The first parts, up to 100. Get the others from `signParts`; if the upload has a "
        "checksum, get all of them there."
    )


class Upload(RootModel[Annotated[PutUpload | PostUpload | MultipartUpload, Field(discriminator="method")]]):
    """A new upload, with what you need to send its bytes straight to S3."""


def _exactly_one(schema: dict[str, Any]) -> None:
    omit_nulls(schema)
    schema.update(minProperties=1, maxProperties=1)


class CreateUploads(RequestBody):
    """Uploads to create together."""

    uploads: list[CreateUpload] = Field(
        min_length=1, max_length=100, fail_fast=True, description="The files to upload."
    )


class BatchResult(BaseModel):
    """The result of one upload of a batch. It has exactly one of the fields."""

    # Not a union: Java's Jackson ignores unknown fields, and would take each of the two for both.
    model_config = ConfigDict(json_schema_extra=_exactly_one)

    upload: Upload | None = Field(default=None, description="The upload, if it was created.")
    problem: UploadsvcProblem | None = Field(
        default=None, description="The error, if the upload was refused. It does not affect the others."
    )


class BatchResults(BaseModel):
    """The results of a batch."""

    results: list[BatchResult] = Field(description="One result per requested upload, in the same order.")


class SignParts(RequestBody):
    """The parts to sign."""

    part_numbers: list[RequestedPartNumber] = Field(
        min_length=1, max_length=MAX_SIGNED_PARTS, description="Numbers of the parts. The first is 1."
    )
    checksums: Annotated[list[str], Field(max_length=MAX_SIGNED_PARTS)] | None = Field(
        default=None,
        description="Checksums of these parts, base64-encoded, in the same order. Required if the upload was "
        "created with a checksum.",
    )


class SignedParts(BaseModel):
    """Presigned PUTs for parts."""

    parts: list[SignedPart] = Field(description="The parts, in the order of the request.")
    expires_at: datetime = Field(description="When the URLs expire.", examples=[EXAMPLE_TIME])


class ArrivedPart(BaseModel):
    """A part that has arrived in S3."""

    part_number: Int32 = Field(description="Number of the part. The first is 1.", examples=[1])
    size: Bytes = Field(description="Size of the part in bytes.", examples=[8_388_608])
    etag: str = Field(description=ETAG, examples=[EXAMPLE_ETAG])


# Not a model: making 10,000 of them would block the event loop for 10 ms.
@with_config(RequestBody.model_config)
class SentPart(TypedDict):
    """A part that the client has sent."""

    part_number: Annotated[
        RequestedPartNumber, Field(description="Number of the part. The first is 1.", examples=[1])
    ]
    etag: Annotated[
        str, Field(description="ETag from S3's response, with or without quotes.", examples=[EXAMPLE_ETAG])
    ]


def _check_parts(parts: object) -> object:
    # pydantic would first validate 10,000 parts, and make an error of each unknown field.
    if isinstance(parts, list):
        if len(parts) > MAX_PARTS:
            message = f"there are {len(parts)} parts, and an upload has at most {MAX_PARTS}"
            raise ValueError(message)
        if any(isinstance(part, dict) and len(part) > MAX_FIELDS for part in parts):
            message = f"a part has at most {MAX_FIELDS} fields"
            raise ValueError(message)
    return parts


class CompleteUpload(RequestBody):
    """Options for completing a multipart upload. The body is optional."""

    parts: (
        Annotated[list[SentPart], Field(max_length=MAX_PARTS, fail_fast=True), BeforeValidator(_check_parts)]
        | None
    ) = Field(
        default=None,
        description="The parts that you sent, to compare with those that S3 has. Default: what S3 has.",
    )

    def etags(self) -> dict[int, str] | None:
        """Return the ETags by part number."""
        return None if self.parts is None else {part["part_number"]: part["etag"] for part in self.parts}


class UploadState(BaseModel):
    """The status of an upload, as S3 reports it."""

    id: str = Field(description="ID of the upload, as in the request.", examples=["aGFuZGxl"])
    key: str = Field(description=KEY, examples=[EXAMPLE_KEY])
    bucket: str = Field(description=BUCKET, examples=["example-bucket"])
    method: UploadMethod = Field(description=METHOD)
    status: UploadStatus = Field(
        description="`pending`: nothing has arrived. `uploading`: parts of a multipart upload have arrived. "
        "`stored`: the object exists. `aborted`: S3 no longer has the multipart upload, and "
        "it left no object.",
        examples=["stored"],
    )
    upload_expires_at: datetime = Field(
        description="When the upload's `id` expires: complete the upload before then.",
        examples=["2026-11-24T12:00:00Z"],
    )
    object: StoredObject | None = Field(description="The object; null unless `status` is `stored`.")
    part_size: Bytes | None = Field(
        description="Size in bytes of every part except the last; null unless this is a multipart upload, "
        "and for an `id` from `listUploads`.",
        examples=[8_388_608],
    )
    part_count: Int32 | None = Field(
        description="Number of parts; null unless this is a multipart upload, and for an `id` from "
        "`listUploads`.",
        examples=[3],
    )
    parts: list[ArrivedPart] | None = Field(
        description="The parts that have arrived; null unless a multipart upload is in progress."
    )


class UnfinishedUpload(BaseModel):
    """A multipart upload that is neither completed nor aborted."""

    id: str = Field(
        description="ID for `getUpload` and `deleteUpload`. To continue the upload, use the `id` from its "
        "creation.",
        examples=["aGFuZGxl"],
    )
    key: str = Field(description=KEY, examples=[f"{EXAMPLE_FOLDER}/video.mp4"])
    started_at: datetime = Field(description="When it was created.", examples=["2026-11-23T12:00:00Z"])


class UploadPage(BaseModel):
    """A page of your unfinished uploads."""

    uploads: list[UnfinishedUpload] = Field(description="The uploads of this page.")
    cursor: str | None = Field(
        description="Send it to get the next page; null on the last one.", examples=[EXAMPLE_UPLOAD_CURSOR]
    )


class CompletedUpload(BaseModel):
    """A verified upload."""

    object: StoredObject = Field(description="The verified object.")
    receipt: str = Field(
        description="A signed JWT that describes the object: user, key, size, type and checksum. Send it "
        "to your "
        "backend, which verifies it with `getReceiptKeys` without asking S3.",
        examples=["eyJhbGciOi…"],
    )
    replaceable_until: datetime | None = Field(
        description=(
            "When the object can no longer be replaced by its owner; null if it cannot be replaced now. "
            "9999-12-31T23:59:59Z if another upload can replace it at any time."
        ),
        examples=[EXAMPLE_TIME],
    )

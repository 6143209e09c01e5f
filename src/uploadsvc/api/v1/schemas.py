"""Request and response bodies of ``/v1``.

Class names, docstrings and descriptions are part of ``openapi.json``. A model may have the name of the domain
class that it shows, so modules that need both import this one as a module.
"""

from datetime import datetime
from typing import Annotated, Any, Final, Literal

from fastapi import Query
from pydantic import BaseModel, ConfigDict, Field, RootModel, StrictBool, StrictInt, model_validator
from typing_extensions import TypeAliasType

from uploadsvc.api.openapi_types import (
    INT32,
    Bytes,
    Int32,
    RequestedBytes,
    RequestedPartNumber,
    RequestedSeconds,
    WithoutNull,
    omit_nulls,
)
from uploadsvc.api.problems import UploadsvcProblem
from uploadsvc.domain import checksums
from uploadsvc.domain.parts import MAX_PARTS
from uploadsvc.domain.plan import UploadRequest
from uploadsvc.domain.policy import ChecksumRule
from uploadsvc.services.multipart import MAX_SIGNED_PARTS
from uploadsvc.services.objects import MAX_LISTED

_FOLDER: Final = "uploads/alice/7f9c24e5-2f4c-4a5e-9d53-0a1a1c5b9d10"
EXAMPLE_KEY: Final = f"{_FOLDER}/photo.jpg"
EXAMPLE_URL: Final = "https://example-bucket.s3.eu-central-1.amazonaws.com/"
EXAMPLE_OBJECT_CURSOR: Final = "MjAyNi9waG90by5qcGc"
EXAMPLE_UPLOAD_CURSOR: Final = "WyJ2aWRlby5tcDQiLCAiMSJd"
_TIME: Final = "2026-11-23T12:15:00Z"
_MAX_FIELDS: Final = 20
_MAX_NESTED_FIELDS: Final = 250
_ETAG: Final = "9b2cf535f27731c974343645a3985328"

# Named, so that generated clients have one type for it. The requested method is not: Go's constants of two
# enums with shared values have the same names.
RequestedDisposition = TypeAliasType("RequestedDisposition", Literal["attachment", "inline"])
UploadMethod = TypeAliasType("UploadMethod", Literal["put", "post", "multipart"])
UploadStatus = TypeAliasType("UploadStatus", Literal["pending", "uploading", "stored", "aborted"])
Metadata = TypeAliasType("Metadata", Annotated[dict[str, str], Field(examples=[{"album": "2026"}])])

PageLimit = Annotated[
    Annotated[int, Field(ge=1, le=MAX_LISTED), INT32] | None,
    Query(description="Number of results per page. Default: 100.", examples=[100]),
    WithoutNull(),
]


class _Request(BaseModel):
    model_config = ConfigDict(extra="forbid", json_schema_extra=omit_nulls)

    @model_validator(mode="before")
    @classmethod
    def _check_number_of_fields(cls, data: Any) -> Any:  # noqa: ANN401 - any JSON
        # Each unknown field becomes an error: a body of them would hold the event loop for half a second.
        if isinstance(data, dict):
            nested = max((len(value) for value in data.values() if isinstance(value, dict)), default=0)
            if len(data) > _MAX_FIELDS or nested > _MAX_NESTED_FIELDS:
                message = f"at most {_MAX_FIELDS} fields, each with at most {_MAX_NESTED_FIELDS} of its own"
                raise ValueError(message)
        return data


class Checksum(BaseModel):
    """A checksum of the file."""

    model_config = ConfigDict(extra="forbid")

    algorithm: checksums.Algorithm = Field(description="Checksum algorithm.")
    value: str = Field(
        description="The checksum's bytes, base64-encoded. A checksum of checksums of parts ends with a "
        "hyphen and the number of parts.",
        examples=["VcZND81vnV98goCThX4/39poR4u06b0k1IHvORx4BOg="],
    )

    @model_validator(mode="after")
    def _check_value(self) -> "Checksum":
        checksums.Checksum(self.algorithm, self.value)
        return self


class RequestedChecksum(_Request):
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


class CreateUpload(_Request):
    """The file to upload. Every field is optional."""

    filename: str | None = Field(
        default=None, description="Name of the file. A safe form of it is used in the key."
    )
    content_type: str | None = Field(
        default=None,
        description="Media type of the file. Default: the type of the filename's extension, else "
        "`application/octet-stream`.",
    )
    content_encoding: str | None = Field(
        default=None,
        description="Encoding of a file that is already compressed, such as `gzip`, if the policy lists it.",
    )
    size: RequestedBytes | None = Field(
        default=None, description="Size in bytes. Required if `method` is `put` or `multipart`."
    )
    policy: str | None = Field(default=None, description="Name of the policy. Default: `default`.")
    method: Literal["auto", "put", "post", "multipart"] | None = Field(
        default=None,
        description="How the bytes are sent to S3. Default: `auto`, which chooses a method that enforces the "
        "policy.",
    )
    relative_key: str | None = Field(
        default=None, description="Object key relative to your key prefix, if the policy has `client_keys`."
    )
    metadata: Metadata | None = Field(
        default=None, description="Metadata of the object. The policy lists the names that are allowed."
    )
    checksum: RequestedChecksum | None = Field(
        default=None, description="S3 rejects bytes that do not match it."
    )
    overwrite: StrictBool | None = Field(
        default=None, description="Whether to replace an existing object. Default: the policy's `overwrite`."
    )
    expires_in: RequestedSeconds | None = Field(
        default=None,
        description="Lifetime of the URLs in seconds, at most the policy's `max_expires_in`. "
        "Default: its `expires_in`.",
    )

    def request(self) -> UploadRequest:
        """Return the request as the domain's value."""
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
    id: str = Field(description="ID of the upload, for later calls. Opaque.", examples=["aGFuZGxl"])
    key: str = Field(description="Full object key.", examples=[EXAMPLE_KEY])
    bucket: str = Field(description="Name of the bucket.", examples=["example-bucket"])
    expires_at: datetime = Field(description="When the URLs expire.", examples=[_TIME])
    upload_expires_at: datetime = Field(
        description="When the upload's `id` expires.", examples=["2026-11-24T12:00:00Z"]
    )


class PutUpload(_Created):
    """Send the bytes with one PUT."""

    method: Literal["put"] = Field(description="How the bytes are sent to S3.")
    url: str = Field(description="Presigned URL of the PUT.", examples=[EXAMPLE_URL])
    headers: dict[str, str] = Field(
        description="Headers to send with the PUT, exactly as they are. HTTP clients add `Host` and "
        "`Content-Length` themselves.",
        examples=[{"Content-Type": "image/jpeg", "If-None-Match": "*"}],
    )


class PostUpload(_Created):
    """Send the bytes as a form with one POST."""

    method: Literal["post"] = Field(description="How the bytes are sent to S3.")
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
        description="Headers to send with the PUT, exactly as they are.", examples=[{}]
    )


class MultipartUpload(_Created):
    """Send the bytes in parts, each with a PUT, in any order and in parallel."""

    method: Literal["multipart"] = Field(description="How the bytes are sent to S3.")
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


class CreateUploads(_Request):
    """Uploads to create together."""

    uploads: list[CreateUpload] = Field(min_length=1, max_length=100, description="The files to upload.")


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


class StoredObject(BaseModel):
    """An object in S3."""

    # `Object` is JavaScript's own: generators would rename it, or hide the language's.

    key: str = Field(description="Full object key.", examples=[EXAMPLE_KEY])
    bucket: str = Field(description="Name of the bucket.", examples=["example-bucket"])
    size: Bytes = Field(description="Size in bytes.", examples=[123456])
    content_type: str = Field(description="Media type.", examples=["image/jpeg"])
    etag: str = Field(description="ETag, without quotes.", examples=[_ETAG])
    version_id: str | None = Field(
        description="Version of the object; null if the bucket keeps no versions.",
        examples=["qvJ0hFvtgYhBoxj2WUIzVGMy8fSsvBVL"],
    )
    checksum: Checksum | None = Field(description="Checksum of the object; null if the store has none.")
    last_modified: datetime = Field(description="When the object was stored.", examples=[_TIME])
    metadata: Metadata = Field(description="Metadata of the object.")


class SignParts(_Request):
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
    expires_at: datetime = Field(description="When the URLs expire.", examples=[_TIME])


class ArrivedPart(BaseModel):
    """A part that has arrived in S3."""

    part_number: Int32 = Field(description="Number of the part. The first is 1.", examples=[1])
    size: Bytes = Field(description="Size in bytes.", examples=[8_388_608])
    etag: str = Field(description="ETag, without quotes.", examples=[_ETAG])


class SentPart(_Request):
    """A part that the client has sent."""

    part_number: RequestedPartNumber = Field(description="Number of the part. The first is 1.", examples=[1])
    etag: str = Field(description="ETag from S3's response, with or without quotes.", examples=[_ETAG])


class CompleteUpload(_Request):
    """Options for completing a multipart upload. You can leave out the whole body."""

    parts: Annotated[list[SentPart], Field(max_length=MAX_PARTS)] | None = Field(
        default=None,
        description="The parts that you sent, to compare with those that S3 has. Default: what S3 has.",
    )

    def etags(self) -> dict[int, str] | None:
        """Return the ETags by part number."""
        return None if self.parts is None else {part.part_number: part.etag for part in self.parts}


class UploadState(BaseModel):
    """The status of an upload, as S3 reports it."""

    id: str = Field(description="ID of the upload.", examples=["aGFuZGxl"])
    key: str = Field(description="Full object key.", examples=[EXAMPLE_KEY])
    bucket: str = Field(description="Name of the bucket.", examples=["example-bucket"])
    method: UploadMethod = Field(description="How the bytes are sent to S3.")
    status: UploadStatus = Field(
        description="`pending`: nothing has arrived. `uploading`: parts of a multipart upload have arrived. "
        "`stored`: the object exists. `aborted`: S3 no longer has the multipart upload, and "
        "it left no object.",
        examples=["stored"],
    )
    upload_expires_at: datetime = Field(
        description="When the upload's `id` expires.", examples=["2026-11-24T12:00:00Z"]
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
    key: str = Field(description="Full object key.", examples=[f"{_FOLDER}/video.mp4"])
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
        description="A signed JWT that describes the object. Any backend can verify it.",
        examples=["eyJhbGciOi…"],
    )
    replaceable_until: datetime | None = Field(
        description=(
            "When the object can no longer be replaced by its owner; null if it cannot be replaced now. "
            "9999-12-31T23:59:59Z if another upload can replace it at any time."
        ),
        examples=[_TIME],
    )


class ListedObject(BaseModel):
    """An object in a listing."""

    key: str = Field(description="Full object key.", examples=[EXAMPLE_KEY])
    size: Bytes = Field(description="Size in bytes.", examples=[123456])
    etag: str = Field(description="ETag, without quotes.", examples=[_ETAG])
    last_modified: datetime = Field(description="When the object was stored.", examples=[_TIME])


class ObjectPage(BaseModel):
    """A page of your objects."""

    objects: list[ListedObject] = Field(description="The objects of this page, sorted by key.")
    cursor: str | None = Field(
        description="Send it to get the next page; null on the last one.", examples=[EXAMPLE_OBJECT_CURSOR]
    )


class CreateDownload(_Request):
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
    expires_at: datetime = Field(description="When the URL expires.", examples=[_TIME])


class Policy(BaseModel):
    """The limits of one kind of upload."""

    name: str = Field(description="Name of the policy, for `policy` in requests.", examples=["default"])
    min_size: Bytes = Field(description="Smallest size in bytes.", examples=[0])
    max_size: Bytes = Field(description="Largest size in bytes.", examples=[5_368_709_120])
    content_types: list[str] = Field(
        description="Allowed media types and ranges (`image/*`). Types that browsers execute, such as "
        "`text/html` or `image/svg+xml`, are allowed only if they are listed by name.",
        examples=[["image/jpeg", "image/png"]],
    )
    content_encodings: list[str] = Field(
        description="Values that `content_encoding` can have.", examples=[["gzip"]]
    )
    methods: list[UploadMethod] = Field(
        description="Methods that requests can name.", examples=[["post", "put"]]
    )
    expires_in: Int32 = Field(description="Default lifetime of URLs in seconds.", examples=[900])
    max_expires_in: Int32 = Field(description="Longest lifetime of URLs in seconds.", examples=[3600])
    client_keys: bool = Field(description="Whether requests can set `relative_key`.")
    overwrite: bool = Field(description="Whether uploads can replace existing objects.")
    metadata: list[str] = Field(description="Names that `metadata` can have.", examples=[["album"]])
    checksum: ChecksumRule = Field(
        description="Whether requests can or must have a `checksum`.", examples=["optional"]
    )
    checksum_algorithms: list[str] = Field(
        description="Algorithms that `checksum` can have.",
        examples=[["crc32", "crc32c", "crc64nvme", "sha256"]],
    )


class PolicyList(BaseModel):
    """Your policies."""

    policies: list[Policy] = Field(description="The policies that you can use.")


class CreateToken(_Request):
    """The rights of the token. Every field is optional."""

    user: str | None = Field(
        default=None,
        description="User that the token is for. Default: you. Only API keys can name another user.",
    )
    policies: Annotated[list[str], Field(min_length=1, max_length=50)] | None = Field(
        default=None, description="Policies that the token can use. Default: all of yours."
    )
    expires_in: Annotated[StrictInt, Field(ge=1, le=2**31 - 1), INT32] | None = Field(
        default=None,
        description="Lifetime of the token in seconds, at most what the operator allows. It never outlives "
        "your credential.",
    )


class Token(BaseModel):
    """An upload token."""

    token: str = Field(description="The token. Send it as `Authorization: Bearer`.", examples=["eyJhbGciOi…"])
    expires_at: datetime = Field(description="When the token expires.", examples=["2026-11-23T12:10:00Z"])


class _ReceiptKey(BaseModel):
    kid: str = Field(
        description="Thumbprint of the key (RFC 7638). Receipts name it in the `kid` header.",
        examples=["kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"],
    )
    use: Literal["sig"] = Field(description="The key is for signatures.")


class OkpKey(_ReceiptKey):
    """An Ed25519 key (RFC 8037)."""

    kty: Literal["OKP"] = Field(description="Key type.")
    crv: Literal["Ed25519"] = Field(description="Curve.")
    x: str = Field(
        description="Public key, base64url-encoded.", examples=["11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"]
    )
    alg: Literal["EdDSA"] = Field(description="Signature algorithm.")


class EcKey(_ReceiptKey):
    """A P-256 key (RFC 7518 section 6.2)."""

    kty: Literal["EC"] = Field(description="Key type.")
    crv: Literal["P-256"] = Field(description="Curve.")
    x: str = Field(
        description="X coordinate, base64url-encoded.",
        examples=["f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU"],
    )
    y: str = Field(
        description="Y coordinate, base64url-encoded.",
        examples=["x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"],
    )
    alg: Literal["ES256"] = Field(description="Signature algorithm.")


class RsaKey(_ReceiptKey):
    """An RSA key (RFC 7518 section 6.3)."""

    kty: Literal["RSA"] = Field(description="Key type.")
    n: str = Field(
        description="Modulus, base64url-encoded.", examples=["0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2…"]
    )
    e: str = Field(description="Exponent, base64url-encoded.", examples=["AQAB"])
    alg: Literal["RS256"] = Field(description="Signature algorithm.")


class ReceiptKey(RootModel[Annotated[OkpKey | EcKey | RsaKey, Field(discriminator="kty")]]):
    """A public key as JWK (RFC 7517)."""


class ReceiptKeys(BaseModel):
    """A JWK Set (RFC 7517 section 5)."""

    keys: list[ReceiptKey] = Field(
        description="The keys. The first one signs new receipts. Empty if receipts are signed with a secret."
    )


class Health(BaseModel):
    """Liveness of the service."""

    status: Literal["ok"] = Field(description="The process is running.")


class Ready(BaseModel):
    """Readiness of the service."""

    status: Literal["ready"] = Field(description="S3 has answered since the service started.")
    storage: Literal["ok", "failing"] = Field(description="Whether S3 answered the latest check.")

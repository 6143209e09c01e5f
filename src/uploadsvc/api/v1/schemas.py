"""Request and response bodies of ``/v1``.

Class names, docstrings and descriptions are part of ``openapi.json``. A model may have the name of the domain
class that it shows, so modules that need both import this one as a module.
"""

from datetime import datetime
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, RootModel, StrictBool, StrictInt, model_validator
from typing_extensions import TypeAliasType

from uploadsvc.api.problems import UploadsvcProblem
from uploadsvc.domain import checksums
from uploadsvc.domain.parts import MAX_PARTS
from uploadsvc.domain.plan import UploadRequest
from uploadsvc.domain.policy import MAX_EXPIRES_IN, ChecksumRule
from uploadsvc.services.multipart import MAX_SIGNED_PARTS

_FOLDER: Final = "uploads/alice/7f9c24e5-2f4c-4a5e-9d53-0a1a1c5b9d10"
EXAMPLE_KEY: Final = f"{_FOLDER}/photo.jpg"
EXAMPLE_URL: Final = "https://example-bucket.s3.eu-central-1.amazonaws.com/"
EXAMPLE_OBJECT_CURSOR: Final = "MjAyNi9waG90by5qcGc"
EXAMPLE_UPLOAD_CURSOR: Final = "WyJ2aWRlby5tcDQiLCAiMSJd"
_TIME: Final = "2026-11-23T12:15:00Z"
_MAX_FIELDS: Final = 20
_MAX_NESTED_FIELDS: Final = 250
_ETAG: Final = "9b2cf535f27731c974343645a3985328"

# Named, so that generators of clients need not invent names such as CreateUploadMethodType0.
RequestedMethod = TypeAliasType("RequestedMethod", Literal["auto", "put", "post", "multipart"])
RequestedDisposition = TypeAliasType("RequestedDisposition", Literal["attachment", "inline"])
UploadMethod = TypeAliasType("UploadMethod", Literal["put", "post", "multipart"])
UploadStatus = TypeAliasType("UploadStatus", Literal["pending", "uploading", "stored", "aborted"])
Metadata = TypeAliasType("Metadata", Annotated[dict[str, str], Field(examples=[{"album": "2026"}])])


class _Request(BaseModel):
    model_config = ConfigDict(extra="forbid")

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
    """A checksum of the whole file."""

    model_config = ConfigDict(extra="forbid")

    algorithm: checksums.Algorithm
    value: str = Field(
        description="Base64 of the checksum's bytes.",
        examples=["VcZND81vnV98goCThX4/39poR4u06b0k1IHvORx4BOg="],
    )

    @model_validator(mode="after")
    def _check_value(self) -> "Checksum":
        checksums.Checksum(self.algorithm, self.value)
        return self


class RequestedChecksum(_Request):
    """A checksum that S3 shall compare."""

    algorithm: checksums.Algorithm
    value: str | None = Field(
        default=None,
        description="Base64 of the checksum's bytes; where `method` is `multipart`, of `sha256` that over "
        "the SHA-256s of the parts. Left out only where a multipart upload begins before it is known.",
        examples=["VcZND81vnV98goCThX4/39poR4u06b0k1IHvORx4BOg="],
    )

    @model_validator(mode="after")
    def _check_value(self) -> "RequestedChecksum":
        if self.value is not None and checksums.Checksum(self.algorithm, self.value).digest != self.value:
            message = "must be base64 without the number of parts"
            raise ValueError(message)
        return self


class CreateUpload(_Request):
    """What shall be uploaded. Every field may be left out."""

    filename: str | None = Field(default=None, description="Made safe and used in the key.")
    content_type: str | None = Field(
        default=None, description="By default what the filename's extension stands for."
    )
    content_encoding: str | None = Field(
        default=None,
        description="Of a file that is compressed already, such as `gzip`. One that the policy lists.",
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
    id: str = Field(description="Opaque; names this upload in later calls.", examples=["aGFuZGxl"])
    key: str = Field(description="The whole object key.", examples=[EXAMPLE_KEY])
    bucket: str = Field(examples=["example-bucket"])
    expires_at: datetime = Field(description="When the URLs end.", examples=[_TIME])
    upload_expires_at: datetime = Field(description="When the id ends.", examples=["2026-11-24T12:00:00Z"])


class PutUpload(_Created):
    """Send the bytes by PUT."""

    method: Literal["put"]
    url: str = Field(examples=[EXAMPLE_URL])
    headers: dict[str, str] = Field(
        description="To be sent exactly so; the browser adds Host and length.",
        examples=[{"Content-Type": "image/jpeg", "If-None-Match": "*"}],
    )


class PostUpload(_Created):
    """Send the bytes as a form by POST."""

    method: Literal["post"]
    url: str = Field(examples=[EXAMPLE_URL])
    fields: dict[str, str] = Field(
        description="All of them, before the field `file`.",
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
    """A presigned PUT of one part."""

    part_number: int = Field(description="Counted from 1.", examples=[1])
    size: int = Field(description="The bytes that it must have.", examples=[8_388_608])
    url: str = Field(examples=[f"{EXAMPLE_URL}{EXAMPLE_KEY}?partNumber=1&uploadId=…"])
    headers: dict[str, str] = Field(description="To be sent exactly so.", examples=[{}])


class MultipartUpload(_Created):
    """Send the bytes in parts, each by PUT, in any order and several at once."""

    method: Literal["multipart"]
    part_size: int = Field(description="Of every part but the last, in bytes.", examples=[8_388_608])
    part_count: int = Field(examples=[3])
    parts: list[SignedPart] = Field(
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
    # From `anyOf` some generators make one type that has the fields of all variants.
    schema["oneOf"] = schema.pop("anyOf")


class BatchResult(RootModel[BatchUpload | BatchProblem]):
    """What became of one of them: an upload, or a problem."""

    model_config = ConfigDict(json_schema_extra=_one_of)


class BatchResults(BaseModel):
    """One result for each upload asked for, in their order."""

    results: list[BatchResult]


class StoredObject(BaseModel):
    """A stored object."""

    # `Object` is JavaScript's own: generators would rename it, or hide the language's.

    key: str = Field(examples=[EXAMPLE_KEY])
    bucket: str = Field(examples=["example-bucket"])
    size: int = Field(description="Bytes.", examples=[123456])
    content_type: str = Field(examples=["image/jpeg"])
    etag: str = Field(description="Without quotes.", examples=[_ETAG])
    version_id: str | None = Field(
        description="Where the bucket keeps versions.", examples=["qvJ0hFvtgYhBoxj2WUIzVGMy8fSsvBVL"]
    )
    checksum: Checksum | None = Field(description="Where the store keeps one.")
    last_modified: datetime = Field(examples=[_TIME])
    metadata: Metadata


class SignParts(_Request):
    """The parts to be signed."""

    part_numbers: list[Annotated[StrictInt, Field(ge=1, le=MAX_PARTS)]] = Field(
        min_length=1, max_length=MAX_SIGNED_PARTS, description="Counted from 1."
    )
    checksums: Annotated[list[str], Field(max_length=MAX_SIGNED_PARTS)] | None = Field(
        default=None,
        description="Theirs, in base64 and in the same order, where the upload was created with a checksum.",
    )


class SignedParts(BaseModel):
    """Presigned PUTs of parts."""

    parts: list[SignedPart]
    expires_at: datetime = Field(description="When the URLs end.", examples=[_TIME])


class ArrivedPart(BaseModel):
    """A part that S3 has."""

    part_number: int = Field(examples=[1])
    size: int = Field(description="Bytes.", examples=[8_388_608])
    etag: str = Field(examples=[_ETAG])


class SentPart(_Request):
    """A part as the client believes to have sent it."""

    part_number: Annotated[StrictInt, Field(ge=1, le=MAX_PARTS)] = Field(examples=[1])
    etag: str = Field(description="As S3 answered it.", examples=[_ETAG])


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
    key: str = Field(examples=[EXAMPLE_KEY])
    bucket: str = Field(examples=["example-bucket"])
    method: UploadMethod
    status: UploadStatus = Field(
        description="A multipart upload is `uploading` once a part has arrived, and `aborted` when S3 has "
        "forgotten it without an object of its own.",
        examples=["stored"],
    )
    upload_expires_at: datetime = Field(examples=["2026-11-24T12:00:00Z"])
    object: StoredObject | None
    part_size: int | None = Field(
        description="Of a multipart upload; null where the id came from a listing.", examples=[8_388_608]
    )
    part_count: int | None = Field(
        description="Of a multipart upload; null where the id came from a listing.", examples=[3]
    )
    parts: list[ArrivedPart] | None = Field(
        description="Those that have arrived, while a multipart upload is under way."
    )


class UnfinishedUpload(BaseModel):
    """A multipart upload that was begun, and is neither complete nor aborted."""

    id: str = Field(
        description="Serves for status and for giving it up; to go on, use the id from the creation.",
        examples=["aGFuZGxl"],
    )
    key: str = Field(description="The whole object key.", examples=[f"{_FOLDER}/video.mp4"])
    started_at: datetime = Field(examples=["2026-11-23T12:00:00Z"])


class UploadPage(BaseModel):
    """Some of your unfinished uploads."""

    uploads: list[UnfinishedUpload]
    cursor: str | None = Field(
        description="Asks for the next ones; null at the end.", examples=[EXAMPLE_UPLOAD_CURSOR]
    )


class CompletedUpload(BaseModel):
    """A verified upload."""

    object: StoredObject
    receipt: str = Field(
        description="A JWT over what was verified, for any backend to check.", examples=["eyJhbGciOi…"]
    )
    replaceable_until: datetime | None = Field(
        description=(
            "Until then, you could put other bytes in place of these; null if you cannot. "
            "9999-12-31T23:59:59Z if another upload can have the same key at any time."
        ),
        examples=[_TIME],
    )


class ListedObject(BaseModel):
    """One line of a listing."""

    key: str = Field(examples=[EXAMPLE_KEY])
    size: int = Field(description="Bytes.", examples=[123456])
    etag: str = Field(examples=[_ETAG])
    last_modified: datetime = Field(examples=[_TIME])


class ObjectPage(BaseModel):
    """Some of your objects."""

    objects: list[ListedObject]
    cursor: str | None = Field(
        description="Asks for the next ones; null at the end.", examples=[EXAMPLE_OBJECT_CURSOR]
    )


class CreateDownload(_Request):
    """What shall be downloaded."""

    key: str = Field(description="The whole key.", examples=[EXAMPLE_KEY])
    disposition: RequestedDisposition | None = Field(default=None, description="By default `attachment`.")
    filename: str | None = Field(default=None, description="By default the key's last segment.")
    expires_in: Annotated[StrictInt, Field(ge=1, le=MAX_EXPIRES_IN)] | None = Field(
        default=None, description="Seconds; cut to the most that is allowed."
    )


class Download(BaseModel):
    """A presigned GET."""

    url: str = Field(examples=[EXAMPLE_URL])
    expires_at: datetime = Field(examples=[_TIME])


class Policy(BaseModel):
    """What one kind of upload may be."""

    name: str = Field(description="As requests name it in `policy`.", examples=["default"])
    min_size: int = Field(description="Bytes.", examples=[0])
    max_size: int = Field(description="Bytes.", examples=[5_368_709_120])
    content_types: list[str] = Field(
        description="Media types and ranges (`image/*`). A type that a browser would run, such as "
        "`text/html` or `image/svg+xml`, is allowed only where it is listed itself.",
        examples=[["image/jpeg", "image/png"]],
    )
    content_encodings: list[str] = Field(
        description="Those that `content_encoding` may name.", examples=[["gzip"]]
    )
    methods: list[UploadMethod] = Field(
        description="Those that can be asked for.", examples=[["post", "put"]]
    )
    expires_in: int = Field(description="How long URLs live by default, in seconds.", examples=[900])
    max_expires_in: int = Field(description="The longest that they can live, in seconds.", examples=[3600])
    client_keys: bool = Field(description="Whether `relative_key` may be given.")
    overwrite: bool = Field(description="Whether an upload may replace an object.")
    metadata: list[str] = Field(description="The names that `metadata` may hold.", examples=[["album"]])
    checksum: ChecksumRule = Field(
        description="Whether `checksum` may or must be given.", examples=["optional"]
    )
    checksum_algorithms: list[str] = Field(
        description="Those that `checksum` may name.", examples=[["crc32", "crc32c", "crc64nvme", "sha256"]]
    )


class PolicyList(BaseModel):
    """The policies that you may use."""

    policies: list[Policy]


class CreateToken(_Request):
    """What the token shall be good for. Every field may be left out."""

    user: str | None = Field(
        default=None,
        description="Whom it speaks for; by default you. Only an API key may name somebody else.",
    )
    policies: Annotated[list[str], Field(min_length=1, max_length=50)] | None = Field(
        default=None, description="The policies that it may use; by default all of yours."
    )
    expires_in: Annotated[StrictInt, Field(ge=1)] | None = Field(
        default=None,
        description="Seconds; cut to the most that is allowed, and to the end of your credential.",
    )


class Token(BaseModel):
    """An upload token."""

    token: str = Field(description="Sent as `Authorization: Bearer`.", examples=["eyJhbGciOi…"])
    expires_at: datetime = Field(examples=["2026-11-23T12:10:00Z"])


class _ReceiptKey(BaseModel):
    kid: str = Field(
        description="The key's thumbprint (RFC 7638); a receipt's header names it.",
        examples=["kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"],
    )
    use: Literal["sig"]


class OkpKey(_ReceiptKey):
    """An Ed25519 key (RFC 8037)."""

    kty: Literal["OKP"]
    crv: Literal["Ed25519"]
    x: str = Field(
        description="The public key, base64url.", examples=["11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"]
    )
    alg: Literal["EdDSA"]


class EcKey(_ReceiptKey):
    """A P-256 key (RFC 7518 section 6.2)."""

    kty: Literal["EC"]
    crv: Literal["P-256"]
    x: str = Field(description="Base64url.", examples=["f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU"])
    y: str = Field(description="Base64url.", examples=["x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"])
    alg: Literal["ES256"]


class RsaKey(_ReceiptKey):
    """An RSA key (RFC 7518 section 6.3)."""

    kty: Literal["RSA"]
    n: str = Field(description="The modulus, base64url.", examples=["0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2…"])
    e: str = Field(description="The exponent, base64url.", examples=["AQAB"])
    alg: Literal["RS256"]


class ReceiptKey(RootModel[Annotated[OkpKey | EcKey | RsaKey, Field(discriminator="kty")]]):
    """A public key as JWK (RFC 7517)."""


class ReceiptKeys(BaseModel):
    """A JWK Set (RFC 7517 section 5)."""

    keys: list[ReceiptKey] = Field(
        description="First the key that signs now. Empty where receipts are signed with a secret."
    )


class Health(BaseModel):
    """The process is alive."""

    status: Literal["ok"]


class Ready(BaseModel):
    """Credentials and bucket have answered since the start."""

    status: Literal["ready"]
    storage: Literal["ok", "failing"] = Field(description="What the store answered last.")

"""Request and response bodies of policies, upload tokens, receipt keys and health checks."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, Field, RootModel, StrictInt

from uploadsvc.api.openapi_types import INT32, Bytes, Int32
from uploadsvc.api.v1.schema_base import RequestBody, UploadMethod
from uploadsvc.domain.policy import ChecksumRule


class Policy(BaseModel):
    """The limits of one kind of upload."""

    name: str = Field(description="Name of the policy, for `policy` in requests.", examples=["default"])
    min_size: Bytes = Field(description="Smallest size that a file may have, in bytes.", examples=[0])
    max_size: Bytes = Field(
        description="Largest size that a file may have, in bytes.", examples=[5_368_709_120]
    )
    content_types: list[str] = Field(
        description="Allowed media types and ranges (`image/*`). Types that browsers execute, such as "
        "`text/html` or `image/svg+xml`, are allowed only if they are listed by name.",
        examples=[["image/jpeg", "image/png"]],
    )
    content_encodings: list[str] = Field(
        description="Values that `content_encoding` can have.", examples=[["gzip"]]
    )
    methods: list[UploadMethod] = Field(
        description="Values that `method` can have, besides `auto`.", examples=[["post", "put"]]
    )
    expires_in: Int32 = Field(
        description="Lifetime of presigned URLs in seconds, if a request sets none.", examples=[900]
    )
    max_expires_in: Int32 = Field(
        description="Longest lifetime of presigned URLs in seconds.", examples=[3600]
    )
    client_keys: bool = Field(
        description="Whether callers may choose the object's key (`relative_key`); otherwise the policy does."
    )
    client_keys_prefix: str = Field(
        description="Folder in your key prefix for keys that callers choose; empty if there is none.",
        examples=[""],
    )
    keeps_folders: bool = Field(
        description="Whether keys keep the folders of a `filename` such as `photos/2026/a.jpg`: up to 32 "
        "folders, of 400 bytes in UTF-8 with their slashes."
    )
    overwrite: bool = Field(
        description="Whether an upload may replace an object that has its key, if the request does not say."
    )
    metadata: list[str] = Field(
        description="Names that requests can use in `metadata`.", examples=[["album"]]
    )
    checksum: ChecksumRule = Field(
        description="Whether a request may (`optional`), must (`required`) or must not (`off`) have a "
        "`checksum`.",
        examples=["optional"],
    )
    checksum_algorithms: list[str] = Field(
        description="Algorithms that `checksum` can have.",
        examples=[["crc32", "crc32c", "crc64nvme", "sha256"]],
    )


class PolicyList(BaseModel):
    """Your policies."""

    policies: list[Policy] = Field(description="The policies that you can use.")


class CreateToken(RequestBody):
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

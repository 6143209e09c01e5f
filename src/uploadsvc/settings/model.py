"""The settings model. Names and defaults are the contract; `make docs` writes `docs/settings.md` from it."""

from typing import Annotated, Literal

from pydantic import Field, SecretStr

from uploadsvc.domain.policy import MAX_EXPIRES_IN
from uploadsvc.settings.auth import AuthSettings
from uploadsvc.settings.policies import PolicySettings
from uploadsvc.settings.section import Section
from uploadsvc.settings.values import Names, Pem, SecretPem, matching

MAX_TOKEN_SECONDS = 86_400


class S3Settings(Section):
    """The bucket and how to reach it."""

    bucket: Annotated[
        str,
        matching(r"[A-Za-z0-9][A-Za-z0-9._-]{1,253}[A-Za-z0-9]", "a bucket name: letters, digits, . - _"),
    ]
    """Name of the bucket."""

    region: Annotated[str, matching(r"[A-Za-z0-9-]{1,64}", "a region, for example eu-central-1")] | None = (
        None
    )
    """Region of the bucket. Required unless `endpoint_url` is set; then `us-east-1` is assumed, or `auto` on
    R2 and GCS.
    """

    endpoint_url: str | None = None
    """URL at which the service reaches S3, such as `https://s3.example.com`. If not set: AWS."""

    public_endpoint_url: str | None = None
    """URL at which browsers reach S3, if it is a different one."""

    addressing_style: Literal["auto", "path", "virtual"] = "auto"
    """Whether URLs name the bucket in the host (`virtual`) or in the path (`path`). `auto` uses the host on
    AWS, unless the bucket's name contains a dot, and the path on other stores.
    """

    access_key_id: str | None = None
    """Access key, set together with `secret_access_key`. If neither is set, credentials come from the usual
    AWS chain and are renewed automatically.
    """

    secret_access_key: SecretStr | None = None
    """Secret of `access_key_id`."""

    session_token: SecretStr | None = None
    """Session token for temporary keys. It is not renewed."""

    provider: (
        Literal["aws", "generic", "r2", "b2", "gcs", "minio", "ceph", "seaweedfs", "localstack"] | None
    ) = None
    """Kind of store, which determines [what it can do](providers.md). If not set: `aws`, or `generic` if
    `endpoint_url` is set.
    """


class ReceiptSettings(Section):
    """Receipts for completed uploads ([how to verify them](receipts.md))."""

    secret: SecretStr | None = None
    """Secret that signs receipts with HS256; at least 32 bytes. If neither this nor `private_key` is set, a
    key derived from the secret key signs them.
    """

    private_key: SecretPem | None = None
    """Private key that signs receipts: Ed25519, EC P-256, or RSA with at least 2048 bits."""

    public_keys: tuple[Pem, ...] = ()
    """Retired and future public keys, published together with that of `private_key`."""

    issuer: str = "uploadsvc"
    """`iss` of receipts."""

    audience: str = "uploadsvc-receipts"
    """`aud` of receipts."""

    expires_in: int = Field(default=86_400, ge=1)
    """Lifetime of a receipt in seconds."""


class TokenSettings(Section):
    """Upload tokens, issued by `POST /v1/tokens`."""

    expires_in: int = Field(default=900, ge=1, le=MAX_TOKEN_SECONDS)
    """Lifetime in seconds, if the request does not set one."""

    max_expires_in: int = Field(default=3600, ge=1, le=MAX_TOKEN_SECONDS)
    """Longest lifetime in seconds that a request can ask for."""


class ObjectSettings(Section):
    """Stored objects."""

    delete: bool = False
    """Let callers delete their own objects. The service then needs `s3:DeleteObject`."""


class DownloadSettings(Section):
    """Download URLs, issued by `POST /v1/downloads`."""

    expires_in: int = Field(default=300, ge=1, le=MAX_EXPIRES_IN)
    """Lifetime in seconds, if the request does not set one."""

    max_expires_in: int = Field(default=3600, ge=1, le=MAX_EXPIRES_IN)
    """Longest lifetime in seconds that a request can ask for."""


class CorsSettings(Section):
    """Origins of the pages that call this API. The bucket needs [its own CORS rule](bucket.md)."""

    allow_origins: Names = ()
    """Origins such as `https://app.example.com`, or `*` for any."""

    allow_credentials: bool = False
    """Let pages of these origins send cookies. Not possible with `*`."""


class UppySettings(Section):
    """Temporary S3 credentials for Uppy's [`getCredentials`](uppy.md#temporary-credentials)."""

    credentials: bool = False
    """Issue temporary S3 credentials for the caller's own prefix. Policies do not limit the size or type of
    what is uploaded with them.
    """

    role_arn: Annotated[str, matching(r"[\x21-\x7e]{20,2048}", "a role ARN")] | None = None
    """Role that the service assumes for them. If not set, it asks for a federation token, which only AWS has,
    and only for an IAM user.
    """

    sts_endpoint_url: str | None = None
    """URL of the token service (STS). If not set: `s3.endpoint_url`, or AWS."""

    credentials_expires_in: int = Field(default=3600, ge=900, le=43_200)
    """Lifetime of the credentials in seconds."""


class Settings(Section):
    """General."""

    secret_key: SecretStr | None = None
    """Secret from which the keys for upload ids and tokens are derived. At least 32 bytes, the same on every
    replica. Required unless `secret_keys` is set.
    """

    secret_keys: tuple[SecretStr, ...] = ()
    """Secret keys to use instead of `secret_key` during a rotation. The first one signs, all of them verify.
    """

    s3: S3Settings

    key_prefix: str = "uploads"
    """Prefix of all object keys. Each user has their own prefix below it."""

    public_url: str | None = None
    """URL at which callers reach the service, such as `https://uploads.example.com`. Better Upload needs it
    behind a proxy that terminates TLS. If not set, it is taken from each request.
    """

    auth: AuthSettings = AuthSettings()
    policies: dict[str, PolicySettings] = Field(default={"default": PolicySettings()}, min_length=1)
    objects: ObjectSettings = ObjectSettings()
    downloads: DownloadSettings = DownloadSettings()
    receipts: ReceiptSettings = ReceiptSettings()
    tokens: TokenSettings = TokenSettings()
    cors: CorsSettings = CorsSettings()
    uppy: UppySettings = UppySettings()

    demo: bool = False
    """Serve the demo page, on which anyone can upload as one of two demo users. Never use it in production.
    """

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
    """The bucket, and how it is reached."""

    bucket: Annotated[
        str,
        matching(r"[A-Za-z0-9][A-Za-z0-9._-]{1,253}[A-Za-z0-9]", "a bucket's name: letters, digits, . - _"),
    ]
    """The bucket."""

    region: Annotated[str, matching(r"[A-Za-z0-9-]{1,64}", "a region, for example eu-central-1")] | None = (
        None
    )
    """The bucket's region. Needed, unless there is an `endpoint_url`: then us-east-1, or auto on R2 and
    GCS.
    """

    endpoint_url: str | None = None
    """Where the service reaches S3, such as `https://s3.example.com`; not set: AWS."""

    public_endpoint_url: str | None = None
    """Where browsers reach S3, when that is another address."""

    addressing_style: Literal["auto", "path", "virtual"] = "auto"
    """Where the bucket's name stands in URLs: `auto` takes the host name on AWS where TLS allows it, else the
    path.
    """

    access_key_id: str | None = None
    """Goes with `secret_access_key`; without both, the usual AWS chain is asked, and its credentials are
    renewed.
    """

    secret_access_key: SecretStr | None = None
    """The secret of `access_key_id`."""

    session_token: SecretStr | None = None
    """Where the two are a session's. Nobody renews it."""

    provider: (
        Literal["aws", "generic", "r2", "b2", "gcs", "minio", "ceph", "seaweedfs", "localstack"] | None
    ) = None
    """What the store can do ([see there](providers.md)); not set: `aws`, or `generic` with an `endpoint_url`.
    """


class ReceiptSettings(Section):
    """Receipts of completed uploads ([how to check one](receipts.md))."""

    secret: SecretStr | None = None
    """Signs receipts by HS256, 32 bytes or more; with neither this nor `private_key`, a key derived from the
    secret key does.
    """

    private_key: SecretPem | None = None
    """Signs receipts: Ed25519, EC P-256, or RSA of 2048 bits or more."""

    public_keys: tuple[Pem, ...] = ()
    """Retired and coming keys, published beside that of `private_key`."""

    issuer: str = "uploadsvc"
    """The receipts' `iss`."""

    audience: str = "uploadsvc-receipts"
    """The receipts' `aud`."""

    expires_in: int = Field(default=86_400, ge=1)
    """How many seconds a receipt is good for."""


class TokenSettings(Section):
    """Upload tokens (`POST /v1/tokens`)."""

    expires_in: int = Field(default=900, ge=1, le=MAX_TOKEN_SECONDS)
    """How many seconds one lives when a request does not say."""

    max_expires_in: int = Field(default=3600, ge=1, le=MAX_TOKEN_SECONDS)
    """The most seconds that a request may ask for."""


class ObjectSettings(Section):
    """What callers may do with stored objects."""

    delete: bool = False
    """May callers delete their own? The service's own rights need `s3:DeleteObject` then."""


class DownloadSettings(Section):
    """Download URLs (`POST /v1/downloads`)."""

    expires_in: int = Field(default=300, ge=1, le=MAX_EXPIRES_IN)
    """How many seconds one lives when a request does not say."""

    max_expires_in: int = Field(default=3600, ge=1, le=MAX_EXPIRES_IN)
    """The most seconds that a request may ask for."""


class CorsSettings(Section):
    """Origins of the single-page apps that call this API; the bucket has a CORS rule of its own."""

    allow_origins: Names = ()
    """Origins such as `https://app.example.com`; `*` for any."""

    allow_credentials: bool = False
    """May they send cookies? Not with `*`."""


class UppySettings(Section):
    """What Uppy is served beyond uploads by policy."""

    credentials: bool = False
    """May callers have temporary S3 credentials? They upload below the caller's own prefix alone, but past
    what policies say of size and type.
    """

    role_arn: Annotated[str, matching(r"[\x21-\x7e]{20,2048}", "a role's ARN")] | None = None
    """The role that is assumed for them; not set: federation, which AWS alone has, for an IAM user."""

    sts_endpoint_url: str | None = None
    """Where the token service (STS) is; not set: `s3.endpoint_url`, or AWS."""

    credentials_expires_in: int = Field(default=3600, ge=900, le=43_200)
    """How many seconds they live."""


class Settings(Section):
    """The service itself."""

    secret_key: SecretStr | None = None
    """Ids and tokens are sealed with keys derived from it: 32 bytes or more, the same on every replica. This
    or `secret_keys` is needed.
    """

    secret_keys: tuple[SecretStr, ...] = ()
    """In place of `secret_key`, for a rotation: the first seals, all open."""

    s3: S3Settings

    key_prefix: str = "uploads"
    """The key prefix below which every user has one."""

    public_url: str | None = None
    """Where callers reach the service, such as `https://uploads.example.com`. Better Upload needs it behind a
    proxy that ends TLS; not set: as each request came.
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
    """Serve the demo page, where anyone uploads as one of two demo users; never in production."""

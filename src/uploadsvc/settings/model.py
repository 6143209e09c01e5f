"""The settings model. Names and defaults are the contract; `docs/settings` and the README quote them."""

from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, SecretStr

from uploadsvc.domain.keys import KeyTemplate
from uploadsvc.domain.policy import MAX_EXPIRES_IN, Acl, ChecksumRule, Disposition, Encryption, Method, Policy
from uploadsvc.domain.providers import GIB
from uploadsvc.settings.values import Names, Pem, SecretPem, Size, matching, split_list

ENV_PREFIX = "UPLOADSVC_"
ENV_DELIMITER = "__"

MAX_TOKEN_SECONDS = 86_400

# What RFC 9110 section 5.6.2 calls a token: names of headers and of cookies.
_NAME = r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,128}"


class SettingsError(ValueError):
    """A setting that stops the start, said in one line.

    Args:
        path: Where it is: ``("s3", "bucket")`` is ``UPLOADSVC_S3__BUCKET``.
        message: What was wrong, and what is allowed; never holds the value of a secret.
    """

    def __init__(self, path: tuple[str, ...], message: str) -> None:
        self.variable = ENV_PREFIX + ENV_DELIMITER.join(part.upper() for part in path) if path else "settings"
        super().__init__(f"{self.variable}: {message}")


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class S3Settings(_Section):
    """The bucket, and how it is reached."""

    bucket: Annotated[
        str,
        matching(r"[A-Za-z0-9][A-Za-z0-9._-]{1,253}[A-Za-z0-9]", "a bucket's name: letters, digits, . - _"),
    ]
    region: Annotated[str, matching(r"[A-Za-z0-9-]{1,64}", "a region, for example eu-central-1")] | None = (
        None
    )
    endpoint_url: str | None = None
    public_endpoint_url: str | None = None
    addressing_style: Literal["auto", "path", "virtual"] = "auto"
    access_key_id: str | None = None
    secret_access_key: SecretStr | None = None
    session_token: SecretStr | None = None
    provider: (
        Literal["aws", "generic", "r2", "b2", "gcs", "minio", "ceph", "seaweedfs", "localstack"] | None
    ) = None


class JwtSettings(_Section):
    """Bearer tokens."""

    secret: SecretStr | None = None
    public_key: Pem | None = None
    jwks_url: str | None = None
    issuer: str | None = None
    cookie: Annotated[str, matching(_NAME, "a cookie's name")] | None = None
    audience: str | None = None
    algorithms: Names = ()
    user_claim: str = Field(default="sub", min_length=1)


class ApiKeySettings(_Section):
    """One service's key."""

    name: str = Field(min_length=1, max_length=128)
    sha256: Annotated[str, matching("[0-9a-fA-F]{64}", "the key's SHA-256 in 64 hexadecimal digits")]
    policies: tuple[str, ...] = ("*",)


class AuthSettings(_Section):
    """Who may call."""

    jwt: JwtSettings = JwtSettings()
    api_keys: tuple[ApiKeySettings, ...] = ()
    trusted_header: Annotated[str, matching(_NAME, "a header's name")] | None = None
    trusted_proxies: Names = ()


class ReceiptSettings(_Section):
    """Receipts of completed uploads."""

    secret: SecretStr | None = None
    private_key: SecretPem | None = None
    public_keys: tuple[Pem, ...] = ()
    issuer: str = "uploadsvc"
    audience: str = "uploadsvc-receipts"
    expires_in: int = Field(default=86_400, ge=1)


class TokenSettings(_Section):
    """Upload tokens, in seconds."""

    expires_in: int = Field(default=900, ge=1, le=MAX_TOKEN_SECONDS)
    max_expires_in: int = Field(default=3600, ge=1, le=MAX_TOKEN_SECONDS)


class ObjectSettings(_Section):
    """What callers may do with stored objects."""

    delete: bool = False


class DownloadSettings(_Section):
    """Download URLs, in seconds."""

    expires_in: int = Field(default=300, ge=1, le=MAX_EXPIRES_IN)
    max_expires_in: int = Field(default=3600, ge=1, le=MAX_EXPIRES_IN)


class CorsSettings(_Section):
    """Origins of the single-page apps that call this API."""

    allow_origins: Names = ()
    allow_credentials: bool = False


class PolicySettings(_Section):
    """One upload policy; see `uploadsvc.domain.policy.Policy` for what each field does."""

    min_size: Size = 0
    max_size: Size = 5 * GIB
    content_types: Annotated[frozenset[str], BeforeValidator(split_list)] = frozenset({"*/*"})
    methods: Annotated[frozenset[Method], BeforeValidator(split_list)] = frozenset(
        {"put", "post", "multipart"}
    )
    expires_in: int = 900
    max_expires_in: int | None = None
    key: str = "{uuid}/{filename}"
    client_keys: bool = False
    overwrite: bool = False
    metadata: dict[str, str | None] = {}
    acl: Acl | None = None
    storage_class: str | None = None
    server_side_encryption: Encryption | None = None
    kms_key_id: str | None = None
    cache_control: str | None = None
    content_disposition: Disposition | None = None
    tags: dict[str, str] = {}
    checksum: ChecksumRule = "optional"
    multipart_threshold: Size = 64 * 1024**2
    multipart_expires_in: int = 604_800
    part_size: Size = 8 * 1024**2
    unsized_multipart: bool = False

    def policy(self, name: str) -> Policy:
        """Return the policy, unchecked.

        Raises:
            SettingsError: The key template is none.
        """
        try:
            key = KeyTemplate(self.key)
        except ValueError as error:
            raise SettingsError(("policies", name, "key"), str(error)) from None
        fields = {field: getattr(self, field) for field in type(self).model_fields}
        fields["content_types"] = frozenset(pattern.lower() for pattern in self.content_types)
        if self.max_expires_in is None:
            # One hour is the most by default, unless the operator's own figure is higher.
            fields["max_expires_in"] = max(3600, self.expires_in)
        return Policy(**{**fields, "name": name, "key": key})


class Settings(_Section):
    """All that an operator can set."""

    secret_key: SecretStr | None = None
    secret_keys: tuple[SecretStr, ...] = ()
    s3: S3Settings
    key_prefix: str = "uploads"
    public_url: str | None = None
    auth: AuthSettings = AuthSettings()
    policies: dict[str, PolicySettings] = Field(default={"default": PolicySettings()}, min_length=1)
    objects: ObjectSettings = ObjectSettings()
    downloads: DownloadSettings = DownloadSettings()
    receipts: ReceiptSettings = ReceiptSettings()
    tokens: TokenSettings = TokenSettings()
    cors: CorsSettings = CorsSettings()
    demo: bool = False

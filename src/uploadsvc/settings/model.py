"""The settings model. Names and defaults are part of the contract; `docs/settings.md` is generated."""

from collections.abc import Iterator
from typing import Annotated, ClassVar, Final, Self

from pydantic import Field, SecretStr, field_validator

from uploadsvc.domain.endpoints import base_url, bucket_endpoint
from uploadsvc.domain.errors import InvalidKey
from uploadsvc.domain.hosts import is_loopback
from uploadsvc.domain.keys import Namespace, check_key
from uploadsvc.domain.policies import check_apart, check_tags, check_unclaimed_days
from uploadsvc.domain.policy import MAX_EXPIRES_IN, PolicyError
from uploadsvc.settings.auth import AuthSettings
from uploadsvc.settings.events import EventSettings
from uploadsvc.settings.limits import LimitSettings
from uploadsvc.settings.logs import LogSettings
from uploadsvc.settings.metrics import MetricsSettings
from uploadsvc.settings.policies import PolicySettings
from uploadsvc.settings.s3 import S3Settings
from uploadsvc.settings.server import ServerSettings
from uploadsvc.settings.types import (
    Pem,
    Secret,
    SecretPem,
    Section,
    SettingsError,
    Text,
    check,
    matching,
    variable,
)
from uploadsvc.settings.web import CorsSettings, Hosts
from uploadsvc.tokens.derived_keys import MIN_SECRET_BYTES

DEMO_SECRET: Final = "a-key-for-the-demo-alone-never-in-production"  # noqa: S105 - public
"""The secret key in docker-compose.yml."""

MAX_TOKEN_SECONDS: Final = 86_400
MAX_PREFIX_BYTES: Final = 256


class ReceiptSettings(Section):
    """Receipts for completed uploads ([how to verify them](receipts.md))."""

    secret: Secret | None = None
    """HS256 secret that signs receipts; at least 32 bytes. If neither this nor `private_key` is set, they are
    signed with a key derived from the secret key.
    """

    private_key: SecretPem | None = None
    """Private key that signs receipts: Ed25519, EC P-256, or RSA with at least 2048 bits."""

    public_keys: tuple[Pem, ...] = ()
    """Retired and future public keys, published with the public half of `private_key`."""

    issuer: Text = "uploadsvc"
    """`iss` of receipts."""

    audience: Text = "uploadsvc-receipts"
    """`aud` of receipts."""

    expires_in: int = Field(default=86_400, ge=1)
    """Lifetime of a receipt in seconds."""

    @check
    def _check_keys(self) -> Self:
        # An empty key counts as set: it must not be replaced silently by a derived one.
        if self.private_key is not None and self.secret is not None:
            message = "set this or UPLOADSVC_RECEIPTS__SECRET, not both"
            raise SettingsError(("receipts", "private_key"), message)
        if self.public_keys and self.private_key is None:
            message = (
                "requires UPLOADSVC_RECEIPTS__PRIVATE_KEY: keys are published only where receipts "
                "are signed with one"
            )
            raise SettingsError(("receipts", "public_keys"), message)
        if self.secret is not None:
            _check_length(("receipts", "secret"), self.secret)
        return self


class _Lifetimes(Section):
    _name: ClassVar[str]

    expires_in: int
    max_expires_in: int

    @check
    def _check_lifetimes(self) -> Self:
        # A default above the maximum is lowered; a value that the operator set is an error.
        if "expires_in" in self.model_fields_set and self.expires_in > self.max_expires_in:
            message = f"{self.expires_in} is above max_expires_in ({self.max_expires_in})"
            raise SettingsError((self._name, "expires_in"), message)
        return self


class TokenSettings(_Lifetimes):
    """Upload tokens, issued by `POST /v1/tokens`."""

    _name = "tokens"

    expires_in: int = Field(default=900, ge=1, le=MAX_TOKEN_SECONDS)
    """Lifetime in seconds, unless the request sets one."""

    max_expires_in: int = Field(default=3600, ge=1, le=MAX_TOKEN_SECONDS)
    """Maximum lifetime in seconds that a request can set."""


class ObjectSettings(Section):
    """Stored objects."""

    delete: bool = False
    """Let callers delete their own objects. Requires `s3:DeleteObject`."""


class DownloadSettings(_Lifetimes):
    """Download URLs, issued by `POST /v1/downloads`."""

    _name = "downloads"

    expires_in: int = Field(default=300, ge=1, le=MAX_EXPIRES_IN)
    """Lifetime in seconds, unless the request sets one."""

    max_expires_in: int = Field(default=3600, ge=1, le=MAX_EXPIRES_IN)
    """Maximum lifetime in seconds that a request can set."""


class UppySettings(Section):
    """Temporary S3 credentials for Uppy's [`getCredentials`](uppy.md#temporary-credentials)."""

    credentials: bool = False
    """Issue temporary S3 credentials for the caller's own prefix. Policies do not limit the size or type of
    uploads made with them.
    """

    role_arn: Annotated[str, matching(r"[\x21-\x7e]{20,2048}", "a role ARN")] | None = None
    """Role that the service assumes to issue them. If not set, it requests a federation token, which only AWS
    has and only an IAM user can get.
    """

    sts_endpoint_url: str | None = None
    """URL of the token service (STS). If not set: `s3.endpoint_url`, or AWS."""

    credentials_expires_in: int = Field(default=3600, ge=900, le=43_200)
    """Lifetime of the credentials in seconds."""


class Settings(Section):
    """General."""

    secret_key: Secret | None = None
    """Secret that the keys of upload ids and tokens are derived from. At least 32 bytes, the same on every
    replica. Required unless `secret_keys` is set.
    """

    secret_keys: tuple[Secret, ...] = ()
    """Secret keys to use instead of `secret_key` during a rotation. The first one signs; all of them verify.
    """

    s3: S3Settings

    key_prefix: Text = "uploads"
    """Prefix of all object keys. Each user has their own prefix below it."""

    public_url: str | None = None
    """Public URL of the service, such as `https://uploads.example.com`, shown in the OpenAPI document. Better
    Upload needs it behind a proxy that terminates TLS. If not set, it is taken from each request.
    """

    auth: AuthSettings = AuthSettings()
    policies: dict[str, PolicySettings] = Field(default={"default": PolicySettings()}, min_length=1)
    objects: ObjectSettings = ObjectSettings()
    downloads: DownloadSettings = DownloadSettings()
    receipts: ReceiptSettings = ReceiptSettings()
    tokens: TokenSettings = TokenSettings()
    events: EventSettings = EventSettings()
    cors: CorsSettings = CorsSettings()
    limits: LimitSettings = LimitSettings()
    uppy: UppySettings = UppySettings()
    log: LogSettings = LogSettings()
    server: ServerSettings = ServerSettings()
    metrics: MetricsSettings = MetricsSettings()

    docs: bool = True
    """Serve the API's documentation at `/docs`, its OpenAPI document at `/openapi.json`, and a page at `/`
    that links to both. The pages at `/problems`, to which [errors](problems.md) lead, are always served."""

    demo: bool = False
    """Serve the demo page, where anyone can upload as one of two demo users. Never use it in production. It
    cannot be combined with `auth` settings, and is only available on this machine unless `demo_hosts` is set.
    """

    demo_hosts: Hosts = ()
    """Hosts, without a port, at which other machines can open the demo page, such as `demo.example.com`.
    Anyone who can reach it can upload.
    """

    @property
    def secrets(self) -> list[bytes]:
        """The secret keys: the first signs, all verify."""
        keys = self.secret_keys or ((self.secret_key,) if self.secret_key else ())
        return [key.get_secret_value().encode() for key in keys]

    @property
    def carries_claims(self) -> bool:
        """Whether objects carry the claims of their uploads."""
        waits = any(policy.available_when for policy in self.policies.values())
        return self.events.enabled or waits

    @property
    def namespace(self) -> Namespace:
        """The key prefix."""
        return Namespace(self.key_prefix)

    @field_validator("key_prefix")
    @classmethod
    def _check_key_prefix(cls, value: str) -> str:
        try:
            check_key(value, field="key_prefix")
        except InvalidKey as error:
            message = f"{error.detail} Write it like 'uploads'."
            raise ValueError(message) from None
        if len(value.encode()) > MAX_PREFIX_BYTES:
            message = f"at most {MAX_PREFIX_BYTES} bytes"
            raise ValueError(message)
        return value

    @field_validator("public_url")
    @classmethod
    def _check_public_url(cls, value: str | None) -> str | None:
        return None if value is None else base_url(value, name="public URL")

    def check_demo_address(self, host: str) -> None:
        """Check that a demo may listen on this address.

        Raises:
            SettingsError: Other machines could reach it, but `demo_hosts` is not set.
        """
        if self.demo and not self.demo_hosts and not is_loopback(host):
            message = (
                f"missing; a demo that listens on {host} gives anyone in the network a token, so name the "
                "hosts at which it may be opened, for example localhost"
            )
            raise SettingsError(("demo_hosts",), message)

    @check
    def _check_demo(self) -> Self:
        if not self.demo:
            if self.demo_hosts:
                raise SettingsError(("demo_hosts",), "requires UPLOADSVC_DEMO")
            return self
        if way := self.auth.first_kind:
            name = variable("auth", way)
            message = f"the demo signs anyone in, so it cannot be on beside {name}; unset one of them"
            raise SettingsError(("demo",), message)
        return self

    @check
    def _check_shared_origins(self) -> Self:
        if self.cors.allow_credentials or self.auth.jwt.cookie or self.auth.trusted_header:
            self.cors.refuse_shared_domains()
        return self

    @check
    def _check_secrets(self) -> Self:
        if self.secret_key and self.secret_keys:
            raise SettingsError(("secret_keys",), "set this or UPLOADSVC_SECRET_KEY, not both")
        for key in self.secret_keys:
            self._check_secret(("secret_keys",), key)
        if self.secret_key:
            self._check_secret(("secret_key",), self.secret_key)
        return self

    def _check_secret(self, path: tuple[str, ...], secret: SecretStr) -> None:
        _check_length(path, secret)
        if not self.demo and secret.get_secret_value() == DEMO_SECRET:
            message = "is the demo's, with which anyone could make ids and tokens; create your own"
            raise SettingsError(path, message)

    @check
    def _check_receipt_secret(self) -> Self:
        if self.receipts.secret is None:
            return self
        secret, login = self.receipts.secret.get_secret_value(), self.auth.jwt.secret
        if login is not None and login.get_secret_value() == secret:
            message = (
                "is the same as UPLOADSVC_AUTH__JWT__SECRET: whoever verifies receipts could sign anyone in"
            )
            raise SettingsError(("receipts", "secret"), message)
        if secret.encode() in self.secrets:
            message = "is a secret key of the service: whoever verifies receipts could make ids and tokens"
            raise SettingsError(("receipts", "secret"), message)
        return self

    @check
    def _check_policies(self) -> Self:
        errors = []
        for name, settings in self.policies.items():
            try:
                settings.policy(name).check(provider=self.s3.store, namespace=self.namespace)
            except PolicyError as error:
                errors.append(SettingsError(("policies", name, error.field), error.message))
            except SettingsError as error:
                errors.append(error)
        errors += [
            SettingsError(path, f"there is no policy {policy!r}")
            for path, policy in self._named_policies()
            if policy != "*" and policy not in self.policies
        ]
        if errors:
            raise SettingsError.together(errors)
        try:
            policies = [settings.policy(name) for name, settings in self.policies.items()]
            check_apart(policies)
            check_unclaimed_days(policies)
            check_tags(policies)
        except PolicyError as error:
            raise SettingsError(("policies", error.policy, error.field), error.message) from None
        return self

    def _named_policies(self) -> Iterator[tuple[tuple[str, ...], str]]:
        """Yield each policy name in other sections, with the path of its setting."""
        for index, key in enumerate(self.auth.api_keys):
            yield from ((("auth", "api_keys", str(index), "policies"), name) for name in key.policies)
        for index, webhook in enumerate(self.events.webhooks):
            yield from ((("events", "webhooks", str(index), "policies"), name) for name in webhook.policies)

    @check
    def _check_uppy(self) -> Self:
        uppy, path = self.uppy, ("uppy", "credentials")
        if not uppy.credentials:
            if uppy.role_arn or uppy.sts_endpoint_url:
                raise SettingsError(path, "must be true where a role or an STS endpoint is set")
            return self
        for name, policy in self.policies.items():
            for field in ("quota", "max_unfinished"):
                if getattr(policy, field) is not None:
                    message = (
                        "cannot be kept beside UPLOADSVC_UPPY__CREDENTIALS: uploads with S3 credentials are "
                        "not counted; unset one of them"
                    )
                    raise SettingsError(("policies", name, field), message)
        if not self.s3.store.session_policies:
            store = self.s3.store.name
            message = f"{store} has no token service (STS) that enforces session policies; leave it false"
            raise SettingsError(path, message)
        if uppy.role_arn is None and (uppy.sts_endpoint_url or self.s3.endpoint_url) is not None:
            message = "missing; only AWS's own STS works without a role"
            raise SettingsError(("uppy", "role_arn"), message)
        if uppy.sts_endpoint_url is not None:
            try:
                bucket_endpoint(endpoint_url=uppy.sts_endpoint_url, bucket=self.s3.bucket, style="path")
            except ValueError as error:
                raise SettingsError(("uppy", "sts_endpoint_url"), str(error)) from None
        return self


def _check_length(path: tuple[str, ...], secret: SecretStr) -> None:
    size = len(secret.get_secret_value().encode())
    if size < MIN_SECRET_BYTES:
        raise SettingsError(path, f"has {size} bytes; {MIN_SECRET_BYTES} or more are needed")

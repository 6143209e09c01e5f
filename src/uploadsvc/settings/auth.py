"""Authentication settings."""

from hashlib import sha256
from typing import Annotated, Final, Literal

from pydantic import AfterValidator, Field

from uploadsvc.auth.jwks import MIN_KEYS_MAX_AGE
from uploadsvc.auth.trusted_header import Network, trusted_networks
from uploadsvc.settings.types import (
    Names,
    Pem,
    Secret,
    Section,
    SettingsError,
    Text,
    check,
    clean,
    matching,
)

KeyKind = Literal["secret", "public_key", "jwks_url", "issuer"]

_RESERVED_HEADERS: Final = frozenset(
    {
        *("accept", "authorization", "connection", "content-length", "content-type", "cookie", "forwarded"),
        *("host", "origin", "referer", "sec-fetch-site", "user-agent", "x-api-key", "x-forwarded-for"),
        *("x-on-behalf-of", "x-request-id"),
    }
)

_EMPTY_KEY: Final = sha256(b"").hexdigest()

# A token of RFC 9110 section 5.6.2: header and cookie names.
_NAME = r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,128}"


class JwtSettings(Section):
    """JWTs of your identity provider, verified by `secret`, `public_key`, `jwks_url` or `issuer`."""

    secret: Secret | None = None
    """HMAC secret of the JWTs; at least 32 bytes."""

    public_key: Pem | None = None
    """Public key of the JWTs: RSA with at least 2048 bits, EC (P-256, P-384, P-521) or Ed25519."""

    jwks_url: Text | None = None
    """URL of the public keys (a JWK Set)."""

    issuer: Text | None = None
    """Required value of `iss`. If none of the other three is set, the keys come from this OIDC issuer's
    discovery document.
    """

    cookie: Annotated[str, matching(_NAME, "a cookie name")] | None = None
    """Name of a cookie that can carry the JWT. Writes with a cookie must come from the same origin, from that
    of `public_url`, or from one of `cors.allow_origins`.
    """

    audience: Names = ()
    """Audiences; `aud` must be or contain one of them. Required with `jwks_url`, and with `issuer` alone."""

    audience_claim: Text = Field(default="aud", min_length=1)
    """Claim that names the audience, if it is not `aud`: `client_id` in the access tokens of Amazon Cognito,
    `azp` in the session tokens of Clerk. If a token also has `aud`, it must match too.
    """

    algorithms: Names = ()
    """Accepted algorithms. If none are listed: HS256 with a secret, the key's own with a public key, and all
    asymmetric ones with published keys.
    """

    user_claim: Text = Field(default="sub", min_length=1)
    """Claim that holds the user."""

    allow_integer_user: bool = False
    """Accept a user that is an integer. The user 17 and the user `"17"` then share one prefix."""

    quotas_claim: Text | None = Field(default=None, min_length=1)
    """Claim with a user's own [quotas](limits.md#quotas-of-single-users), such as `uploadsvc_quotas`, in
    place of the policies'. If not set, tokens cannot change quotas.
    """

    leeway: int = Field(default=30, ge=0, le=300)
    """Allowed clock difference in seconds: tokens are accepted that long before `nbf` and after `exp`."""

    keys_max_age: int = Field(default=86_400, ge=MIN_KEYS_MAX_AGE, le=2_592_000)
    """Seconds to keep using published keys if they cannot be fetched again. They are fetched every 10
    minutes. After this time, calls get a 503, so that a withdrawn key is not trusted forever.
    """

    @property
    def key_kind(self) -> KeyKind | None:
        """The setting that the keys come from; ``None`` if JWTs are off."""
        for name in ("secret", "public_key", "jwks_url", "issuer"):
            if getattr(self, name) is not None:
                return name
        return None

    @check
    def _check_keys(self) -> None:
        keys = [name for name in ("secret", "public_key", "jwks_url") if getattr(self, name) is not None]
        if len(keys) > 1:
            first = f"UPLOADSVC_AUTH__JWT__{keys[0].upper()}"
            raise SettingsError(("auth", "jwt", keys[1]), f"set this or {first}, not both")
        if self.key_kind is None and (self.audience or self.algorithms or self.cookie):
            message = (
                "audience, algorithms and cookie need SECRET, PUBLIC_KEY, JWKS_URL or ISSUER beside them"
            )
            raise SettingsError(("auth", "jwt"), message)
        if self.audience_claim != "aud" and not self.audience:
            message = f"missing; the values of {self.audience_claim!r} (AUDIENCE_CLAIM) that are accepted"
            raise SettingsError(("auth", "jwt", "audience"), message)
        if self.key_kind in {"jwks_url", "issuer"} and not self.audience:
            message = "missing; published keys sign for many services, so tokens must name this one (aud)"
            raise SettingsError(("auth", "jwt", "audience"), message)


class ApiKeySettings(Section):
    """API keys of services. They send `X-API-Key`, and `X-On-Behalf-Of` for the user."""

    name: str = Field(min_length=1, max_length=128)
    """Name of the service, for the logs."""

    sha256: Annotated[
        str, AfterValidator(clean), matching("[0-9a-fA-F]{64}", "the key's SHA-256 in 64 hexadecimal digits")
    ]
    """Hash of the key: `printf %s "$KEY" | sha256sum`. The key itself is not stored."""

    policies: tuple[str, ...] = ("*",)
    """Policies that the key can use. Unless `*` is listed, it cannot access stored objects."""

    all_users: bool = False
    """Let the key [list the objects of all users](backends.md#all-users) (`GET /v1/objects/all`), for example
    for a support tool. Needs all policies.
    """


class AuthSettings(Section):
    """Authentication. At least one kind must be set."""

    jwt: JwtSettings = JwtSettings()
    api_keys: tuple[ApiKeySettings, ...] = ()

    trusted_header: Annotated[str, matching(_NAME, "a header name")] | None = None
    """Header in which a proxy names the user it has signed in, such as `X-Forwarded-User`."""

    trusted_proxies: Names = ()
    """Proxies in front of the service, as CIDRs such as `10.0.0.0/24`. They may set `trusted_header`, which
    requires this setting, and their `X-Forwarded-For` names the client's address.
    """

    @property
    def trusted_networks(self) -> tuple[Network, ...]:
        """`trusted_proxies`, parsed and merged."""
        return trusted_networks(self.trusted_proxies)

    @property
    def first_kind(self) -> str | None:
        """The first setting that configures a way to authenticate; ``None`` without one."""
        kinds = {"jwt": self.jwt.key_kind, "api_keys": self.api_keys, "trusted_header": self.trusted_header}
        return next((name for name, kind in kinds.items() if kind), None)

    @check
    def _check_trusted_header(self) -> None:
        path = ("auth", "trusted_proxies")
        if self.trusted_header is not None and not self.trusted_proxies:
            message = "missing; the CIDRs of the proxies that set the header, for example 10.0.0.0/24"
            raise SettingsError(path, message)
        try:
            trusted_networks(self.trusted_proxies)
        except ValueError as error:
            raise SettingsError(path, str(error)) from None

    @check
    def _check_header_name(self) -> None:
        if self.trusted_header is not None and self.trusted_header.lower() in _RESERVED_HEADERS:
            message = (
                f"{self.trusted_header!r} has a meaning of its own; use another, for example X-Forwarded-User"
            )
            raise SettingsError(("auth", "trusted_header"), message)

    @check
    def _check_api_keys(self) -> None:
        seen = {_EMPTY_KEY: "is that of an empty key, so anyone could call"}
        errors = []
        for index, key in enumerate(self.api_keys):
            digest = key.sha256.lower()
            if digest in seen:
                errors.append(SettingsError(("auth", "api_keys", str(index), "sha256"), seen[digest]))
            seen[digest] = f"is that of the key {key.name!r} too; each service has a key of its own"
            if key.all_users and "*" not in key.policies:
                message = "a key that is limited to policies cannot reach stored objects; list * in policies"
                errors.append(SettingsError(("auth", "api_keys", str(index), "all_users"), message))
        if errors:
            raise SettingsError.together(errors)

"""The settings that say who may call."""

from typing import Annotated

from pydantic import Field, SecretStr

from uploadsvc.settings.section import Section
from uploadsvc.settings.values import Names, Pem, matching

# What RFC 9110 section 5.6.2 calls a token: names of headers and of cookies.
_NAME = r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,128}"


class JwtSettings(Section):
    """JWTs from your login, verified with one of `secret`, `public_key`, `jwks_url` and `issuer`."""

    secret: SecretStr | None = None
    """HMAC secret that signs the JWTs; at least 32 bytes."""

    public_key: Pem | None = None
    """Public key that verifies them: RSA with at least 2048 bits, EC (P-256, P-384, P-521) or Ed25519."""

    jwks_url: str | None = None
    """URL of the public keys (a JWK Set)."""

    issuer: str | None = None
    """Required value of `iss`. If none of the other three is set, it is also the OIDC issuer whose discovery
    document leads to the keys.
    """

    cookie: Annotated[str, matching(_NAME, "a cookie name")] | None = None
    """Name of a cookie that can carry the JWT. Writes with a cookie must come from the same origin or from
    one of `cors.allow_origins`.
    """

    audience: str | None = None
    """Value that `aud` must be or contain. Required with `jwks_url`, and with `issuer` alone."""

    algorithms: Names = ()
    """Accepted algorithms. If none are listed: HS256 with a secret, the key's own with a public key, and all
    asymmetric ones with published keys.
    """

    user_claim: str = Field(default="sub", min_length=1)
    """Claim that holds the user."""


class ApiKeySettings(Section):
    """API keys of services. They send `X-API-Key`, and `X-On-Behalf-Of` for the user."""

    name: str = Field(min_length=1, max_length=128)
    """Name of the service, for the logs."""

    sha256: Annotated[str, matching("[0-9a-fA-F]{64}", "the key's SHA-256 in 64 hexadecimal digits")]
    """Hash of the key: `printf %s "$KEY" | sha256sum`. The key itself is not stored."""

    policies: tuple[str, ...] = ("*",)
    """Policies that the key can upload with. Unless `*` is listed, the key cannot reach stored objects."""


class AuthSettings(Section):
    """Authentication. At least one kind must be set."""

    jwt: JwtSettings = JwtSettings()
    api_keys: tuple[ApiKeySettings, ...] = ()

    trusted_header: Annotated[str, matching(_NAME, "a header name")] | None = None
    """Header in which a proxy names the user it has signed in, such as `X-Forwarded-User`."""

    trusted_proxies: Names = ()
    """Proxies that may set the header, as CIDRs such as `10.0.0.0/24`. Required with `trusted_header`."""

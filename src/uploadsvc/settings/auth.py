"""The settings that say who may call."""

from typing import Annotated

from pydantic import Field, SecretStr

from uploadsvc.settings.section import Section
from uploadsvc.settings.values import Names, Pem, matching

# What RFC 9110 section 5.6.2 calls a token: names of headers and of cookies.
_NAME = r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,128}"


class JwtSettings(Section):
    """JWTs of your login. They are checked by one of `secret`, `public_key`, `jwks_url` and `issuer`."""

    secret: SecretStr | None = None
    """The secret that signs them (HMAC), 32 bytes or more."""

    public_key: Pem | None = None
    """The public key: RSA of 2048 bits or more, EC (P-256, P-384, P-521) or Ed25519."""

    jwks_url: str | None = None
    """Where the public keys are published."""

    issuer: str | None = None
    """What `iss` must be; alone, an OIDC issuer whose discovery document names the keys."""

    cookie: Annotated[str, matching(_NAME, "a cookie's name")] | None = None
    """A cookie that may hold the JWT, too. Writes must come from the same origin, or one of
    `cors.allow_origins`.
    """

    audience: str | None = None
    """What `aud` must be or hold. Needed with `jwks_url` and with `issuer` alone."""

    algorithms: Names = ()
    """Those taken. None named: HS256 with a secret, the key's own with a public key, with published keys all
    that are asymmetric.
    """

    user_claim: str = Field(default="sub", min_length=1)
    """The claim that names the user."""


class ApiKeySettings(Section):
    """The keys of services, which send `X-API-Key` and, for the user, `X-On-Behalf-Of`."""

    name: str = Field(min_length=1, max_length=128)
    """The service's name, for the logs."""

    sha256: Annotated[str, matching("[0-9a-fA-F]{64}", "the key's SHA-256 in 64 hexadecimal digits")]
    """Not the key itself: `printf %s "$KEY" | sha256sum`."""

    policies: tuple[str, ...] = ("*",)
    """The policies that it may upload by. Unless `*` is among them, it reaches no stored object."""


class AuthSettings(Section):
    """Who may call. At least one way has to be set."""

    jwt: JwtSettings = JwtSettings()
    api_keys: tuple[ApiKeySettings, ...] = ()

    trusted_header: Annotated[str, matching(_NAME, "a header's name")] | None = None
    """The header in which a proxy names the user whom it has signed in, such as `X-Forwarded-User`."""

    trusted_proxies: Names = ()
    """The proxies that may: CIDRs such as `10.0.0.0/24`. Needed with `trusted_header`."""

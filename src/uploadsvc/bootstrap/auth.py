"""Who may call, and from which origins."""

import re
from hashlib import sha256
from typing import Final

from uploadsvc.auth.api_keys import ApiKey
from uploadsvc.auth.authenticator import Authenticator, Verify
from uploadsvc.bootstrap.clock import now
from uploadsvc.bootstrap.proxies import trusted_header
from uploadsvc.bootstrap.secrets import secrets
from uploadsvc.settings import Settings, SettingsError
from uploadsvc.tokens.jwts import DEMO, UPLOAD, ServiceTokens

# As browsers send it: https://html.spec.whatwg.org/#ascii-serialisation-of-an-origin
_ORIGIN: Final = re.compile(r"https?://([a-z0-9._-]+|\[[0-9a-f:.]+\])(:[0-9]{1,5})?")

_NO_KEY: Final = sha256(b"").hexdigest()


def authenticator(settings: Settings, verify: Verify | None) -> Authenticator:
    """Return who may call; nobody is no answer.

    Args:
        settings: The settings.
        verify: What checks JWTs, as `jwt_verifier` makes it.

    Raises:
        SettingsError: They contradict each other, or let nobody call.
    """
    made = Authenticator(
        verify=verify,
        demo_tokens=ServiceTokens(secrets(settings), kind=DEMO, clock=now) if settings.demo else None,
        upload_tokens=ServiceTokens(secrets(settings), kind=UPLOAD, clock=now),
        api_keys=api_keys(settings),
        cookie=settings.auth.jwt.cookie,
        trusted_header=trusted_header(settings),
        allowed_origins=frozenset(allowed_origins(settings)) - {"*"},
    )
    if made.verify is None and made.demo_tokens is None and not made.api_keys and made.trusted_header is None:
        message = (
            "no authentication is configured, so nobody could call; set UPLOADSVC_AUTH__JWT__SECRET, "
            "__PUBLIC_KEY, __JWKS_URL or __ISSUER, UPLOADSVC_AUTH__API_KEYS or UPLOADSVC_AUTH__TRUSTED_HEADER"
        )
        raise SettingsError(("auth",), message)
    return made


def api_keys(settings: Settings) -> tuple[ApiKey, ...]:
    """Return the services that may call, by their keys.

    Raises:
        SettingsError: A key names a policy that there is not, or two are the same.
    """
    seen = {_NO_KEY: "is that of an empty key, so anyone could call"}
    for index, key in enumerate(settings.auth.api_keys):
        path = ("auth", "api_keys", str(index))
        for policy in key.policies:
            if policy != "*" and policy not in settings.policies:
                raise SettingsError((*path, "policies"), f"there is no policy {policy!r}")
        digest = key.sha256.lower()
        if digest in seen:
            raise SettingsError((*path, "sha256"), seen[digest])
        seen[digest] = f"is that of the key {key.name!r} too; each service has a key of its own"
    return tuple(
        ApiKey(
            name=key.name,
            digest=bytes.fromhex(key.sha256),
            policies=None if "*" in key.policies else frozenset(key.policies),
        )
        for key in settings.auth.api_keys
    )


def allowed_origins(settings: Settings) -> list[str]:
    """Return the origins that may call, checked."""
    cors = settings.cors
    if "*" in cors.allow_origins and cors.allow_credentials:
        message = "true with the origin '*' would let any site act for its visitors; name the origins"
        raise SettingsError(("cors", "allow_credentials"), message)
    for origin in cors.allow_origins:
        if origin != "*" and not _ORIGIN.fullmatch(origin):
            message = (
                f"{origin!r} is not an origin; write scheme://host or scheme://host:port, "
                "in lower case and without a path"
            )
            raise SettingsError(("cors", "allow_origins"), message)
    return list(cors.allow_origins)

"""Who may call, and from which origins."""

import re
from typing import Final

from uploadsvc.auth.api_keys import ApiKey
from uploadsvc.auth.authenticator import Authenticator
from uploadsvc.auth.tokens import TokenVerifier, demo_verifier, public_key_verifier, secret_verifier
from uploadsvc.handles import derive_key
from uploadsvc.settings import Settings, SettingsError
from uploadsvc.wiring.secrets import secrets

# As browsers send it: https://html.spec.whatwg.org/#ascii-serialisation-of-an-origin
_ORIGIN: Final = re.compile(r"https?://([a-z0-9._-]+|\[[0-9a-f:.]+\])(:[0-9]{1,5})?")


def authenticator(settings: Settings) -> Authenticator:
    """Return who may call; nobody is no answer."""
    for index, key in enumerate(settings.auth.api_keys):
        for policy in key.policies:
            if policy != "*" and policy not in settings.policies:
                path = ("auth", "api_keys", str(index), "policies")
                raise SettingsError(path, f"there is no policy {policy!r}")
    made = Authenticator(
        verifier=_verifier(settings),
        demo=demo_verifier(derive_key(secrets(settings)[0], "demo")) if settings.demo else None,
        api_keys=tuple(
            ApiKey(
                name=key.name,
                digest=bytes.fromhex(key.sha256),
                policies=None if "*" in key.policies else frozenset(key.policies),
            )
            for key in settings.auth.api_keys
        ),
    )
    if made.verifier is None and made.demo is None and not made.api_keys:
        message = (
            "no authentication is configured, so nobody could call; set UPLOADSVC_AUTH__JWT__SECRET, "
            "UPLOADSVC_AUTH__JWT__PUBLIC_KEY or UPLOADSVC_AUTH__API_KEYS"
        )
        raise SettingsError(("auth",), message)
    return made


def _verifier(settings: Settings) -> TokenVerifier | None:
    jwt = settings.auth.jwt
    if jwt.secret and jwt.public_key:
        raise SettingsError(
            ("auth", "jwt", "public_key"), "set this or UPLOADSVC_AUTH__JWT__SECRET, not both"
        )
    if not (jwt.secret or jwt.public_key):
        if jwt.audience or jwt.algorithms:
            raise SettingsError(
                ("auth", "jwt"), "audience and algorithms need SECRET or PUBLIC_KEY beside them"
            )
        return None
    name = "secret" if jwt.secret else "public_key"
    try:
        if jwt.secret:
            return secret_verifier(
                jwt.secret.get_secret_value().encode(),
                algorithms=jwt.algorithms,
                audience=jwt.audience,
                user_claim=jwt.user_claim,
            )
        return public_key_verifier(
            jwt.public_key or "",
            algorithms=jwt.algorithms,
            audience=jwt.audience,
            user_claim=jwt.user_claim,
        )
    except ValueError as error:
        raise SettingsError(("auth", "jwt", name), str(error)) from None


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

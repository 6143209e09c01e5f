"""What checks the JWTs of an identity provider."""

from contextlib import AbstractAsyncContextManager, nullcontext
from time import monotonic

from uploadsvc.auth.authenticator import Verify, by_fixed_key
from uploadsvc.auth.discovery import JwksUrl, OidcIssuer
from uploadsvc.auth.jwks import JwksVerifier
from uploadsvc.auth.jwt import TokenVerifier, public_key_verifier, secret_verifier
from uploadsvc.bootstrap.clock import now
from uploadsvc.settings import Settings, SettingsError
from uploadsvc.settings.auth import JwtSettings


def jwt_verifier(settings: Settings) -> tuple[Verify | None, AbstractAsyncContextManager[object]]:
    """Return what checks JWTs, and what has to be entered before it does.

    Raises:
        SettingsError: More than one kind of key is set, or one does not fit.
    """
    section = settings.auth.jwt
    keys = [name for name in ("secret", "public_key", "jwks_url") if getattr(section, name) is not None]
    if len(keys) > 1:
        first = f"UPLOADSVC_AUTH__JWT__{keys[0].upper()}"
        raise SettingsError(("auth", "jwt", keys[1]), f"set this or {first}, not both")
    name = keys[0] if keys else "issuer"
    if not keys and section.issuer is None:
        if section.audience or section.algorithms or section.cookie:
            message = (
                "audience, algorithms and cookie need SECRET, PUBLIC_KEY, JWKS_URL or ISSUER beside them"
            )
            raise SettingsError(("auth", "jwt"), message)
        return None, nullcontext()
    try:
        if name in {"secret", "public_key"}:
            return by_fixed_key(_fixed(section)), nullcontext()
        verifier = _published(section, name)
    except SettingsError:
        raise
    except ValueError as error:
        raise SettingsError(("auth", "jwt", name), str(error)) from None
    return verifier.verify, verifier


def _fixed(section: JwtSettings) -> TokenVerifier:
    if section.secret is not None:
        return secret_verifier(
            section.secret.get_secret_value().encode(),
            algorithms=section.algorithms,
            audience=section.audience,
            issuer=section.issuer,
            user_claim=section.user_claim,
            clock=now,
        )
    return public_key_verifier(
        section.public_key or "",
        algorithms=section.algorithms,
        audience=section.audience,
        issuer=section.issuer,
        user_claim=section.user_claim,
        clock=now,
    )


def _published(section: JwtSettings, name: str) -> JwksVerifier:
    if not section.audience:
        message = (
            "missing; keys that are published sign for many services, so tokens must name this one (aud)"
        )
        raise SettingsError(("auth", "jwt", "audience"), message)
    return JwksVerifier(
        source=JwksUrl(section.jwks_url or "") if name == "jwks_url" else OidcIssuer(section.issuer or ""),
        algorithms=section.algorithms,
        audience=section.audience,
        issuer=section.issuer,
        user_claim=section.user_claim,
        clock=now,
        timer=monotonic,
    )

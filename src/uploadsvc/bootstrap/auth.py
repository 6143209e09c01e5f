"""Authentication: the authenticator and the JWT verifier."""

from contextlib import AbstractAsyncContextManager, nullcontext
from time import monotonic

from uploadsvc.auth.api_keys import ApiKey
from uploadsvc.auth.authenticator import Authenticator, Verify, by_fixed_key
from uploadsvc.auth.discovery import JwksUrl, OidcIssuer
from uploadsvc.auth.jwks import JwksVerifier
from uploadsvc.auth.jwt import TokenVerifier, public_key_verifier, secret_verifier
from uploadsvc.auth.trusted_header import TrustedHeader
from uploadsvc.bootstrap.services import Clock, Services
from uploadsvc.domain.origins import named_origins
from uploadsvc.settings import Settings, SettingsError
from uploadsvc.settings.auth import AuthSettings, JwtSettings


def build_authenticator(
    settings: Settings, services: Services
) -> tuple[Authenticator, AbstractAsyncContextManager[object]]:
    """Return the authenticator, and a context to enter before it verifies JWTs.

    Raises:
        SettingsError: A key cannot be read or does not fit its algorithms, or nothing is configured.
    """
    verify, keys = build_jwt_verifier(settings.auth.jwt, clock=services.clock)
    authenticator = Authenticator(
        verify=verify,
        demo_tokens=services.demo_tokens,
        upload_tokens=services.upload_tokens,
        api_keys=_api_keys(settings.auth),
        cookie=settings.auth.jwt.cookie,
        trusted_header=_trusted_header(settings.auth),
        allowed_origins=named_origins(settings.cors.allow_origins),
    )
    ways = (verify, authenticator.demo_tokens, authenticator.api_keys, authenticator.trusted_header)
    if not any(ways):
        message = (
            "no authentication is configured, so every call would fail; set UPLOADSVC_AUTH__JWT__SECRET, "
            "__PUBLIC_KEY, __JWKS_URL or __ISSUER, UPLOADSVC_AUTH__API_KEYS or UPLOADSVC_AUTH__TRUSTED_HEADER"
        )
        raise SettingsError(("auth",), message)
    return authenticator, keys


def build_jwt_verifier(
    section: JwtSettings, *, clock: Clock
) -> tuple[Verify | None, AbstractAsyncContextManager[object]]:
    """Return the verifier of JWTs, ``None`` if they are off, and a context to enter before it verifies.

    Raises:
        SettingsError: The key cannot be read, or does not fit its algorithms.
    """
    kind = section.key_kind
    if kind is None:
        return None, nullcontext()
    try:
        if kind in {"secret", "public_key"}:
            return by_fixed_key(_fixed_key_verifier(section, clock)), nullcontext()
        source = JwksUrl(section.jwks_url or "") if kind == "jwks_url" else OidcIssuer(section.issuer or "")
        verifier = JwksVerifier(
            source=source,
            algorithms=section.algorithms,
            audience=section.audience or "",
            issuer=section.issuer,
            user_claim=section.user_claim,
            clock=clock,
            timer=monotonic,
        )
    except ValueError as error:
        raise SettingsError(("auth", "jwt", kind), str(error)) from None
    return verifier.verify, verifier


def _fixed_key_verifier(section: JwtSettings, clock: Clock) -> TokenVerifier:
    if section.secret is not None:
        return secret_verifier(
            section.secret.get_secret_value().encode(),
            algorithms=section.algorithms,
            audience=section.audience,
            issuer=section.issuer,
            user_claim=section.user_claim,
            clock=clock,
        )
    return public_key_verifier(
        section.public_key or "",
        algorithms=section.algorithms,
        audience=section.audience,
        issuer=section.issuer,
        user_claim=section.user_claim,
        clock=clock,
    )


def _api_keys(auth: AuthSettings) -> tuple[ApiKey, ...]:
    return tuple(
        ApiKey(
            name=key.name,
            digest=bytes.fromhex(key.sha256),
            policies=None if "*" in key.policies else frozenset(key.policies),
        )
        for key in auth.api_keys
    )


def _trusted_header(auth: AuthSettings) -> TrustedHeader | None:
    if auth.trusted_header is None:
        return None
    return TrustedHeader(name=auth.trusted_header.lower(), proxies=auth.trusted_networks)

"""Authentication: the authenticator and the JWT verifier."""

from contextlib import AbstractAsyncContextManager, nullcontext
from time import monotonic

from uploadsvc.auth.api_keys import ApiKey
from uploadsvc.auth.authenticator import Authenticator, FixedKeyVerifier, JwtVerifier
from uploadsvc.auth.claims import ClaimRules
from uploadsvc.auth.discovery import JwksUrl, OidcIssuer
from uploadsvc.auth.jwks import JwksVerifier
from uploadsvc.auth.jwt import TokenVerifier, public_key_verifier, secret_verifier
from uploadsvc.auth.trusted_header import TrustedHeader
from uploadsvc.bootstrap.services import Clock, Services
from uploadsvc.domain.endpoints import origin_of
from uploadsvc.domain.origins import Origins, named_origins
from uploadsvc.settings import Settings, SettingsError
from uploadsvc.settings.auth import AuthSettings, JwtSettings
from uploadsvc.telemetry.metrics import Metrics
from uploadsvc.telemetry.tracing import Tracing


def build_authenticator(settings: Settings, services: Services, jwts: JwtVerifier | None) -> Authenticator:
    """Build the authenticator. Its verifier comes from `build_jwt_verifier`."""
    return Authenticator(
        jwts=jwts,
        demo_tokens=services.demo_tokens,
        upload_tokens=services.upload_tokens,
        api_keys=_api_keys(settings.auth),
        cookie=settings.auth.jwt.cookie,
        trusted_header=_trusted_header(settings.auth),
        allowed_origins=_own_and_allowed_origins(settings),
    )


def build_jwt_verifier(
    auth: AuthSettings,
    *,
    clock: Clock,
    required: bool,
    metrics: Metrics | None = None,
    tracing: Tracing | None = None,
) -> tuple[JwtVerifier | None, AbstractAsyncContextManager[object]]:
    """Build the verifier of JWTs, ``None`` if they are off, and a context to enter before using it.

    Args:
        auth: The settings.
        clock: Returns the current time, aware.
        required: Whether a way to authenticate must be configured.
        metrics: Counts fetches of keys and cached tokens; ``None`` if not needed.
        tracing: Makes spans.

    Raises:
        SettingsError: No way to authenticate is configured, or a key cannot be read or does not fit its
            algorithms.
    """
    if required and not auth.first_kind:
        message = (
            "no authentication is configured, so every call would fail; set UPLOADSVC_AUTH__JWT__SECRET, "
            "__PUBLIC_KEY, __JWKS_URL or __ISSUER, UPLOADSVC_AUTH__API_KEYS or UPLOADSVC_AUTH__TRUSTED_HEADER"
        )
        raise SettingsError(("auth",), message)
    metrics = Metrics() if metrics is None else metrics
    section = auth.jwt
    kind = section.key_kind
    if kind is None:
        return None, nullcontext()
    try:
        if kind in {"secret", "public_key"}:
            fixed = FixedKeyVerifier(_fixed_key_verifier(section, clock), clock=clock)
            metrics.known_tokens.follow(fixed.known_count)
            return fixed, nullcontext()
        source = JwksUrl(section.jwks_url or "") if kind == "jwks_url" else OidcIssuer(section.issuer or "")
        verifier = JwksVerifier(
            source=source,
            algorithms=section.algorithms,
            rules=_claim_rules(section, clock),
            keys_max_age=section.keys_max_age,
            timer=monotonic,
            metrics=metrics,
            tracing=tracing,
        )
    except ValueError as error:
        raise SettingsError(("auth", "jwt", kind), str(error)) from None
    return verifier, verifier


def _fixed_key_verifier(section: JwtSettings, clock: Clock) -> TokenVerifier:
    rules = _claim_rules(section, clock)
    if section.secret is not None:
        secret = section.secret.get_secret_value().encode()
        return secret_verifier(secret, algorithms=section.algorithms, rules=rules)
    return public_key_verifier(section.public_key or "", algorithms=section.algorithms, rules=rules)


def _claim_rules(section: JwtSettings, clock: Clock) -> ClaimRules:
    return ClaimRules(
        clock=clock,
        audiences=section.audience,
        audience_claim=section.audience_claim,
        issuer=section.issuer,
        user_claim=section.user_claim,
        integer_user=section.allow_integer_user,
        leeway=section.leeway,
        quotas_claim=section.quotas_claim,
    )


def _own_and_allowed_origins(settings: Settings) -> Origins:
    own = [origin_of(settings.public_url)] if settings.public_url else []
    return named_origins([*settings.cors.allow_origins, *own])


def _api_keys(auth: AuthSettings) -> tuple[ApiKey, ...]:
    return tuple(
        ApiKey(
            name=key.name,
            digest=bytes.fromhex(key.sha256),
            policies=None if "*" in key.policies else frozenset(key.policies),
            all_users=key.all_users,
        )
        for key in auth.api_keys
    )


def _trusted_header(auth: AuthSettings) -> TrustedHeader | None:
    if auth.trusted_header is None:
        return None
    return TrustedHeader(name=auth.trusted_header.lower(), proxies=auth.trusted_networks)

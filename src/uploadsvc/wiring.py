"""From settings to parts, with one plain line for whatever does not fit."""

import re
from datetime import UTC, datetime
from typing import Final

from uploadsvc.auth.api_keys import ApiKey
from uploadsvc.auth.authenticator import Authenticator
from uploadsvc.auth.tokens import TokenVerifier, demo_verifier, public_key_verifier, secret_verifier
from uploadsvc.domain.credentials import Credentials
from uploadsvc.domain.endpoints import addressing_style, aws_endpoint_url, bucket_endpoint
from uploadsvc.domain.errors import InvalidKey
from uploadsvc.domain.keys import Namespace, check_key
from uploadsvc.domain.planner import Planner
from uploadsvc.domain.policy import PolicyError
from uploadsvc.domain.providers import PROVIDERS, Provider
from uploadsvc.handles import MIN_SECRET_BYTES, derive_key
from uploadsvc.receipts import Receipts
from uploadsvc.settings import Settings, SettingsError
from uploadsvc.signing import Signer
from uploadsvc.storage import Storage

MAX_PREFIX_BYTES: Final = 256

# As browsers send it: https://html.spec.whatwg.org/#ascii-serialisation-of-an-origin
_ORIGIN: Final = re.compile(r"https?://([a-z0-9._-]+|\[[0-9a-f:.]+\])(:[0-9]{1,5})?")


def now() -> datetime:
    """Return the time, aware."""
    return datetime.now(UTC)


def secrets(settings: Settings) -> list[bytes]:
    """Return the secret keys: the first seals, all open."""
    if settings.secret_key and settings.secret_keys:
        raise SettingsError(("secret_keys",), "set this or UPLOADSVC_SECRET_KEY, not both")
    found = [key.get_secret_value().encode() for key in settings.secret_keys or (settings.secret_key,) if key]
    if not found:
        raise SettingsError(("secret_key",), f"missing; {MIN_SECRET_BYTES} random bytes or more")
    name = "secret_keys" if settings.secret_keys else "secret_key"
    for key in found:
        if len(key) < MIN_SECRET_BYTES:
            raise SettingsError((name,), f"has {len(key)} bytes; {MIN_SECRET_BYTES} or more are needed")
    return found


def namespace(settings: Settings) -> Namespace:
    """Return the key prefix, checked."""
    try:
        check_key(settings.key_prefix, field="key_prefix")
    except InvalidKey as error:
        raise SettingsError(("key_prefix",), f"{error.detail} Write it like 'uploads'.") from None
    if len(settings.key_prefix.encode()) > MAX_PREFIX_BYTES:
        raise SettingsError(("key_prefix",), f"at most {MAX_PREFIX_BYTES} bytes")
    return Namespace(settings.key_prefix)


def provider(settings: Settings) -> Provider:
    """Return what the store can do."""
    s3 = settings.s3
    return PROVIDERS[s3.provider or ("generic" if s3.endpoint_url else "aws")]


def planners(settings: Settings) -> dict[str, Planner]:
    """Return a planner for each policy, checked against itself and the provider."""
    store = provider(settings)
    space = namespace(settings)
    made = {}
    for name, policy_settings in settings.policies.items():
        policy = policy_settings.policy(name)
        try:
            policy.check(provider=store, namespace=space)
        except PolicyError as error:
            raise SettingsError(("policies", name, error.field), error.message) from None
        made[name] = Planner(policy=policy, provider=store, namespace=space)
    return made


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


def receipts(settings: Settings) -> Receipts:
    """Return what signs receipts: the operator's secret, or a key derived from ours."""
    section = settings.receipts
    key = section.secret.get_secret_value().encode() if section.secret else None
    if key is not None and len(key) < MIN_SECRET_BYTES:
        message = f"has {len(key)} bytes; {MIN_SECRET_BYTES} or more are needed"
        raise SettingsError(("receipts", "secret"), message)
    return Receipts(
        key=key or derive_key(secrets(settings)[0], "receipt"),
        issuer=section.issuer,
        audience=section.audience,
        expires_in=section.expires_in,
    )


def storage_and_signer(settings: Settings) -> tuple[Storage, Signer]:
    """Return the bucket as the service reaches it, and the signer of its public address."""
    s3 = settings.s3
    if s3.region is None and s3.endpoint_url is None:
        raise SettingsError(("s3", "region"), "missing; the bucket's region, for example eu-central-1")
    region = s3.region or "us-east-1"
    style = addressing_style(configured=s3.addressing_style, endpoint_url=s3.endpoint_url, bucket=s3.bucket)
    try:
        if s3.endpoint_url:
            bucket_endpoint(endpoint_url=s3.endpoint_url, bucket=s3.bucket, style=style)
    except ValueError as error:
        raise SettingsError(("s3", "endpoint_url"), str(error)) from None
    try:
        url = s3.public_endpoint_url or s3.endpoint_url or aws_endpoint_url(region)
    except ValueError as error:
        raise SettingsError(("s3", "region"), str(error)) from None
    try:
        public = bucket_endpoint(endpoint_url=url, bucket=s3.bucket, style=style)
    except ValueError as error:
        name = "public_endpoint_url" if s3.public_endpoint_url else "addressing_style"
        raise SettingsError(("s3", name), str(error)) from None
    storage = Storage(
        bucket=s3.bucket,
        region=region,
        endpoint_url=s3.endpoint_url,
        addressing_style=style,
        credentials=_credentials(settings),
    )
    return storage, Signer(endpoint=public, bucket=s3.bucket, region=region)


def _credentials(settings: Settings) -> Credentials | None:
    s3 = settings.s3
    if s3.access_key_id is None and s3.secret_access_key is None:
        if s3.session_token is not None:
            raise SettingsError(
                ("s3", "session_token"), "needs ACCESS_KEY_ID and SECRET_ACCESS_KEY beside it"
            )
        return None
    if s3.access_key_id is None or s3.secret_access_key is None:
        name = "access_key_id" if s3.access_key_id is None else "secret_access_key"
        raise SettingsError(("s3", name), "missing; access key id and secret go together")
    return Credentials(
        access_key_id=s3.access_key_id,
        secret_access_key=s3.secret_access_key.get_secret_value(),
        session_token=s3.session_token.get_secret_value() if s3.session_token else None,
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

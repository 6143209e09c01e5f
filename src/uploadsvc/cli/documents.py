"""``uploadsvc openapi``, ``receipt-key`` and ``token``."""

import json
import sys
from collections.abc import Sequence

from uploadsvc.app import create_app
from uploadsvc.bootstrap.secrets import build_receipts, event_signing_key, secret_keys
from uploadsvc.bootstrap.services import utc_now
from uploadsvc.cli.messages import say, stop
from uploadsvc.domain.errors import UploadsvcError
from uploadsvc.domain.principal import Principal
from uploadsvc.services.upload_tokens import UploadTokenIssuer
from uploadsvc.settings import Settings, load_settings
from uploadsvc.tokens.jwts import UPLOAD, ServiceTokens
from uploadsvc.tokens.receipts import TYP
from uploadsvc.tokens.webhook_signatures import webhook_public_key


def print_openapi() -> None:
    """Print the OpenAPI document."""
    keys = {"access_key_id": "-", "secret_access_key": "-"}
    s3 = {"bucket": "example-bucket", "region": "eu-central-1", **keys}
    example = Settings.model_validate({"secret_key": "-" * 32, "s3": s3, "demo": True})
    sys.stdout.write(json.dumps(create_app(example).openapi(), indent=2, ensure_ascii=False) + "\n")


def print_receipt_keys(*, pem: bool) -> None:
    """Print the keys that verify receipts, as PEM or as a JWK Set.

    Raises:
        SettingsError: A setting is wrong.
        SystemExit: There is no public key to print as PEM.
    """
    settings = load_settings()
    # If there is a receipt key, no secret key is needed.
    own = settings.receipts.private_key or settings.receipts.secret
    receipts = build_receipts(settings, settings.secrets if own else secret_keys(settings))
    public = receipts.public_keys
    if pem and not public:
        message = "receipts are signed with a secret, which has no PEM; see UPLOADSVC_RECEIPTS__PRIVATE_KEY"
        raise stop(message)
    what = "public keys" if public else "SECRET keys: they also sign, so keep them like passwords"
    say(f"{what}; verify typ {TYP!r}, iss {receipts.issuer!r}, aud {receipts.audience!r} and exp")
    if settings.events.enabled and (signing := event_signing_key(settings)):
        say(f"events are also signed (v1a) with {webhook_public_key(signing.public_key())}")
    key_set = {"keys": [key.jwk() for key in receipts.keys]}
    sys.stdout.write("".join(key.pem() for key in public) if pem else json.dumps(key_set, indent=2) + "\n")


def print_token(user: str, *, policies: Sequence[str], expires_in: int) -> None:
    """Print an upload token, as ``POST /v1/tokens`` issues it to an API key.

    Raises:
        SettingsError: A setting is wrong.
        SystemExit: There is no such policy, or the user id cannot have a prefix.
    """
    settings = load_settings()
    issuer = UploadTokenIssuer(
        policies=settings.policies.keys(),
        namespace=settings.namespace,
        tokens=ServiceTokens(secret_keys(settings), kind=UPLOAD, clock=utc_now),
        expires_in=expires_in,
        max_expires_in=expires_in,
        clock=utc_now,
    )
    try:
        operator = Principal(user="", kind="service")
        token, ends = issuer.issue(operator, user=user, policies=policies or None, expires_in=None)
    except UploadsvcError as error:
        raise stop(error.detail) from None
    say(f"valid until {ends.isoformat()}")
    sys.stdout.write(f"{token}\n")

"""What ``uploadsvc doctor`` examines."""

import os
import ssl
from collections.abc import Mapping

import httpx

from uploadsvc.bootstrap.addresses import public_url
from uploadsvc.bootstrap.auth import allowed_origins, api_keys
from uploadsvc.bootstrap.bucket import bucket_requirements
from uploadsvc.bootstrap.clock import now
from uploadsvc.bootstrap.jwt import jwt_verifier
from uploadsvc.bootstrap.lifetimes import check_lifetimes
from uploadsvc.bootstrap.policies import namespace, planners, provider
from uploadsvc.bootstrap.proxies import trusted_header
from uploadsvc.bootstrap.receipts import receipts
from uploadsvc.bootstrap.secrets import secrets
from uploadsvc.bootstrap.storage import bucket_region, storage_and_presigner
from uploadsvc.bootstrap.temporary_credentials import credential_issuer
from uploadsvc.doctor.canaries import canary_planner
from uploadsvc.doctor.target import FOLDER, Target
from uploadsvc.domain.endpoints import addressing_style, aws_endpoint_url, bucket_endpoint
from uploadsvc.settings import Settings, SettingsError


def doctor_target(settings: Settings) -> Target:
    """Return what is examined; its storage is still to be opened.

    Raises:
        SettingsError: The settings contradict themselves or each other.
    """
    storage, presigner = storage_and_presigner(settings)
    _check_the_rest(settings)
    handed, sts = credential_issuer(
        settings, storage=storage, presigner=presigner, namespace=namespace(settings)
    )
    s3, region, store = settings.s3, bucket_region(settings), provider(settings)
    style = addressing_style(configured=s3.addressing_style, endpoint_url=s3.endpoint_url, bucket=s3.bucket)
    endpoint_url = s3.endpoint_url or aws_endpoint_url(region)
    folder = f"{settings.key_prefix}/{FOLDER}"
    return Target(
        storage=storage,
        presigner=presigner,
        inner=bucket_endpoint(endpoint_url=endpoint_url, bucket=s3.bucket, style=style),
        provider=store,
        region=region,
        planners={
            name: canary_planner(planner.policy, store, folder)
            for name, planner in planners(settings).items()
        },
        callers=_callers(settings),
        key_prefix=settings.key_prefix,
        origins=tuple(dict.fromkeys(allowed_origins(settings))),
        requirements=bucket_requirements(settings),
        credential_issuer=handed,
        sts=sts,
        own_credentials=s3.access_key_id is not None,
        trust=_trust(),
        clock=now,
    )


def _check_the_rest(settings: Settings) -> None:
    """Check what else stops the service; what needs secrets, where they are set: they need not be here.

    That somebody may call is a policy's own finding.

    Raises:
        SettingsError: Something does not fit.
    """
    check_lifetimes(settings)
    public_url(settings)
    jwt_verifier(settings)
    trusted_header(settings)
    api_keys(settings)
    signed = settings.receipts
    known = settings.secret_key or settings.secret_keys
    if known:
        secrets(settings)
    if known or signed.secret is not None or signed.private_key is not None or signed.public_keys:
        receipts(settings)


def _callers(settings: Settings) -> Mapping[str, str]:
    """Return who may use each policy, in words; a policy that nobody can use is left out."""
    auth = settings.auth
    jwt = auth.jwt.secret or auth.jwt.public_key or auth.jwt.jwks_url or auth.jwt.issuer
    if jwt or auth.trusted_header or settings.demo:
        return dict.fromkeys(settings.policies, "all callers")
    found: dict[str, list[str]] = {}
    for key in auth.api_keys:
        for name in settings.policies:
            if "*" in key.policies or name in key.policies:
                found.setdefault(name, []).append(key.name)
    return {name: f"the API keys {', '.join(keys)}" for name, keys in found.items()}


def _trust() -> ssl.SSLContext:
    """Return what the S3 client checks certificates against: its own variable counts here too.

    https://docs.aws.amazon.com/sdkref/latest/guide/feature-gen-config.html#ca_bundle
    """
    bundle = os.environ.get("AWS_CA_BUNDLE")
    try:
        return ssl.create_default_context(cafile=bundle) if bundle else httpx.create_ssl_context()
    except OSError as error:
        message = f"AWS_CA_BUNDLE: cannot read {bundle!r}: {error.strerror or 'not certificates'}"
        raise SettingsError(("s3",), message) from None

"""The target of ``uploadsvc doctor``."""

import os
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from secrets import token_urlsafe

import httpx
from pydantic import SecretStr

from uploadsvc.bootstrap.auth import build_jwt_verifier
from uploadsvc.bootstrap.bucket import bucket_requirements, event_queue
from uploadsvc.bootstrap.events import build_receivers, open_aws_client
from uploadsvc.bootstrap.services import Services, build_services
from uploadsvc.bootstrap.storage import build_planners
from uploadsvc.doctor.canaries import canary_planner
from uploadsvc.doctor.target import FOLDER, Target
from uploadsvc.domain.endpoints import BucketEndpoint
from uploadsvc.provisioning.models import QueueClients
from uploadsvc.settings import Settings, SettingsError


def doctor_target(settings: Settings, *, deliver: bool = False) -> Target:
    """Build the target of the checks like the service. Its storage is not open yet.

    A missing secret key is no error, because the doctor does not sign with it. Missing authentication is a
    finding.

    Args:
        settings: The settings.
        deliver: Whether to send receivers a sample event.

    Raises:
        SettingsError: Another setting is invalid.
    """
    if not settings.secrets:
        settings = settings.model_copy(update={"secret_key": SecretStr(token_urlsafe(32))})
    services = build_services(settings)
    build_jwt_verifier(settings.auth, clock=services.clock, required=False)
    s3 = settings.s3
    folder = f"{settings.key_prefix}/{FOLDER}"
    return Target(
        storage=services.storage,
        presigner=services.presigner,
        inner=s3.endpoint,
        provider=s3.store,
        lacks=s3.lacks,
        region=s3.signing_region,
        planners={
            name: canary_planner(planner.policy, s3.store, folder)
            for name, planner in build_planners(settings).items()
        },
        callers=_callers(settings),
        key_prefix=settings.key_prefix,
        origins=tuple(dict.fromkeys(settings.cors.allow_origins)),
        requirements=bucket_requirements(settings),
        credential_issuer=services.credential_issuer,
        sts=services.sts,
        own_credentials=s3.access_key_id is not None,
        trust=_trust(),
        clock=services.clock,
        queue_clients=lambda: _queue_clients(settings, services),
        webhooks=tuple(
            _address(webhook.url) for webhook in settings.events.webhooks if webhook.url is not None
        ),
        webhook_trust=httpx.create_ssl_context(),
        private_webhooks=settings.events.allow_private_addresses,
        receivers=build_receivers(settings, services) if deliver else None,
    )


@asynccontextmanager
async def _queue_clients(settings: Settings, services: Services) -> AsyncIterator[QueueClients | None]:
    """Open a client of SQS as `uploadsvc events` does."""
    queue = event_queue(settings)
    if queue is None:
        yield None
        return
    async with open_aws_client(settings, services, service="sqs", region=queue.region) as sqs:
        yield QueueClients(sqs=sqs)


def _address(url: str) -> BucketEndpoint:
    """Return a webhook's address, without its path, which may be secret."""
    parts = httpx.URL(url)
    return BucketEndpoint(scheme=parts.scheme, host=parts.netloc.decode(), path="")


def _callers(settings: Settings) -> Mapping[str, str]:
    """Describe the callers of each policy. Policies without callers are left out."""
    auth = settings.auth
    if auth.jwt.key_kind or auth.trusted_header or settings.demo:
        return dict.fromkeys(settings.policies, "all callers")
    found: dict[str, list[str]] = {}
    for key in auth.api_keys:
        for name in settings.policies:
            if "*" in key.policies or name in key.policies:
                found.setdefault(name, []).append(key.name)
    return {name: f"the API keys {', '.join(keys)}" for name, keys in found.items()}


def _trust() -> ssl.SSLContext:
    """Return the certificates that the S3 client trusts, including those of ``AWS_CA_BUNDLE``.

    https://docs.aws.amazon.com/sdkref/latest/guide/feature-gen-config.html#ca_bundle
    """
    bundle = os.environ.get("AWS_CA_BUNDLE")
    try:
        return ssl.create_default_context(cafile=bundle) if bundle else httpx.create_ssl_context()
    except OSError as error:
        message = f"AWS_CA_BUNDLE: cannot read {bundle!r}: {error.strerror or 'not certificates'}"
        raise SettingsError(("s3",), message) from None

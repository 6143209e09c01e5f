"""Requirements on the bucket, IAM permissions, and the demo bucket."""

import math
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager, nullcontext
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from uploadsvc.bootstrap.services import utc_now
from uploadsvc.bootstrap.storage import build_planners, build_storage
from uploadsvc.domain.cors import EVENT_HEADERS, RANGE_HEADERS, TRACING_HEADERS
from uploadsvc.domain.errors import UploadsvcError
from uploadsvc.domain.planner import Planner
from uploadsvc.domain.queue_addresses import Queue, queue_at
from uploadsvc.domain.unclaimed import days_of
from uploadsvc.provisioning.models import (
    AccessRequirements,
    BucketRequirements,
    ProvisioningError,
    QueueClients,
)
from uploadsvc.provisioning.plan import PROBLEMS, apply
from uploadsvc.s3.storage import Storage
from uploadsvc.settings import Settings, SettingsError
from uploadsvc.telemetry.metrics import Metrics

if TYPE_CHECKING:
    from types_aiobotocore_s3 import S3Client

_DAY: Final = 86_400
_WHOLE_PROTOCOL: Final = frozenset({"PUT", "POST", "DELETE"})

_PUBLIC_ACLS: Final = frozenset({"public-read", "public-read-write", "authenticated-read"})
"""ACLs that grant something to everyone:
https://docs.aws.amazon.com/AmazonS3/latest/userguide/access-control-block-public-access.html
"""

_ACLS_WITHOUT_ACLS: Final = frozenset({None, "bucket-owner-full-control"})
"""ACLs that a bucket with ACLs disabled accepts:
https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-ownership-error-responses.html
"""


def bucket_requirements(settings: Settings) -> BucketRequirements:
    """Return the requirements on the bucket."""
    made = build_planners(settings).values()
    acls = {planner.policy.acl for planner in made}
    endpoints = (settings.s3.endpoint_url, settings.s3.public_endpoint_url)
    return BucketRequirements(
        bucket=settings.s3.bucket,
        region=settings.s3.signing_region,
        provider=settings.s3.store,
        key_prefix=settings.key_prefix,
        origins=tuple(dict.fromkeys(settings.cors.allow_origins)),
        cors_methods=cors_methods(made, by_browsers_themselves=settings.uppy.credentials),
        cors_headers=_cors_headers(made, by_browsers_themselves=settings.uppy.credentials),
        cors_extra_headers=RANGE_HEADERS
        | TRACING_HEADERS
        | EVENT_HEADERS
        | frozenset(settings.cors.allow_headers),
        abort_days=_abort_days(made),
        unclaimed_days=_unclaimed_days(made),
        needs_acls=not acls <= _ACLS_WITHOUT_ACLS,
        allows_public_acl=bool(acls & _PUBLIC_ACLS),
        tls=not any(url and url.lower().startswith("http://") for url in endpoints),
        queue=event_queue(settings),
    )


def event_queue(settings: Settings) -> Queue | None:
    """Return the queue of events, or ``None`` if there is none.

    Raises:
        SettingsError: The URL is not that of a queue.
    """
    if settings.events.queue_url is None:
        return None
    queue = _queue_at(settings.events.queue_url, settings)
    if settings.s3.store.queue_notifications and not queue.account:
        message = f"{queue.url!r} must name the account: …/123456789012/{queue.name}"
        raise SettingsError(("events", "queue_url"), message)
    return queue


def _queue_at(url: str, settings: Settings) -> Queue:
    try:
        return queue_at(url, region=settings.s3.signing_region)
    except ValueError as error:
        raise SettingsError(("events", "queue_url"), str(error)) from None


def cors_methods(made: Iterable[Planner], *, by_browsers_themselves: bool) -> frozenset[str]:
    """Return the HTTP methods that pages send to the bucket, for downloads and uploads.

    Args:
        made: The planners.
        by_browsers_themselves: Whether browsers sign their own requests with temporary credentials.
    """
    methods = {"GET", "HEAD"}
    upload = {"put": "PUT", "multipart": "PUT", "post": "POST"}
    for planner in made:
        methods.update(upload[method] for method in planner.methods)
        if planner.policy.unsized_multipart:
            # With signed single requests, the page itself creates, completes and aborts multipart uploads.
            methods |= _WHOLE_PROTOCOL
    return frozenset(methods | (_WHOLE_PROTOCOL if by_browsers_themselves else set()))


def _cors_headers(made: Iterable[Planner], *, by_browsers_themselves: bool) -> frozenset[str]:
    own = {"content-type"} if by_browsers_themselves else set[str]()
    return frozenset(own).union(*(planner.browser_headers for planner in made))


def access_requirements(settings: Settings) -> AccessRequirements:
    """Return the IAM permissions that the service needs.

    Raises:
        SettingsError: The store has no IAM policies.
    """
    store = settings.s3.store
    if not store.iam:
        message = f"{store.name} has no IAM policies; docs/bucket.md says which rights its keys need"
        raise SettingsError(("s3", "provider"), message)
    made = build_planners(settings).values()
    policies = [planner.policy for planner in made]
    kms_keys = {policy.kms_key_id for policy in policies if policy.kms_key_id}
    return AccessRequirements(
        bucket=settings.s3.bucket,
        region=settings.s3.signing_region,
        key_prefix=settings.key_prefix,
        multipart=any("multipart" in planner.methods for planner in made),
        delete=settings.objects.delete,
        acls=any(policy.acl for policy in policies),
        tags=any(policy.signed_tags for policy in policies),
        claims=any(policy.unclaimed_expires_in is not None for policy in policies),
        verifies=any(policy.verify_content for policy in policies),
        scans=any(policy.available_when for policy in policies),
        removes=any(policy.delete_mismatched for policy in policies),
        kms_keys=frozenset(kms_keys if store.kms else ()),
        sessions=settings.uppy.credentials,
        role_arn=settings.uppy.role_arn,
        queue=event_queue(settings),
        pushed=settings.events.push_secret is not None,
        target_queues=frozenset(
            _queue_at(webhook.queue_url, settings).arn
            for webhook in settings.events.webhooks
            if webhook.queue_url is not None
        ),
        target_topics=frozenset(
            webhook.topic_arn for webhook in settings.events.webhooks if webhook.topic_arn is not None
        ),
    )


@asynccontextmanager
async def bucket_client(settings: Settings) -> "AsyncIterator[S3Client]":
    """Open a client for the bucket, with the service's own credentials.

    Raises:
        ProvisioningError: There are no credentials.
        SettingsError: AWS's own configuration is broken.
    """
    async with provisioning_clients(settings) as (client, _):
        yield client


@asynccontextmanager
async def provisioning_clients(
    settings: Settings,
) -> "AsyncIterator[tuple[S3Client, QueueClients | None]]":
    """Open clients for the bucket and its queue, if any, with the service's own credentials.

    Raises:
        ProvisioningError: There are no credentials.
        SettingsError: AWS's own configuration is broken.
    """
    storage = build_storage(settings.s3, clock=utc_now, metrics=Metrics())
    try:
        async with storage, queue_clients(settings, storage) as queues:
            yield storage.client, queues
    except UploadsvcError as error:
        message = f"bucket {settings.s3.bucket!r} cannot be reached: {error.detail}"
        raise ProvisioningError(message) from error


@asynccontextmanager
async def queue_clients(settings: Settings, storage: Storage) -> AsyncIterator[QueueClients | None]:
    """Open clients for the queue of events, if any, with the credentials of the bucket."""
    queue = event_queue(settings)
    if queue is None:
        yield None
        return
    endpoint_url = settings.events.endpoint_url
    at: dict[str, Any] = {"region_name": queue.region, "endpoint_url": endpoint_url}
    async with (
        storage.client_of("sqs", **at) as sqs,
        nullcontext() if endpoint_url else storage.client_of("sts", region_name=queue.region) as sts,
    ):
        yield QueueClients(sqs=sqs, sts=sts)


async def prepare_bucket(settings: Settings, *, origins: Sequence[str]) -> None:
    """Create the demo bucket if needed, and allow CORS requests from these origins.

    Args:
        settings: The settings.
        origins: Origins of the pages, as ``scheme://host:port``.

    Raises:
        ProvisioningError: S3 refused or did not answer.
    """
    requirements = replace(bucket_requirements(settings), origins=tuple(origins))
    async with bucket_client(settings) as client:
        steps = await apply(client, requirements, rules=("bucket", "cors"))
    for step in steps:
        if step.state in PROBLEMS:
            message = f"bucket {requirements.bucket!r} could not be set up: {step.rule}: {step.found}"
            raise ProvisioningError(message)


def _abort_days(made: Iterable[Planner]) -> int | None:
    # S3 rounds up to the next midnight, so this number of days covers the whole lifetime.
    lives = [planner.policy.multipart_expires_in for planner in made if "multipart" in planner.methods]
    return math.ceil(max(lives) / _DAY) if lives else None


def _unclaimed_days(made: Iterable[Planner]) -> int | None:
    # The same in all policies (`check_unclaimed_days`).
    lives = [planner.policy.unclaimed_expires_in for planner in made]
    return next((days_of(seconds) for seconds in lives if seconds is not None), None)

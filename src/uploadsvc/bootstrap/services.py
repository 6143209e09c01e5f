"""Composition root: builds each object of the service once, from the settings."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, TypeVar

import structlog

from uploadsvc.bootstrap.limits import build_keys, build_rates, build_store
from uploadsvc.bootstrap.quotas import build_quotas
from uploadsvc.bootstrap.secrets import build_receipts, secret_keys
from uploadsvc.bootstrap.storage import (
    build_credential_issuer,
    build_planners,
    build_presigner,
    build_storage,
)
from uploadsvc.events.resolver import EventResolver
from uploadsvc.limiting.store import SharedStore
from uploadsvc.s3.multipart import MultipartStorage
from uploadsvc.s3.presigner import Presigner
from uploadsvc.s3.storage import Storage
from uploadsvc.s3.sts import Sts
from uploadsvc.s3.tagging import StoredTags
from uploadsvc.services.claiming import Claimer
from uploadsvc.services.create_upload import UploadCreator
from uploadsvc.services.inspection import Inspector
from uploadsvc.services.objects import Objects
from uploadsvc.services.policies import PolicyRegistry
from uploadsvc.services.quotas import Quotas
from uploadsvc.services.readiness import Readiness
from uploadsvc.services.request_signing import RequestSigner
from uploadsvc.services.temporary_credentials import CredentialIssuer
from uploadsvc.services.upload_tokens import UploadTokenIssuer
from uploadsvc.services.uploads import Uploads
from uploadsvc.services.verification import Verifier
from uploadsvc.settings import Settings, SettingsError
from uploadsvc.telemetry.metrics import Metrics
from uploadsvc.telemetry.tracing import Tracing
from uploadsvc.tokens.jwts import ACTION, DEMO, UPLOAD, ServiceTokens
from uploadsvc.tokens.object_claims import ObjectClaims
from uploadsvc.tokens.receipts import Receipts
from uploadsvc.tokens.signed_ids import SignedIds
from uploadsvc.tokens.signed_uuids import SignedUuids

if TYPE_CHECKING:
    from uploadsvc.limiting.rates import RateLimits

_log = structlog.get_logger("uploadsvc.limits")

A = TypeVar("A")
B = TypeVar("B")

Clock = Callable[[], datetime]
"""Returns the current time, aware."""


def utc_now() -> datetime:
    """Return the current time in UTC."""
    return datetime.now(UTC)


def build_both(first: Callable[[], A], second: Callable[[], B]) -> tuple[A, B]:
    """Return both results, or report the errors of both at once.

    Raises:
        SettingsError: Settings of one or both are wrong.
    """
    errors = []
    try:
        built = first()
    except SettingsError as error:
        errors.append(error)
    try:
        other = second()
    except SettingsError as error:
        errors.append(error)
    if errors:
        raise SettingsError.together(errors)
    return built, other


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """The objects of one service.

    Attributes:
        clock: Returns the current time, aware. The service has no other clock.
        policies: Policies and their planners.
        creator: Creates uploads.
        uploads: Existing uploads.
        objects: Stored objects.
        claimer: Claims stored objects.
        token_issuer: Issues upload tokens for callers.
        upload_tokens: Verifies upload tokens.
        demo_tokens: Tokens of the demo users; ``None`` outside demo mode.
        action_tokens: Tokens in URLs that Better Upload calls without a credential.
        receipts: Signs receipts.
        request_signer: Signs single S3 requests.
        credential_issuer: Issues S3 credentials.
        sts: Token service behind the credential issuer; ``None`` if it is off.
        storage: The bucket.
        presigner: Signs URLs for the bucket's public address.
        readiness: Readiness of the service.
        resolver: Turns S3's notifications into events.
        metrics: Metrics of the process.
        tracing: Makes spans.
        limits_store: Shared store of limits; ``None`` without one.
        rates: Limits requests and uploads; ``None`` if there is no limit.
        quotas: Quotas of users; ``None`` if there is none.
        quotas_by_process: Whether each process counts quotas alone.
    """

    clock: Clock
    policies: PolicyRegistry
    creator: UploadCreator
    uploads: Uploads
    objects: Objects
    claimer: Claimer
    token_issuer: UploadTokenIssuer
    upload_tokens: ServiceTokens
    demo_tokens: ServiceTokens | None
    action_tokens: ServiceTokens
    receipts: Receipts
    request_signer: RequestSigner
    credential_issuer: CredentialIssuer
    sts: Sts | None
    storage: Storage
    presigner: Presigner
    readiness: Readiness
    resolver: EventResolver
    metrics: Metrics
    tracing: Tracing
    limits_store: SharedStore | None
    rates: "RateLimits | None"
    quotas: Quotas | None
    quotas_by_process: bool

    @asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        """Open the clients of S3, the token service and the store of limits."""
        self.tracing.begin()
        if self.quotas_by_process:
            _log.info("quotas_by_process", meaning="with several processes, users can exceed their quotas")
        async with self.storage, self.sts or nullcontext(), self.limits_store or nullcontext():
            yield


def build_services(
    settings: Settings,
    *,
    clock: Clock = utc_now,
    metrics: Metrics | None = None,
    tracing: Tracing | None = None,
) -> Services:
    """Build the objects of the service, without opening any.

    Args:
        settings: The settings.
        clock: Returns the current time, aware. Tests control it.
        metrics: Metrics to count in; ``None`` for none.
        tracing: Makes spans; by default with OpenTelemetry's global provider.

    Raises:
        SettingsError: A secret key is missing, a key cannot be read, or AWS's own configuration is broken.
    """
    metrics = Metrics() if metrics is None else metrics
    secrets = secret_keys(settings)
    namespace, store, may_delete = settings.namespace, settings.s3.store, settings.objects.delete
    tracing = tracing or Tracing()
    storage = build_storage(settings.s3, clock=clock, metrics=metrics, tracing=tracing)
    presigner = build_presigner(settings.s3, storage=storage, clock=clock)
    policies = PolicyRegistry(build_planners(settings))
    receipts = build_receipts(settings, secrets)
    multipart = MultipartStorage(storage)
    ids = SignedIds(secrets)
    limits_store = build_store(settings, metrics=metrics)
    rates = build_rates(settings, store=limits_store, metrics=metrics)
    upload_tokens = ServiceTokens(secrets, kind=UPLOAD, clock=clock)
    object_claims = ObjectClaims(secrets)
    quotas = build_quotas(
        settings,
        store=limits_store,
        keys=lambda: build_keys(settings),
        metrics=metrics,
        clock=clock,
    )
    creator = UploadCreator(
        policies=policies,
        presigner=presigner,
        multipart=multipart,
        ids=ids,
        object_claims=object_claims if settings.carries_claims else None,
        quotas=quotas,
        clock=clock,
        metrics=metrics,
        rates=rates,
    )
    inspector = Inspector(storage=storage, policies=policies)
    verifier = Verifier(
        policies=policies,
        namespace=namespace,
        receipts=receipts,
        inspector=inspector,
        keeps_octet_stream=store.keeps_octet_stream,
        may_delete=may_delete,
        may_write=settings.uppy.credentials,
    )
    claimer = Claimer(
        policies=policies,
        namespace=namespace,
        storage=storage,
        tags=StoredTags(storage) if store.tagging else None,
        receipts=receipts,
        clock=clock,
    )
    uploads = Uploads(
        policies=policies,
        namespace=namespace,
        presigner=presigner,
        storage=storage,
        multipart=multipart,
        ids=ids,
        verifier=verifier,
        claimer=claimer,
        keys_are_paths=store.keys_are_paths,
        may_delete=may_delete,
        # Where S3's notifications are read, their reader reports a refused object before deleting it.
        may_remove=not (settings.events.queue_url or settings.events.push_secret),
        quotas=quotas,
        clock=clock,
        metrics=metrics,
    )
    objects = Objects(
        namespace=namespace,
        presigner=presigner,
        storage=storage,
        object_claims=object_claims,
        inspector=inspector,
        may_delete=may_delete,
        rates=rates,
        download_expires_in=settings.downloads.expires_in,
        max_download_expires_in=settings.downloads.max_expires_in,
    )
    token_issuer = UploadTokenIssuer(
        policies=settings.policies.keys(),
        namespace=namespace,
        tokens=upload_tokens,
        expires_in=settings.tokens.expires_in,
        max_expires_in=settings.tokens.max_expires_in,
        clock=clock,
    )
    request_signer = RequestSigner(
        creator=creator,
        uuids=SignedUuids(secrets, clock=clock),
        namespace=namespace,
        presigner=presigner,
        multipart=multipart,
        quotas=quotas,
        clock=clock,
    )
    credential_issuer, sts = build_credential_issuer(
        settings, storage=storage, presigner=presigner, quotas=quotas, clock=clock
    )
    action_tokens = ServiceTokens(secrets, kind=ACTION, clock=clock)
    demo_tokens = ServiceTokens(secrets, kind=DEMO, clock=clock) if settings.demo else None
    for tokens in (upload_tokens, action_tokens, demo_tokens):
        if tokens is not None:
            metrics.known_tokens.follow(tokens.known_count)
    return Services(
        clock=clock,
        policies=policies,
        creator=creator,
        uploads=uploads,
        objects=objects,
        claimer=claimer,
        token_issuer=token_issuer,
        upload_tokens=upload_tokens,
        demo_tokens=demo_tokens,
        action_tokens=action_tokens,
        receipts=receipts,
        request_signer=request_signer,
        credential_issuer=credential_issuer,
        sts=sts,
        storage=storage,
        presigner=presigner,
        readiness=Readiness(storage=storage, clock=clock),
        resolver=EventResolver(
            storage=storage,
            namespace=namespace,
            object_claims=object_claims,
            verifier=verifier,
            inspector=inspector,
            quotas=quotas,
            clock=clock,
        ),
        metrics=metrics,
        tracing=tracing,
        limits_store=limits_store,
        rates=rates,
        quotas=quotas,
        quotas_by_process=quotas is not None and limits_store is None,
    )

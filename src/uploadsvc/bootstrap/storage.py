"""The bucket: storage, presigner, planners, temporary credentials."""

from collections.abc import Callable
from datetime import datetime

from uploadsvc.domain.errors import StorageMisconfigured
from uploadsvc.domain.planner import Planner
from uploadsvc.s3.presigner import Presigner
from uploadsvc.s3.storage import Storage
from uploadsvc.s3.sts import Sts
from uploadsvc.services.quotas import Quotas
from uploadsvc.services.temporary_credentials import CredentialIssuer
from uploadsvc.settings import Settings, SettingsError
from uploadsvc.settings.s3 import S3Settings
from uploadsvc.telemetry.metrics import Metrics
from uploadsvc.telemetry.tracing import Tracing


def build_storage(
    s3: S3Settings, *, clock: Callable[[], datetime], metrics: Metrics, tracing: Tracing | None = None
) -> Storage:
    """Build the storage, at the service's own address, not open yet.

    Raises:
        SettingsError: AWS's own configuration is broken.
    """
    try:
        return Storage(
            bucket=s3.bucket,
            region=s3.signing_region,
            endpoint_url=s3.endpoint_url,
            addressing_style=s3.style,
            credentials=s3.credentials,
            clock=clock,
            tracing=tracing,
            metrics=metrics,
        )
    except StorageMisconfigured as error:
        raise SettingsError(("s3",), error.detail) from None


def build_presigner(s3: S3Settings, *, storage: Storage, clock: Callable[[], datetime]) -> Presigner:
    """Build the presigner for the bucket's public address."""
    return Presigner(
        endpoint=s3.public_endpoint,
        bucket=s3.bucket,
        region=s3.signing_region,
        credentials=storage.credentials,
        clock=clock,
    )


def build_planners(settings: Settings) -> dict[str, Planner]:
    """Build a planner for each policy, by name."""
    policies = {name: section.policy(name) for name, section in settings.policies.items()}
    return {
        name: Planner(
            policy=policy,
            provider=settings.s3.store,
            namespace=settings.namespace,
            others=[other for other in policies.values() if other is not policy],
            carries_claims=settings.carries_claims,
        )
        for name, policy in policies.items()
    }


def build_credential_issuer(
    settings: Settings,
    *,
    storage: Storage,
    presigner: Presigner,
    quotas: Quotas | None = None,
    clock: Callable[[], datetime],
) -> tuple[CredentialIssuer, Sts | None]:
    """Build the issuer of S3 credentials, and its token service to enter; ``None`` if it is off."""
    section, sts = settings.uppy, None
    if section.credentials:
        sts = Sts(
            storage,
            region=presigner.region,
            endpoint_url=section.sts_endpoint_url or settings.s3.endpoint_url,
            role_arn=section.role_arn,
        )
    issuer = CredentialIssuer(
        namespace=settings.namespace,
        presigner=presigner,
        sts=sts,
        quotas=quotas,
        policies=settings.policies,
        seconds=section.credentials_expires_in if sts else 0,
        clock=clock,
    )
    return issuer, sts

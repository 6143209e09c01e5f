"""What hands out S3 credentials, where that is on."""

from uploadsvc.bootstrap.clock import now
from uploadsvc.bootstrap.policies import provider
from uploadsvc.domain.endpoints import bucket_endpoint
from uploadsvc.domain.keys import Namespace
from uploadsvc.s3.presigner import Presigner
from uploadsvc.s3.storage import Storage
from uploadsvc.s3.sts import Sts
from uploadsvc.services.temporary_credentials import CredentialIssuer
from uploadsvc.settings import Settings, SettingsError


def credential_issuer(
    settings: Settings, *, storage: Storage, presigner: Presigner, namespace: Namespace
) -> tuple[CredentialIssuer, Sts | None]:
    """Return what hands out credentials, and the token service that is to be entered, if any.

    Raises:
        SettingsError: It is on where no token service holds sessions to a policy, or lacks a role.
    """
    section, store = settings.uppy, provider(settings)
    if not section.credentials:
        if section.role_arn or section.sts_endpoint_url:
            raise SettingsError(
                ("uppy", "credentials"), "must be true where a role or an STS endpoint is set"
            )
        return CredentialIssuer(
            namespace=namespace, presigner=presigner, sts=None, seconds=0, clock=now
        ), None
    if not store.session_policies:
        message = f"{store.name} has no token service that holds a session to a policy; leave it false"
        raise SettingsError(("uppy", "credentials"), message)
    endpoint_url = section.sts_endpoint_url or settings.s3.endpoint_url
    if section.role_arn is None and endpoint_url is not None:
        message = "missing; the role that is assumed (only AWS's own service can do without one)"
        raise SettingsError(("uppy", "role_arn"), message)
    try:
        if section.sts_endpoint_url is not None:
            bucket_endpoint(endpoint_url=section.sts_endpoint_url, bucket=presigner.bucket, style="path")
    except ValueError as error:
        raise SettingsError(("uppy", "sts_endpoint_url"), str(error)) from None
    sts = Sts(storage, region=presigner.region, endpoint_url=endpoint_url, role_arn=section.role_arn)
    made = CredentialIssuer(
        namespace=namespace, presigner=presigner, sts=sts, seconds=section.credentials_expires_in, clock=now
    )
    return made, sts

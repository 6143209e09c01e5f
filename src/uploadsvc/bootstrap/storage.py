"""The bucket, as the service reaches it and as browsers do."""

from collections.abc import Callable
from datetime import datetime

from uploadsvc.bootstrap.clock import now
from uploadsvc.bootstrap.policies import provider
from uploadsvc.domain.credentials import Credentials
from uploadsvc.domain.endpoints import addressing_style, aws_endpoint_url, bucket_endpoint
from uploadsvc.domain.errors import StorageMisconfigured
from uploadsvc.s3.presigner import Presigner
from uploadsvc.s3.storage import Storage
from uploadsvc.settings import Settings, SettingsError


def storage_and_presigner(
    settings: Settings, *, clock: Callable[[], datetime] = now
) -> tuple[Storage, Presigner]:
    """Return the bucket as the service reaches it, and the signer of its public address.

    Args:
        settings: The settings.
        clock: The time now, aware.

    Raises:
        SettingsError: They contradict each other.
    """
    s3 = settings.s3
    region = bucket_region(settings)
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
    credentials = _credentials(settings)
    try:
        storage = Storage(
            bucket=s3.bucket,
            region=region,
            endpoint_url=s3.endpoint_url,
            addressing_style=style,
            credentials=credentials,
            clock=clock,
        )
    except StorageMisconfigured as error:
        raise SettingsError(("s3",), error.detail) from None
    presigner = Presigner(
        endpoint=public, bucket=s3.bucket, region=region, credentials=storage.credentials, clock=clock
    )
    return storage, presigner


def bucket_region(settings: Settings) -> str:
    """Return the bucket's region.

    Raises:
        SettingsError: It is missing, or so is the address of a store that is none of AWS's.
    """
    s3 = settings.s3
    if s3.endpoint_url is None and s3.provider not in {None, "aws"}:
        raise SettingsError(("s3", "endpoint_url"), f"missing; where {s3.provider} is reached")
    if s3.region is None and s3.endpoint_url is None:
        raise SettingsError(("s3", "region"), "missing; the bucket's region, for example eu-central-1")
    return s3.region or provider(settings).default_region


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

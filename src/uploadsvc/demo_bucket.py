"""Demo mode's bucket: made at the start, with CORS for the pages that upload to it."""

from collections.abc import Sequence

import aioboto3
from aiobotocore.config import AioConfig
from botocore.exceptions import BotoCoreError

from uploadsvc.provisioning.bucket import ProvisioningError, ensure_bucket, ensure_cors
from uploadsvc.settings import Settings

_DEFAULT_REGION = "us-east-1"


async def prepare_bucket(settings: Settings, *, origins: Sequence[str]) -> None:
    """Make the bucket and let pages of these origins reach it; both may be there already.

    Args:
        settings: Those of the bucket.
        origins: Where the pages are served, as ``scheme://host:port``.

    Raises:
        ProvisioningError: S3 refused or did not answer.
    """
    try:
        await _prepare(settings, origins)
    except BotoCoreError as error:
        # Raised before S3 is asked: a profile that there is not, or none of the keys that it takes.
        message = f"bucket {settings.s3.bucket!r} could not be set up: {error}"
        raise ProvisioningError(message) from error


async def _prepare(settings: Settings, origins: Sequence[str]) -> None:
    s3 = settings.s3
    session = aioboto3.Session(
        aws_access_key_id=s3.access_key_id,
        aws_secret_access_key=s3.secret_access_key.get_secret_value() if s3.secret_access_key else None,
        aws_session_token=s3.session_token.get_secret_value() if s3.session_token else None,
    )
    style = "virtual" if s3.addressing_style == "virtual" else "path"
    config = AioConfig(
        signature_version="s3v4",
        s3={"addressing_style": style},
        connect_timeout=5,
        retries={"total_max_attempts": 3, "mode": "standard"},
    )
    region = s3.region or _DEFAULT_REGION
    async with session.client(
        "s3", region_name=region, endpoint_url=s3.endpoint_url, config=config
    ) as client:
        await ensure_bucket(client, bucket=s3.bucket, region=region)
        await ensure_cors(client, bucket=s3.bucket, origins=origins)

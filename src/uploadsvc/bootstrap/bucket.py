"""What the settings ask of the bucket, and of the rights on it."""

import math
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final

from uploadsvc.bootstrap.auth import allowed_origins
from uploadsvc.bootstrap.policies import namespace, planners, provider
from uploadsvc.bootstrap.storage import bucket_region, storage_and_presigner
from uploadsvc.domain.errors import UploadsvcError
from uploadsvc.domain.planner import Planner
from uploadsvc.provisioning.models import AccessRequirements, BucketRequirements, ProvisioningError
from uploadsvc.settings import Settings, SettingsError

if TYPE_CHECKING:
    from types_aiobotocore_s3 import S3Client

_DAY: Final = 86_400
_WHOLE_PROTOCOL: Final = frozenset({"PUT", "POST", "DELETE"})

_PUBLIC_ACLS: Final = frozenset({"public-read", "public-read-write", "authenticated-read"})
"""Those that grant something to AWS's groups of everybody:
https://docs.aws.amazon.com/AmazonS3/latest/userguide/access-control-block-public-access.html
"""

_ACLS_WITHOUT_ACLS: Final = frozenset({None, "bucket-owner-full-control"})
"""What a bucket with ACLs disabled takes:
https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-ownership-error-responses.html
"""


def bucket_requirements(settings: Settings) -> BucketRequirements:
    """Return what uploads need of their bucket.

    Raises:
        SettingsError: The settings contradict themselves or each other.
    """
    made = planners(settings).values()
    acls = {planner.policy.acl for planner in made}
    endpoints = (settings.s3.endpoint_url, settings.s3.public_endpoint_url)
    return BucketRequirements(
        bucket=settings.s3.bucket,
        region=bucket_region(settings),
        provider=provider(settings),
        key_prefix=namespace(settings).key_prefix,
        origins=tuple(dict.fromkeys(allowed_origins(settings))),
        cors_methods=cors_methods(made, by_browsers_themselves=settings.uppy.credentials),
        cors_headers=_cors_headers(made, by_browsers_themselves=settings.uppy.credentials),
        abort_days=_abort_days(made),
        needs_acls=not acls <= _ACLS_WITHOUT_ACLS,
        allows_public_acl=bool(acls & _PUBLIC_ACLS),
        tls=not any(url and url.lower().startswith("http://") for url in endpoints),
    )


def cors_methods(made: Iterable[Planner], *, by_browsers_themselves: bool) -> frozenset[str]:
    """Return the HTTP methods that pages use at the bucket: downloads, and what the policies upload by.

    Args:
        made: The policies' planners.
        by_browsers_themselves: Whether browsers sign requests of their own, by credentials of their own.
    """
    methods = {"GET", "HEAD"}
    upload = {"put": "PUT", "multipart": "PUT", "post": "POST"}
    for planner in made:
        methods.update(upload[method] for method in planner.methods)
        if planner.policy.unsized_multipart:
            # Requests that are signed one by one begin, complete and abort multipart uploads, too.
            methods |= _WHOLE_PROTOCOL
    return frozenset(methods | (_WHOLE_PROTOCOL if by_browsers_themselves else set()))


def _cors_headers(made: Iterable[Planner], *, by_browsers_themselves: bool) -> frozenset[str]:
    own = {"content-type"} if by_browsers_themselves else set[str]()
    return frozenset(own).union(*(planner.browser_headers for planner in made))


def access_requirements(settings: Settings) -> AccessRequirements:
    """Return what the service needs to be allowed.

    Raises:
        SettingsError: The settings contradict themselves or each other.
    """
    store = provider(settings)
    if not store.iam:
        message = f"{store.name} has no IAM policies; docs/bucket.md says which rights its keys need"
        raise SettingsError(("s3", "provider"), message)
    made = planners(settings).values()
    policies = [planner.policy for planner in made]
    kms_keys = {policy.kms_key_id for policy in policies if policy.kms_key_id}
    return AccessRequirements(
        bucket=settings.s3.bucket,
        region=bucket_region(settings),
        key_prefix=namespace(settings).key_prefix,
        multipart=any("multipart" in planner.methods for planner in made),
        delete=settings.objects.delete,
        acls=any(policy.acl for policy in policies),
        tags=any(policy.tags for policy in policies),
        kms_keys=frozenset(kms_keys if store.kms else ()),
        sessions=settings.uppy.credentials,
        role_arn=settings.uppy.role_arn,
    )


@asynccontextmanager
async def bucket_client(settings: Settings) -> "AsyncIterator[S3Client]":
    """Open a client of the bucket, with the credentials that the service itself would have.

    Raises:
        ProvisioningError: There are none.
        SettingsError: The settings contradict each other.
    """
    storage, _ = storage_and_presigner(settings)
    try:
        async with storage:
            yield storage.client
    except UploadsvcError as error:
        message = f"bucket {settings.s3.bucket!r} cannot be reached: {error.detail}"
        raise ProvisioningError(message) from error


def _abort_days(made: Iterable[Planner]) -> int | None:
    # S3 rounds up to the next midnight, so the last second that the service allows is within these days.
    lives = [planner.policy.multipart_expires_in for planner in made if "multipart" in planner.methods]
    return math.ceil(max(lives) / _DAY) if lives else None

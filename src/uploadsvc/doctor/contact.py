"""First contact with the store: connection, credentials, region and bucket."""

from collections.abc import Awaitable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Any, Final

from botocore.exceptions import ClientError

from uploadsvc.doctor.network import Obstacle, obstacle
from uploadsvc.doctor.responses import UNANSWERED, S3Response
from uploadsvc.doctor.target import Target
from uploadsvc.domain.credentials import Credentials
from uploadsvc.domain.errors import StorageUnavailable, UploadsvcError
from uploadsvc.s3.errors import NOT_S3, S3Failure
from uploadsvc.services.readiness import MAX_CLOCK_SKEW

_SETTING: Final = "UPLOADSVC_S3__ENDPOINT_URL"
_KEY_REFUSED: Final = frozenset(
    {"InvalidAccessKeyId", "SignatureDoesNotMatch", "ExpiredToken", "InvalidToken", "InvalidSecurity"}
)
_REDIRECTS: Final = frozenset(
    {
        HTTPStatus.MOVED_PERMANENTLY,
        HTTPStatus.FOUND,
        HTTPStatus.TEMPORARY_REDIRECT,
        HTTPStatus.PERMANENT_REDIRECT,
    }
)
_OTHER_REGION: Final = frozenset({"PermanentRedirect", "TemporaryRedirect", "AuthorizationHeaderMalformed"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Contact:
    """Result of the first contact.

    Attributes:
        credentials: The signing credentials, if any.
        problem: Why there are no credentials.
        obstacle: Reason why the store cannot be reached, if so.
        response: S3's answer to a request for the bucket.
        skew: How far the store's clock is ahead of ours; ``None`` if the store does not say.
    """

    credentials: Credentials | None = None
    problem: str = ""
    obstacle: Obstacle | None = None
    response: S3Response | None = None
    skew: timedelta | None = None

    def cause(self, target: Target) -> str | None:
        """Return the check to fix before signed requests can work; ``None`` if they can."""
        if self.obstacle is not None:
            return "endpoint"
        if self.credentials is None:
            return "credentials"
        if self.response is None or self.response.accepted:
            return None
        return self._refused_for(self.response, target)

    def _refused_for(self, response: S3Response, target: Target) -> str | None:
        elsewhere = response.region not in {"", target.region}
        if elsewhere or response.status in _REDIRECTS or response.code in _OTHER_REGION:
            return "region"
        skewed = self.skew is not None and abs(self.skew) > MAX_CLOCK_SKEW
        if skewed or response.code == "RequestTimeTooSkewed":
            return "clock"
        if response.code in _KEY_REFUSED:
            return "credentials"
        if response.status == HTTPStatus.NOT_FOUND:
            return "bucket"
        # Credentials without the right to list can still upload.
        return "endpoint" if response.status >= HTTPStatus.INTERNAL_SERVER_ERROR else None


async def first_contact(target: Target) -> Contact:
    """Send HeadBucket, like the service."""
    try:
        credentials = await _credentials(target)
    except UploadsvcError as error:
        blocked = await obstacle(target.inner, trust=target.trust, setting=_SETTING)
        return Contact(problem=error.detail, obstacle=blocked)
    client, bucket = target.storage.client, target.bucket
    try:
        head = await _asked(client.head_bucket(Bucket=bucket))
        # The answer to a HEAD has no body: it explains no refusal, and a web page answers it just as well.
        listing = await _asked(
            client.list_objects_v2(Bucket=bucket, Prefix=f"{target.folder}/", MaxKeys=1), field="IsTruncated"
        )
    except NOT_S3:
        return Contact(credentials=credentials, obstacle=_not_s3(target))
    except UNANSWERED as error:
        blocked = await obstacle(target.inner, trust=target.trust, setting=_SETTING)
        return Contact(credentials=credentials, obstacle=blocked or _broken(target, error))
    # botocore makes a 500 of a page that it cannot parse.
    down = listing.response.status >= HTTPStatus.INTERNAL_SERVER_ERROR and not head.response.accepted
    if not (head.s3 or listing.s3 or down):
        return Contact(credentials=credentials, obstacle=_not_s3(target))
    response = head.response
    if not (response.accepted or listing.response.accepted):
        response = replace(listing.response, region=listing.response.region or response.region)
    return Contact(credentials=credentials, response=response, skew=_skew(head.date, target))


def _not_s3(target: Target) -> Obstacle:
    found = f"what answers at {target.inner.scheme}://{target.inner.host} is not S3"
    return Obstacle(found=found, fix=_set_endpoint(target))


def _set_endpoint(target: Target) -> str:
    if target.provider.name == "aws":
        return "correct the proxy or DNS record in between: requests for S3 have to reach S3"
    return f"set {_SETTING} to the address of the store's S3 API"


def _broken(target: Target, error: Exception) -> Obstacle:
    found = f"{target.inner.host} does not answer as S3 does ({type(error).__name__})"
    fix = f"look at the store's log and any proxy before it, or correct {_SETTING}"
    return Obstacle(found=found, fix=fix)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Answer:
    response: S3Response
    s3: bool
    """Return whether the response is recognizably from S3."""
    date: str | None


async def _asked(call: Awaitable[Any], *, field: str | None = None) -> _Answer:
    """Return the answer to a call; a successful one of S3 has the field, or S3's headers."""
    try:
        answered = await call
    except ClientError as error:
        failure, response = S3Failure.of_error(error), S3Response.of_error(error)
        explained = bool(failure.code) and failure.explained
        metadata: Any = error.response["ResponseMetadata"]
    else:
        explained, metadata = field in answered, answered["ResponseMetadata"]
        region = metadata["HTTPHeaders"].get("x-amz-bucket-region", "")
        response = S3Response(status=metadata["HTTPStatusCode"], region=region)
    headers: Mapping[str, str] = metadata["HTTPHeaders"]
    own = explained or any(name.lower().startswith("x-amz-") for name in headers)
    return _Answer(response=response, s3=own, date=headers.get("date"))


async def _credentials(target: Target) -> Credentials:
    try:
        return await target.storage.credentials()
    except StorageUnavailable:
        # A metadata service, or a single sign-on, may take a while.
        return await target.storage.credentials()


def _skew(date: str | None, target: Target) -> timedelta | None:
    try:
        told: datetime = parsedate_to_datetime(date or "").astimezone(UTC)
    except ValueError:
        return None
    return told - target.clock()

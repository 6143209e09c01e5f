"""First contact with the store: can it be reached, and does it know credentials, region and bucket?"""

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Any, Final

from botocore.exceptions import ClientError

from uploadsvc.doctor.network import obstacle
from uploadsvc.doctor.responses import UNANSWERED, S3Response
from uploadsvc.doctor.target import Target
from uploadsvc.domain.credentials import Credentials
from uploadsvc.domain.errors import StorageUnavailable, UploadsvcError
from uploadsvc.services.readiness import MAX_CLOCK_SKEW

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
        credentials: The credentials that sign, if there are any.
        problem: Why there are no credentials.
        obstacle: Why the store cannot be reached, if it cannot.
        response: S3's answer to a request for the bucket.
        skew: How far the store's clock is ahead of ours; ``None`` if the store does not say.
    """

    credentials: Credentials | None = None
    problem: str = ""
    obstacle: str | None = None
    response: S3Response | None = None
    skew: timedelta | None = None

    def cause(self, target: Target) -> str | None:
        """Return the check that has to be fixed before signed requests can work; ``None`` if they can."""
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
    """Ask for the bucket, as the service does."""
    try:
        credentials = await _credentials(target)
    except UploadsvcError as error:
        blocked = await obstacle(target.inner, trust=target.trust)
        return Contact(problem=error.detail, obstacle=blocked)
    client, bucket = target.storage.client, target.bucket
    try:
        try:
            answered: Any = await client.head_bucket(Bucket=bucket)
        except ClientError as error:
            skew = _skew(error.response, target)
            # The answer to a HEAD has no body to explain it.
            response = await _explained(target, S3Response.of_error(error))
            return Contact(credentials=credentials, response=response, skew=skew)
    except UNANSWERED as error:
        blocked = await obstacle(target.inner, trust=target.trust)
        found = blocked or f"{target.inner.host} does not answer as S3 does ({type(error).__name__})"
        return Contact(credentials=credentials, obstacle=found)
    metadata = answered["ResponseMetadata"]
    region = metadata["HTTPHeaders"].get("x-amz-bucket-region", "")
    accepted = S3Response(status=metadata["HTTPStatusCode"], region=region)
    return Contact(credentials=credentials, response=accepted, skew=_skew(answered, target))


async def _credentials(target: Target) -> Credentials:
    try:
        return await target.storage.credentials()
    except StorageUnavailable:
        # A metadata service, or a person's single sign-on, may take a while.
        return await target.storage.credentials()


async def _explained(target: Target, head: S3Response) -> S3Response:
    try:
        await target.storage.client.list_objects_v2(
            Bucket=target.bucket, Prefix=f"{target.folder}/", MaxKeys=1
        )
    except ClientError as error:
        response = S3Response.of_error(error)
        return replace(response, region=response.region or head.region)
    return head


def _skew(answered: Any, target: Target) -> timedelta | None:  # noqa: ANN401 - a success or an error
    date = answered["ResponseMetadata"]["HTTPHeaders"].get("date")
    try:
        told: datetime = parsedate_to_datetime(date).astimezone(UTC)
    except (TypeError, ValueError):
        return None
    return told - target.clock()

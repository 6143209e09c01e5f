"""The first words with the store: does it answer, when, from which region, and does it know us."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any, Final

from botocore.exceptions import ClientError

from uploadsvc.doctor.network import obstacle
from uploadsvc.doctor.responses import UNANSWERED, Answer, of_error
from uploadsvc.doctor.target import Target
from uploadsvc.domain.credentials import Credentials
from uploadsvc.domain.errors import StorageUnavailable, UploadsvcError
from uploadsvc.services.readiness import MAX_CLOCK_SKEW

_KEY_REFUSED: Final = frozenset(
    {"InvalidAccessKeyId", "SignatureDoesNotMatch", "ExpiredToken", "InvalidToken", "InvalidSecurity"}
)
_REDIRECTS: Final = frozenset({301, 302, 307, 308})
_OTHER_REGION: Final = frozenset({"PermanentRedirect", "TemporaryRedirect", "AuthorizationHeaderMalformed"})
_MISSING: Final = 404
_FAILURES: Final = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Contact:
    """What came of it.

    Attributes:
        credentials: Those that sign, if there are any.
        problem: Why there are none.
        obstacle: What keeps us from the store, if anything does.
        answer: To the question for the bucket.
        skew: How far the store's clock is ahead of ours; ``None`` where it does not say.
    """

    credentials: Credentials | None = None
    problem: str = ""
    obstacle: str | None = None
    answer: Answer | None = None
    skew: timedelta | None = None

    def cause(self, target: Target) -> str | None:
        """Return the check that has to be mended before anything signed can work; ``None`` for none."""
        if self.obstacle is not None:
            return "endpoint"
        if self.credentials is None:
            return "credentials"
        return None if self.answer is None or self.answer.taken else self._refused_for(self.answer, target)

    def _refused_for(self, answer: Answer, target: Target) -> str | None:
        elsewhere = answer.region not in {"", target.region}
        if elsewhere or answer.status in _REDIRECTS or answer.code in _OTHER_REGION:
            return "region"
        skewed = self.skew is not None and abs(self.skew) > MAX_CLOCK_SKEW
        if skewed or answer.code == "RequestTimeTooSkewed":
            return "clock"
        if answer.code in _KEY_REFUSED:
            return "credentials"
        # Whoever may not list may upload all the same.
        kinds = {_MISSING // 100: "bucket" if answer.status == _MISSING else None, _FAILURES: "endpoint"}
        return kinds.get(answer.status // 100)


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
            # The answer to a HEAD has no body that would say why.
            answer = await _reason(target, of_error(error))
            return Contact(credentials=credentials, answer=answer, skew=skew)
    except UNANSWERED as error:
        blocked = await obstacle(target.inner, trust=target.trust)
        found = blocked or f"{target.inner.host} does not answer as S3 does ({type(error).__name__})"
        return Contact(credentials=credentials, obstacle=found)
    region = answered["ResponseMetadata"]["HTTPHeaders"].get("x-amz-bucket-region", "")
    taken = Answer(status=answered["ResponseMetadata"]["HTTPStatusCode"], region=region)
    return Contact(credentials=credentials, answer=taken, skew=_skew(answered, target))


async def _credentials(target: Target) -> Credentials:
    try:
        return await target.storage.credentials()
    except StorageUnavailable:
        # A metadata service, or a person's single sign-on, may take a while.
        return await target.storage.credentials()


async def _reason(target: Target, head: Answer) -> Answer:
    try:
        await target.storage.client.list_objects_v2(
            Bucket=target.bucket, Prefix=f"{target.folder}/", MaxKeys=1
        )
    except ClientError as error:
        said = of_error(error)
        return Answer(
            status=said.status, code=said.code, message=said.message, region=said.region or head.region
        )
    return head


def _skew(answered: Any, target: Target) -> timedelta | None:  # noqa: ANN401 - a success or an error
    date = answered["ResponseMetadata"]["HTTPHeaders"].get("date")
    try:
        told: datetime = parsedate_to_datetime(date).astimezone(UTC)
    except (TypeError, ValueError):
        return None
    return told - target.clock()

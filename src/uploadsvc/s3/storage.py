"""The service's S3 client."""

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping
from collections.abc import Set as AbstractSet
from contextlib import AsyncExitStack, asynccontextmanager, nullcontext
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from importlib.metadata import version
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Self, TypeVar

from aiobotocore.config import AioConfig
from botocore.exceptions import ClientError

from uploadsvc.domain import metadata as user_metadata
from uploadsvc.domain.checksums import ALGORITHMS, Checksum
from uploadsvc.domain.credentials import Credentials
from uploadsvc.domain.objects import ListedObject, StoredObject
from uploadsvc.s3.answers import BoundedSession, refuse_other_answers
from uploadsvc.s3.aws_chain import AwsChain
from uploadsvc.s3.completion import send_completion_bodies
from uploadsvc.s3.credentials import CredentialSource
from uploadsvc.s3.deletion import send_deletion_bodies
from uploadsvc.s3.errors import DEADLINE, MISSING, RefusedError, S3Failure, s3_errors
from uploadsvc.s3.listing import ENCODING, listed_objects
from uploadsvc.s3.parsing import read_large_responses_once
from uploadsvc.s3.sessions import CREDENTIALS_DEADLINE, client_config, session_with
from uploadsvc.s3.slots import CallSlots
from uploadsvc.telemetry.metrics import Metrics
from uploadsvc.telemetry.tracing import Tracing

if TYPE_CHECKING:
    from aiobotocore.response import StreamingBody
    from types_aiobotocore_s3 import S3Client
    from types_aiobotocore_s3.type_defs import HeadObjectOutputTypeDef

T = TypeVar("T")

_REPLACED: Final = frozenset({"412", "PreconditionFailed", "NoSuchVersion"})
"""Error codes of an object that has been replaced."""

_NOT_IN_XML: Final = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")
"""https://www.w3.org/TR/xml/#charsets"""

_SKEWED: Final = "RequestTimeTooSkewed"
"""Error code of a signature that is more than 15 minutes off.
https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html
"""

MISSING_TAGS: Final = MISSING | {"NoSuchVersion", "NoSuchTagSet", "NoSuchTagSetError"}
"""Error codes of an object that does not exist, or has no tags: some stores do not return an empty list."""

CONNECTIONS: Final = 64
"""Maximum number of connections for calls that take a few seconds at most."""

ASSEMBLIES: Final = 32
"""Additional connections for assemblies of parts, which may take minutes."""


class Storage:
    """A bucket. Enter it to open its client, which all requests of the process share.

    Args:
        bucket: The bucket's name.
        region: The bucket's region.
        endpoint_url: Address of the store for the service; ``None`` for AWS.
        addressing_style: ``path`` or ``virtual``.
        credentials: A fixed access key; ``None`` for the AWS chain (environment, profile, role …).
        clock: Returns the current time, aware.
        metrics: Counts the calls.
        tracing: Makes spans.

    Raises:
        StorageMisconfigured: The environment names a profile that does not exist, or AWS's configuration is
            malformed.
    """

    def __init__(
        self,
        *,
        bucket: str,
        region: str,
        endpoint_url: str | None,
        addressing_style: str,
        credentials: Credentials | None,
        clock: Callable[[], datetime],
        metrics: Metrics,
        tracing: Tracing | None = None,
    ) -> None:
        self.bucket = bucket
        self._durations = metrics.s3_call_duration
        self._clock_skew = metrics.clock_skew
        self._slots = CallSlots(CONNECTIONS)
        self._clock = clock
        self._chain = AwsChain(region=region, tracing=tracing)
        fetch = _fixed(credentials) if credentials else self._chain
        self._source = CredentialSource(fetch, clock=clock, deadline=CREDENTIALS_DEADLINE, patience=DEADLINE)
        metrics.credentials_remaining.follow(self._source.seconds_left)
        self._stack = AsyncExitStack()
        self._running: set[asyncio.Task[Any]] = set()
        self._client: S3Client | None = None
        self._session = session_with(self._source, fixed=credentials is not None, tracing=tracing)
        self._options: dict[str, Any] = {
            "region_name": region,
            "endpoint_url": endpoint_url,
            "config": AioConfig(
                # botocore's own describes the machine, and takes as long to build as the signature.
                user_agent=f"uploadsvc/{version('uploadsvc')}",
                signature_version="s3v4",
                s3={"addressing_style": addressing_style},
                # Other stores reject the checksums that newer SDKs add by default.
                request_checksum_calculation="when_required",
                response_checksum_validation="when_required",
                retries={"total_max_attempts": 3, "mode": "standard"},
                connect_timeout=2,
                # Each call has its own deadline. The completion of a multipart upload may send nothing for a
                # long time.
                read_timeout=60,
                max_pool_connections=CONNECTIONS + ASSEMBLIES,
                http_session_cls=BoundedSession,
            ),
        }

    async def __aenter__(self) -> Self:
        """Open the client, and fetch credentials in the background. Nothing is sent to S3 yet."""
        client: S3Client = await self._stack.enter_async_context(self._session.client("s3", **self._options))
        client.meta.events.register("before-call.s3", _disable_region_redirect)
        refuse_other_answers(client.meta.events)
        read_large_responses_once(client.meta.events)
        send_completion_bodies(client.meta.events)
        send_deletion_bodies(client.meta.events)
        self._client = client
        self._stack.push_async_callback(self._source.close)
        self._source.ask()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Cancel background work; close the client and its connections."""
        for task in list(self._running):
            task.cancel()
        if self._running:
            await asyncio.wait(self._running)
        self._client = None
        await self._stack.__aexit__(kind, error, trace)

    @property
    def client(self) -> "S3Client":
        """The open client.

        Raises:
            RuntimeError: The storage was not entered, which the app's lifespan does.
        """
        if self._client is None:
            message = "the storage is not open: run the app's lifespan"
            raise RuntimeError(message)
        return self._client

    def client_of(self, service: str, *, connections: int = 10, **options: Any) -> Any:  # noqa: ANN401 - each service has a type of its own
        """Return a context manager for a client of another AWS service, with the same credentials."""
        return self._session.client(service, config=client_config(connections=connections), **options)

    @asynccontextmanager
    async def call(
        self,
        operation: str,
        *,
        expected: AbstractSet[str] = frozenset(),
        deadline: float | None = None,
        slot: bool = True,
    ) -> AsyncIterator[None]:
        """Wait for a slot, then limit the time of a call and count it.

        Args:
            operation: Name of the call, for the log and the metrics.
            expected: S3's codes to raise as `RefusedError`.
            deadline: Seconds; `DEADLINE` by default.
            slot: Whether to wait for one of `CONNECTIONS` slots. Assemblies and calls to STS do not.

        Raises:
            RefusedError: S3 answered with an expected code.
            UploadsvcError: S3 denies the call, fails or does not answer in time, or no slot becomes free.
        """
        async with (
            s3_errors(operation, expected=expected, deadline=deadline, durations=self._durations),
            self._slots.taken(operation) if slot else nullcontext(),
        ):
            yield

    def run(self, work: Coroutine[Any, Any, T]) -> "asyncio.Task[T]":
        """Run a coroutine in the background. Closing the storage cancels it."""
        task = asyncio.create_task(work)
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        return task

    async def credentials(self) -> Credentials:
        """Return valid credentials. Those of the AWS chain are renewed before they expire.

        Raises:
            StorageMisconfigured: The AWS chain has no credentials.
            StorageDenied: STS refuses the role.
            StorageUnavailable: They could not be renewed.
        """
        return await self._source.current()

    @property
    def credentials_provider(self) -> str | None:
        """Source of the AWS chain's credentials, by botocore's name; ``None`` until there are any."""
        return self._chain.method

    async def check(self) -> datetime:
        """Check that the bucket is accessible. Returns the time of S3's clock.

        Raises:
            UploadsvcError: S3 denies the call, fails or does not answer.
        """
        async with self.call("head_bucket"):
            try:
                answer = await self._check()
            except ClientError as error:
                if S3Failure.of_error(error).code == _SKEWED:
                    self._read_clock(error.response)
                raise
        return self._read_clock(answer)

    def _read_clock(self, answer: Mapping[str, Any]) -> datetime:
        """Return the time of S3's clock, and record the skew of this machine's clock."""
        date, now = answer["ResponseMetadata"]["HTTPHeaders"].get("date"), self._clock()
        if not date:
            return now
        then = parsedate_to_datetime(date).astimezone(UTC)
        self._clock_skew.set((now - then).total_seconds())
        return then

    async def _check(self) -> Mapping[str, Any]:
        refused, answer = None, None
        try:
            answer = await self.client.head_bucket(Bucket=self.bucket)
        except ClientError as error:
            if S3Failure.of_error(error).status >= HTTPStatus.INTERNAL_SERVER_ERROR:
                raise
            refused = error
        if answer and any(name.startswith("x-amz-") for name in answer["ResponseMetadata"]["HTTPHeaders"]):
            return answer
        # A response without a body shows neither whether it comes from S3 nor why S3 refuses.
        try:
            return await self.client.list_objects_v2(Bucket=self.bucket, MaxKeys=1)
        except ClientError as error:
            if answer and S3Failure.of_error(error).explained:
                # It comes from S3. The service may have no permission to list the whole bucket.
                return answer
            if S3Failure.of_error(error).explained or refused is None:
                raise
            raise refused from None

    async def head(self, key: str, *, version_id: str | None = None) -> StoredObject | None:
        """Return an object's properties, or ``None`` if it does not exist.

        Args:
            key: Key of the object.
            version_id: Its version; ``None`` for the latest.

        Raises:
            UploadsvcError: S3 denies the call, fails or does not answer.
        """
        try:
            async with self.call("head_object", expected=MISSING):
                answer = await self.client.head_object(
                    Bucket=self.bucket, Key=key, ChecksumMode="ENABLED", **_version(version_id)
                )
                return _stored(self.bucket, key, answer)
        except RefusedError as error:
            if error.request_id is None:
                # Any web server can send a 404.
                await self.check()
            return None

    async def read_head(self, stored: StoredObject, size: int) -> bytes | None:
        """Return an object's first bytes, or ``None`` if it has been replaced or deleted since.

        Args:
            stored: The object, as `head` returned it.
            size: Maximum bytes to read, even if the store sends the whole object.

        Raises:
            UploadsvcError: S3 denies the call, fails or does not answer.
        """
        if stored.size == 0:
            # A range cannot be empty: https://www.rfc-editor.org/rfc/rfc9110#section-15.5.17
            return b""
        try:
            async with self.call("get_object", expected=MISSING | _REPLACED):
                answer = await self.client.get_object(
                    Bucket=self.bucket,
                    Key=stored.key,
                    Range=f"bytes=0-{size - 1}",
                    IfMatch=f'"{stored.etag}"',
                    **_version(stored.version_id),
                )
                body = answer["Body"]
                async with body:
                    # Not every store checks the condition.
                    same = answer["ETag"].strip('"') == stored.etag
                    return await _first(body, min(size, stored.size)) if same else None
        except RefusedError:
            return None

    async def tags(self, stored: StoredObject) -> dict[str, str]:
        """Return an object's tags; none if it no longer exists.

        Args:
            stored: The object, as `head` returned it.

        Raises:
            UploadsvcError: S3 denies the call, fails or does not answer.
        """
        try:
            async with self.call("get_object_tagging", expected=MISSING_TAGS):
                answer = await self.client.get_object_tagging(
                    Bucket=self.bucket, Key=stored.key, **_version(stored.version_id)
                )
                return {tag["Key"]: tag["Value"] for tag in answer["TagSet"]}
        except RefusedError:
            return {}

    async def delete(self, key: str, *, version_id: str | None = None) -> None:
        """Delete an object, if it exists.

        Args:
            key: Key of the object.
            version_id: Version to delete permanently; ``None`` for the latest, which a versioned bucket only
                hides.

        Raises:
            UploadsvcError: S3 denies the call, fails or does not answer.
        """
        try:
            async with self.call("delete_object", expected=MISSING):
                await self.client.delete_object(Bucket=self.bucket, Key=key, **_version(version_id))
        except RefusedError:
            return

    async def list_objects(self, *, prefix: str, after: str, limit: int) -> tuple[list[ListedObject], bool]:
        """List objects in the order of their keys.

        Args:
            prefix: Prefix of the keys.
            after: Start after this key; empty to start at the beginning.
            limit: Maximum number of objects, 1 to 1,000.

        Returns:
            The objects, and whether there are more.

        Raises:
            UploadsvcError: S3 denies the call, fails or does not answer.
        """
        # Stores return StartAfter in their XML, and not all encode characters that XML cannot contain.
        readable = _NOT_IN_XML.split(after, maxsplit=1)[0]
        start: dict[str, Any] = {"StartAfter": readable}
        async with self.call("list_objects_v2"):
            while True:
                answer = await self.client.list_objects_v2(
                    Bucket=self.bucket, Prefix=prefix, MaxKeys=limit, EncodingType=ENCODING, **start
                )
                listed = await listed_objects(answer, after="" if readable == after else after)
                if listed or readable == after or not answer["IsTruncated"]:
                    return listed, answer["IsTruncated"]
                start = {"ContinuationToken": answer["NextContinuationToken"]}


def _version(version_id: str | None) -> dict[str, Any]:
    return {} if version_id is None else {"VersionId": version_id}


async def _first(body: "StreamingBody", size: int) -> bytes:
    """Read at most this many bytes. The rest is never received."""
    first = bytearray()
    while len(first) < size and (some := await body.read(size - len(first))):
        first += some
    return bytes(first)


def _fixed(credentials: Credentials) -> Callable[[], Awaitable[Credentials]]:
    async def fetch() -> Credentials:
        return credentials

    return fetch


def _disable_region_redirect(context: dict[str, Any], **_: object) -> None:
    # botocore would look up the bucket's region, by a call that may be redirected endlessly, and hide that
    # presigned URLs have the wrong region.
    context.get("s3_redirect", {})["redirected"] = True


def _stored(bucket: str, key: str, answer: "HeadObjectOutputTypeDef") -> StoredObject:
    metadata = dict(answer["Metadata"])
    upload = metadata.pop(user_metadata.UPLOAD_MARK, None)
    claims = metadata.pop(user_metadata.UPLOAD_CLAIMS, None)
    return StoredObject(
        key=key,
        bucket=bucket,
        size=answer["ContentLength"],
        content_type=answer.get("ContentType", "binary/octet-stream"),
        content_encoding=answer.get("ContentEncoding"),
        etag=answer["ETag"].strip('"'),
        version_id=answer.get("VersionId"),
        checksums=tuple(_checksums(dict(answer))),
        last_modified=answer["LastModified"].astimezone(UTC),
        metadata={name: user_metadata.decode(value) for name, value in metadata.items()},
        upload=upload,
        claims=claims,
    )


def _checksums(answer: dict[str, Any]) -> list[Checksum]:
    found = []
    for algorithm in ALGORITHMS:
        try:
            found.append(Checksum(algorithm, answer[f"Checksum{algorithm.upper()}"]))
        except (KeyError, ValueError):
            # Absent or malformed.
            continue
    return found

"""Presigned URLs and forms for the bucket's public address."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import cached_property
from typing import Final
from urllib.parse import quote

from uploadsvc.domain.credentials import Credentials
from uploadsvc.domain.endpoints import BucketEndpoint
from uploadsvc.s3.credentials import about_to_expire, usable_until
from uploadsvc.s3.sigv4 import Condition, FormSigner, Method, UrlSigner

_SHARED_BATCHES: Final = 64
"""Maximum number of batches to share between requests, one per lifetime."""

_ZERO: Final = timedelta(0)
_SECOND: Final = timedelta(seconds=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Presigner:
    """Signs requests for one bucket.

    Attributes:
        endpoint: Address of the bucket for browsers.
        bucket: Name of the bucket.
        region: Region of the bucket.
        credentials: Returns the current credentials.
        clock: Returns the current time, aware.
    """

    endpoint: BucketEndpoint
    bucket: str
    region: str
    credentials: Callable[[], Awaitable[Credentials]]
    clock: Callable[[], datetime]
    _batches: dict[int, "SigningBatch"] = field(default_factory=dict, init=False, repr=False, compare=False)

    async def start(self, *, expires_in: int, not_after: datetime | None = None) -> "SigningBatch":
        """Start a batch. All its URLs and forms share credentials, time of signing and expiry time.

        Args:
            expires_in: Lifetime in seconds, shortened if the credentials expire earlier.
            not_after: Latest expiry time, aware.

        Raises:
            UploadsvcError: There are no credentials, or they are about to expire.
        """
        return self.batch(await self.credentials(), expires_in=expires_in, not_after=not_after)

    def batch(
        self, credentials: Credentials, *, expires_in: int, not_after: datetime | None = None
    ) -> "SigningBatch":
        """Start a batch like `start`, with credentials that were already awaited."""
        now = self.clock()
        shared = self._batches.get(expires_in) if not_after is None else None
        if shared is not None and shared.credentials is credentials and _ZERO <= now - shared.now < _SECOND:
            return shared
        now = now.replace(microsecond=0)
        expires_at = now + timedelta(seconds=expires_in)
        for limit in (not_after, usable_until(credentials)):
            if limit is not None and limit < expires_at:
                expires_at = limit
        if expires_at <= now:
            raise about_to_expire()
        batch = SigningBatch(presigner=self, credentials=credentials, now=now, expires_at=expires_at)
        if not_after is None:
            if len(self._batches) >= _SHARED_BATCHES:
                self._batches.clear()
            self._batches[expires_in] = batch
        return batch

    def with_credentials(self, credentials: Credentials) -> "Presigner":
        """Return a presigner with fixed credentials."""

        async def fixed() -> Credentials:
            return credentials

        return replace(self, credentials=fixed)

    def object_url(self, key: str) -> str:
        """Return the address of an object, without a signature."""
        return f"{self.endpoint.base_url.rstrip('/')}/{quote(key)}"


@dataclass(frozen=True, kw_only=True)
class SigningBatch:
    """Signs URLs and forms that share credentials, time of signing and expiry time.

    Attributes:
        presigner: Presigner that started the batch.
        credentials: Credentials that sign.
        now: Time of signing, in whole seconds.
        expires_at: Expiry time of the URLs and forms, at least a minute before that of the credentials.
    """

    presigner: Presigner
    credentials: Credentials
    now: datetime
    expires_at: datetime

    def url(
        self,
        method: Method,
        key: str,
        *,
        headers: Mapping[str, str] | None = None,
        query: Mapping[str, str] | None = None,
    ) -> str:
        """Return a presigned URL; the request must carry ``headers`` exactly as given."""
        return self._url_signer.presign(method, key, headers=headers, query=query)

    @cached_property
    def began(self) -> int:
        """Time of signing, Unix seconds."""
        return int(self.now.timestamp())

    @cached_property
    def ends(self) -> int:
        """Expiry time of the URLs and forms, Unix seconds."""
        return int(self.expires_at.timestamp())

    @cached_property
    def _form_signer(self) -> FormSigner:
        return FormSigner(
            credentials=self.credentials,
            region=self.presigner.region,
            now=self.now,
            expires_at=self.expires_at,
        )

    @cached_property
    def _url_signer(self) -> UrlSigner:
        return UrlSigner(
            endpoint=self.presigner.endpoint,
            credentials=self.credentials,
            region=self.presigner.region,
            now=self.now,
            expires_in=int((self.expires_at - self.now).total_seconds()),
        )

    def form(self, fields: Mapping[str, str], *, size_range: tuple[int, int]) -> dict[str, str]:
        """Return all fields of a form for exactly ``fields`` and a file of ``size_range`` bytes."""
        conditions: list[Condition] = [
            {"bucket": self.presigner.bucket},
            *({name: value} for name, value in fields.items()),
            ["content-length-range", *size_range],
        ]
        return {**fields, **self._form_signer.sign(conditions)}

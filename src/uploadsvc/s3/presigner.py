"""What callers are handed: URLs and forms, signed for the bucket's public address."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import quote

from uploadsvc.domain.credentials import Credentials
from uploadsvc.domain.endpoints import BucketEndpoint
from uploadsvc.s3.credentials import about_to_expire, usable_until
from uploadsvc.s3.sigv4 import Condition, Method, presign, sign_post_policy


@dataclass(frozen=True, slots=True, kw_only=True)
class Presigner:
    """Signs requests on one bucket.

    Attributes:
        endpoint: Where browsers reach the bucket.
        bucket: Its name.
        region: Its region.
    """

    endpoint: BucketEndpoint
    bucket: str
    region: str

    def url(
        self,
        method: Method,
        key: str,
        *,
        credentials: Credentials,
        now: datetime,
        expires_at: datetime,
        headers: Mapping[str, str] | None = None,
        query: Mapping[str, str] | None = None,
    ) -> str:
        """Return a presigned URL; ``headers`` must be sent exactly as given."""
        return presign(
            method=method,
            endpoint=self.endpoint,
            key=key,
            credentials=credentials,
            region=self.region,
            now=now,
            expires_in=int((expires_at - now).total_seconds()),
            headers=headers,
            query=query,
        )

    def object_url(self, key: str) -> str:
        """Return an object's address, without a signature."""
        return f"{self.endpoint.base_url.rstrip('/')}/{quote(key)}"

    def form(
        self,
        fields: Mapping[str, str],
        *,
        credentials: Credentials,
        now: datetime,
        expires_at: datetime,
        size_range: tuple[int, int],
    ) -> dict[str, str]:
        """Return all fields of a form that may send exactly ``fields`` and a file of ``size_range`` bytes."""
        conditions: list[Condition] = [
            {"bucket": self.bucket},
            *({name: value} for name, value in fields.items()),
            ["content-length-range", *size_range],
        ]
        signed = sign_post_policy(
            conditions=conditions, credentials=credentials, region=self.region, now=now, expires_at=expires_at
        )
        return {**fields, **signed}


def end_of_life(credentials: Credentials, *, now: datetime, expires_in: int) -> datetime:
    """Return when a URL signed now ends: never later than its credentials, less a margin.

    Args:
        credentials: Those that will sign.
        now: The time of signing, whole seconds.
        expires_in: The life asked for, in seconds.

    Raises:
        StorageUnavailable: The credentials are about to end, so that any URL would be dead.
    """
    end = now + timedelta(seconds=expires_in)
    until = usable_until(credentials)
    if until is not None:
        end = min(end, until)
    if end <= now:
        raise about_to_expire()
    return end

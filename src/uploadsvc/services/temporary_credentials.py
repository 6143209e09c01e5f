"""Issue temporary S3 credentials for the caller's prefix."""

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from uploadsvc.domain import errors
from uploadsvc.domain.arns import objects_arn
from uploadsvc.domain.credentials import TEMPORARY_ACTIONS, Credentials
from uploadsvc.domain.keys import Namespace, encode_user
from uploadsvc.domain.principal import Principal
from uploadsvc.s3.presigner import Presigner
from uploadsvc.s3.sts import Sts
from uploadsvc.services.quotas import Quotas

_MAX_NAME: Final = 64
"""Length of a session name."""

MIN_SESSION_SECONDS: Final = 900
"""STS's minimum: https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html"""


@dataclass(frozen=True, slots=True, kw_only=True)
class IssuedCredentials:
    """Temporary credentials and their scope.

    Attributes:
        credentials: Session credentials.
        bucket: Name of the bucket.
        region: Region of the bucket.
        endpoint_url: Address of the bucket.
        prefix: Prefix of the caller's keys, with a slash at the end.
    """

    credentials: Credentials
    bucket: str
    region: str
    endpoint_url: str
    prefix: str


class CredentialIssuer:
    """Issues credentials for uploads under the caller's prefix. Policies do not limit their size or type.

    Args:
        namespace: The key prefix.
        presigner: Its bucket, region and endpoint are returned.
        sts: Starts sessions; ``None`` if the feature is off.
        quotas: Quotas of users; ``None`` if there are none.
        policies: Names of all policies.
        seconds: Lifetime of a session. It ends earlier if the caller's credential does.
        clock: Returns the current time, aware.
    """

    def __init__(
        self,
        *,
        namespace: Namespace,
        presigner: Presigner,
        sts: Sts | None,
        quotas: Quotas | None = None,
        policies: Iterable[str] = (),
        seconds: int,
        clock: Callable[[], datetime],
    ) -> None:
        self._namespace = namespace
        self._presigner = presigner
        self._sts = sts
        self._quotas = quotas
        self._policies = list(policies)
        self._seconds = seconds
        self._clock = clock

    async def credentials(self, caller: Principal) -> IssuedCredentials:
        """Return credentials for the caller's prefix.

        Raises:
            Forbidden: The feature is off, the caller's credential has fewer rights than these would have or
                ends before the shortest session, or the caller has a quota.
            UploadsvcError: STS denies, fails or does not answer.
        """
        if self._sts is None:
            detail = "This service does not issue S3 credentials (UPLOADSVC_UPPY__CREDENTIALS)."
            raise errors.Forbidden(detail)
        if caller.kind == "upload_token" or caller.policies is not None:
            detail = "This credential is limited, and S3 credentials would not be; call with your own login."
            raise errors.Forbidden(detail)
        if self._quotas is not None and not all(
            self._quotas.of(caller, name).unlimited for name in self._policies
        ):
            detail = "You have a quota, and uploads with S3 credentials cannot be counted against it."
            raise errors.Forbidden(detail)
        prefix, seconds = self._namespace.user_prefix(caller.user), self._lifetime(caller)
        resource = objects_arn(self._presigner.bucket, region=self._presigner.region, prefix=prefix)
        statement = {"Effect": "Allow", "Action": list(TEMPORARY_ACTIONS), "Resource": [resource]}
        policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]}, separators=(",", ":"))
        name = f"uploadsvc-{encode_user(caller.user)}"[:_MAX_NAME]
        return IssuedCredentials(
            credentials=await self._sts.session(name=name, policy=policy, seconds=seconds),
            bucket=self._presigner.bucket,
            region=self._presigner.region,
            endpoint_url=self._presigner.endpoint.base_url.rstrip("/"),
            prefix=prefix,
        )

    def _lifetime(self, caller: Principal) -> int:
        if caller.expires_at is None:
            return self._seconds
        left = int((caller.expires_at - self._clock()).total_seconds())
        if left < MIN_SESSION_SECONDS:
            detail = (
                f"S3 credentials last at least {MIN_SESSION_SECONDS} seconds, and your own credential ends "
                f"in {max(left, 0)}; sign in again, for one that lasts longer."
            )
            raise errors.Forbidden(detail)
        return min(self._seconds, left)

"""The use case of handing a caller S3 credentials of their own, good below their prefix alone."""

import json
from collections.abc import Callable
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

_MAX_NAME: Final = 64

MIN_SESSION_SECONDS: Final = 900
"""https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html"""


@dataclass(frozen=True, slots=True, kw_only=True)
class IssuedCredentials:
    """Credentials, and where they are good.

    Attributes:
        credentials: A session's.
        bucket: The bucket.
        region: The bucket's region.
        endpoint_url: The bucket's address.
        prefix: The caller's own, with its closing slash.
    """

    credentials: Credentials
    bucket: str
    region: str
    endpoint_url: str
    prefix: str


class CredentialIssuer:
    """Hands out credentials that upload below the caller's prefix, past what policies say of size and type.

    Args:
        namespace: The key prefix.
        presigner: Knows the bucket.
        sts: Begins sessions; ``None`` where this is off.
        seconds: How long a session lasts, unless the caller's own credential ends before.
        clock: The time now, aware.
    """

    def __init__(
        self,
        *,
        namespace: Namespace,
        presigner: Presigner,
        sts: Sts | None,
        seconds: int,
        clock: Callable[[], datetime],
    ) -> None:
        self._namespace = namespace
        self._presigner = presigner
        self._sts = sts
        self._seconds = seconds
        self._clock = clock

    async def credentials(self, caller: Principal) -> IssuedCredentials:
        """Return credentials for the caller's own prefix.

        Raises:
            Forbidden: This is off, or the caller's own credential is narrower than what would be handed out.
            UploadsvcError: The token service denies, fails or does not answer.
        """
        if self._sts is None:
            detail = "This service hands out no S3 credentials (UPLOADSVC_UPPY__CREDENTIALS)."
            raise errors.Forbidden(detail)
        if caller.kind == "upload_token" or caller.policies is not None:
            detail = "This credential is limited, and S3 credentials are not; call with your own login."
            raise errors.Forbidden(detail)
        prefix = self._namespace.user_prefix(caller.user)
        resource = objects_arn(self._presigner.bucket, region=self._presigner.region, prefix=prefix)
        statement = {"Effect": "Allow", "Action": list(TEMPORARY_ACTIONS), "Resource": [resource]}
        policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]}, separators=(",", ":"))
        name = f"uploadsvc-{encode_user(caller.user)}"[:_MAX_NAME]
        return IssuedCredentials(
            credentials=await self._sts.session(name=name, policy=policy, seconds=self._lasting(caller)),
            bucket=self._presigner.bucket,
            region=self._presigner.region,
            endpoint_url=self._presigner.endpoint.base_url.rstrip("/"),
            prefix=prefix,
        )

    def _lasting(self, caller: Principal) -> int:
        if caller.expires_at is None:
            return self._seconds
        left = int((caller.expires_at - self._clock()).total_seconds())
        return min(self._seconds, max(left, MIN_SESSION_SECONDS))

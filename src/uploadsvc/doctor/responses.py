"""S3's responses, reduced to what an operator needs."""

import asyncio
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final, Self

import httpx
from botocore.exceptions import ClientError

from uploadsvc.domain.errors import UploadsvcError
from uploadsvc.s3.errors import NO_ANSWER, S3Failure

UNANSWERED: Final = (*NO_ANSWER, UploadsvcError)
"""Raised if S3 does not respond, or by the service if the credentials have expired."""

REQUEST_TIMEOUT: Final = 5.0
"""Seconds for a request."""


@dataclass(frozen=True, slots=True, kw_only=True)
class S3Response:
    """S3's response to a request.

    Attributes:
        status: The HTTP status; 0 if there was no answer.
        code: S3's error code; empty if it gave none. Without an answer, the reason.
        message: S3's message, redacted.
        region: The bucket's region, if S3 names it.
    """

    status: int
    code: str = ""
    message: str = ""
    region: str = ""

    @classmethod
    def of_error(cls, error: ClientError) -> Self:
        """Read botocore's error."""
        return cls._of_failure(S3Failure.of_error(error))

    @classmethod
    def of_response(cls, response: httpx.Response) -> Self:
        """Read the answer to a presigned request."""
        if response.is_success:
            region = response.headers.get("x-amz-bucket-region", "")
            return cls(status=response.status_code, region=region)
        return cls._of_failure(S3Failure.of_response(response))

    @classmethod
    def _of_failure(cls, failure: S3Failure) -> Self:
        if not failure.explained:
            return cls(status=failure.status, region=failure.region)
        return cls(status=failure.status, code=failure.code, message=failure.message, region=failure.region)

    @classmethod
    def none(cls, error: Exception) -> Self:
        """Represent a missing response. The error's message is left out, because it may quote the URL."""
        return cls(status=0, code=type(error).__name__)

    @property
    def accepted(self) -> bool:
        """Whether S3 accepted the request."""
        return HTTPStatus.OK <= self.status < HTTPStatus.MULTIPLE_CHOICES

    def __str__(self) -> str:
        """Return a phrase for messages: ``403 AccessDenied (Access Denied)``."""
        words = f"{self.status} {self.code}".strip()
        return f"{words} ({self.message})" if self.message else words


async def refusal_of(call: Any) -> S3Response | None:  # noqa: ANN401 - any of botocore's calls
    """Return S3's refusal of a call, or ``None`` if S3 accepted it."""
    try:
        async with asyncio.timeout(REQUEST_TIMEOUT):
            await call
    except ClientError as error:
        return S3Response.of_error(error)
    except UNANSWERED as error:
        return S3Response.none(error)
    return None

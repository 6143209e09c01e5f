"""S3's answers, read as far as an operator needs them."""

import asyncio
import html
import re
from dataclasses import dataclass
from typing import Any, Final

import httpx
from aiohttp import ClientError as AiohttpError
from botocore.exceptions import BotoCoreError, ClientError
from botocore.parsers import ResponseParserError

from uploadsvc.domain.errors import UploadsvcError
from uploadsvc.domain.redaction import redacted

UNANSWERED: Final = (
    BotoCoreError,
    AiohttpError,
    UploadsvcError,
    OSError,
    TimeoutError,
    ResponseParserError,
)
"""What botocore's calls raise when S3 gives no answer; ours where the credentials have ended meanwhile."""

PATIENCE: Final = 5.0
"""Seconds for one question."""

_CODE: Final = re.compile(r"<Code>([^<]{1,100})</Code>")
_MESSAGE: Final = re.compile(r"<Message>([^<]{1,20000})</Message>")
_REGION: Final = re.compile(r"<Region>([^<]{1,64})</Region>")


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What S3 said.

    Attributes:
        status: The HTTP status.
        code: S3's error code; empty where it gives none.
        message: S3's own words, `redacted`; never more of the body, which may repeat what was signed.
        region: The region that it names, if any.
    """

    status: int
    code: str = ""
    message: str = ""
    region: str = ""

    @property
    def taken(self) -> bool:
        """Whether it did what was asked."""
        return self.status // 100 == 2  # noqa: PLR2004 - the class of successes

    def __str__(self) -> str:
        """Return it as a sentence's part: ``403 AccessDenied (Access Denied)``."""
        words = f"{self.status} {self.code}".strip()
        return f"{words} ({self.message})" if self.message else words


def of_response(response: httpx.Response) -> Answer:
    """Read an answer to a request of our own."""
    body = "" if response.is_success else response.text
    return Answer(
        status=response.status_code,
        code=_first(_CODE, body),
        message=redacted(_first(_MESSAGE, body)),
        region=response.headers.get("x-amz-bucket-region") or _first(_REGION, body),
    )


def of_error(error: ClientError) -> Answer:
    """Read botocore's error; without a body it makes a code of the status."""
    said, metadata = error.response.get("Error", {}), error.response["ResponseMetadata"]
    code = str(said.get("Code") or "")
    headers = metadata["HTTPHeaders"]
    return Answer(
        status=metadata["HTTPStatusCode"],
        code="" if code.isdigit() else code,
        message="" if code.isdigit() else redacted(said.get("Message")),
        region=headers.get("x-amz-bucket-region") or str(said.get("Region") or ""),
    )


async def refusal_of(call: Any) -> Answer | None:  # noqa: ANN401 - any of botocore's calls
    """Return S3's refusal, or ``None`` where it did what was asked."""
    try:
        async with asyncio.timeout(PATIENCE):
            await call
    except ClientError as error:
        return of_error(error)
    except UNANSWERED as error:
        return Answer(status=0, code=type(error).__name__)
    return None


def _first(pattern: re.Pattern[str], body: str) -> str:
    match = pattern.search(body)
    return html.unescape(match[1]) if match else ""

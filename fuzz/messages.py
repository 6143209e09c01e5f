"""What stores send: notifications, XML, and the bytes of files."""

import asyncio
import functools
from datetime import UTC
from typing import Any, Final

import httpx
from aiobotocore.parsers import AioResponseParserFactory
from aiobotocore.session import get_session

from fuzz.inputs import fields, text
from uploadsvc.domain.content import check_content
from uploadsvc.domain.errors import ContentMismatch
from uploadsvc.domain.formats import HEAD_BYTES, decoded, recognize
from uploadsvc.domain.notifications import MalformedNotificationError, parse_notifications
from uploadsvc.s3 import parsing
from uploadsvc.s3.answers import NotS3Error, check_answer
from uploadsvc.s3.errors import NOT_S3, S3Failure
from uploadsvc.s3.parsing import Parsers

_OPERATIONS: Final = ("ListObjectsV2", "ListMultipartUploads", "ListParts", "CompleteMultipartUpload")
_SHOWN: Final = 12
"""Length from which text of a message must not be in its error."""


def notifications(data: bytes) -> None:
    """A message is refused without repeating it, or each notification is whole."""
    for body in (data, text(data)):
        try:
            found = parse_notifications(body)
        except MalformedNotificationError as error:
            words = [word for word in text(data).split('"') if len(word) > _SHOWN]
            assert not any(word in str(error) and "/" in word for word in words)
            continue
        for one in found:
            assert one.bucket
            assert one.key
            one.key.encode()
            assert one.size is None or one.size >= 0
            assert one.time is None or one.time.tzinfo is UTC


@functools.cache
def _models() -> Any:  # noqa: ANN401 - botocore's
    async def load() -> Any:  # noqa: ANN401 - botocore's
        model = await get_session().get_service_model("s3")
        return [model.operation_model(name) for name in _OPERATIONS]

    return asyncio.run(load())


def s3_xml(data: bytes) -> None:
    """S3's answers are parsed in slices as botocore parses them at once; errors are read without harm."""
    response = httpx.Response(400, content=data)
    failure = S3Failure.of_response(response)
    assert failure.code.isprintable() or failure.code
    for model in _models():
        answer = {"status_code": 200, "headers": {}, "body": data, "context": {}}
        try:
            check_answer(operation_model=model, response_dict=answer)
        except NotS3Error:
            continue
        if b"<Error" in data:
            # The parser of slices makes it an error that is retried; botocore does so elsewhere.
            continue
        assert _in_slices(answer, model.output_shape) == _at_once(answer, model.output_shape)


def _at_once(answer: dict[str, Any], shape: Any) -> Any:  # noqa: ANN401 - botocore's
    try:
        return _outcome(AioResponseParserFactory().create_parser("rest-xml"), answer, shape)
    except (ArithmeticError, RuntimeError, TypeError, ValueError):
        # A number or a time that is none.
        return "refused"


def _in_slices(answer: dict[str, Any], shape: Any) -> Any:  # noqa: ANN401 - botocore's
    small, parsing._SMALL = parsing._SMALL, 64  # type: ignore[misc] # as if every answer were large
    try:
        return _outcome(Parsers().create_parser("rest-xml"), answer, shape)
    finally:
        parsing._SMALL = small  # type: ignore[misc]


def _outcome(parser: Any, answer: dict[str, Any], shape: Any) -> Any:  # noqa: ANN401 - botocore's
    try:
        found = asyncio.run(parser.parse(dict(answer), shape))
    except NOT_S3:
        return "refused"
    # What was cut off becomes an error that is retried.
    return "refused" if "Error" in found else found


def file_formats(data: bytes) -> None:
    """The first bytes of any file have one format or none."""
    kind, _ = fields(data, 2)
    head = data[:HEAD_BYTES]
    text_of_head = decoded(head)
    assert text_of_head is None or isinstance(text_of_head, str)
    found = recognize(head)
    for claimed in (kind, "image/png", "text/plain", "application/zip"):
        try:
            check_content(claimed, found, empty=not head)
        except ContentMismatch as error:
            assert error.detail.isprintable() or claimed == kind

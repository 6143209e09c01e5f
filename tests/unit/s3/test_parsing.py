"""S3's answers are parsed as botocore does it, in less time and in slices."""

import asyncio
from typing import Any

import pytest
from aiobotocore.parsers import AioResponseParserFactory
from aiobotocore.session import get_session
from botocore.parsers import ResponseParserError, RestXMLParser
from botocore.utils import parse_timestamp

from uploadsvc.s3.parsing import Parsers, parse_time

OBJECT = (
    "<Contents><Key>uploads/alice/{}</Key><LastModified>2026-11-23T12:00:00.250Z</LastModified>"
    "<ETag>&quot;e&quot;</ETag><Size>1</Size></Contents>"
)
FOLDER = "<CommonPrefixes><Prefix>{}/</Prefix></CommonPrefixes>"
MOST_ELEMENTS = 25


def listing(count: int, *, end: str = "</ListBucketResult>") -> dict[str, Any]:
    """Return an answer that lists objects, as aiobotocore passes it to the parser."""
    objects = "".join(OBJECT.format(number) for number in range(count))
    folders = "".join(FOLDER.format(number) for number in range(count // 10))
    body = (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        '<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Name>médias</Name>'
        f"{objects}<IsTruncated>false</IsTruncated>{folders}<KeyCount>{count}</KeyCount>{end}"
    )
    headers = {"Date": "now", "x-amz-request-charged": "requester"}
    return {"status_code": 200, "headers": headers, "body": body.encode(), "context": {}}


async def shape_of(operation: str) -> Any:  # noqa: ANN401 - botocore's
    """Return the shape of an operation's output."""
    model = await get_session().get_service_model("s3")
    return model.operation_model(operation).output_shape


@pytest.mark.parametrize("count", [1, 1000])
@pytest.mark.parametrize("wrong", ["2026-11423T12:00:00Z", f"{10**25}-61-23T12:00:00Z", "x"])
async def test_a_time_that_is_none_is_not_of_s3(count: int, wrong: str) -> None:
    """Then something else answers, and it is no failure of the service."""
    answer = listing(count)
    answer["body"] = answer["body"].replace(b"2026-11-23T12:00:00.250Z", wrong.encode(), 1)
    with pytest.raises(ResponseParserError):
        await Parsers().create_parser("rest-xml").parse(answer, await shape_of("ListObjectsV2"))


@pytest.mark.parametrize("count", [0, 1, 1000, 1001])
async def test_answers_are_parsed_as_botocore_does(count: int) -> None:
    shape = await shape_of("ListObjectsV2")
    expected = await AioResponseParserFactory().create_parser("rest-xml").parse(listing(count), shape)
    assert await Parsers().create_parser("rest-xml").parse(listing(count), shape) == expected
    assert len(expected.get("Contents", [])) == expected["KeyCount"] == count


ERROR = {**listing(0), "body": b"<Error><Code>InternalError</Code>" + b" " * 100_000 + b"</Error>"}
EMPTY = {**listing(0), "body": b"<ListBucketResult>" + b" " * 100_000 + b"</ListBucketResult>"}


@pytest.mark.parametrize(
    ("answer", "status"),
    [(listing(1000, end=""), 500), (ERROR, 500), ({**listing(1000), "status_code": 503}, 503), (EMPTY, 200)],
    ids=["cut off", "an error", "a refusal", "no elements"],
)
async def test_large_answers_that_are_no_listing(answer: dict[str, Any], status: int) -> None:
    """A listing with the status 200 that is none becomes an error that is retried, as botocore makes it."""
    shape, response = await shape_of("ListObjectsV2"), dict(answer)
    parser = AioResponseParserFactory().create_parser("rest-xml")
    expected = await parser.parse({**answer, "status_code": status}, shape)
    assert await Parsers().create_parser("rest-xml").parse(response, shape) == expected
    assert expected["ResponseMetadata"]["HTTPStatusCode"] == response["status_code"] == status


async def test_other_requests_run_between_the_slices(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Each pass of the event loop has one slice, also if two large answers are parsed at once."""
    passes = 0
    parsed: list[tuple[int, int]] = []
    parse = RestXMLParser._parse_shape  # type: ignore[attr-defined] # not in the types

    def recorded(self: Any, shape: Any, node: Any) -> Any:  # noqa: ANN401 - botocore's
        if shape.name == "ListObjectsV2Output":
            parsed.append((passes, len(node)))
        return parse(self, shape, node)

    async def count_passes() -> None:
        nonlocal passes
        while True:
            passes += 1
            await asyncio.sleep(0)

    shape = await shape_of("ListObjectsV2")
    monkeypatch.setattr(RestXMLParser, "_parse_shape", recorded)
    factory = Parsers()
    parser = factory.create_parser("rest-xml")
    other = asyncio.create_task(count_passes())
    await asyncio.gather(*(parser.parse(listing(1000), shape) for _ in range(2)))
    other.cancel()
    assert max(length for _, length in parsed) <= MOST_ELEMENTS
    assert len({number for number, _ in parsed}) == len(parsed)


@pytest.mark.parametrize(
    "value",
    [
        "2026-11-23T12:00:00.000Z",
        "2026-11-23T12:00:00Z",
        "2026-11-23T12:00:00+02:00",
        "2026-11-23T12:00:00",
        "Mon, 23 Nov 2026 12:00:00 GMT",
        "Sun, 29 Feb 2032 23:59:59 GMT",
        "Mon, 23 Nov 26 12:00:00 GMT",
        "Monday, 23-Nov-26 12:00:00 GMT",
        "Mon, 23 Nov 2026 12:00:00 +0200",
        "Mon Nov 23 12:00:00 2026",
        1_795_435_200,
        "1795435200",
    ],
)
def test_times_are_read_as_botocore_does(value: Any) -> None:  # noqa: ANN401 - of two types
    assert parse_time(value) == parse_timestamp(value)


@pytest.mark.parametrize(
    "value", ["2026-11-23112:00:00Z", "2026-13-23T12:00:00Z", "Mon, 31 Feb 2026 12:00:00 GMT"]
)
def test_what_botocore_refuses_is_refused(value: str) -> None:
    for parse in (parse_time, parse_timestamp):
        with pytest.raises((ValueError, OverflowError)):
            parse(value)

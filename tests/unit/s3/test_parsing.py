"""S3's answers are parsed as botocore does it, in less time and beside the event loop."""

import threading
from typing import Any

import pytest
from aiobotocore.parsers import AioResponseParserFactory
from aiobotocore.session import get_session
from botocore.parsers import RestXMLParser
from botocore.utils import parse_timestamp

from uploadsvc.s3.parsing import Parsers, parse_time

OBJECT = (
    "<Contents><Key>uploads/alice/{}</Key><LastModified>2026-11-23T12:00:00.250Z</LastModified>"
    "<ETag>&quot;e&quot;</ETag><Size>1</Size></Contents>"
)


def listing(count: int) -> dict[str, Any]:
    """Return an answer that lists objects, as aiobotocore passes it to the parser."""
    objects = "".join(OBJECT.format(number) for number in range(count))
    body = f"<ListBucketResult><IsTruncated>false</IsTruncated>{objects}</ListBucketResult>".encode()
    return {"status_code": 200, "headers": {"Date": "now"}, "body": body, "context": {}}


@pytest.mark.parametrize("count", [1, 1000])
async def test_answers_are_parsed_as_botocore_does(count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only large ones in another thread: a change of threads takes longer than to parse a small one."""
    factory, threads = Parsers(), set()
    parse = RestXMLParser._do_parse  # type: ignore[attr-defined] # not in the types

    def recorded(*arguments: Any) -> Any:  # noqa: ANN401 - botocore's
        threads.add(threading.get_ident())
        return parse(*arguments)

    model = await get_session().get_service_model("s3")
    shape: Any = model.operation_model("ListObjectsV2").output_shape
    expected = await AioResponseParserFactory().create_parser("rest-xml").parse(listing(count), shape)
    monkeypatch.setattr(RestXMLParser, "_do_parse", recorded)
    assert await factory.create_parser("rest-xml").parse(listing(count), shape) == expected
    assert len(expected["Contents"]) == count
    assert (threads == {threading.get_ident()}) is (count == 1)


@pytest.mark.parametrize(
    "value",
    [
        "2026-11-23T12:00:00.000Z",
        "2026-11-23T12:00:00Z",
        "2026-11-23T12:00:00+02:00",
        "2026-11-23T12:00:00",
        "Mon, 23 Nov 2026 12:00:00 GMT",
        1_795_435_200,
        "1795435200",
    ],
)
def test_times_are_read_as_botocore_does(value: Any) -> None:  # noqa: ANN401 - of two types
    assert parse_time(value) == parse_timestamp(value)

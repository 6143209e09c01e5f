"""S3's failures are read alike from botocore's errors and from answers to presigned requests."""

import asyncio
from contextlib import suppress
from typing import Any

import httpx
import pytest
from aiohttp import ClientConnectionError
from botocore.exceptions import ClientError, EndpointConnectionError, ReadTimeoutError
from botocore.parsers import ResponseParserError, create_parser
from botocore.session import get_session
from structlog.testing import capture_logs

from uploadsvc.domain.errors import StorageDenied, StorageMisconfigured, StorageUnavailable, UploadsvcError
from uploadsvc.s3.errors import MISSING, NO_ANSWER, RefusedError, S3Failure, s3_errors
from uploadsvc.telemetry.metrics import Metrics

DENIED = b"""<?xml version="1.0" encoding="UTF-8"?>
<Error><Code>AccessDenied</Code><Message>Access &amp; more</Message><Region>eu-west-3</Region></Error>"""
READ = S3Failure(
    status=403, code="AccessDenied", message="Access & more", region="eu-west-3", request_id="R1"
)


def client_error(status: int, body: bytes, headers: dict[str, str] | None = None) -> ClientError:
    """Return the error that botocore makes of an answer."""
    model = get_session().get_service_model("s3")
    response = {"status_code": status, "headers": headers or {}, "body": body}
    shape = model.operation_model("ListObjectsV2").output_shape
    assert shape is not None
    parsed = create_parser(model.protocol).parse(response, shape)
    return ClientError(parsed, "ListObjectsV2")


def both(status: int, body: bytes, headers: dict[str, str] | None = None) -> list[S3Failure]:
    """Read an answer both ways."""
    answered = httpx.Response(status, content=body, headers=headers)
    return [S3Failure.of_error(client_error(status, body, headers)), S3Failure.of_response(answered)]


def test_a_body_is_read() -> None:
    """Code, message and region."""
    for failure in both(403, DENIED, {"x-amz-request-id": "R1"}):
        assert failure == READ
        assert failure.explained


def test_a_body_may_have_a_namespace() -> None:
    """As some stores write it."""
    body = DENIED.replace(b"<Error>", b'<Error xmlns="http://s3.amazonaws.com/doc/2006-03-01/">')
    answered = httpx.Response(403, content=body, headers={"x-amz-request-id": "R1"})
    assert S3Failure.of_response(answered) == READ


def test_a_header_names_the_region() -> None:
    """Before the body does."""
    for failure in both(301, DENIED, {"x-amz-bucket-region": "eu-central-1"}):
        assert failure.region == "eu-central-1"


def test_a_message_is_redacted() -> None:
    """It may repeat what was signed."""
    body = b"<Error><Code>Odd</Code><Message>X-Amz-Signature=abc</Message></Error>"
    assert {failure.message for failure in both(400, body)} == {"[redacted]"}


def test_without_a_body_there_is_only_the_status() -> None:
    """The code and message that botocore fills in are not S3's."""
    of_error, of_response = both(404, b"")
    assert (of_error.code, of_error.message, of_error.explained) == ("404", "Not Found", False)
    assert of_response == S3Failure(status=404)


@pytest.mark.parametrize(
    "body",
    [
        b"<html><body>Log in",
        b"<Error><Code>AccessDenied",
        b"\xff\xfe\x00",
        b'<?xml version="1.0" encoding="no-such-encoding"?><Error><Code>A</Code></Error>',
        b'<!DOCTYPE a [<!ENTITY b "c">]><Error><Code>&b;</Code></Error>',
        b"<Error><Code>" + b"A" * 200 + b"</Code></Error>",
        b"<Error><Code>A</Code><Message>" + b"long " * 20_000 + b"</Message></Error>",
        b"<a>" * 200_000,
        b"<a>" * 9_000 + b"</a>" * 9_000,
    ],
)
def test_what_is_not_an_error_of_s3_has_no_code(body: bytes) -> None:
    """Malformed, with a document type, or too long: it is not read further."""
    assert S3Failure.of_response(httpx.Response(403, content=body)) == S3Failure(status=403)


@pytest.mark.parametrize(
    ("status", "code", "raised"),
    [
        (403, "AccessDenied", StorageDenied),
        (401, "", StorageDenied),
        (404, "NoSuchBucket", StorageMisconfigured),
        (405, "", StorageMisconfigured),
        (400, "AuthorizationHeaderMalformed", StorageMisconfigured),
        (400, "InvalidArgument", StorageMisconfigured),
        (409, "OperationAborted", StorageUnavailable),
        (429, "", StorageUnavailable),
        (503, "SlowDown", StorageUnavailable),
    ],
)
async def test_a_refusal_becomes_our_error(status: int, code: str, raised: type[UploadsvcError]) -> None:
    """It is logged once, with S3's request id."""
    body = f"<Error><Code>{code}</Code></Error>".encode() if code else b""
    with capture_logs() as logs, pytest.raises(raised, match=code or str(status)):
        async with s3_errors("list_objects_v2"):
            raise client_error(status, body, {"x-amz-request-id": "R1"})
    (line,) = logs
    assert (line["event"], line["operation"]) == ("s3_refused", "list_objects_v2")
    assert (line["status"], line["code"], line["s3_request_id"]) == (status, code or str(status), "R1")


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (None, "ok"),
        (client_error(404, b""), "ok"),
        (client_error(403, b""), "denied"),
        (client_error(400, b""), "refused"),
        (client_error(503, b""), "unavailable"),
        (KeyError("ETag"), "refused"),
        (ClientConnectionError(), "unavailable"),
        (TimeoutError(), "timeout"),
        (ReadTimeoutError(endpoint_url="http://store"), "timeout"),
        # A deadline of several calls together, such as those of one completion.
        (asyncio.CancelledError(), "timeout"),
        # There are no credentials.
        (StorageUnavailable("x"), "unavailable"),
        (StorageDenied("x"), "denied"),
    ],
)
async def test_a_call_counts_by_its_outcome(error: BaseException | None, outcome: str) -> None:
    metrics = Metrics()
    durations = metrics.s3_call_duration
    with suppress(UploadsvcError, RefusedError, asyncio.CancelledError):
        async with s3_errors("head_object", expected=MISSING, durations=durations):
            if error is not None:
                raise error
    ((_, labels, values),) = (one for one in metrics.cells.snapshot() if one[0] == durations.definition.name)
    assert (labels, sum(values[:-1])) == (("head_object", outcome), 1)


@pytest.mark.parametrize("body", [b"", b"<Error><Code>NoSuchKey</Code></Error>"])
async def test_an_expected_refusal_is_left_to_the_caller(body: bytes) -> None:
    """Nothing is logged."""
    with capture_logs() as logs, pytest.raises(RefusedError) as refused:
        async with s3_errors("head_object", expected=MISSING):
            raise client_error(404, body)
    assert refused.value.code in MISSING
    assert logs == []


@pytest.mark.parametrize(
    ("error", "raised", "event"),
    [
        (ResponseParserError("<html>"), StorageMisconfigured, "s3_speaks_otherwise"),
        (KeyError("ETag"), StorageMisconfigured, "s3_speaks_otherwise"),
        (EndpointConnectionError(endpoint_url="http://store"), StorageUnavailable, "s3_unreachable"),
        (ClientConnectionError(), StorageUnavailable, "s3_unreachable"),
        (TimeoutError(), StorageUnavailable, "s3_unreachable"),
        (ConnectionResetError(), StorageUnavailable, "s3_unreachable"),
    ],
)
async def test_no_answer_is_told_from_an_answer_of_something_else(
    error: Exception, raised: type[UploadsvcError], event: str
) -> None:
    """The log names the error's type, not its message."""
    assert isinstance(error, NO_ANSWER)
    with capture_logs() as logs, pytest.raises(raised):
        async with s3_errors("head_bucket"):
            raise error
    expected: dict[str, Any] = {"event": event, "operation": "head_bucket", "error": type(error).__name__}
    assert logs == [{**expected, "log_level": "warning"}]

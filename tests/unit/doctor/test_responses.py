"""S3's answers, as findings quote them."""

import httpx
import pytest
from botocore.exceptions import ClientError

from uploadsvc.doctor.responses import S3Response, refusal_of
from uploadsvc.domain.errors import StorageUnavailable


def error(status: int, code: str, message: str) -> ClientError:
    """Return botocore's error."""
    metadata = {"HTTPStatusCode": status, "HTTPHeaders": {}}
    response = {"Error": {"Code": code, "Message": message}, "ResponseMetadata": metadata}
    return ClientError(response, "PutObject")  # type: ignore[arg-type] # only the parts that are read


@pytest.mark.parametrize(
    ("response", "words"),
    [
        (
            S3Response.of_error(error(403, "AccessDenied", "Access Denied")),
            "403 AccessDenied (Access Denied)",
        ),
        (S3Response.of_error(error(403, "403", "Forbidden")), "403"),
        (S3Response.of_error(error(503, "SlowDown", "")), "503 SlowDown"),
        (S3Response.of_response(httpx.Response(403, content=b"<html>")), "403"),
        (S3Response.of_response(httpx.Response(204, content=b"<Error><Code>A</Code></Error>")), "204"),
        (S3Response.none(TimeoutError("https://signed")), "0 TimeoutError"),
    ],
)
def test_it_is_part_of_a_sentence(response: S3Response, words: str) -> None:
    """Status, code and message, as far as S3 gave them."""
    assert str(response) == words


@pytest.mark.parametrize(("status", "accepted"), [(0, False), (200, True), (204, True), (304, False)])
def test_only_success_is_acceptance(status: int, *, accepted: bool) -> None:
    """Neither silence nor a redirect."""
    assert S3Response(status=status).accepted is accepted


@pytest.mark.parametrize(
    ("raised", "words"),
    [
        (None, "None"),
        (error(404, "NoSuchUpload", ""), "404 NoSuchUpload"),
        (StorageUnavailable("The credentials that sign are about to expire."), "0 StorageUnavailable"),
        (ConnectionResetError(), "0 ConnectionResetError"),
    ],
)
async def test_a_refusal_is_returned(raised: Exception | None, words: str) -> None:
    """And so is silence; ``None`` stands for success."""

    async def call() -> None:
        if raised is not None:
            raise raised

    assert str(await refusal_of(call())) == words

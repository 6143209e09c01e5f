"""S3's failures become states of a rule."""

import json

import pytest
from botocore.exceptions import ClientError
from botocore.parsers import ResponseParserError

from uploadsvc.provisioning.errors import UNREADABLE, refused, unreadable
from uploadsvc.provisioning.models import RuleState, State


def error(status: int, code: str, message: str) -> ClientError:
    """Return botocore's error."""
    metadata = {"HTTPStatusCode": status, "HTTPHeaders": {}}
    response = {"Error": {"Code": code, "Message": message}, "ResponseMetadata": metadata}
    return ClientError(response, "GetBucketCors")  # type: ignore[arg-type] # only the parts that are read


@pytest.mark.parametrize(
    ("failure", "state", "found"),
    [
        (error(403, "AccessDenied", "No."), "not allowed", "S3 says AccessDenied: No."),
        (error(403, "AccessDenied", "AccessDenied"), "not allowed", "S3 says AccessDenied"),
        (error(403, "403", "Forbidden"), "not allowed", "S3 says 403: Forbidden"),
        (error(401, "", ""), "not allowed", "S3 says 401"),
        (
            error(501, "NotImplemented", "No."),
            "unsupported",
            "the store does not support this (NotImplemented)",
        ),
        (error(405, "405", ""), "unsupported", "the store does not support this (405)"),
        (error(400, "MalformedXML", "X-Amz-Date=1"), "failed", "S3 says MalformedXML: [redacted]"),
    ],
)
def test_a_refusal_is_a_state(failure: ClientError, state: State, found: str) -> None:
    """Unsupported, not allowed or failed, with S3's redacted message."""
    assert refused(failure) == RuleState(state=state, found=found)


@pytest.mark.parametrize(
    "failure",
    [ResponseParserError("<html>secret"), KeyError("secret"), json.JSONDecodeError("secret", "", 0)],
)
def test_an_answer_of_something_else_is_a_failure(failure: Exception) -> None:
    """Named by its type: the message may hold the whole answer."""
    assert isinstance(failure, UNREADABLE)
    state = unreadable(failure)
    assert state.state == "failed"
    assert type(failure).__name__ in state.found
    assert "secret" not in state.found

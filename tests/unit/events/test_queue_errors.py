"""What a queue's errors mean."""

import pytest
from aiohttp import ServerDisconnectedError
from botocore.exceptions import ClientError, EndpointConnectionError

from uploadsvc.domain.errors import StorageMisconfigured
from uploadsvc.events.queue import QueueError, QueueRefusedError, queue_errors

URL = "https://sqs.eu-central-1.amazonaws.com/123456789012/secret"


def refusal(code: str, status: int) -> ClientError:
    """Return botocore's error."""
    metadata = {
        "HTTPStatusCode": status,
        "HTTPHeaders": {},
        "RequestId": "1",
        "HostId": "",
        "RetryAttempts": 0,
    }
    return ClientError(
        {"Error": {"Code": code, "Message": URL}, "ResponseMetadata": metadata},  # type: ignore[typeddict-item]
        "ReceiveMessage",
    )


@pytest.mark.parametrize(
    ("error", "kind", "message"),
    [
        (refusal("AWS.SimpleQueueService.NonExistentQueue", 400), QueueRefusedError, "no such queue"),
        (refusal("AccessDenied", 403), QueueRefusedError, "may not use the queue"),
        (refusal("InvalidClientTokenId", 400), QueueRefusedError, "may not use the queue"),
        (refusal("RequestThrottled", 400), QueueError, "the queue fails"),
        (refusal("InternalFailure", 500), QueueError, "the queue fails"),
        (EndpointConnectionError(endpoint_url=URL), QueueError, "does not answer"),
        (ServerDisconnectedError(), QueueError, "does not answer"),
        (KeyError("Attributes"), QueueError, "does not answer"),
        (StorageMisconfigured("The AWS chain has no credentials."), QueueError, "no credentials"),
    ],
)
async def test_an_error_says_whether_a_retry_helps(
    error: Exception, kind: type[QueueError], message: str
) -> None:
    """And never where the queue is."""
    with pytest.raises(QueueError, match=message) as raised:
        async with queue_errors():
            raise error
    assert type(raised.value) is kind
    assert URL not in str(raised.value)

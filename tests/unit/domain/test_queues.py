"""Addresses of queues."""

import pytest

from uploadsvc.domain.queues import queue_region


@pytest.mark.parametrize(
    ("host", "region"),
    [
        ("sqs.eu-central-1.amazonaws.com", "eu-central-1"),
        ("SQS-FIPS.us-gov-west-1.amazonaws.com", "us-gov-west-1"),
        ("sqs.cn-north-1.amazonaws.com.cn", "cn-north-1"),
        ("sqs.eu-west-1.api.aws", "eu-west-1"),
        ("eu-west-1.queue.amazonaws.com", "eu-west-1"),
        ("sqs.eu-west-1.example.com", None),
        ("127.0.0.1:4566", None),
    ],
)
def test_the_url_of_a_queue_tells_its_region(host: str, region: str | None) -> None:
    assert queue_region(f"https://{host}/123456789012/uploads") == region

"""Queues are read from their URLs."""

import pytest

from uploadsvc.domain.queue_addresses import queue_at


@pytest.mark.parametrize(
    ("url", "arn"),
    [
        ("https://sqs.eu-west-1.amazonaws.com/123456789012/up", "arn:aws:sqs:eu-west-1:123456789012:up"),
        ("https://eu-west-1.queue.amazonaws.com/123456789012/up", "arn:aws:sqs:eu-west-1:123456789012:up"),
        ("https://sqs.eu-west-1.api.aws/123456789012/up", "arn:aws:sqs:eu-west-1:123456789012:up"),
        (
            "https://sqs.cn-north-1.amazonaws.com.cn/123456789012/up",
            "arn:aws-cn:sqs:cn-north-1:123456789012:up",
        ),
        (
            "https://vpce-1.sqs.us-gov-east-1.vpce.amazonaws.com/123456789012/up",
            "arn:aws-us-gov:sqs:us-gov-east-1:123456789012:up",
        ),
        ("http://localhost:4566/000000000000/up", "arn:aws:sqs:us-east-2:000000000000:up"),
        ("http://localhost:4566/queue/eu-west-1/000000000000/up", "arn:aws:sqs:eu-west-1:000000000000:up"),
        ("http://localhost:9324/queue/up/", "arn:aws:sqs:us-east-2::up"),
    ],
)
def test_a_url_names_the_queue(url: str, arn: str) -> None:
    """With its region, if it has one, and its account."""
    queue = queue_at(url, region="us-east-2")
    assert queue.arn == arn
    assert queue.dead_letters.arn == f"{arn}-dead"
    assert queue.dead_letters.url == f"{url.rstrip('/')}-dead"


def test_a_fifo_queue_keeps_its_suffix() -> None:
    queue = queue_at("https://sqs.eu-west-1.amazonaws.com/123456789012/up.fifo", region="us-east-2")
    assert queue.fifo
    assert queue.dead_letters.url.endswith("/123456789012/up-dead.fifo")


@pytest.mark.parametrize("path", ["", "/", "/123456789012/a.b", f"/1/{'a' * 81}"])
def test_other_urls_are_refused(path: str) -> None:
    with pytest.raises(ValueError, match="is not the URL of a queue, such as https://sqs"):
        queue_at(f"https://sqs.example.com{path}", region="us-east-2")

"""The receivers in the settings."""

from collections.abc import Sequence
from typing import Any

import pytest

from uploadsvc.bootstrap.events import build_receivers
from uploadsvc.bootstrap.services import build_services
from uploadsvc.settings import Settings

SECRET = "whsec_bWFkZSB1cCBmb3IgdGhlIHRlc3RzLCAzMiBieXRlcyE="
S3 = {"bucket": "media", "region": "eu-central-1", "access_key_id": "k", "secret_access_key": "s"}


def settings_with(webhooks: Sequence[dict[str, Any]], **s3: str) -> Settings:
    events = {"webhooks": webhooks}
    return Settings.model_validate({"secret_key": "k" * 32, "s3": {**S3, **s3}, "events": events})


def ids(*webhooks: dict[str, Any]) -> list[str]:
    settings = settings_with(webhooks)
    return [receiver.id for receiver in build_receivers(settings, build_services(settings))]


def test_ids_stay_the_same_and_show_no_secret() -> None:
    url = {"url": "https://app.example/hooks/s3cret?key=s3cret", "secrets": [SECRET]}
    other = {"url": "https://app.example/hooks/other", "secrets": [SECRET]}
    queue = {"queue_url": "https://sqs.eu-central-1.amazonaws.com/123456789012/app"}
    topic = {"topic_arn": "arn:aws:sns:eu-central-1:123456789012:news"}
    found = ids(url, other, queue, topic, url)
    assert len(set(found)) == len(found)
    assert [name.rpartition("-")[0] for name in found[:4]] == ["app.example", "app.example", "app", "news"]
    assert not any("s3cret" in name for name in found)
    # Messages in the queue name their receivers, in whatever order the settings list them.
    assert ids(topic, url) == [found[3], found[0]]


@pytest.mark.parametrize(
    ("webhook", "host"),
    [
        ({"queue_url": "https://sqs.us-west-2.amazonaws.com/1/app"}, "https://sqs.us-west-2.amazonaws.com"),
        ({"topic_arn": "arn:aws:sns:eu-west-3:123456789012:a"}, "https://sns.eu-west-3.amazonaws.com"),
    ],
)
async def test_targets_are_called_in_their_own_region(webhook: dict[str, str], host: str) -> None:
    settings = settings_with([webhook])
    services = build_services(settings)
    receivers = build_receivers(settings, services)
    async with services.open(), receivers.open():
        (target,) = receivers
        client = target._client  # type: ignore[attr-defined] # tells where a call would go
        assert client.meta.endpoint_url == host
        credentials = await client._request_signer._credentials.get_frozen_credentials()
        assert credentials.access_key == "k"


async def test_the_key_of_another_store_is_not_for_aws(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "of-aws")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "s")
    settings = settings_with(
        [{"queue_url": "https://sqs.us-west-2.amazonaws.com/1/app"}], endpoint_url="https://s3.example"
    )
    services = build_services(settings)
    receivers = build_receivers(settings, services)
    async with services.open(), receivers.open():
        (target,) = receivers
        credentials = await target._client._request_signer._credentials.get_frozen_credentials()  # type: ignore[attr-defined] # tells who signs
        assert credentials.access_key == "of-aws"

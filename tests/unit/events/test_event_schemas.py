"""Events are as the OpenAPI document describes them."""

from typing import Any

import pytest
from tests.support.fakes import BUCKET, NOON, FakeBucket

from uploadsvc.api.v1.event_schemas import EVENT_MODELS, event_webhooks
from uploadsvc.domain.events import EVENT_TYPES, Event
from uploadsvc.domain.notifications import Kind, Notification
from uploadsvc.domain.plan import UploadRequest
from uploadsvc.domain.policy import GUARDDUTY, Policy
from uploadsvc.domain.principal import Principal
from uploadsvc.events.samples import sample_event

MODELS = dict(zip(EVENT_TYPES, EVENT_MODELS, strict=True))


async def resolved(*, size: int = 5, claims: bool = True, kind: Kind = "created") -> Event:
    """Return the event of an upload of 5 bytes that S3 stored with this size."""
    bucket = FakeBucket(Policy(name="default", available_when=GUARDDUTY))
    ann = Principal(user="ann", policies=None, kind="user")
    grant = await bucket.creator.create(ann, None, UploadRequest(filename="note.txt", size=5))
    carried = {**grant.plan.headers, **grant.plan.fields}["x-amz-meta-uploadsvc-claims"]
    if kind != "deleted":
        bucket.store(grant.plan.key, size=size, claims=carried if claims else None)
        bucket.storage.tags_of[grant.plan.key] = {GUARDDUTY.tag: GUARDDUTY.value}
    told = Notification(kind=kind, bucket=BUCKET, key=grant.plan.key, time=NOON)
    event = await bucket.resolver.resolve(told)
    assert event is not None
    return event


def names(node: Any) -> Any:  # noqa: ANN401 - any JSON
    """Return the names of all fields."""
    return {name: names(value) for name, value in node.items()} if isinstance(node, dict) else None


@pytest.mark.parametrize(
    ("facts", "event_type"),
    [
        ({}, "upload.completed"),
        ({"claims": False}, "upload.completed"),
        ({"size": 6}, "upload.rejected"),
        ({"kind": "scanned"}, "upload.scanned"),
        ({"kind": "deleted"}, "object.deleted"),
    ],
)
async def test_every_event_has_the_fields_of_its_schema(facts: dict[str, Any], event_type: str) -> None:
    event = await resolved(**facts)
    assert event.type == event_type
    read = MODELS[event.type].model_validate_json(event.body())
    whole = {"type": event.type, "timestamp": None, "data": event.data}
    assert names(read.model_dump()) == names(whole)


def test_the_sample_is_an_event_too() -> None:
    event = sample_event("1", now=NOON)
    MODELS[event.type].model_validate_json(event.body())


def test_each_type_has_a_webhook_of_its_name() -> None:
    assert [route.path for route in event_webhooks().routes] == list(EVENT_TYPES)  # type: ignore[attr-defined] # routes of FastAPI

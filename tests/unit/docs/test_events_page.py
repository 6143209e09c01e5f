"""`docs/events.md` shows events as they are."""

import json
import re
from typing import Any, Final

from tests.support.fakes import BUCKET, NOON, FakeBucket
from tests.support.pages import examples, text_of

from uploadsvc.domain.events import EVENT_TYPES
from uploadsvc.domain.notifications import Notification
from uploadsvc.domain.plan import UploadRequest
from uploadsvc.domain.principal import Principal

PAGE: Final = text_of("docs/events.md")


def section(heading: str) -> str:
    return PAGE.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]


def shape(value: Any) -> Any:  # noqa: ANN401 - of JSON
    """Return the names in a JSON value, without what callers choose."""
    if not isinstance(value, dict):
        return None
    return {name: None if name in {"metadata", "checksum"} else shape(one) for name, one in value.items()}


def test_the_page_names_every_type() -> None:
    assert re.findall(r"^\| `([\w.]+)` \|", section("Types"), re.MULTILINE) == list(EVENT_TYPES)


async def test_the_example_is_an_event() -> None:
    """With the same fields, and the table explains each."""
    bucket = FakeBucket()
    ann = Principal(user="ann", policies=None, kind="user")
    grant = await bucket.creator.create(ann, None, UploadRequest(filename="note.txt", size=5))
    headers = {**grant.plan.headers, **grant.plan.fields}
    bucket.store(grant.plan.key, size=5, claims=headers["x-amz-meta-uploadsvc-claims"])
    told = Notification(kind="created", bucket=BUCKET, key=grant.plan.key, etag="e", time=NOON)
    event = await bucket.resolver.resolve(told)
    assert event
    assert event.type == "upload.completed"
    body = json.loads(event.body())
    (example,) = examples(section("The body"), "json")
    assert shape(json.loads(example)) == shape(body)
    explained = re.findall(r"`data\.(\w+)`", section("The body"))
    assert body["data"].keys() <= {*explained, "verified"}

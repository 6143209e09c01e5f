"""Objects are inspected as their policies ask, and refused ones are deleted where the policy says so."""

from contextlib import nullcontext
from typing import Any, Final

import jwt
import pytest
from tests.support.corpus import FILES
from tests.support.fakes import BUCKET, FakeBucket

from uploadsvc.domain.errors import ContentMismatch, UploadIncomplete
from uploadsvc.domain.plan import UploadRequest
from uploadsvc.domain.policy import GUARDDUTY, Policy
from uploadsvc.domain.principal import Principal
from uploadsvc.services.inspection import RareFormats

ANN: Final = Principal(user="ann")
PNG: Final = FILES["png"][0]
BLENDER: Final = b"BLENDER-v300" + bytes(64)
"""A format that only puremagic knows."""


async def completed(bucket: FakeBucket, content: bytes, **request: Any) -> dict[str, Any]:  # noqa: ANN401 - any field
    """Upload these bytes, and return the claims of the receipt."""
    asked = UploadRequest(
        **{"filename": "a.png", "content_type": "image/png", "size": len(content), **request}
    )
    grant = await bucket.creator.create(ANN, None, asked)
    bucket.store(
        grant.plan.key,
        size=len(content),
        content_type=grant.plan.content_type,
        content_encoding=grant.plan.content_encoding or None,
    )
    bucket.storage.contents[grant.plan.key] = content
    completion = await bucket.uploads.complete(ANN, grant.id)
    return dict(jwt.decode(completion.receipt, options={"verify_signature": False}))


async def test_the_receipt_tells_what_was_seen_where_the_policy_looks() -> None:
    looks = FakeBucket(Policy(name="default", verify_content=True))
    assert (await completed(looks, PNG))["detected_type"] == "image/png"
    unknown = await completed(looks, FILES["noise"][0], content_type="application/x-custom")
    assert unknown["detected_type"] is None
    rare = await completed(looks, BLENDER, content_type="application/x-blender")
    assert rare["detected_type"] == "application/x-blender"
    plain = FakeBucket()
    # Neither bytes nor tags are asked for.
    plain.storage.read_head = plain.storage.tags = None  # type: ignore[assignment, method-assign]
    does_not = await completed(plain, b"anything")
    assert not {"detected_type", "available"} & does_not.keys()


async def test_where_s3_notifies_the_completion_leaves_the_deletion_to_the_worker() -> None:
    """It comes after the event is sent."""
    bucket = FakeBucket(Policy(name="default", verify_content=True, delete_mismatched=True))
    bucket.uploads._may_remove = False
    with pytest.raises(ContentMismatch):
        await completed(bucket, b"<html>")
    assert bucket.storage.objects


@pytest.mark.parametrize("deletes", [False, True])
async def test_a_file_that_is_something_else_is_refused_and_deleted_if_the_policy_says_so(
    *, deletes: bool
) -> None:
    bucket = FakeBucket(Policy(name="default", verify_content=True, delete_mismatched=deletes))
    with pytest.raises(ContentMismatch, match=r"sent as image/png, and is text/html\."):
        await completed(bucket, b"<!DOCTYPE html><script>")
    assert bool(bucket.storage.objects) != deletes


@pytest.mark.parametrize(
    ("claimed", "passes"),
    [
        # Another name of the same kind, or of an unknown one.
        ("application/vnd.blender", True),
        ("model/x-scene", True),
        ("application/octet-stream", True),
        # puremagic knows these too, and would have found them.
        ("image/x-xcf", False),
        ("application/x-krita", False),
        ("image/png", False),
        ("application/zip", False),
        # A picture is no application.
        ("image/x-unknown", False),
        ("text/plain", False),
    ],
)
async def test_a_rare_format_passes_as_what_it_may_be(claimed: str, *, passes: bool) -> None:
    bucket = FakeBucket(Policy(name="default", verify_content=True))
    refused = pytest.raises(ContentMismatch, match="is application/x-blender")
    with nullcontext() if passes else refused:
        receipt = await completed(bucket, BLENDER, content_type=claimed)
        assert receipt["detected_type"] == "application/x-blender"


async def test_what_compressed_bytes_hold_is_not_looked_at() -> None:
    policy = Policy(name="default", verify_content=True, content_encodings=frozenset({"gzip"}))
    content = FILES["gzip"][0]
    claims = await completed(FakeBucket(policy), content, content_encoding="gzip")
    assert claims["detected_type"] is None
    with pytest.raises(ContentMismatch, match="sent as gzip, and its bytes are not"):
        await completed(FakeBucket(policy), PNG, content_encoding="gzip")


async def test_an_object_that_was_replaced_meanwhile_is_not_judged() -> None:
    bucket = FakeBucket(Policy(name="default", verify_content=True, delete_mismatched=True))

    def replace() -> None:
        for key in bucket.storage.objects:
            bucket.storage.contents[key] = b"<html>"

    async def none(*_: object) -> None:
        replace()

    bucket.storage.read_head = none  # type: ignore[assignment]
    with pytest.raises(UploadIncomplete, match="replaced or deleted meanwhile"):
        await completed(bucket, PNG)
    assert bucket.storage.objects


@pytest.mark.parametrize(
    ("tags", "available"),
    [({}, False), ({GUARDDUTY.tag: "THREATS_FOUND"}, False), ({GUARDDUTY.tag: GUARDDUTY.value}, True)],
)
async def test_the_receipt_tells_whether_the_scanner_has_released_the_object(
    tags: dict[str, str], *, available: bool
) -> None:
    bucket = FakeBucket(Policy(name="default", available_when=GUARDDUTY))
    bucket.storage.tags = _answering(tags)  # type: ignore[method-assign]
    assert (await completed(bucket, PNG))["available"] is available


def _answering(tags: dict[str, str]) -> Any:  # noqa: ANN401 - a method
    async def answer(stored: object) -> dict[str, str]:
        assert getattr(stored, "bucket", None) == BUCKET
        return tags

    return answer


def test_signatures_that_many_files_have_by_chance_do_not_count() -> None:
    rare = RareFormats()
    assert rare.find(b"BM" + bytes(50), preferred="image/x-foo") is None
    assert rare.knows("application/x-blender")
    assert not rare.knows("application/x-custom")

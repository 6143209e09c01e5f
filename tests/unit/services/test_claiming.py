"""What nobody has claimed keeps its tag; a claim takes it off the very object that was verified."""

from dataclasses import replace
from typing import Any

import pytest
from tests.support.fakes import BUCKET, FakeBucket

from uploadsvc.domain.errors import (
    Forbidden,
    NotFound,
    StorageUnavailable,
    UploadIncomplete,
    UploadsvcError,
    ValidationFailed,
    VerificationFailed,
)
from uploadsvc.domain.plan import UploadRequest
from uploadsvc.domain.policy import Policy
from uploadsvc.domain.principal import Principal

ANN = Principal(user="ann")
BACKEND = Principal(user="", kind="service", service="backend")
FOR_ANN = replace(BACKEND, user="ann")
MARKED = {"uploadsvc-state": "unclaimed", "team": "media"}
KEPT = {"team": "media"}
WEEK = 604_800


def marking(**fields: Any) -> Policy:  # noqa: ANN401 - any field of a policy
    """Return a policy whose uploads are unclaimed at first."""
    return Policy(**{"name": "default", "unclaimed_expires_in": WEEK, "tags": KEPT, **fields})


async def stored(bucket: FakeBucket, *, version_id: str | None = None) -> tuple[str, str]:
    """Create an upload, store its object with its tags, and return its id and key."""
    grant = await bucket.creator.create(ANN, None, UploadRequest(filename="a.txt", size=5))
    bucket.store(grant.plan.key, size=5, version_id=version_id, tags=MARKED)
    return grant.id, grant.plan.key


def tags(bucket: FakeBucket, key: str, version_id: str | None = None) -> dict[str, str]:
    """Return the tags of an object."""
    return bucket.tags.tags[key, version_id]


async def test_a_completion_claims_once_it_has_verified() -> None:
    """And a repeated one does, if S3 failed at first."""
    bucket = FakeBucket(marking())
    upload_id, key = await stored(bucket)
    bucket.tags.failures = [StorageUnavailable("down")]
    with pytest.raises(StorageUnavailable):
        await bucket.uploads.complete(ANN, upload_id)
    assert tags(bucket, key) == MARKED
    for _ in range(2):
        assert (await bucket.uploads.complete(ANN, upload_id)).receipt
        assert tags(bucket, key) == KEPT


async def test_what_fails_verification_stays_unclaimed() -> None:
    bucket = FakeBucket(marking())
    upload_id, key = await stored(bucket)
    bucket.storage.objects[key] = replace(bucket.storage.objects[key], size=6)
    with pytest.raises(VerificationFailed):
        await bucket.uploads.complete(ANN, upload_id)
    assert (tags(bucket, key), bucket.tags.calls) == (MARKED, 0)


async def test_an_object_deleted_after_its_verification_is_not_reported_as_there() -> None:
    bucket = FakeBucket(marking())
    upload_id, key = await stored(bucket)
    del bucket.tags.tags[key, None]
    with pytest.raises(UploadIncomplete, match="deleted while"):
        await bucket.uploads.complete(ANN, upload_id)


@pytest.mark.parametrize("policy", [marking(claim="backend"), Policy(name="default")])
async def test_other_policies_ask_for_no_tags(policy: Policy) -> None:
    """The backend claims, or there is nothing to claim."""
    bucket = FakeBucket(policy)
    upload_id, key = await stored(bucket)
    assert (await bucket.uploads.complete(ANN, upload_id)).receipt
    assert (tags(bucket, key), bucket.tags.calls) == (MARKED, 0)


@pytest.mark.parametrize(("others", "left"), [(marking(), KEPT), (Policy(name="default"), MARKED)])
async def test_a_policy_that_is_gone_may_have_marked(others: Policy, left: dict[str, str]) -> None:
    """While the bucket's rule is there for others, its uploads are claimed."""
    bucket = FakeBucket(marking(name="gone"))
    claims = bucket.ids.verify((await stored(bucket))[0])
    object_ = bucket.storage.objects[claims.key]
    bucket = FakeBucket(others)
    bucket.store(object_.key, size=5, tags=MARKED)
    await bucket.claimer.completed(replace(claims, policy="gone"), object_)
    assert tags(bucket, object_.key) == left


@pytest.mark.parametrize("claim", ["complete", "backend"])
async def test_a_backend_claims_by_receipt(claim: str) -> None:
    """Of any policy, any number of times; the receipt names its user."""
    bucket = FakeBucket(marking(claim=claim))
    upload_id, key = await stored(bucket)
    receipt = (await bucket.uploads.complete(ANN, upload_id)).receipt
    for caller in (BACKEND, FOR_ANN, BACKEND, replace(BACKEND, policies=frozenset({"default"}))):
        assert (await bucket.claimer.claim(caller, receipt=receipt, key=None)).key == key
        assert tags(bucket, key) == KEPT


async def test_a_backend_claims_by_key() -> None:
    bucket = FakeBucket(marking(claim="backend"))
    _, key = await stored(bucket, version_id="2")
    assert (await bucket.claimer.claim(FOR_ANN, receipt=None, key=key)).version_id == "2"
    assert tags(bucket, key, "2") == KEPT


async def test_a_receipt_claims_its_version_only() -> None:
    """The object that replaced it stays unclaimed."""
    bucket = FakeBucket(marking(claim="backend", overwrite=True))
    upload_id, key = await stored(bucket, version_id="1")
    receipt = (await bucket.uploads.complete(ANN, upload_id)).receipt
    first = bucket.storage.objects[key]
    bucket.store(key, size=5, version_id="2", tags=MARKED)
    with pytest.raises(NotFound):
        await bucket.claimer.claim(BACKEND, receipt=receipt, key=None)
    assert tags(bucket, key, "2") == MARKED
    bucket.storage.objects[key] = first
    assert (await bucket.claimer.claim(BACKEND, receipt=receipt, key=None)).version_id == "1"
    assert (tags(bucket, key, "1"), tags(bucket, key, "2")) == (KEPT, MARKED)


@pytest.mark.parametrize("changed", [{"etag": "f"}, {"size": 6}])
async def test_a_receipt_claims_its_bytes_only(changed: dict[str, Any]) -> None:
    """Without versions, another object may have the key."""
    bucket = FakeBucket(marking(claim="backend", overwrite=True))
    upload_id, key = await stored(bucket)
    receipt = (await bucket.uploads.complete(ANN, upload_id)).receipt
    bucket.storage.objects[key] = replace(bucket.storage.objects[key], **changed)
    with pytest.raises(VerificationFailed, match="has been replaced"):
        await bucket.claimer.claim(BACKEND, receipt=receipt, key=None)
    assert tags(bucket, key) == MARKED


@pytest.mark.parametrize(
    ("caller", "named", "error", "field"),
    [
        (ANN, "receipt", Forbidden, None),
        (ANN, "key", Forbidden, None),
        (Principal(user="ann", kind="upload_token"), "receipt", Forbidden, None),
        (replace(FOR_ANN, user="bob"), "receipt", NotFound, None),
        (replace(FOR_ANN, user="bob"), "key", NotFound, None),
        (replace(BACKEND, policies=frozenset({"other"})), "receipt", Forbidden, "receipt"),
        (replace(FOR_ANN, policies=frozenset({"default"})), "key", Forbidden, None),
        (BACKEND, "key", ValidationFailed, "X-On-Behalf-Of"),
        (FOR_ANN, "receipt key", ValidationFailed, "receipt"),
        (FOR_ANN, "", ValidationFailed, "receipt"),
        (BACKEND, "forged", ValidationFailed, "receipt"),
        (BACKEND, "gone", NotFound, None),
        (FOR_ANN, "gone key", NotFound, None),
    ],
)
async def test_nobody_else_claims(
    caller: Principal, named: str, error: type[UploadsvcError], field: str | None
) -> None:
    """And nothing else is claimed: another user's object, or one that is gone, is not found."""
    bucket = FakeBucket(marking(claim="backend"))
    upload_id, key = await stored(bucket)
    receipt = (await bucket.uploads.complete(ANN, upload_id)).receipt
    if "gone" in named:
        del bucket.storage.objects[key]
    if named == "forged":
        receipt = receipt[:-4] + "AAAA"
    with pytest.raises(error) as caught:
        await bucket.claimer.claim(
            caller,
            receipt=receipt if named in {"receipt", "receipt key", "forged", "gone"} else None,
            key=key if "key" in named else None,
        )
    assert type(caught.value) is error
    assert caught.value.field == field
    assert tags(bucket, key) == MARKED


async def test_an_expired_receipt_is_refused_and_the_key_still_claims() -> None:
    bucket = FakeBucket(marking(claim="backend"))
    upload_id, key = await stored(bucket)
    receipt = (await bucket.uploads.complete(ANN, upload_id)).receipt
    bucket.clock.move(600)
    with pytest.raises(ValidationFailed, match="has expired"):
        await bucket.claimer.claim(BACKEND, receipt=receipt, key=None)
    assert tags(bucket, key) == MARKED
    await bucket.claimer.claim(FOR_ANN, receipt=None, key=key)
    assert tags(bucket, key) == KEPT


async def test_a_receipt_of_another_bucket_is_not_found() -> None:
    """Two services may share keys of receipts."""
    bucket = FakeBucket(marking(claim="backend"))
    upload_id, key = await stored(bucket)
    receipt = (await bucket.uploads.complete(ANN, upload_id)).receipt
    bucket.storage.bucket = f"not-{BUCKET}"
    with pytest.raises(NotFound):
        await bucket.claimer.claim(BACKEND, receipt=receipt, key=None)
    assert tags(bucket, key) == MARKED

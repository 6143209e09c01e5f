"""Completion waits for S3 as long as the caller asks, and part URLs end with their upload."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest
from tests.support.claims import CLAIMS
from tests.support.fakes import BUCKET, NOON, FakeBucket

from uploadsvc.domain.errors import (
    Forbidden,
    NotFound,
    StillAssembling,
    StorageUnavailable,
    UploadExpired,
    UploadIncomplete,
)
from uploadsvc.domain.parts import MIB
from uploadsvc.domain.plan import UploadRequest
from uploadsvc.domain.policy import Policy
from uploadsvc.domain.principal import Principal
from uploadsvc.tokens.signed_ids import listed_claims

ANN = Principal(user="ann")


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> FakeBucket:
    """Return a bucket whose completions retry without a pause."""
    monkeypatch.setattr("uploadsvc.services.assembly.RETRY_PAUSE", 0.0)
    return FakeBucket()


async def stored_upload(bucket: FakeBucket) -> str:
    """Create an upload of 5 bytes, store its object and return its id."""
    grant = await bucket.creator.create(ANN, None, UploadRequest(filename="a.txt", size=5))
    bucket.store(grant.plan.key, size=5)
    return grant.id


async def test_a_completion_that_waits_tries_until_s3_answers(bucket: FakeBucket) -> None:
    upload_id = await stored_upload(bucket)
    bucket.storage.failures = [
        StorageUnavailable("down"),
        StillAssembling("busy"),
        StorageUnavailable("down"),
    ]
    completion = await bucket.uploads.complete(ANN, upload_id, wait=60, through_outages=True)
    assert completion.stored.size == 5
    assert bucket.storage.calls == 4


async def test_a_completion_that_does_not_wait_tries_once(bucket: FakeBucket) -> None:
    upload_id = await stored_upload(bucket)
    for failure in (StorageUnavailable, StillAssembling):
        bucket.storage.failures = [failure("now")]
        with pytest.raises(failure):
            await bucket.uploads.complete(ANN, upload_id)
    assert bucket.storage.calls == 2
    assert (await bucket.uploads.complete(ANN, upload_id)).receipt


# On a loop of its own: a jump of time would fire the timers that other tests have left.
@pytest.mark.asyncio(loop_scope="function")
@pytest.mark.parametrize(("failure", "tries"), [(StorageUnavailable, 3), (StillAssembling, 3)])
async def test_a_completion_waits_no_longer_than_asked(
    bucket: FakeBucket, monkeypatch: pytest.MonkeyPatch, failure: type[StorageUnavailable], tries: int
) -> None:
    upload_id = await stored_upload(bucket)
    loop, passed = asyncio.get_running_loop(), 0.0
    real = loop.time
    monkeypatch.setattr(loop, "time", lambda: real() + passed)

    def pass_time() -> None:
        nonlocal passed
        passed += 20

    bucket.storage.on_call = pass_time
    bucket.storage.failures = [failure("down") for _ in range(9)]
    with pytest.raises(failure):
        await bucket.uploads.complete(ANN, upload_id, wait=50, through_outages=True)
    assert bucket.storage.calls == tries


async def test_a_completion_that_waits_for_the_assembly_reports_an_outage_at_once(
    bucket: FakeBucket,
) -> None:
    upload_id = await stored_upload(bucket)
    bucket.storage.failures = [StillAssembling("busy"), StorageUnavailable("down")]
    with pytest.raises(StorageUnavailable, match="down"):
        await bucket.uploads.complete(ANN, upload_id, wait=60)
    assert bucket.storage.calls == 2


async def test_what_waiting_cannot_change_is_told_at_once(bucket: FakeBucket) -> None:
    grant = await bucket.creator.create(ANN, None, UploadRequest(filename="a.txt", size=5))
    with pytest.raises(UploadIncomplete):
        await bucket.uploads.complete(ANN, grant.id, wait=60)
    assert bucket.storage.calls == 1


async def test_part_urls_end_with_their_upload() -> None:
    """And live no longer than the policy allows."""
    bucket = FakeBucket(Policy(name="default", multipart_expires_in=1000, max_expires_in=950))
    film = UploadRequest(filename="film.mp4", size=20 * MIB, method="multipart")
    grant = await bucket.creator.create(ANN, None, film)
    end = NOON + timedelta(seconds=1000)
    lifetimes = ((0, None, 900), (0, 5000, 950), (100, 60, 60), (99, None, 801), (800, 300, 1))
    for passed, expires_in, lives in lifetimes:
        bucket.clock.move(passed)
        parts, expires_at = await bucket.uploads.sign_parts(
            ANN, grant.id, [1, 2], None, expires_in=expires_in
        )
        assert expires_at == bucket.clock() + timedelta(seconds=lives) <= end
        assert all(f"X-Amz-Expires={lives}&" in part.url for part in parts)
    bucket.clock.move(1)
    with pytest.raises(UploadExpired):
        await bucket.uploads.sign_parts(ANN, grant.id, [1], None)


async def test_another_user_has_no_such_upload(bucket: FakeBucket) -> None:
    upload_id = await stored_upload(bucket)
    with pytest.raises(NotFound):
        await bucket.uploads.status(Principal(user="bob"), upload_id)
    assert bucket.storage.calls == 0


async def test_an_id_for_another_bucket_is_not_found(bucket: FakeBucket) -> None:
    """Two deployments may share a secret and a key prefix."""
    claims = replace(CLAIMS, bucket=BUCKET, tags_object=True)
    assert (await bucket.uploads.status(ANN, bucket.ids.sign(claims))).status == "pending"
    with pytest.raises(NotFound, match=r"^There is no such upload\.$"):
        await bucket.uploads.status(ANN, bucket.ids.sign(replace(claims, bucket="another-bucket")))


async def test_a_credential_for_other_policies_cannot_use_an_upload(bucket: FakeBucket) -> None:
    """Nor one that was found in a listing, which does not tell its policy."""
    upload_id = await stored_upload(bucket)
    listed = bucket.ids.sign(listed_claims(BUCKET, "uploads/ann/film.mp4", "U-1", CLAIMS.expires_at))
    narrow = Principal(user="ann", policies=frozenset({"avatars"}))
    for one in (upload_id, listed):
        for call in (bucket.uploads.status, bucket.uploads.complete, bucket.uploads.delete):
            with pytest.raises(Forbidden):
                await call(narrow, one)
    assert bucket.storage.calls == 0

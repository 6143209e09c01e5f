"""Creation fixes credentials and time once, and begins nothing in S3 that it cannot sign."""

from datetime import timedelta
from urllib.parse import parse_qs, urlsplit

import pytest
from tests.support.fakes import NOON, FakeBucket
from tests.support.turns import turns

from uploadsvc.domain.credentials import Credentials
from uploadsvc.domain.errors import StorageUnavailable, UploadsvcError
from uploadsvc.domain.parts import MIB
from uploadsvc.domain.plan import UploadRequest
from uploadsvc.domain.policy import Policy
from uploadsvc.domain.principal import Principal

ANN = Principal(user="ann")
FILE = UploadRequest(filename="a.txt", size=5, method="put")
FILM = UploadRequest(filename="film.mp4", size=20 * MIB, method="multipart")


def signed_at(url: str) -> tuple[str, str]:
    """Return when a URL was signed, and how many seconds it lives."""
    query = parse_qs(urlsplit(url).query)
    return query["X-Amz-Date"][0], query["X-Amz-Expires"][0]


async def test_part_urls_have_their_whole_lifetime_however_long_s3_took() -> None:
    bucket = FakeBucket(Policy(name="default", expires_in=2))
    bucket.multipart.on_create = lambda: bucket.clock.move(4)
    grant = await bucket.creator.create(ANN, None, FILM)
    assert grant.expires_at == NOON + timedelta(seconds=4 + 2)
    assert grant.upload_expires_at == NOON + timedelta(seconds=4 + 604_800)
    assert {signed_at(part.url) for part in grant.parts} == {("20261123T120004Z", "2")}
    assert [part.part_number for part in grant.parts] == [1, 2, 3]


async def test_part_urls_end_before_credentials_that_were_awaited_before_the_creation() -> None:
    bucket = FakeBucket()
    bucket.credentials = Credentials(
        access_key_id="a", secret_access_key="b", expires_at=NOON + timedelta(seconds=100)
    )
    bucket.multipart.on_create = lambda: bucket.clock.move(4)
    grant = await bucket.creator.create(ANN, None, FILM)
    assert grant.expires_at == NOON + timedelta(seconds=40)
    assert {signed_at(part.url) for part in grant.parts} == {("20261123T120004Z", "36")}
    assert bucket.asked == 1


async def test_without_credentials_nothing_is_created_in_s3() -> None:
    bucket = FakeBucket()
    bucket.credentials = StorageUnavailable("no credentials")
    with pytest.raises(StorageUnavailable):
        await bucket.creator.create(ANN, None, FILM)
    assert bucket.multipart.created == 0


@pytest.mark.parametrize("method", ["put", "post"])
async def test_an_upload_by_one_request_does_not_call_s3(method: str) -> None:
    bucket = FakeBucket()
    request = FILE if method == "put" else UploadRequest(filename="a.txt", method="post")
    grant = await bucket.creator.create(ANN, None, request)
    assert grant.plan.method == method
    assert (bucket.multipart.created, bucket.storage.calls, bucket.asked) == (0, 0, 1)


async def test_other_requests_have_their_turn_during_a_batch() -> None:
    """After every few uploads."""
    async with turns() as taken:
        grants = await FakeBucket().creator.create_each(ANN, [(None, FILE)] * 100)
    assert len(grants) == 100
    assert taken.count >= 100 // 4


async def test_if_one_creation_fails_the_others_are_aborted() -> None:
    bucket = FakeBucket()
    bucket.multipart.failures[1] = StorageUnavailable("busy")
    with pytest.raises(StorageUnavailable, match="busy"):
        await bucket.creator.create_all(ANN, None, [FILM, FILM, FILE, FILM])
    assert bucket.multipart.aborted == ["upload-0", "upload-2"]
    assert bucket.multipart.uploads == {}


async def test_a_refusal_names_its_file_before_anything_is_created() -> None:
    bucket = FakeBucket(Policy(name="default", max_size=30 * MIB))
    large = UploadRequest(filename="large.mp4", size=31 * MIB)
    with pytest.raises(UploadsvcError, match=r"^large\.mp4: "):
        await bucket.creator.create_all(ANN, None, [FILM, large])
    assert bucket.multipart.created == 0


async def test_no_two_uploads_have_one_key_or_one_uuid() -> None:
    """Not even in the same millisecond, so that the URL of one cannot overwrite another."""
    bucket, keys, uuids = FakeBucket(), set[str](), set[str]()
    for _ in range(100):
        for grant in (
            await bucket.creator.create(ANN, None, FILE),
            *await bucket.creator.create_all(ANN, None, [FILE]),
        ):
            keys.add(grant.plan.key)
            uuids.add(bucket.ids.verify(grant.id).upload_uuid)
        keys.add((await bucket.creator.bare_put(ANN, None, FILE))[1])
    assert (len(keys), len(uuids)) == (300, 200)


async def test_urls_are_signed_at_their_own_time_with_the_present_credentials() -> None:
    bucket = FakeBucket()
    for second in range(4):
        if second == 2:
            bucket.credentials = Credentials(access_key_id="ASIA2", secret_access_key="s" * 40)
            bucket.clock.move(-1)
        grant = await bucket.creator.create(ANN, None, FILE)
        passed = second if second < 2 else second - 1
        assert grant.expires_at == NOON + timedelta(seconds=passed + 900)
        assert signed_at(grant.url) == (f"20261123T12000{passed}Z", "900")
        assert ("Credential=ASIA2%2F" in grant.url) is (second >= 2)
        bucket.clock.move(1)

"""Checksums that SeaweedFS does not support: a SHA-256 over those of the parts."""

import base64
from hashlib import sha256

import pytest
from tests.support.browser.module_stage import MIB, PART_SIZE, Stage
from tests.support.servers import S3Server

SIZE = 2 * PART_SIZE + 345


@pytest.fixture
def s3(localstack: S3Server) -> S3Server:
    """Use LocalStack, which verifies them."""
    return localstack


@pytest.mark.parametrize("request_", [{"method": "multipart"}, {"policy": "parts"}], ids=["method", "policy"])
async def test_sha256_of_a_multipart_upload_covers_the_parts(scene: Stage, request_: dict[str, str]) -> None:
    """When the page requests parts, and when the policy allows nothing else."""
    tab = await scene.open()
    await tab.begin(SIZE, {"checksum": "sha256", **request_})
    stored = await tab.stored()
    async with scene.s3.client() as client:
        found = await client.get_object(Bucket=scene.s3.bucket, Key=stored["key"])
        whole = await found["Body"].read()
    assert sha256(whole).hexdigest() == await tab.digest()
    parts = [sha256(whole[start : start + PART_SIZE]).digest() for start in range(0, SIZE, PART_SIZE)]
    value = base64.b64encode(sha256(b"".join(parts)).digest()).decode()
    assert stored["checksum"] == {"algorithm": "sha256", "value": f"{value}-3"}
    assert await scene.unfinished() == []
    assert await scene.keys() == [stored["key"]]


async def test_a_large_file_that_may_not_be_sent_in_parts(scene: Stage) -> None:
    """The service refuses checksums of parts, so the checksum of the file is computed in advance."""
    tab = await scene.open()
    await tab.begin(65 * MIB, {"checksum": "crc32", "policy": "put"})
    stored = await tab.stored()
    assert stored["checksum"]["algorithm"] == "crc32"
    assert await scene.digest(stored["key"]) == await tab.digest()
    assert await tab.told("states") == [
        "creating",
        "hashing",
        "creating",
        "uploading",
        "completing",
        "stored",
    ]


async def test_an_unsupported_checksum_is_refused(scene: Stage) -> None:
    """Parts need checksums of their own, even if the page computed that of the file."""
    tab = await scene.open()
    await tab.begin(SIZE, {"checksum": {"algorithm": "crc32c", "value": "AAAAAA=="}})
    assert await tab.failed() == "checksum_unavailable"

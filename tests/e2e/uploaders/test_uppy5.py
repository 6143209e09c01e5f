"""Uppy 5, unmodified and in a browser, with the service as its ``endpoint`` and the app's bearer token."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import pytest
from playwright.async_api import BrowserContext
from tests.support.servers import S3Server
from tests.support.stores import on_both_stores
from tests.support.uploaders.packages import Bundled
from tests.support.uploaders.stage import MIB, Stage, stage
from tests.support.uploaders.uppy import MULTIPART, POLICIES, SIZE, assert_stored, others_upload, paused

Staged = Callable[[str], AbstractAsyncContextManager[Stage]]


@pytest.fixture
async def staged(s3: S3Server, context: BrowserContext, bundled: Bundled) -> Staged:
    """Give what sets the stage, for uploads by a policy, which is the default one there."""
    script = await bundled("uppy5")

    @asynccontextmanager
    async def of(policy: str) -> AsyncIterator[Stage]:
        policies = {"default": POLICIES[policy]}
        async with asyncio.timeout(60), stage(s3, context, script=script, policies=policies) as scene:
            yield scene

    return of


def assert_quiet(scene: Stage) -> None:
    """Assert that the console is empty, but for a form's ``Location``, which SeaweedFS does not tell."""
    told = [one for one in scene.complaints if "Could not read the Location header" not in one]
    assert told == []
    if scene.s3.name != "seaweedfs":
        assert scene.complaints == []


@on_both_stores
async def test_a_small_file_goes_by_one_form(staged: Staged) -> None:
    """And is where Uppy says that it is."""
    async with staged("default") as scene:
        told = await scene.call(
            "upload", "endpoint", 1000, {"about": {"name": "a b.txt", "type": "text/plain"}}
        )
        key = await assert_stored(scene, told)
        assert key.endswith("/a b.txt")
        assert [one.split()[0] for one in scene.sent_to(scene.s3.endpoint_url)] == ["POST"]
        assert_quiet(scene)
        if scene.s3.name != "seaweedfs":
            assert told["success"]["uploadURL"].endswith("a%20b.txt")


@on_both_stores
async def test_a_large_file_goes_in_parts(staged: Staged) -> None:
    """Several at once, each signed by itself, and put together at the end."""
    async with staged("open") as scene:
        told = await scene.call("upload", "endpoint", SIZE, {"options": MULTIPART})
        key = await assert_stored(scene, told)
        assert sorted(told["parts"]) == [1, 2, 3]
        assert told["success"]["key"] == key
        assert scene.complaints == []


async def test_with_its_size_every_part_is_signed_for_its_own(staged: Staged) -> None:
    """As this version cuts, too."""
    async with staged("default") as scene:
        given = {"options": MULTIPART, "meta": {"size": SIZE}}
        await assert_stored(scene, await scene.call("upload", "endpoint", SIZE, given))
        signed = [one.url for one in scene.requests if "partNumber" in one.url]
        assert len(signed) == 3
        assert all("content-length%3Bhost" in url for url in signed)


async def test_a_paused_upload_goes_on_where_it_was(staged: Staged) -> None:
    """What has arrived is not sent again."""
    async with staged("open") as scene:
        await scene.call("begin", "endpoint", SIZE, {"options": MULTIPART, "pauseAt": 1})
        await paused(scene)
        await scene.call("resume")
        told = await scene.call("over")
        await assert_stored(scene, told)
        # Of those under way at the pause, one may have arrived all the same.
        assert len(told["parts"]) == len(set(told["parts"])) <= 3


async def test_another_page_goes_on(staged: Staged) -> None:
    """With what Uppy remembers of the file, as after a reload."""
    async with staged("open") as scene:
        await scene.call("begin", "endpoint", SIZE, {"options": {**MULTIPART, "limit": 1}, "pauseAt": 1})
        remembered = await paused(scene)
        await scene.page.reload()
        await scene.page.wait_for_function("document.title === 'ready'")
        given = {"options": MULTIPART, "state": {"s3Multipart": remembered}}
        told = await scene.call("upload", "endpoint", SIZE, given)
        await assert_stored(scene, told)
        assert sorted(told["parts"]) == [2, 3]


async def test_a_wrong_type_is_refused_in_words(staged: Staged) -> None:
    """Those of the service."""
    async with staged("images") as scene:
        for options in ({}, MULTIPART):
            told = await scene.call("upload", "endpoint", 1000, {"options": options})
            assert "Policy 'default' does not allow video/mp4; it allows image/*." in told["errors"]
        assert await scene.keys() == await scene.unfinished() == []


async def test_what_is_too_large_is_refused_in_words(staged: Staged) -> None:
    """By the service where the page says the size; by S3 otherwise, or by the service at the end."""
    async with staged("small") as scene:
        told = await scene.call("upload", "endpoint", 8 * MIB, {"meta": {"size": 8 * MIB}})
        said = f"The file has {8 * MIB} bytes; policy 'default' allows {7 * MIB}."
        assert said in told["errors"]
        told = await scene.call("upload", "endpoint", 8 * MIB, {"options": MULTIPART})
        assert f"The parts have {8 * MIB} bytes; the policy allows {7 * MIB}." in told["errors"]
        told = await scene.call("upload", "endpoint", 8 * MIB, {})
        assert told["errors"]
        assert await scene.keys() == []


async def test_somebody_else_s_upload_is_refused(staged: Staged) -> None:
    """Whichever of its names a page has, and whichever key it puts beside it."""
    async with staged("open") as scene:
        key, upload_id, s3_upload_id = await others_upload(scene)
        for state in (
            {"key": key, "uploadId": upload_id},
            {"key": "uploads/alice/mine.mp4", "uploadId": upload_id},
            {"key": key, "uploadId": s3_upload_id},
        ):
            given = {"options": MULTIPART, "state": {"s3Multipart": state}}
            told = await scene.call("upload", "endpoint", SIZE, given)
            assert "There is no such upload." in told["errors"]
        assert await scene.keys() == []
        assert await scene.unfinished() == [key]


@on_both_stores
async def test_the_guide_holds(staged: Staged) -> None:
    """What it shows is what uploads, in one piece and in parts."""
    async with staged("default") as scene:
        await assert_stored(scene, await scene.call("upload", "guide", 1000, {"about": {"name": "a.txt"}}))
        given = {"options": MULTIPART, "about": {"seed": 2}}
        await assert_stored(scene, await scene.call("upload", "guide", SIZE, given), others=1)
        assert_quiet(scene)

"""Uppy 6 with temporary S3 credentials, limited to the caller's prefix."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import pytest
from playwright.async_api import BrowserContext
from tests.support.servers import S3Server
from tests.support.sts import ROLE_ARN
from tests.support.uploaders.packages import Bundled
from tests.support.uploaders.stage import Stage, stage
from tests.support.uploaders.uppy import MULTIPART, SIZE, assert_stored, others_upload, paused

Staged = Callable[[str], AbstractAsyncContextManager[Stage]]


@pytest.fixture
async def staged(sts_s3: S3Server, context: BrowserContext, bundled: Bundled) -> Staged:
    """Give what sets the stage; the page puts its keys below a prefix."""
    script = await bundled("uppy6")

    @asynccontextmanager
    async def of(prefix: str) -> AsyncIterator[Stage]:
        uppy = {"credentials": True, "role_arn": ROLE_ARN}
        config = {"prefix": prefix}
        async with (
            asyncio.timeout(60),
            stage(sts_s3, context, script=script, config=config, uppy=uppy) as scene,
        ):
            yield scene

    return of


async def test_a_small_file_goes_by_one_put(staged: Staged) -> None:
    """Signed in the browser, under the name that the page chose."""
    async with staged("uploads/alice/") as scene:
        told = await scene.call("upload", "credentials", 1000, {"about": {"name": "a b+ü.txt"}})
        assert await assert_stored(scene, told) == "uploads/alice/a b+ü.txt"
        assert scene.complaints == []


async def test_a_large_file_goes_in_parts_and_may_pause(staged: Staged) -> None:
    """All of it between the browser and S3; the service is asked for credentials alone."""
    async with staged("uploads/alice/") as scene:
        await scene.call("begin", "credentials", SIZE, {"options": MULTIPART, "pauseAt": 1})
        await paused(scene)
        await scene.call("resume")
        told = await scene.call("over")
        await assert_stored(scene, told)
        assert told["parts"] == [1, 2, 3]
        assert scene.sent_to(scene.service) == ["GET /uppy/credentials"]


@pytest.mark.parametrize("prefix", ["uploads/bob/", "uploads/alice2/", "uploads/", "elsewhere/"])
async def test_nothing_goes_outside_the_caller_s_prefix(staged: Staged, prefix: str) -> None:
    """S3 itself refuses it."""
    async with staged(prefix) as scene:
        for options in ({}, MULTIPART):
            told = await scene.call("upload", "credentials", 1000, {"options": options})
            assert told["errors"][0].startswith("S3 returned 403")
        assert await scene.keys() == await scene.unfinished() == []


async def test_somebody_else_s_upload_is_refused(staged: Staged) -> None:
    """Even to whom knows S3's own name for it."""
    async with staged("uploads/alice/") as scene:
        key, _, upload_id = await others_upload(scene)
        given = {"options": MULTIPART, "state": {"s3Multipart": {"key": key, "uploadId": upload_id}}}
        told = await scene.call("upload", "credentials", SIZE, given)
        assert told["errors"][0].startswith("S3 returned 403")
        assert await scene.unfinished() == [key]


async def test_the_guide_holds(staged: Staged) -> None:
    """What it shows is what uploads, in one piece and in parts."""
    async with staged("") as scene:
        mode = "guideWithCredentials"
        await assert_stored(scene, await scene.call("upload", mode, 1000, {"about": {"name": "a.txt"}}))
        given = {"options": MULTIPART, "about": {"seed": 2}}
        await assert_stored(scene, await scene.call("upload", mode, SIZE, given), others=1)
        assert scene.complaints == []

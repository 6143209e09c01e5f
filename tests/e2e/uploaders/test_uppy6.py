"""Uppy 6, unmodified, in a browser: with Companion's routes and with signed single requests."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import UTC, datetime, timedelta

import pytest
from playwright.async_api import BrowserContext
from tests.support.servers import S3Server
from tests.support.service import SECRET_KEY
from tests.support.stores import on_both_stores
from tests.support.uploaders.packages import Bundled
from tests.support.uploaders.stage import MIB, Stage, stage
from tests.support.uploaders.uppy import MULTIPART, POLICIES, SIZE, assert_stored, others_upload, paused

from uploadsvc.tokens.jwts import UPLOAD, ServiceTokens

Staged = Callable[..., AbstractAsyncContextManager[Stage]]
both_modes = pytest.mark.parametrize("mode", ["companion", "sign"])


def upload_token(policy: str) -> str:
    """Return an upload token of alice's, good for one policy."""
    tokens = ServiceTokens([SECRET_KEY.encode()], kind=UPLOAD, clock=lambda: datetime.now(UTC))
    expires_at = datetime.now(UTC) + timedelta(minutes=5)
    return tokens.issue("alice", frozenset({policy}), expires_at=expires_at)


@pytest.fixture
async def staged(s3: S3Server, context: BrowserContext, bundled: Bundled) -> Staged:
    """Give what sets the stage, for uploads by a policy."""
    script = await bundled("uppy6")

    @asynccontextmanager
    async def of(policy: str, **config: object) -> AsyncIterator[Stage]:
        told = {"uploadToken": upload_token(policy), "policy": policy, **config}
        async with (
            asyncio.timeout(60),
            stage(s3, context, script=script, config=told, policies=POLICIES) as scene,
        ):
            yield scene

    return of


@on_both_stores
@both_modes
async def test_a_small_file_goes_by_one_form(staged: Staged, mode: str) -> None:
    """And is where Uppy says that it is."""
    async with staged("default") as scene:
        told = await scene.call("upload", mode, 1000, {"about": {"name": "a b+ü.txt", "type": "text/plain"}})
        key = await assert_stored(scene, told)
        assert key.endswith("/a b+ü.txt")
        assert told["success"]["key"] == key
        assert [one.split()[0] for one in scene.sent_to(scene.s3.endpoint_url)] == ["POST"]
        assert scene.complaints == []


@on_both_stores
@both_modes
async def test_a_large_file_goes_in_parts(staged: Staged, mode: str) -> None:
    """Each once, in order, and put together at the end."""
    async with staged("open") as scene:
        told = await scene.call("upload", mode, SIZE, {"options": MULTIPART})
        key = await assert_stored(scene, told)
        assert told["parts"] == [1, 2, 3]
        assert told["success"]["key"] == key
        assert scene.complaints == []


async def test_with_its_size_every_part_is_signed_for_its_own(staged: Staged) -> None:
    """So a policy need not leave the size open; the page sets it as metadata."""
    async with staged("default") as scene:
        given = {"options": MULTIPART, "meta": {"size": SIZE}}
        await assert_stored(scene, await scene.call("upload", "companion", SIZE, given))
        signed = [one.url for one in scene.requests if "partNumber" in one.url]
        assert len(signed) == 3
        assert all("content-length%3Bhost" in url for url in signed)


async def test_a_page_may_cut_otherwise(staged: Staged) -> None:
    """Where it says so."""
    async with staged("default") as scene:
        meta = {"size": SIZE, "partSize": 6 * MIB}
        told = await scene.page.evaluate(
            "(meta) => page.upload('companion', meta.size, {meta, "
            "options: {shouldUseMultipart: true, getChunkSize: () => meta.partSize}})",
            meta,
        )
        await assert_stored(scene, told)
        assert told["parts"] == [1, 2]


@both_modes
async def test_a_paused_upload_goes_on_where_it_was(staged: Staged, mode: str) -> None:
    """What has arrived is not sent again."""
    async with staged("open") as scene:
        await scene.call("begin", mode, SIZE, {"options": MULTIPART, "pauseAt": 1})
        await paused(scene)
        await scene.call("resume")
        told = await scene.call("over")
        await assert_stored(scene, told)
        assert told["parts"] == [1, 2, 3]


@both_modes
async def test_another_page_goes_on(staged: Staged, mode: str) -> None:
    """With what Uppy remembers of the file, as after a reload."""
    async with staged("open") as scene:
        await scene.call("begin", mode, SIZE, {"options": MULTIPART, "pauseAt": 1})
        remembered = await paused(scene)
        await scene.page.reload()
        await scene.page.wait_for_function("document.title === 'ready'")
        given = {"options": MULTIPART, "state": {"s3Multipart": remembered}}
        told = await scene.call("upload", mode, SIZE, given)
        await assert_stored(scene, told)
        assert told["parts"] == [2, 3]


@both_modes
async def test_a_cancelled_upload_leaves_no_parts(staged: Staged, mode: str) -> None:
    """They would cost money."""
    async with staged("open") as scene:
        await scene.call("begin", mode, SIZE, {"options": MULTIPART, "pauseAt": 1})
        await paused(scene)
        async with scene.page.expect_response(lambda answer: answer.request.method == "DELETE"):
            await scene.call("cancel")
        assert await scene.unfinished() == []
        assert await scene.keys() == []


async def test_an_answer_that_was_lost_is_asked_for_again(staged: Staged) -> None:
    """The object is there; a page that goes on with its upload is told so."""
    async with staged("open") as scene:
        await scene.call("begin", "companion", SIZE, {"options": MULTIPART, "pauseAt": 1})
        remembered = await paused(scene)
        await scene.call("resume")
        await assert_stored(scene, await scene.call("over"))
        given = {"options": MULTIPART, "state": {"s3Multipart": remembered}}
        told = await scene.call("upload", "companion", SIZE, given)
        key = await assert_stored(scene, told)
        assert (told["parts"], told["success"]["key"]) == ([], key)


async def test_a_wrong_type_is_refused_in_words(staged: Staged) -> None:
    """Companion's client shows what the status says; an app's own function what the service says."""
    async with staged("images") as scene:
        for options in ({}, MULTIPART):
            told = await scene.call("upload", "companion", 1000, {"options": options})
            assert told["errors"] == ["Companion request failed: Unsupported Media Type"]
        told = await scene.call("upload", "sign", 1000, {})
        assert told["errors"] == ["Policy 'images' does not allow video/mp4; it allows image/*."]
        told = await scene.call("upload", "sign", 1000, {"options": MULTIPART})
        assert told["errors"] == ["Policy 'images' does not allow video/mp4; it allows image/*."]
        assert await scene.keys() == await scene.unfinished() == []


async def test_what_is_too_large_is_refused_in_words(staged: Staged) -> None:
    """By the service where the page says the size; by S3 otherwise, or by the service at the end."""
    async with staged("small") as scene:
        told = await scene.call("upload", "companion", 8 * MIB, {"meta": {"size": 8 * MIB}})
        assert told["errors"][0].startswith("Companion request failed: ")
        assert "Too Large" in told["errors"][0]
        told = await scene.call("upload", "companion", 8 * MIB, {"options": MULTIPART})
        assert "Too Large" in told["errors"][0]
        told = await scene.call("upload", "sign", 8 * MIB, {"options": MULTIPART})
        assert told["errors"] == [f"The parts have {8 * MIB} bytes; the policy allows {7 * MIB}."]
        for mode in ("companion", "sign"):
            told = await scene.call("upload", mode, 8 * MIB, {})
            assert len(told["errors"]) == 1
        assert await scene.keys() == []


async def test_without_its_size_a_file_does_not_go_in_parts(staged: Staged) -> None:
    """Unless the policy lets it."""
    async with staged("default") as scene:
        told = await scene.call("upload", "companion", SIZE, {"options": MULTIPART})
        assert told["errors"][0].startswith("Companion request failed: Unprocessable")
        told = await scene.call("upload", "sign", SIZE, {"options": MULTIPART})
        assert "(unsized_multipart)" in told["errors"][0]
        assert await scene.unfinished() == []


async def test_somebody_else_s_upload_is_refused(staged: Staged) -> None:
    """Whichever of its names a page has, and whichever key it puts beside it."""
    async with staged("open", key="uploads/bob/mine.mp4") as scene:
        key, upload_id, s3_upload_id = await others_upload(scene)
        for state in (
            {"key": key, "uploadId": upload_id},
            {"key": "uploads/alice/mine.mp4", "uploadId": upload_id},
            {"key": key, "uploadId": s3_upload_id},
        ):
            given = {"options": MULTIPART, "state": {"s3Multipart": state}}
            told = await scene.call("upload", "companion", SIZE, given)
            assert told["errors"] == ["Companion request failed: Not Found"]
        given = {"options": MULTIPART, "state": {"s3Multipart": {"key": key, "uploadId": s3_upload_id}}}
        told = await scene.call("upload", "sign", SIZE, given)
        assert told["errors"] == ["There is no such object."]
        for options in ({}, MULTIPART):
            told = await scene.call("upload", "sign", 1000, {"options": options})
            assert told["errors"] == ["There is no such object."]
        assert await scene.keys() == []
        assert await scene.unfinished() == [key]


@pytest.mark.parametrize("mode", ["guideCompanion", "guideSigned"])
async def test_the_guide_holds(staged: Staged, mode: str) -> None:
    """What it shows is what uploads, in one piece and in parts."""
    async with staged("open") as scene:
        await assert_stored(scene, await scene.call("upload", mode, 1000, {"about": {"name": "a.txt"}}))
        given = {"options": MULTIPART, "about": {"seed": 2}}
        await assert_stored(scene, await scene.call("upload", mode, SIZE, given), others=1)
        if mode == "guideCompanion":
            signed = [one.url for one in scene.requests if "partNumber" in one.url]
            assert all("content-length%3Bhost" in url for url in signed)
        assert scene.complaints == []

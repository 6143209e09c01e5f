"""The browser module sends large files in parts, and continues after any failure."""

import asyncio
from collections.abc import Callable
from datetime import timedelta

import pytest
from tests.support.browser.module_stage import MIB, PART_SIZE, Stage, Tab
from tests.support.fault_proxy import EXPIRED, SLOW_DOWN, Cut, Exchange, Fault, Hold, LoseAnswer
from tests.support.service import token_for
from tests.support.stores import on_both_stores

SIZE = 4 * PART_SIZE + 2 * MIB + 345
PARTS = [1, 2, 3, 4, 5]


def holding(event: asyncio.Event, *parts: int) -> Callable[[Exchange], Fault | None]:
    """Return a rule that holds some parts amid their bytes."""
    return lambda one: Hold(until=event, after=1 * MIB) if one.part_number in parts else None


async def half_way(scene: Stage, tab: Tab, event: asyncio.Event) -> None:
    """Begin an upload, and wait until two parts have arrived and the others are on their way."""
    scene.line.rule = holding(event, 3, 4, 5)
    await tab.begin(SIZE)
    await scene.line.until(lambda: scene.line.stored_parts() == [1, 2])
    await scene.line.until(lambda: [one.sent for one in scene.line.sent()].count(MIB) == 3)
    await tab.until(f"told.task.progress.loaded > {2 * PART_SIZE}")


async def assert_whole(scene: Stage, tab: Tab) -> None:
    """Hold the object to the file's bytes; nothing is left unfinished, in S3 or in the browser."""
    stored = await tab.stored()
    assert stored["size"] == await tab.page.evaluate("file.size")
    assert await scene.digest(stored["key"]) == await tab.digest()
    assert await scene.keys() == [stored["key"]]
    assert await scene.unfinished() == []
    assert await tab.page.evaluate("page.client.unfinished()") == []
    assert await tab.page.evaluate("localStorage.length") == 0


@on_both_stores
async def test_a_large_file_is_sent_in_parts(scene: Stage) -> None:
    """Four at a time, with one call of the service before and one after."""
    tab = await scene.open()
    event = asyncio.Event()
    scene.line.rule = lambda one: Hold(until=event) if one.part_number else None
    await tab.begin(30 * MIB + 7)
    await scene.line.until(lambda: len(scene.line.sent()) == 4)
    assert sorted(one.part_number or 0 for one in scene.line.sent()) == [1, 2, 3, 4]
    scene.line.rule = lambda _: None
    event.set()
    await assert_whole(scene, tab)
    assert scene.line.stored_parts() == list(range(1, 8))
    assert scene.calls() == ["POST /v1/uploads", "POST /v1/uploads/…/complete"]
    assert await tab.told("states") == ["creating", "uploading", "completing", "stored"]
    progress = await tab.told("progress")
    loaded = [one["loaded"] for one in progress]
    assert loaded == sorted(loaded)
    assert (loaded[0], loaded[-1]) == (0, 30 * MIB + 7)
    assert len(set(loaded)) > 7
    assert progress[0]["rate"] is None
    assert progress[-1]["rate"] > 0
    assert progress[-1]["remaining"] == 0
    assert any(one["remaining"] for one in progress)
    assert await tab.told("retries") == []
    assert tab.complaints == []


async def test_resumes_when_the_browser_is_back_online(scene: Stage) -> None:
    """Parts that arrived are not sent again."""
    tab = await scene.open()
    event = asyncio.Event()
    await half_way(scene, tab, event)
    await scene.context.set_offline(offline=True)
    await scene.line.break_connections()
    await tab.until("told.retries.length === 3")
    for retry in await tab.told("retries"):
        # So long would it wait for the next try, which does not count.
        assert (retry["code"], retry["attempt"], retry["delay"] >= 15) == ("network_error", 0, True)
    scene.line.rule = lambda _: None
    before = len(scene.line.sent())
    await scene.context.set_offline(offline=False)
    await assert_whole(scene, tab)
    assert len(await tab.told("retries")) == 3
    assert scene.line.stored_parts() == PARTS
    assert sorted(one.part_number or 0 for one in scene.line.sent()[before:]) == [3, 4, 5]


async def test_resumes_after_the_tab_was_closed(scene: Stage) -> None:
    """Only the missing parts are sent."""
    first = await scene.open()
    await half_way(scene, first, asyncio.Event())
    await first.page.close()
    await scene.line.break_connections()
    scene.line.rule = lambda _: None
    before = len(scene.line.sent())
    second = await scene.open()
    (known,) = await second.page.evaluate("page.client.unfinished()")
    assert (known["filename"], known["size"], known["policy"]) == ("film.mp4", SIZE, None)
    assert (await scene.unfinished())[0]["key"] == known["key"]
    await second.begin(SIZE)
    await assert_whole(scene, second)
    assert (await second.stored())["key"] == known["key"]
    assert sorted(one.part_number or 0 for one in scene.line.sent()[before:]) == [3, 4, 5]
    assert scene.line.stored_parts() == PARTS
    assert (await second.told("progress"))[0]["loaded"] == 2 * PART_SIZE


async def test_pause_and_resume(scene: Stage) -> None:
    """A pause lets parts on their way arrive, gives up those that stall, and starts no other."""
    tab = await scene.open()
    event = asyncio.Event()
    stalled = asyncio.Event()
    hold = {1: Hold(until=event, after=1 * MIB), 2: Hold(until=stalled, after=1 * MIB)}
    scene.line.rule = lambda one: hold.get(one.part_number or 0)
    await tab.begin(SIZE, {"concurrency": 2})
    await scene.line.until(lambda: [one.sent for one in scene.line.sent()].count(MIB) == 2)
    await tab.until("told.task.progress.idle > 1")  # no more fits into the buffers on the way
    await tab.page.evaluate("told.task.pause()")
    event.set()
    await scene.line.until(lambda: scene.line.stored_parts() == [1])
    await tab.until(f"told.task.progress.loaded === {PART_SIZE}")
    assert await tab.page.evaluate("told.task.state") == "paused"
    scene.line.rule = lambda _: None
    assert len(scene.line.sent()) == 2
    assert len(scene.calls()) == 1
    await tab.page.evaluate("told.task.resume()")
    await assert_whole(scene, tab)
    assert sorted(one.part_number or 0 for one in scene.line.sent()[2:]) == [2, 3, 4, 5]
    assert scene.line.stored_parts() == PARTS
    states = ["creating", "uploading", "paused", "queued", "uploading", "completing", "stored"]
    assert await tab.told("states") == states
    assert await tab.told("retries") == []


@pytest.mark.parametrize("paused", [False, True])
async def test_cancel_leaves_nothing_behind(scene: Stage, *, paused: bool) -> None:
    """S3 has deleted the parts once `cancel` resolves, and the browser has forgotten the upload."""
    tab = await scene.open()
    await half_way(scene, tab, asyncio.Event())
    assert len(await scene.unfinished()) == 1
    await tab.page.evaluate(f"{paused} && told.task.pause()".lower())
    await tab.page.evaluate("told.task.cancel()")
    assert await tab.failed() == "aborted"
    assert await scene.unfinished() == []
    assert await scene.keys() == []
    assert await tab.page.evaluate("localStorage.length") == 0
    assert (await tab.told("states"))[-1] == "cancelled"


async def test_expired_urls_are_replaced(scene: Stage) -> None:
    """S3 refuses URLs signed an hour ago, which the page believes to be valid."""
    tab = await scene.open()
    scene.clock.behind = timedelta(hours=1)
    refused: list[Exchange] = []

    def mend(one: Exchange) -> None:
        if one.part_number:
            scene.clock.behind = timedelta()
            refused.append(one)

    scene.line.rule = mend
    await tab.begin(SIZE)
    await assert_whole(scene, tab)
    assert [one.status for one in refused[:1]] == [403]
    assert scene.line.stored_parts() == PARTS
    assert "POST /v1/uploads/…/parts" in scene.calls()


async def test_each_url_expires_once(scene: Stage) -> None:
    """Whatever the browser's clock says, S3's response decides."""
    tab = await scene.open()
    seen: set[int | None] = set()

    def once(one: Exchange) -> Fault | None:
        if one.part_number is None or one.part_number in seen:
            return None
        seen.add(one.part_number)
        return EXPIRED

    scene.line.rule = once
    await tab.begin(SIZE)
    await assert_whole(scene, tab)
    assert scene.line.stored_parts() == PARTS
    assert await tab.told("retries") == []


async def test_s3_is_busy_at_every_third_part(scene: Stage) -> None:
    """Each refused part is sent again until S3 accepts it."""
    tab = await scene.open()
    count = 0

    def third(one: Exchange) -> Fault | None:
        nonlocal count
        count += one.part_number is not None
        return SLOW_DOWN if one.part_number and count % 3 == 0 else None

    scene.line.rule = third
    await tab.begin(SIZE)
    await assert_whole(scene, tab)
    assert scene.line.stored_parts() == PARTS
    busy = [one for one in scene.line.sent() if one.status == 503]
    assert len(busy) >= 2
    assert {one["code"] for one in await tab.told("retries")} == {"storage_rejected"}


async def test_lost_responses(scene: Stage) -> None:
    """The request is repeated, to S3 and to the service."""
    tab = await scene.open()
    lost: set[str] = set()

    def first(one: Exchange) -> Fault | None:
        if one.method == "OPTIONS" or one.target in lost:
            return None
        lost.add(one.target)
        return LoseAnswer()

    scene.line.rule = lambda one: first(one) if one.part_number in (2, 5) else None
    scene.service.rule = lambda one: first(one) if one.target.endswith("/complete") else None
    await tab.begin(SIZE)
    await assert_whole(scene, tab)
    assert len(lost) == 3
    assert [one["attempt"] for one in await tab.told("retries")] == [1, 1, 1]


async def test_an_aborted_upload_ends_where_the_page_cannot_read_the_refusal(scene: Stage) -> None:
    """Ceph sends no CORS headers with a 404: to the page, the connection broke. The service tells more."""
    tab = await scene.open()
    event = asyncio.Event()
    await half_way(scene, tab, event)
    (gone,) = await scene.unfinished()
    assert (await scene.ask("DELETE", f"/v1/uploads/{gone['id']}")).status_code == 204
    scene.line.rule = lambda one: Cut() if one.part_number else None
    event.set()
    await scene.line.break_connections()
    assert await tab.failed() == "upload_aborted"
    assert max(one["attempt"] for one in await tab.told("retries")) == 1


async def test_the_token_expires_during_the_upload(scene: Stage) -> None:
    """The service answers 401, the page supplies another token, and the upload continues."""
    tab = await scene.open()
    event = asyncio.Event()
    await half_way(scene, tab, event)
    await tab.page.evaluate("token => { page.useToken(token); }", token_for("alice", expires_in=-60))
    event.set()
    await assert_whole(scene, tab)
    completed = [one.status for one in scene.service.exchanges if one.target.endswith("/complete")]
    assert [status for status in completed if status != 204][-2:] == [401, 200]
    assert await tab.page.evaluate("page.refreshed()") == 1

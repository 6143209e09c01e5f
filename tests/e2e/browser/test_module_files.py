"""The browser module and files that change, text files, stalls, and older browsers."""

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from playwright.async_api import BrowserContext
from tests.support.browser.module_stage import MIB, PART_SIZE, Clock, Stage, Tab, stage
from tests.support.fault_proxy import Hold, s3_error
from tests.support.servers import S3Server

SIZE = 20_000_000
LATER_APIS = [
    # https://developer.mozilla.org/ says when each came; Safari 16.4 has none of them.
    *("AbortSignal.any", "Array.fromAsync", "Error.isError", "Map.groupBy", "Object.groupBy"),
    *("Promise.try", "Promise.withResolvers", "RegExp.escape", "URL.canParse", "URL.parse"),
    *("Uint8Array.fromBase64", "Uint8Array.prototype.toBase64", "Uint8Array.prototype.setFromBase64"),
    *("Set.prototype.difference", "Set.prototype.intersection", "Set.prototype.union", "Iterator"),
    *("ReadableStream.prototype.values", "Blob.prototype.bytes", "Response.prototype.bytes"),
    *(
        "requestIdleCallback",
        "scheduler",
        "showOpenFilePicker",
        "DataTransferItem.prototype.getAsFileSystemHandle",
    ),
    # Newer than Safari 15.
    "AbortSignal.timeout",
]
WITHOUT_LATER_APIS = """names => {
    for (const name of names) {
        const path = name.split(".");
        const last = path.pop();
        const owner = path.reduce((object, key) => object?.[key], globalThis);
        if (owner) delete owner[last];
    }
}"""


@pytest.fixture
def s3(seaweedfs: S3Server) -> S3Server:
    """Use SeaweedFS."""
    return seaweedfs


@pytest.fixture
async def deleting(s3: S3Server, context: BrowserContext, clock: Clock) -> AsyncIterator[Stage]:
    """Set the stage; callers may delete their objects."""
    async with asyncio.timeout(60), stage(s3, context, clock, delete=True) as scene:
        yield scene


def old_file(path: Path, size: int) -> Path:
    """Write a file of so many bytes whose date is in the past: Chromium compares whole seconds."""
    path.write_bytes(b"a" * size)
    os.utime(path, (1e9, 1e9))
    return path


async def choose(tab: Tab, path: Path) -> None:
    """Choose a file, as ``file``."""
    await tab.page.locator("input").set_input_files(path)
    await tab.page.evaluate("() => { globalThis.file = document.querySelector('input').files[0]; }")


async def torn(scene: Stage, tab: Tab, path: Path, method: str) -> str:
    """Write to a file while it is sent, and return the message of the error."""
    free = asyncio.Event()
    scene.line.rule = lambda _: Hold(until=free, after=SIZE // 3)
    await choose(tab, old_file(path, SIZE))
    begin = "method => { globalThis.told = page.begin(file, { method }); }"
    await tab.page.evaluate(begin, method)
    await scene.line.until(lambda: any(one.sent >= SIZE // 3 for one in scene.line.exchanges))
    with path.open("r+b") as file:
        for position in (0, SIZE - 1000):
            file.seek(position)
            file.write(b"b" * 1000)
    free.set()
    assert await tab.failed() == "file_unreadable"
    assert not any(call.endswith("/complete") for call in scene.calls())
    return str(await tab.page.evaluate("told.task.promise.catch(({ message }) => message)"))


@pytest.mark.parametrize("method", ["put", "post"])
async def test_a_file_that_is_written_while_it_is_sent_gets_no_receipt(
    deleting: Stage, tmp_path: Path, method: str
) -> None:
    """The object holds old and new bytes; it is deleted."""
    message = await torn(deleting, await deleting.open(), tmp_path / "film.mp4", method)
    assert message == "The file cannot be read: it was changed, moved or deleted"
    assert await deleting.keys() == []


async def test_a_mixed_object_that_may_not_be_deleted_is_not_completed(scene: Stage, tmp_path: Path) -> None:
    """The message says that it stays."""
    message = await torn(scene, await scene.open(), tmp_path / "film.mp4", "put")
    assert message.endswith("The bytes may remain in S3, without a receipt")
    assert len(await scene.keys()) == 1


async def test_objects_are_listed_and_deleted_together(deleting: Stage) -> None:
    """What is not deleted says why; the page may send the call from another origin."""
    tab = await deleting.open()
    for _ in range(2):
        await tab.begin(9)
        await tab.stored()
    keys = await deleting.keys()
    listed = await tab.page.evaluate("page.client.listObjects({ limit: 10 })")
    assert [one["key"] for one in listed["objects"]] == keys
    told = await tab.page.evaluate("keys => page.client.deleteObjects(keys)", [*keys, "uploads/bob/x"])
    found = [(one["key"], one.get("problem", {}).get("code")) for one in told["results"]]
    assert found == [*((key, None) for key in keys), ("uploads/bob/x", "not_found")]
    assert await deleting.keys() == []


async def test_parts_of_a_file_that_changed_are_deleted(scene: Stage, tmp_path: Path) -> None:
    """Even if it changed only once all had been sent."""
    tab = await scene.open()
    path = tmp_path / "film.mp4"
    free = asyncio.Event()
    scene.line.rule = lambda one: Hold(until=free, after=one.length - 1) if one.part_number == 2 else None
    await choose(tab, old_file(path, PART_SIZE + 100))
    await tab.page.evaluate("() => { globalThis.told = page.begin(file); }")
    await scene.line.until(lambda: any(one.sent == 99 for one in scene.line.sent()))
    os.utime(path)
    free.set()
    assert await tab.failed() == "file_unreadable"
    assert await scene.unfinished() == []
    assert await tab.page.evaluate("localStorage.length") == 0


async def test_the_module_works_without_later_browser_apis(scene: Stage) -> None:
    """An upload in parts with checksums is paused, resumed and stored."""
    await scene.context.add_init_script(f"({WITHOUT_LATER_APIS})({LATER_APIS})")
    tab = await scene.open()
    assert await tab.page.evaluate("[typeof AbortSignal.any, typeof Iterator]") == ["undefined"] * 2
    free = asyncio.Event()
    scene.line.rule = lambda one: Hold(until=free, after=100) if one.part_number else None
    await tab.begin(2 * PART_SIZE + 345, {"checksum": "crc32", "concurrency": 1})
    await scene.line.until(lambda: len(scene.line.sent()) == 1)
    await tab.page.evaluate("told.task.pause()")
    free.set()
    await scene.line.until(lambda: scene.line.stored_parts() == [1])
    await tab.page.evaluate("told.task.resume()")
    stored = await tab.stored()
    assert await scene.digest(stored["key"]) == await tab.digest()
    # A call of the service that gets no answer in time.
    silence = asyncio.Event()
    scene.service.rule = lambda _: Hold(until=silence)
    await tab.begin(1, {"timeout": 0.1, "retries": 0})
    assert await tab.failed() == "network_error"
    assert tab.complaints == []


@pytest.mark.parametrize(
    ("text", "sent", "content_type"),
    [
        ("new Blob(['Grüße'])", "text/plain", "text/plain; charset=utf-8"),
        ("new Blob(['Grüße'])", "text/csv", "text/csv; charset=utf-8"),
        ("new Uint8Array([71, 114, 252, 223, 101])", "text/plain", "text/plain"),
        ("'hello'", "text/plain", "text/plain"),
        ("'Grüße'", "text/plain;charset=utf-16", "text/plain; charset=utf-16"),
        ("'Grüße'", "video/mp4", "video/mp4"),
    ],
)
async def test_utf8_text_gets_a_charset(scene: Stage, text: str, sent: str, content_type: str) -> None:
    """Only if it is UTF-8 and not ASCII. Other bytes are left as they are."""
    tab = await scene.open()
    file = f"new File([{text}], 'note.txt', {{ type: {sent!r} }})"
    await tab.page.evaluate(f"() => {{ globalThis.told = page.begin(globalThis.file = {file}); }}")
    assert (await tab.stored())["content_type"] == content_type


async def test_a_page_can_set_the_type(scene: Stage) -> None:
    tab = await scene.open()
    file = "new File(['Grüße'], 'note.txt', { type: 'text/plain' })"
    await tab.page.evaluate(
        f"() => {{ globalThis.told = page.begin({file}, {{ content_type: 'text/plain' }}); }}"
    )
    assert (await tab.stored())["content_type"] == "text/plain"


async def test_a_stall_is_reported(scene: Stage) -> None:
    """While S3 takes no bytes, the rate falls and the idle time grows."""
    tab = await scene.open()
    free = asyncio.Event()
    scene.line.rule = lambda _: Hold(until=free, after=MIB)
    await tab.begin(SIZE, {"method": "put"})
    await tab.until("told.progress.at(-1)?.idle > 2")
    rates = await tab.page.evaluate("told.progress.filter(({ idle }) => idle >= 1).map(({ rate }) => rate)")
    assert rates == sorted(rates, reverse=True)
    assert rates[0] > rates[-1]
    free.set()
    await tab.stored()
    assert await tab.page.evaluate("told.progress.at(-1).remaining") == 0


async def test_a_file_keeps_its_folders(scene: Stage, tmp_path: Path) -> None:
    """The page need not name them. Chosen alone, the file resumes with the path that is saved."""
    tab = await scene.open()
    folder = tmp_path / "photos" / "2026"
    folder.mkdir(parents=True)
    file = old_file(folder / "film.mp4", SIZE)
    scene.line.rule = lambda _: s3_error(403, "AccessDenied", "Access Denied")
    chooser, begin = tab.page.locator("input"), "options => { globalThis.told = page.begin(file, options); }"
    await chooser.evaluate("input => { input.webkitdirectory = true; }")
    await choose(tab, folder.parent)
    await tab.page.evaluate(begin, {"policy": "paths"})
    await tab.failed()
    scene.line.rule = lambda _: None
    (known,) = await tab.page.evaluate("page.client.unfinished()")
    assert known["key"].endswith("/photos/2026/film.mp4")
    await chooser.evaluate("input => { input.webkitdirectory = false; }")
    await choose(tab, file)
    await tab.page.evaluate(begin, {"policy": "paths", "filename": known["path"]})
    assert (await tab.stored())["key"] == known["key"]

"""The demo page's upload queue, with slow and failing connections to S3."""

import asyncio
import re
from collections.abc import AsyncIterator
from pathlib import Path
from unicodedata import normalize
from uuid import uuid4

import pytest
from playwright.async_api import Browser, expect
from tests.support.browser.demo_pages import MIB, BusyPage, DemoService, demo_service, open_page
from tests.support.fault_proxy import Cut, Exchange, Fault, FaultProxy, Hold, Rule, s3_error
from tests.support.servers import S3Server

CONTENT = bytes(range(256)) * (12 * MIB // 256) + b"the end"
SMALL = b"hello from a browser"
DENIED = s3_error(403, "AccessDenied", "Access Denied")
SENDING = re.compile(r"^[1-9]\d+% · [\d.]+ MiB of 12 MiB")
PAUSED = re.compile(r"paused( at \d+%|, nothing sent yet)")


@pytest.fixture
def name() -> str:
    """Give a filename that no other test uses."""
    return f"{uuid4().hex}.bin"


@pytest.fixture(scope="module")
async def service(
    seaweedfs: S3Server, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[DemoService]:
    """Run a demo whose browsers reach S3 by a line of the tests."""
    async with demo_service(seaweedfs, tmp_path_factory.mktemp("busy")) as running:
        yield running


@pytest.fixture
async def line(service: DemoService) -> AsyncIterator[FaultProxy]:
    """Give the line between browser and S3, whole; nothing is left on it."""
    service.line.exchanges.clear()
    yield service.line
    service.line.rule = lambda _: None
    await service.line.break_connections()


@pytest.fixture
async def busy(browser: Browser, service: DemoService, line: FaultProxy) -> AsyncIterator[BusyPage]:
    """Open the page whose bytes go over the line."""
    async with open_page(browser, service.url) as opened:
        yield opened
        line.rule = lambda _: None


def held(*parts: int | None, after: int = 0, until: asyncio.Event | None = None) -> Rule:
    """Hold these parts back; ``None`` is a file that goes by one request."""
    hold = Hold(until=until or asyncio.Event(), after=after)
    return lambda one: hold if one.method == "PUT" and one.part_number in parts else None


def whole(_: Exchange) -> None:
    """Leave everything alone."""


async def test_three_files_upload_and_the_rest_wait(busy: BusyPage, line: FaultProxy, name: str) -> None:
    """The page shows the progress of all seven in one place."""
    free = asyncio.Event()
    line.rule = held(None, until=free)
    files = {f"{index}-{name}": SMALL * (index + 1) for index in range(7)}
    overall = busy.part("overall-text")
    await busy.choose(*files.items())
    await line.until(lambda: len(line.sent()) == 3)
    await expect(busy.part("state").filter(has_text="waiting")).to_have_count(4)
    await expect(overall).to_contain_text("0 of 7 files done")
    assert len(line.sent()) == 3
    free.set()
    for each, content in files.items():
        await expect(busy.row_state(each)).to_have_text("done")
        assert await busy.stored("alice", each) == [content]
    await expect(overall).to_have_text("7 of 7 files done · 560 B of 560 B")
    await busy.page.get_by_role("button", name="Clear finished").click()
    await expect(busy.part("row")).to_have_count(0)
    await expect(overall).to_be_hidden()


async def test_pause_and_resume(busy: BusyPage, line: FaultProxy, name: str) -> None:
    """Only the part interrupted by the pause is sent again."""
    line.rule = held(2, after=MIB)
    await busy.choose_from_disk((name, CONTENT))
    await line.until(lambda: line.stored_parts() == [1, 3])
    await expect(busy.row_state(name)).to_have_text(SENDING)
    await busy.button("Pause", name).click()
    await expect(busy.row_state(name)).to_have_text(PAUSED)
    await expect(busy.part("overall-text")).to_have_text(re.compile(r"^0 of 1 file done · .* of 12 MiB$"))
    busy.expected.append("ERR_")
    await line.break_connections()
    line.rule = whole
    await busy.button("Resume", name).click()
    await expect(busy.row_state(name)).to_have_text("done")
    assert line.stored_parts() == [1, 2, 3]
    assert await busy.stored("alice", name) == [CONTENT]


async def test_pause_all_and_resume_all(busy: BusyPage, line: FaultProxy, name: str) -> None:
    """Both running and queued uploads."""
    line.rule = held(None)
    names = [f"{index}-{name}" for index in range(5)]
    await busy.choose(*((each, SMALL) for each in names))
    await line.until(lambda: len(line.sent()) == 3)
    await busy.page.get_by_role("button", name="Pause all").click()
    await expect(busy.part("state").filter(has_text=PAUSED)).to_have_count(5)
    await line.break_connections()  # of what the browser gave up; else it would still arrive
    line.rule = whole
    await busy.page.get_by_role("button", name="Resume all").click()
    for each in names:
        await expect(busy.row_state(each)).to_have_text("done")
        assert await busy.stored("alice", each) == [SMALL]


async def test_cancel_leaves_nothing_behind(busy: BusyPage, line: FaultProxy, name: str) -> None:
    """S3 has no parts left, and the page offers nothing to resume."""
    line.rule = held(2)
    await busy.choose_from_disk((name, CONTENT))
    await line.until(lambda: line.stored_parts() == [1, 3])
    assert [key for key in await busy.unfinished("alice") if key.endswith(name)]
    async with busy.page.expect_response(lambda r: r.request.method == "DELETE") as deleted:
        await busy.button("Cancel", name).click()
    assert (await deleted.value).status == 204
    await expect(busy.row_state(name)).to_have_text("cancelled")
    assert not [key for key in await busy.unfinished("alice") if key.endswith(name)]
    await busy.button("Dismiss", name).click()
    await expect(busy.row(name)).to_have_count(0)
    await expect(busy.page.get_by_test_id("unfinished")).to_be_hidden()


async def test_uploads_continue_when_s3_is_back(busy: BusyPage, line: FaultProxy, name: str) -> None:
    """Until then the row shows the error and the retry."""
    line.rule = lambda one: Cut() if one.method == "PUT" and one.part_number == 2 else None
    busy.expected.append("ERR_")
    await busy.choose_from_disk((name, CONTENT))
    await expect(busy.row_state(name)).to_have_text(re.compile("retrying: no answer from S3"))
    line.rule = whole
    await expect(busy.row_state(name)).to_have_text("done")
    assert line.stored_parts() == [1, 2, 3]
    assert await busy.stored("alice", name) == [CONTENT]


async def test_retry_after_s3_refused(busy: BusyPage, line: FaultProxy, name: str) -> None:
    """The row shows why it failed; Retry sends only what is missing."""

    def rule(one: Exchange) -> Fault | None:
        if one.method != "PUT" or one.part_number != 3:
            return None
        # Refused only once the others are there: what is on its way when one fails is given up.
        return DENIED if line.stored_parts() == [1, 2] else Cut()

    line.rule = rule
    busy.expected.extend(("403", "ERR_"))
    await busy.choose_from_disk((name, CONTENT))
    await expect(busy.row_state(name)).to_have_text(re.compile(r"failed: S3 refused the file \(AccessDenied"))
    await expect(busy.part("overall-text")).to_contain_text("1 failed")
    line.rule = whole
    await busy.button("Retry", name).click()
    await expect(busy.row_state(name)).to_have_text("done")
    assert line.stored_parts() == [1, 2, 3]
    assert await busy.stored("alice", name) == [CONTENT]


async def test_a_reload_offers_unfinished_uploads(
    busy: BusyPage, line: FaultProxy, tmp_path: Path, name: str
) -> None:
    """Only to their own user, and with their checksum. Another file is rejected."""
    file, other = tmp_path / name, tmp_path / f"other-{name}"
    for path in (file, other):
        path.write_bytes(CONTENT)
    await busy.page.get_by_label("checksum").check()
    line.rule = held(2)
    await busy.part("input").set_input_files(file)
    await line.until(lambda: line.stored_parts() == [1, 3])
    await busy.page.reload()
    line.rule = whole
    offer = busy.page.get_by_test_id("offer")
    await expect(offer.filter(has_text=name)).to_contain_text("7 MiB of 12 MiB arrived")
    await busy.page.get_by_text("bob", exact=True).first.click()
    await expect(offer).to_have_count(0)
    await busy.page.get_by_text("alice", exact=True).first.click()
    for path in (other, file):
        async with busy.page.expect_file_chooser() as chosen:
            await busy.button("Choose file", name).click()
        await (await chosen.value).set_files(path)
        if path == other:
            await expect(busy.page.get_by_test_id("notice")).to_contain_text("a different file")
    await expect(busy.row_state(name)).to_have_text("done")
    await expect(busy.page.get_by_test_id("unfinished")).to_be_hidden()
    await expect(busy.page.get_by_test_id("notice")).to_be_hidden()
    assert line.stored_parts() == [1, 2, 3]
    assert await busy.stored("alice", name) == [CONTENT]


async def test_an_unfinished_upload_can_be_discarded(
    busy: BusyPage, line: FaultProxy, tmp_path: Path, name: str
) -> None:
    """S3 deletes its parts, and the offer disappears."""
    (tmp_path / name).write_bytes(CONTENT)
    line.rule = held(2)
    await busy.part("input").set_input_files(tmp_path / name)
    await line.until(lambda: line.stored_parts() == [1, 3])
    await busy.page.reload()
    await busy.button("Discard", name).click()
    await expect(busy.page.get_by_test_id("unfinished")).to_be_hidden()
    assert not [key for key in await busy.unfinished("alice") if key.endswith(name)]
    await busy.page.reload()
    await expect(busy.page.get_by_role("radio", name="alice")).to_be_checked()
    await expect(busy.page.get_by_test_id("unfinished")).to_be_hidden()


async def test_the_policy_is_shown_and_enforced_in_the_page(busy: BusyPage, name: str) -> None:
    """A file of a wrong type or size is refused without any request."""
    rules = busy.page.get_by_test_id("rules")
    await expect(rules).to_contain_text("Any type except HTML, SVG, XML and JavaScript, up to 20 MiB")
    await busy.page.get_by_label("Policy").select_option("pictures")
    await expect(rules).to_contain_text("JPEG and PNG images, up to 1 MiB")
    await expect(busy.part("input")).to_have_attribute("accept", "image/jpeg,image/png")
    asked: list[str] = []
    busy.page.on("request", lambda request: asked.append(request.url))
    await busy.choose((name, SMALL))
    await busy.choose((f"large-{name}", bytes(2 * MIB)), content_type="image/png")
    await busy.choose((f"larger-{name}", bytes(MIB + 1)), content_type="image/png")
    await busy.page.get_by_label("Policy").select_option("default")
    await busy.choose((f"page-{name}", SMALL), content_type="text/html")
    wrong, large = busy.row_state(name), busy.row_state(f"large-{name}")
    await expect(busy.part("row")).to_have_count(4)
    await expect(busy.row_state(f"larger-{name}")).to_contain_text("the file is 1,048,577 bytes. Policy")
    await expect(busy.row_state(f"page-{name}")).to_have_text(
        "failed: this is an HTML page (text/html), which browsers can run. Policy “default” accepts any type "
        "except HTML, SVG, XML and JavaScript"
    )
    await expect(wrong).to_have_text(
        "failed: this is a text file (text/plain). Policy “pictures” accepts JPEG and PNG images"
    )
    await expect(large).to_have_text("failed: the file is 2 MiB. Policy “pictures” accepts up to 1 MiB")
    await expect(busy.button("Retry", name)).to_have_count(0)
    assert [url for url in asked if not url.startswith("blob:")] == []


async def test_a_refusal_by_the_service_is_shown(busy: BusyPage, name: str) -> None:
    """The page cannot know every rule."""
    busy.expected.append("415")
    await busy.page.get_by_label("Policy").select_option("pictures")
    await busy.choose((f"a-{name}", SMALL), content_type="image/jpg")
    await expect(busy.row_state(f"a-{name}")).to_have_text("done")
    await busy.choose((name, SMALL), content_type="image/gif")
    await expect(busy.row_state(name)).to_have_text(
        "failed: this is an image (image/gif). Policy “pictures” accepts JPEG and PNG images"
    )
    await expect(busy.button("Retry", name)).to_have_count(0)
    await expect(busy.button("Dismiss", name)).to_be_visible()


async def test_s3_verifies_a_checksum(busy: BusyPage, line: FaultProxy, name: str) -> None:
    """Of a small file and of one in parts."""
    await busy.page.get_by_label("checksum").check()
    await busy.choose_from_disk((name, CONTENT), (f"small-{name}", SMALL))
    for each, content in {name: CONTENT, f"small-{name}": SMALL}.items():
        await expect(busy.row_state(each)).to_have_text("done")
        assert await busy.stored("alice", each) == [content]
    checked = [
        one
        for one in line.sent()
        if any("checksum-crc32" in part for part in (one.target.lower(), *one.headers))
    ]
    assert len(checked) == 4


async def test_images_have_previews(busy: BusyPage, tmp_path: Path, name: str) -> None:
    """From the local file, whose URL is revoked. Other files show their extension."""
    await busy.page.add_init_script(
        """const { createObjectURL, revokeObjectURL } = URL;
        globalThis.open = new Set();
        URL.createObjectURL = (blob) => { const url = createObjectURL(blob); open.add(url); return url; };
        URL.revokeObjectURL = (url) => { open.delete(url); revokeObjectURL(url); };"""
    )
    await busy.page.reload()
    await busy.page.screenshot(path=tmp_path / "shot.png")
    picture = (tmp_path / "shot.png").read_bytes()
    await busy.choose((f"{name}.png", picture), (f"broken-{name}.png", SMALL), content_type="image/png")
    await busy.choose((name, SMALL))
    image = busy.row(f"{name}.png").locator("[part~=thumb] img")
    await expect(image).to_have_js_property("naturalWidth", 1280)
    for each, extension in {f"broken-{name}.png": "PNG", name: "BIN"}.items():
        await expect(busy.row(each).locator("[part~=thumb]")).to_have_text(extension)
    assert await busy.page.evaluate("[...open]") == []


async def test_the_bar_is_hidden_when_nothing_is_being_uploaded(
    busy: BusyPage, line: FaultProxy, name: str
) -> None:
    """All uploads were cancelled or have failed."""
    line.rule = held(None)
    await busy.choose((name, SMALL), (f"other-{name}", SMALL))
    bar = busy.page.get_by_role("progressbar", name="All uploads")
    await expect(bar).to_be_visible()
    await line.until(lambda: len(line.sent()) == 2)
    await busy.button("Cancel", name).click()
    line.rule = lambda _: DENIED
    busy.expected.append("403")
    await busy.page.get_by_role("button", name="Pause all").click()
    await busy.page.get_by_role("button", name="Resume all").click()
    await expect(busy.row_state(f"other-{name}")).to_have_text(re.compile("failed"))
    overall = busy.part("overall-text")
    await expect(overall).to_have_text("0 of 2 files done · 1 failed · 1 cancelled")
    await expect(bar).to_be_hidden()


async def test_a_pause_lets_running_parts_arrive(busy: BusyPage, line: FaultProxy, name: str) -> None:
    """S3 does not keep half a part, so they are sent to their end."""
    free = asyncio.Event()
    line.rule = held(1, 2, 3, after=MIB, until=free)
    await busy.choose_from_disk((name, CONTENT))
    await line.until(lambda: [one.sent for one in line.sent()].count(MIB) == 3)
    await expect(busy.row_state(name)).to_have_text(SENDING)
    await busy.button("Pause", name).click()
    free.set()
    await line.until(lambda: line.stored_parts() == [1, 2, 3])
    await expect(busy.row_state(name)).to_have_text("paused at 99%")
    await busy.button("Resume", name).click()
    await expect(busy.row_state(name)).to_have_text("done")
    assert line.stored_parts() == [1, 2, 3]


async def test_a_reload_claims_nothing_that_did_not_arrive(
    busy: BusyPage, line: FaultProxy, name: str
) -> None:
    line.rule = held(1, 2, 3, after=MIB)
    await busy.choose_from_disk((name, CONTENT))
    await line.until(lambda: len(line.sent()) == 3)
    await busy.page.reload()
    await expect(busy.page.get_by_test_id("offer")).to_contain_text("nothing of 12 MiB arrived")


async def test_a_stalled_upload_is_shown(busy: BusyPage, line: FaultProxy, name: str) -> None:
    """In place of an outdated rate and remaining time."""
    free = asyncio.Event()
    line.rule = held(1, 2, 3, after=MIB, until=free)
    await busy.choose_from_disk((name, CONTENT))
    stalled = re.compile(
        r"^\d+% · ([\d.]+ MiB of 12 MiB · no progress|all sent, no answer from S3) for \d+ s$"
    )
    await expect(busy.row_state(name)).to_have_text(stalled)
    await expect(busy.part("overall-text")).not_to_contain_text("left")
    free.set()
    await expect(busy.row_state(name)).to_have_text("done")


@pytest.mark.parametrize("policy", ["folders", "paths"])
@pytest.mark.parametrize("dropped", [False, True])
async def test_folders_keep_their_structure(
    busy: BusyPage, tmp_path: Path, name: str, policy: str, *, dropped: bool
) -> None:
    """Chosen or dropped, in keys of the caller's or the policy's; otherwise the page says that it is lost."""
    folder = tmp_path / f"photos-{name}"
    (folder / "2026").mkdir(parents=True)
    files = {f"{name}.txt": b"one", f"2026/{name}.txt": b"two", "2026/e\u0301.txt": b"three"}
    for inside, content in files.items():
        (folder / inside).write_bytes(content)
    await busy.page.get_by_label("Policy").select_option(policy)

    async def add() -> None:
        if dropped:
            await busy.drop_from_disk(folder)
        else:
            await busy.folder.set_input_files(folder)

    await add()
    for inside, content in files.items():
        key = f"photos-{name}/{normalize('NFC', inside)}"
        await expect(busy.row_state(key)).to_have_text("done")
        assert await busy.stored("alice", key) == [content]
    await expect(busy.page.get_by_test_id("notice")).to_be_hidden()
    await busy.page.get_by_label("Policy").select_option("default")
    await add()
    await expect(busy.page.get_by_test_id("notice")).to_contain_text("without their folders")
    await expect(busy.part("state").filter(has_text="done")).to_have_count(6)
    assert sorted(await busy.stored("alice", f"{name}.txt")) == [b"one", b"one", b"two", b"two"]


@pytest.mark.parametrize("again", ["the file", "the folder"])
async def test_an_unfinished_upload_keeps_its_folder(
    busy: BusyPage, line: FaultProxy, tmp_path: Path, name: str, again: str
) -> None:
    """After a reload it resumes, whether the dropped folder or only the file is chosen again."""
    file = tmp_path / f"photos-{name}" / "2026" / name
    file.parent.mkdir(parents=True)
    file.write_bytes(CONTENT)
    await busy.page.get_by_label("Policy").select_option("paths")
    line.rule = held(2)
    await busy.drop_from_disk(file.parent.parent)
    await line.until(lambda: line.stored_parts() == [1, 3])
    await busy.page.reload()
    line.rule = whole
    await expect(busy.page.get_by_test_id("offer").filter(has_text=name)).to_contain_text("7 MiB of 12 MiB")
    if again == "the file":
        async with busy.page.expect_file_chooser() as chosen:
            await busy.button("Choose file", name).click()
        await (await chosen.value).set_files(file)
    else:
        await busy.folder.set_input_files(file.parent.parent)
    key = f"photos-{name}/2026/{name}"
    await expect(busy.row_state(key)).to_have_text("done")
    assert line.stored_parts() == [1, 2, 3]
    assert await busy.stored("alice", key) == [CONTENT]

"""The demo page in a browser: user actions and the resulting objects in S3."""

import asyncio
import re
from uuid import uuid4

import pytest
from playwright.async_api import Route, expect
from tests.support.browser.demo_pages import DemoPage

CONTENT = b"hello from a browser"
MEGABYTE = 1024 * 1024


@pytest.fixture
def name() -> str:
    """Give a filename that no other test uses."""
    return f"{uuid4().hex}.txt"


async def finished(demo_page: DemoPage, name: str) -> None:
    """Wait until a file's upload is done, and listed."""
    row = demo_page.upload(name)
    await expect(row.locator("[part~=state]")).to_have_text("done")
    await expect(row.get_by_role("progressbar")).to_have_js_property("value", 1)
    await expect(demo_page.object(name)).to_have_count(1)


async def test_a_dropped_file_is_stored(demo_page: DemoPage, name: str) -> None:
    await demo_page.drop(name, CONTENT)
    await finished(demo_page, name)
    assert await demo_page.stored("alice", name) == [CONTENT]
    assert await demo_page.stored("bob", name) == []


async def test_files_chosen_before_the_users_are_known_wait_for_them(demo_page: DemoPage, name: str) -> None:
    """A browser keeps the script waiting for the users on a slow line."""
    released = asyncio.Event()

    async def hold(route: Route) -> None:
        await released.wait()
        await route.continue_()

    await demo_page.page.route("**/demo/users", hold)
    async with demo_page.page.expect_request("**/demo/users"):
        await demo_page.page.reload()
    await demo_page.choose((name, CONTENT))
    released.set()
    await finished(demo_page, name)
    assert await demo_page.stored("alice", name) == [CONTENT]


async def test_several_files_are_stored(demo_page: DemoPage, name: str) -> None:
    """More than upload at a time, including an empty file and one of some megabytes."""
    files = {f"{index}-{name}": CONTENT * index for index in range(5)}
    files[f"large-{name}"] = bytes(range(256)) * (3 * MEGABYTE // 256)
    await demo_page.choose(*files.items())
    for each, content in files.items():
        await finished(demo_page, each)
        assert await demo_page.stored("alice", each) == [content]


async def test_a_file_without_a_type_is_stored(demo_page: DemoPage, name: str) -> None:
    """The service chooses a type and signs it, and the page sends it."""
    odd = f"{name}.unheard-of"
    await demo_page.choose((odd, CONTENT), content_type="")
    await finished(demo_page, odd)
    assert await demo_page.stored("alice", odd) == [CONTENT]


async def test_a_cancelled_upload_leaves_no_object(demo_page: DemoPage, name: str) -> None:
    """The row shows the cancellation and can be dismissed."""
    session = await demo_page.page.context.new_cdp_session(demo_page.page)
    slow = {"offline": False, "latency": 0, "downloadThroughput": -1, "uploadThroughput": MEGABYTE}
    await session.send("Network.enable")
    await session.send("Network.emulateNetworkConditions", slow)
    await demo_page.choose((name, b"x" * (8 * MEGABYTE)))
    row = demo_page.upload(name)
    state = row.locator("[part~=state]")
    await expect(state).to_have_text(re.compile(r"^[1-9]\d?% · "))
    async with demo_page.page.expect_response(lambda r: r.request.method == "DELETE") as deleted:
        await row.get_by_role("button", name=re.compile("Cancel")).click()
    await expect(state).to_have_text("cancelled")
    assert (await deleted.value).status == 204
    await session.send("Network.emulateNetworkConditions", {**slow, "uploadThroughput": -1})
    assert await demo_page.stored("alice", name) == []
    await expect(demo_page.object(name)).to_have_count(0)
    await row.get_by_role("button", name=re.compile("Dismiss")).click()
    await expect(row).to_have_count(0)


async def test_open_serves_the_bytes(demo_page: DemoPage, name: str) -> None:
    """In a new tab, straight from S3."""
    await demo_page.choose((name, CONTENT))
    await finished(demo_page, name)
    async with demo_page.page.expect_popup() as opened:
        await demo_page.object(name).get_by_role("button", name=re.compile("Open")).click()
    tab = await opened.value
    await tab.wait_for_url(re.compile("X-Amz-Signature="))
    assert demo_page.base_url not in tab.url
    assert await tab.locator("body").inner_text() == CONTENT.decode()
    assert await tab.evaluate("window.opener") is None
    assert (await demo_page.api.get(tab.url)).content == CONTENT
    await tab.close()


async def test_delete_removes_the_object(demo_page: DemoPage, name: str) -> None:
    """From the page, from S3 and from a refreshed list, once the user has confirmed it."""
    await demo_page.choose((name, CONTENT))
    await finished(demo_page, name)
    await demo_page.page.evaluate(
        "() => { globalThis.ask = confirm; globalThis.confirm = (text) => { globalThis.asked = text; }; }"
    )
    await demo_page.object(name).get_by_role("button", name=re.compile("Delete")).click()
    assert await demo_page.page.evaluate("asked") == f"Delete {name}? It cannot be restored."
    assert await demo_page.stored("alice", name) == [CONTENT]
    await demo_page.page.evaluate("() => { globalThis.confirm = ask; }")
    await demo_page.object(name).get_by_role("button", name=re.compile("Delete")).click()
    await expect(demo_page.object(name)).to_have_count(0)
    assert await demo_page.stored("alice", name) == []
    async with demo_page.page.expect_response(re.compile("/v1/objects")) as listed:
        await demo_page.page.reload()
    # Before the list has come, there is no row of any object.
    assert f"/{name}" not in await (await listed.value).text()
    await expect(demo_page.page.get_by_role("radio", name="alice")).to_be_checked()
    await expect(demo_page.object(name)).to_have_count(0)


async def test_bob_does_not_see_alices_objects(demo_page: DemoPage, name: str) -> None:
    await demo_page.choose((f"alice-{name}", CONTENT))
    await finished(demo_page, f"alice-{name}")
    await demo_page.page.get_by_text("bob", exact=True).first.click()
    await expect(demo_page.page.get_by_role("heading", name="Objects of bob")).to_be_visible()
    await demo_page.choose((f"bob-{name}", CONTENT))
    await finished(demo_page, f"bob-{name}")
    rows = await demo_page.page.get_by_test_id("object").all_inner_texts()
    assert [row for row in rows if "uploads/bob/" not in row] == []
    await expect(demo_page.object(f"alice-{name}")).to_have_count(0)
    assert await demo_page.stored("bob", f"alice-{name}") == []
    await demo_page.page.get_by_text("alice", exact=True).first.click()
    await expect(demo_page.object(f"alice-{name}")).to_have_count(1)
    await expect(demo_page.object(f"bob-{name}")).to_have_count(0)


async def test_errors_and_rules_are_told_in_words(demo_page: DemoPage) -> None:
    """Codes, lists of media types and bytes are no words."""
    explained = await demo_page.page.evaluate("""async () => {
        const { explain, typesOf } = await import("./web/demo/words.js");
        const quota = { name: "bytes_per_day", limit: 10 * 2 ** 20, left: 2 ** 20, frees_at: null };
        const policy = { name: "default", content_types: ["*/*"], min_size: 0, max_size: 2 ** 20 };
        return {
            html: explain({ code: "content_type_not_allowed" }, { type: "text/html" }, policy),
            large: explain({ code: "file_too_large" }, { size: 3 * 2 ** 20 }, policy),
            quota: explain({ code: "quota_exceeded", problem: { quota } }),
            other: explain({ code: "validation_error", message: "The filename is empty." }),
            documents: typesOf({ content_types: ["application/pdf", "text/csv", "image/*", "audio/ogg"] }),
            vectors: typesOf({ content_types: ["*/*", "image/svg+xml"] }),
        };
    }""")
    assert explained == {
        "html": "this is an HTML page (text/html), which browsers can run. Policy “default” accepts any type "
        "except HTML, SVG, XML and JavaScript",
        "large": "the file is 3 MiB. Policy “default” accepts up to 1 MiB",
        "quota": "you may upload 10 MiB a day, and 1 MiB is left.",
        "other": "The filename is empty.",
        "documents": "PDF files, CSV text files, images and OGG audio files",
        "vectors": "any type except HTML, SVG, XML and JavaScript (but SVG image (image/svg+xml))",
    }

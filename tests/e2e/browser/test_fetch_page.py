"""docs/fetch.md, executed unchanged in a browser, on a page of another origin, against both servers."""

from typing import Any, Final

import pytest
from playwright.async_api import Error, FilePayload
from tests.support.browser.module_stage import Stage, Tab
from tests.support.fault_proxy import Cut
from tests.support.pages import examples, text_of
from tests.support.stores import on_both_stores

ADDRESS: Final = "https://uploads.example.com"
MODULE: Final = "".join(examples(text_of("docs/fetch.md"), "js"))

# What the page leaves to whoever copies it: a login, and somebody who calls the functions.
_AROUND: Final = """
const getToken = async () => (await fetch("/token", { method: "POST" })).text();
globalThis.copied = { uploadFile, upload, watch, prepareForm, sendWithProgress, uploadWithProgress };
"""
CONTENT: Final = "naïve bytes"
SIZE: Final = len(CONTENT.encode())
FILE: Final = 'new File(["naïve bytes"], "note.txt", { type: "text/plain" })'
RECORDED: Final = 'new File(["naïve bytes"], "tape.webm", { type: "video/webm;codecs=vp8,opus" })'
UNTYPED: Final = 'new File(["naïve bytes"], "note.unheard-of")'


@pytest.fixture
async def tab(scene: Stage) -> Tab:
    """Copy the examples into an app's page."""
    tab = await scene.open()
    script = MODULE.replace(ADDRESS, scene.service.url) + _AROUND
    await tab.page.add_script_tag(type="module", content=script)
    await tab.until("globalThis.copied")
    return tab


async def content(scene: Stage, key: str) -> tuple[str, str]:
    """Return what S3 itself holds under a key, and as what."""
    async with scene.s3.client() as client:
        found = await client.get_object(Bucket=scene.s3.bucket, Key=key)
        return (await found["Body"].read()).decode(), found["ContentType"]


async def called(tab: Tab, expression: str) -> Any:  # noqa: ANN401 - whatever the function returns
    """Call one of the functions, and wait for it."""
    return await tab.page.evaluate(expression)


async def refused(tab: Tab, expression: str) -> str:
    """Call one of the functions; return the message of what it throws."""
    with pytest.raises(Error) as caught:
        await tab.page.evaluate(expression)
    return str(caught.value)


@on_both_stores
async def test_a_url_and_a_put(scene: Stage, tab: Tab) -> None:
    """The bytes are there, as the file's own type; also of a file whose type the browser does not know."""
    await called(tab, f"copied.uploadFile({FILE})")
    await called(tab, f"copied.uploadFile({UNTYPED})")
    stored = {key.rpartition("/")[2]: await content(scene, key) for key in await scene.keys()}
    assert stored["note.txt"] == (CONTENT, "text/plain")
    assert stored["note.unheard-of"][0] == CONTENT
    assert [one.method for one in scene.line.exchanges].count("PUT") == 2
    assert tab.complaints == []


async def test_what_is_named_is_signed(scene: Stage, tab: Tab) -> None:
    """Were the file another one by then, S3 would refuse it."""
    liar = f"Object.defineProperty({FILE}, 'size', {{ value: 7 }})"
    assert "S3 refused the file: 403" in await refused(tab, f"copied.uploadFile({liar})")
    assert await scene.keys() == []


@on_both_stores
async def test_with_a_receipt(scene: Stage, tab: Tab) -> None:
    """What landed is what is told, whether the browser knows the type or not, or more than that."""
    untyped = {"application/octet-stream", "binary/octet-stream"}
    types = {FILE: {"text/plain"}, UNTYPED: untyped, RECORDED: {"video/webm"}}
    for file, content_types in types.items():
        done = await called(tab, f"copied.upload({file})")
        assert done["object"]["size"] == SIZE
        assert done["object"]["content_type"] in content_types
        assert (await content(scene, done["object"]["key"]))[0] == CONTENT
        assert done["receipt"].count(".") == 2
    assert tab.complaints == []


async def test_a_refusal_says_why(scene: Stage, tab: Tab) -> None:
    """The service's in its own words and by its code, and S3's by its status."""
    huge = f"Object.defineProperty({FILE}, 'size', {{ value: 6 * 1024 ** 3 }})"
    for function in ("uploadFile", "upload"):
        assert "6442450944 bytes; policy 'default' allows" in await refused(tab, f"copied.{function}({huge})")
    caught = f"copied.upload({huge}).catch((error) => error.cause.code)"
    assert await called(tab, caught) == "file_too_large"
    liar = f"Object.defineProperty({FILE}, 'size', {{ value: 7 }})"
    assert "S3 refused the file: 403" in await refused(tab, f"copied.upload({liar})")
    assert await scene.keys() == []


async def test_an_input_of_several_files(scene: Stage, tab: Tab) -> None:
    """One after the other; one that fails does not stop the next."""
    watched = """() => {
        globalThis.heard = [];
        const input = document.querySelector("input");
        input.multiple = true;
        copied.watch(input, ({ object }) => heard.push(object.key), (error) => heard.push(error.message));
    }"""
    await called(tab, watched)
    names = ("a.txt", "b.txt")
    files = [FilePayload(name=name, mimeType="text/plain", buffer=name.encode()) for name in names]
    await tab.page.locator("input").set_input_files(files)
    await tab.until("heard.length === 2")
    keys = await called(tab, "heard")
    assert [(await content(scene, key))[0] for key in keys] == list(names)


@on_both_stores
@pytest.mark.parametrize("size", [0, SIZE, 1000])
async def test_a_form_takes_any_size_that_the_policy_allows(scene: Stage, tab: Tab, size: int) -> None:
    """It is asked for before there are bytes."""
    prepared = "copied.prepareForm({ filename: 'recording.webm', policy: 'small' })"
    done = await called(tab, f"{prepared}.then((send) => send(new Blob(['x'.repeat({size})])))")
    assert (done["object"]["size"], done["object"]["content_type"]) == (size, "video/webm")
    assert (await content(scene, done["object"]["key"]))[0] == "x" * size
    assert done["replaceable_until"] is not None


@on_both_stores
async def test_a_form_holds_s3_to_the_range(scene: Stage, tab: Tab) -> None:
    """One byte more is refused by S3 itself."""
    prepared = "copied.prepareForm({ filename: 'recording.webm', policy: 'small' })"
    message = await refused(tab, f"{prepared}.then((send) => send(new Blob(['x'.repeat(1001)])))")
    assert "S3 refused the file: 40" in message
    assert await scene.keys() == []


@on_both_stores
async def test_with_progress(scene: Stage, tab: Tab) -> None:
    """It grows to all of it, and the upload is the same one."""
    watched = f"copied.uploadWithProgress({FILE}, (part) => (globalThis.parts ??= []).push(part))"
    done = await called(tab, watched)
    assert (await content(scene, done["object"]["key"]))[0] == CONTENT
    parts = await called(tab, "parts")
    assert parts == sorted(parts)
    assert parts[-1] == 1
    liar = f"Object.defineProperty({FILE}, 'size', {{ value: 7 }})"
    assert "S3 refused the file: 403" in await refused(tab, f"copied.uploadWithProgress({liar}, () => {{}})")
    scene.line.rule = lambda _: Cut()
    assert "The connection broke" in await refused(tab, f"copied.uploadWithProgress({FILE}, () => {{}})")


async def test_what_goes_wrong_in_copied_code(scene: Stage, tab: Tab) -> None:
    """S3's answer to a PUT is no JSON, a list of files is no array, a response's URL is what was asked."""
    answer = await scene.ask("GET", "/uploads")
    put = f"fetch({answer.json()['url']!r}, {{ method: 'PUT', body: {FILE} }})"
    assert "JSON" in await refused(tab, f"{put}.then((answer) => answer.json())")
    assert await called(tab, "document.querySelector('input').files.map") is None
    assert await called(tab, "fetch('/config').then((answer) => answer.url)") == f"{scene.app}/config"

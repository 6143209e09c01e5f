"""The browser module over SeaweedFS: every method, checksums and failures."""

import asyncio
import base64
import os
import zlib
from datetime import timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from tests.support.browser.module_stage import MIB, PART_SIZE, Stage, Tab
from tests.support.fault_proxy import SLOW_DOWN, Answer, Cut, Exchange, Fault, Hold, LoseAnswer, s3_error
from tests.support.pages import text_of
from tests.support.servers import S3Server

SMALL = 100_000
LARGE = 2 * PART_SIZE + 345


@pytest.fixture
def s3(seaweedfs: S3Server) -> S3Server:
    """Use SeaweedFS, which refuses nearly everything that AWS refuses."""
    return seaweedfs


async def content(scene: Stage, key: str) -> bytes:
    """Read an object from S3."""
    async with scene.s3.client() as client:
        found = await client.get_object(Bucket=scene.s3.bucket, Key=key)
        return await found["Body"].read()


async def assert_stored(scene: Stage, tab: Tab) -> dict[str, Any]:
    """Assert that the object has the file's bytes, and return it."""
    stored = await tab.stored()
    assert await scene.digest(stored["key"]) == await tab.digest()
    return stored


def for_once(fault: Fault, *, on: str) -> Any:  # noqa: ANN401 - a rule
    """Return a rule that applies a fault to the first request with a method, or to a path."""
    seen: list[Exchange] = []

    def rule(one: Exchange) -> Fault | None:
        path = urlsplit(one.target).path
        if seen or not (one.method == on or path.endswith(on)):
            return None
        seen.append(one)
        return fault

    return rule


@pytest.mark.parametrize("method", ["put", "multipart"])
@pytest.mark.parametrize("size", [0, 1, SMALL])
async def test_a_small_file_takes_one_call_before_and_one_after(scene: Stage, method: str, size: int) -> None:
    """For every method, and for an empty file."""
    tab = await scene.open()
    await tab.begin(size, {"method": method, "metadata": {}, "filename": f"{method}.bin"})
    stored = await assert_stored(scene, tab)
    assert stored["key"].endswith(f"/{method}.bin")
    assert scene.calls() == ["POST /v1/uploads", "POST /v1/uploads/…/complete"]
    assert len(scene.line.sent()) == 1
    assert (await tab.told("progress"))[-1]["loaded"] == size
    assert tab.complaints == []


async def test_a_form_is_sent_where_preflights_fail(scene: Stage) -> None:
    """SeaweedFS drops the preflight of a form; without a progress listener there is none."""
    tab = await scene.open()
    await tab.begin(SMALL, {"method": "post"})
    await assert_stored(scene, tab)
    assert [one.method for one in scene.line.exchanges][-1] == "POST"
    assert len(scene.line.sent("POST")) == 1
    assert scene.calls() == ["POST /v1/uploads", "POST /v1/uploads/…/complete"]


@pytest.mark.parametrize("method", ["put", "post"])
@pytest.mark.parametrize(
    "fault", [SLOW_DOWN, Cut(), Cut(after=1000), LoseAnswer()], ids=["busy", "cut", "amid", "lost"]
)
async def test_a_file_in_one_request_is_sent_again(scene: Stage, method: str, fault: Fault) -> None:
    """After a lost response S3 refuses the second PUT because the object exists; completion finds it."""
    tab = await scene.open()
    await tab.begin(1)
    await tab.stored()
    scene.line.exchanges.clear()
    scene.line.rule = for_once(fault, on=method.upper())
    await tab.begin(SMALL, {"method": method})
    await assert_stored(scene, tab)
    tries = [one.status for one in scene.line.sent(method.upper())]
    again = 412 if isinstance(fault, LoseAnswer) and method == "put" else tries[1]
    assert (len(tries), tries[1]) == (2, again)
    preflights_lost = 1 if method == "post" else 0
    assert len(await tab.told("retries")) == 1 + preflights_lost


@pytest.mark.parametrize("method", ["put", "post"])
async def test_an_expired_url_of_a_single_request(scene: Stage, method: str) -> None:
    """S3 refuses a URL signed an hour ago; the module creates another upload."""
    tab = await scene.open()
    scene.clock.behind = timedelta(hours=2)

    def mend(one: Exchange) -> None:
        if one.method in {"PUT", "POST"}:
            scene.clock.behind = timedelta()

    scene.line.rule = mend
    await tab.begin(SMALL, {"method": method})
    await assert_stored(scene, tab)
    assert scene.calls().count("POST /v1/uploads") >= 2
    assert len(await scene.keys()) == 1


async def test_a_url_that_expired_after_the_file_arrived(scene: Stage) -> None:
    """The response was lost and the retry came too late: the first object is used."""
    tab = await scene.open()
    tries: list[Exchange] = []

    def rule(one: Exchange) -> Fault | None:
        if one.method != "PUT":
            return None
        tries.append(one)
        return LoseAnswer() if len(tries) == 1 else s3_error(403, "AccessDenied", "Request has expired")

    scene.line.rule = rule
    await tab.begin(SMALL)
    await assert_stored(scene, tab)
    assert len(tries) == 2
    assert len(await scene.keys()) == 1


async def test_a_permanent_refusal_by_s3_fails(scene: Stage) -> None:
    """After new URLs are refused too, the upload fails with S3's reason."""
    tab = await scene.open()
    scene.line.rule = lambda _: s3_error(403, "AccessDenied", "Access Denied")
    for size in (SMALL, LARGE):
        await tab.begin(size)
        assert await tab.failed() == "storage_rejected"
        assert await tab.told("retries") == []
    assert await tab.page.evaluate("told.task.state") == "failed"
    # The failure may be temporary, so choosing the file again resumes the upload.
    scene.line.rule = lambda _: None
    (known,) = await tab.page.evaluate("page.client.unfinished()")
    await tab.begin(LARGE)
    assert (await assert_stored(scene, tab))["key"] == known["key"]


async def test_an_object_exists_already(scene: Stage) -> None:
    """S3 refuses a PUT at once, and a multipart upload at its completion."""
    tab = await scene.open()
    for seed, size in ((1, SMALL), (2, SMALL), (3, LARGE)):
        await tab.begin(size, {"relative_key": "taken"}, {"seed": seed})
        if seed == 1:
            await assert_stored(scene, tab)
        else:
            assert await tab.failed() == "object_exists"
    await scene.service.until(
        lambda: any(one.method == "DELETE" and one.over for one in scene.service.exchanges)
    )
    assert await scene.unfinished() == []
    assert await tab.page.evaluate("localStorage.length") == 0


async def test_missing_parts_are_sent_again(scene: Stage) -> None:
    """S3 seemed to accept a part that completion reports missing."""
    tab = await scene.open()
    scene.line.rule = for_once(Answer(status=200), on="PUT")
    await tab.begin(LARGE)
    await assert_stored(scene, tab)
    assert len(scene.line.sent()) == 4
    assert scene.calls().count("POST /v1/uploads/…/complete") == 2


@pytest.mark.parametrize("call", ["/v1/uploads", "/complete", "/parts"])
async def test_calls_of_the_service_are_retried(scene: Stage, call: str) -> None:
    """After a lost connection, a 503 and a 502; not before `Retry-After`."""
    tab = await scene.open()
    await tab.begin(1)
    await tab.stored()
    problem = (
        b'{"code": "storage_unavailable", "title": "S3", "detail": "S3 does not answer.", "status": 503}'
    )
    headers = {"Content-Type": "application/problem+json", "Retry-After": "1"}
    faults: list[Fault] = [Cut(), Answer(status=503, body=problem, headers=headers), Answer(status=502)]

    def rule(one: Exchange) -> Fault | None:
        return faults.pop(0) if one.method == "POST" and one.target.endswith(call) and faults else None

    scene.service.rule = rule
    scene.line.rule = for_once(s3_error(403, "AccessDenied", "Request has expired"), on="PUT")
    await tab.begin(LARGE)
    await assert_stored(scene, tab)
    retries = await tab.told("retries")
    assert [one["code"] for one in retries] == ["network_error", "storage_unavailable", "http_error"]
    assert [one["attempt"] for one in retries] == [1, 2, 3]
    assert retries[1]["delay"] >= 1


async def test_s3_never_answers(scene: Stage) -> None:
    """A store that does not allow the page looks the same; the upload fails after some retries."""
    tab = await scene.open()
    scene.line.rule = lambda _: Cut()
    await tab.begin(SMALL, {"retries": 1})
    assert await tab.failed() == "network_error"
    assert len(scene.line.sent()) >= 2
    assert [one["attempt"] for one in await tab.told("retries")] == [1]


async def test_a_request_without_activity_is_sent_again(scene: Stage) -> None:
    """The stalled request is aborted."""
    tab = await scene.open()
    event = asyncio.Event()
    scene.line.rule = for_once(Hold(until=event, after=1 * MIB), on="PUT")
    # One at a time: the last part is too short to be held.
    await tab.begin(LARGE, {"timeout": 1, "concurrency": 1})
    await assert_stored(scene, tab)
    assert "network_error" in {one["code"] for one in await tab.told("retries")}


async def message_of(tab: Tab, code: str) -> str:
    """Wait until the upload has failed with a code, and return the error's message."""
    failed = (await tab.over())["failed"]
    assert failed["code"] == code
    return str(failed["message"])


def assert_guide_quotes(message: str) -> None:
    """Assert that docs/browser.md has a message, for those who search for it."""
    assert f"| `{message}` |" in text_of("docs/browser.md")


async def test_a_silent_host_may_not_allow_the_page(scene: Stage) -> None:
    """The browser does not tell, so the message names both causes until the host has answered once."""
    tab = await scene.open()
    page = await tab.page.evaluate("location.origin")
    refused = f"does not allow pages of {page} (its CORS setting)"
    for line, start, cause in (
        (scene.service, "The upload service did not answer", refused),
        (scene.line, "The storage did not answer", f"its bucket {refused}"),
    ):
        line.rule = lambda _: Cut()
        await tab.begin(SMALL, {"retries": 0})
        message = await message_of(tab, "network_error")
        assert message == f"{start}, or {cause}"
        assert_guide_quotes(message.replace(page, "https://app.example.com"))
        line.rule = lambda _: None
        await tab.begin(SMALL)
        await tab.stored()
        line.rule = lambda _: Cut()
        await tab.begin(SMALL, {"retries": 0})
        assert await message_of(tab, "network_error") == start
        line.rule = lambda _: None
        await tab.page.reload()
        await tab.until("document.title === 'ready'")


async def test_a_silent_service_of_the_page_itself(scene: Stage) -> None:
    """It needs no CORS."""
    tab = await scene.open()
    await tab.page.route("**/v1/uploads", lambda route: route.abort())
    await tab.page.evaluate("page.another({ baseUrl: '' })")
    await tab.begin(SMALL, {"retries": 0})
    assert await message_of(tab, "network_error") == "The upload service did not answer"


NO_TOKENS = {
    "html": "<!doctype html>\n<title>An app</title>\n",
    "empty": "",
    "words": "Not Found",
    "lines": "se\ncret",
    "accent": "s\u00e9cret",
    "object": {"token": "secret"},
}


@pytest.mark.parametrize("value", NO_TOKENS.values(), ids=list(NO_TOKENS))
async def test_the_page_gets_something_that_is_not_a_token(scene: Stage, value: object) -> None:
    """A dev server answers an unknown address with its page. It would again: there is no retry."""
    tab = await scene.open()
    await tab.page.evaluate("(value) => { page.another({ getToken: () => value }); }", value)
    await tab.begin(SMALL)
    html = ": it looks like an HTML page" if value == NO_TOKENS["html"] else ""
    message = await message_of(tab, "token_unavailable")
    start = f"getToken returned something that is not a token{html}."
    assert message == f"{start} Check the URL that it fetches, and response.ok"
    assert_guide_quotes(message)
    assert (await tab.told("retries"), scene.calls()) == ([], [])


async def test_white_space_around_a_token(scene: Stage) -> None:
    """A token from a file ends with a newline."""
    tab = await scene.open()
    get_token = "async () => `\\n ${await (await fetch('/token', { method: 'POST' })).text()}\\n`"
    await tab.page.evaluate(f"() => {{ page.another({{ getToken: {get_token} }}); }}")
    await tab.begin(SMALL)
    await assert_stored(scene, tab)


async def test_the_page_cannot_get_a_token(scene: Stage) -> None:
    """`getToken` is called again for some seconds, and the reason is told."""
    tab = await scene.open()
    await tab.page.evaluate("page.another({ getToken: () => { throw new TypeError('/token: 404'); } })")
    await tab.begin(SMALL)
    message = await message_of(tab, "token_unavailable")
    assert message == "getToken failed: /token: 404"
    assert_guide_quotes(message.replace("/token: 404", "…"))
    retries = await tab.told("retries")
    assert [one["code"] for one in retries] == ["token_unavailable"] * 2
    assert sum(one["delay"] for one in retries) <= 3
    assert await tab.page.evaluate("told.task.catch(({ cause }) => cause.message)") == "/token: 404"
    await tab.page.evaluate("page.another({ getToken: () => Promise.reject('secret') })")
    await tab.begin(SMALL)
    assert await message_of(tab, "token_unavailable") == "getToken failed"


async def test_an_upload_outlasts_an_outage_of_the_tokens(scene: Stage) -> None:
    """Once a token was accepted, the page's backend is taken to be down for a while."""
    tab = await scene.open()
    await tab.page.evaluate("""() => {
        const token = async () => (await fetch("/token", { method: "POST" })).text();
        const fail = async () => { throw new TypeError("Failed to fetch"); };
        const answers = [token, fail, async () => "<h1>Bad Gateway</h1>", fail, token];
        page.another({ getToken: () => answers.shift()() });
    }""")
    await tab.begin(SMALL)
    await assert_stored(scene, tab)
    assert [one["code"] for one in await tab.told("retries")] == ["token_unavailable"] * 3


async def test_a_file_that_changed_is_not_sent(scene: Stage, tmp_path: Path) -> None:
    """The browser no longer reads it, so there are no retries."""
    tab = await scene.open()
    path = tmp_path / "film.mp4"
    path.write_bytes(b"a" * SMALL)
    await tab.page.locator("input").set_input_files(path)
    size = await tab.page.evaluate("(globalThis.file = document.querySelector('input').files[0]).size")
    assert size == SMALL
    path.write_bytes(b"b" * SMALL * 2)
    os.utime(path, (4e9, 4e9))
    await tab.page.evaluate("() => { globalThis.told = page.begin(file); }")
    assert await tab.failed() == "file_unreadable"


async def test_an_abort_signal_cancels(scene: Stage) -> None:
    """As `cancel` does; a signal aborted in advance prevents every request."""
    tab = await scene.open()
    start = """() => {
        globalThis.controller = new AbortController();
        globalThis.told = page.begin(page.file(%d), { signal: controller.signal });
    }"""
    await tab.page.evaluate(
        "() => { globalThis.told = page.begin(page.file(1), { signal: AbortSignal.abort() }); }"
    )
    assert await tab.failed() == "aborted"
    assert scene.calls() == []
    event = asyncio.Event()
    scene.line.rule = lambda _: Hold(until=event)
    await tab.page.evaluate(start % LARGE)
    await scene.line.until(lambda: len(scene.line.sent()) == 3)
    await tab.page.evaluate("controller.abort()")
    assert await tab.failed() == "aborted"
    await scene.service.until(
        lambda: any(one.method == "DELETE" and one.over for one in scene.service.exchanges)
    )
    assert await scene.unfinished() == []


async def test_an_upload_is_cancelled_while_it_is_created(scene: Stage) -> None:
    """The module waits for the id and then aborts the upload."""
    tab = await scene.open()
    event = asyncio.Event()
    scene.service.rule = lambda one: Hold(until=event) if one.target == "/v1/uploads" else None
    await tab.begin(LARGE)
    await scene.service.until(lambda: len(scene.calls()) == 1)
    await tab.page.evaluate("() => { globalThis.cancelled = told.task.cancel(); }")
    assert await tab.failed() == "aborted"
    scene.service.rule = lambda _: None
    event.set()
    await tab.page.evaluate("cancelled")
    assert scene.calls()[-1] == "DELETE /v1/uploads/…"
    assert await scene.unfinished() == []
    assert await tab.page.evaluate("localStorage.length") == 0


async def test_an_upload_is_paused_while_it_is_created(scene: Stage) -> None:
    """It is created only once."""
    tab = await scene.open()
    event = asyncio.Event()
    scene.service.rule = lambda one: Hold(until=event) if one.target == "/v1/uploads" else None
    await tab.begin(LARGE)
    await scene.service.until(lambda: len(scene.calls()) == 1)
    await tab.page.evaluate("() => { told.task.pause(); told.task.resume(); told.task.pause(); }")
    event.set()
    await tab.until("told.task.id !== null")
    assert await tab.page.evaluate("told.task.state") == "paused"
    assert scene.line.exchanges == []
    await tab.page.evaluate("told.task.resume()")
    await assert_stored(scene, tab)
    assert scene.calls() == ["POST /v1/uploads", "POST /v1/uploads/…/complete"]


async def left(scene: Stage, tab: Tab) -> str:
    """Start an upload, leave it before anything arrives, and return its id."""
    scene.line.rule = lambda _: s3_error(403, "AccessDenied", "Access Denied")
    await tab.begin(LARGE)
    await tab.failed()
    scene.line.rule = lambda _: None
    (known,) = await tab.page.evaluate("page.client.unfinished()")
    return str(known["id"])


async def test_a_saved_upload_no_longer_exists(scene: Stage) -> None:
    """It was aborted elsewhere or belongs to another service: the upload starts afresh."""
    tab = await scene.open()
    upload_id = await left(scene, tab)
    assert (await scene.ask("DELETE", f"/v1/uploads/{upload_id}")).status_code == 204
    await tab.begin(LARGE)
    await assert_stored(scene, tab)
    await left(scene, tab)
    await tab.page.evaluate(
        """() => {
            const name = localStorage.key(0);
            const known = JSON.parse(localStorage.getItem(name));
            localStorage.setItem(name, JSON.stringify({ ...known, id: "made-up" }));
        }"""
    )
    await tab.begin(LARGE)
    await assert_stored(scene, tab)
    assert await tab.page.evaluate("localStorage.length") == 0


async def test_a_saved_upload_was_stored(scene: Stage) -> None:
    """The tab closed before the response: the same object is found and no byte is sent."""
    first = await scene.open()
    scene.service.rule = lambda one: LoseAnswer() if one.target.endswith("/complete") else None
    await first.begin(LARGE)
    await first.until("told.retries.length > 0")
    await first.page.close()
    scene.service.rule = lambda _: None
    before = len(scene.line.exchanges)
    second = await scene.open()
    await second.begin(LARGE)
    stored = await assert_stored(scene, second)
    assert await scene.keys() == [stored["key"]]
    assert len(scene.line.exchanges) == before


async def test_only_the_same_file_resumes(scene: Stage) -> None:
    """Not with another name, size, key or scope, nor twice at the same time."""
    tab = await scene.open()
    await left(scene, tab)
    (known,) = await tab.page.evaluate("page.client.unfinished()")
    event = asyncio.Event()
    scene.line.rule = lambda _: Hold(until=event)
    others: list[tuple[int, dict[str, Any], dict[str, Any]]] = [
        (LARGE, {}, {"name": "other.mp4"}),
        (LARGE + 1, {}, {}),
        (LARGE, {"relative_key": "other"}, {}),
        (LARGE, {}, {}),
        (LARGE, {}, {}),
    ]
    keys = []
    for size, options, about in others:
        await tab.begin(size, options, about)
        await tab.until("told.task.id !== null")
        keys.append(await tab.page.evaluate("page.client.getUpload(told.task.id).then(({ key }) => key)"))
        await tab.page.evaluate("told.task.pause()")
    assert len(set(keys)) == 5
    assert [key == known["key"] for key in keys] == [False, False, False, True, False]
    assert await tab.page.evaluate("page.another({ scope: 'bob' }).unfinished()") == []
    assert await tab.page.evaluate("localStorage.length") == 4


async def test_unfinished_uploads_are_forgotten_or_discarded(scene: Stage) -> None:
    """S3 keeps the parts of a forgotten upload but not of a discarded one. Expired ones are not listed."""
    tab = await scene.open()
    upload_id = await left(scene, tab)
    await tab.page.evaluate("id => page.client.forget(id)", upload_id)
    assert await tab.page.evaluate("page.client.unfinished()") == []
    assert len(await scene.unfinished()) == 1
    for _ in range(2):
        await tab.page.evaluate("id => page.client.discard(id)", upload_id)
        assert await scene.unfinished() == []
    await left(scene, tab)
    await tab.page.evaluate("Date.now = () => 4e12")
    assert await tab.page.evaluate("page.client.unfinished()") == []
    assert await tab.page.evaluate("localStorage.length") == 0


@pytest.mark.parametrize("storage", ["null", "{ get length() { throw new Error(); } }"])
async def test_uploads_work_without_storage(scene: Stage, storage: str) -> None:
    tab = await scene.open()
    await tab.page.evaluate(f"() => {{ page.another({{ storage: {storage} }}); }}")
    await tab.begin(LARGE)
    await assert_stored(scene, tab)
    assert await tab.page.evaluate("[page.client.unfinished().length, localStorage.length]") == [0, 0]


async def test_max_uploads_limits_concurrent_uploads(scene: Stage) -> None:
    """The others wait; pausing one starts the next."""
    tab = await scene.open()
    event = asyncio.Event()
    scene.line.rule = lambda _: Hold(until=event)
    await tab.page.evaluate(
        """() => {
            page.another({ maxUploads: 2 });
            globalThis.all = [1, 2, 3].map((seed) => page.begin(page.file(100, { seed, name: `${seed}` })));
        }"""
    )
    await scene.line.until(lambda: len(scene.line.sent()) == 2)
    assert await tab.page.evaluate("all.map(({ task }) => task.state)") == [
        "uploading",
        "uploading",
        "queued",
    ]
    await tab.page.evaluate("all[0].task.pause()")
    await scene.line.until(lambda: len(scene.line.sent()) == 3)
    await tab.page.evaluate("all[0].task.resume()")
    await tab.until("all[0].task.state === 'queued'")
    scene.line.rule = lambda _: None
    event.set()
    await tab.page.evaluate("Promise.all(all.map(({ over }) => over))")
    assert await tab.page.evaluate("all.map(({ task }) => task.state)") == ["stored"] * 3
    assert len(await scene.keys()) == 3


def crc32(whole: bytes) -> str:
    """Compute a CRC-32 in base64, as S3 writes it."""
    return base64.b64encode(zlib.crc32(whole).to_bytes(4, "big")).decode()


@pytest.mark.parametrize("csp", ["", "worker-src 'none'"])
@pytest.mark.parametrize(("algorithm", "size"), [("crc32", 3 * MIB + 7), ("sha256", SMALL), ("crc32", LARGE)])
async def test_a_checksum_is_computed_in_a_worker(scene: Stage, algorithm: str, size: int, csp: str) -> None:
    """Or in the page if its CSP forbids workers. S3 verifies the checksum."""
    scene.csp.extend([csp] if csp else [])
    tab = await scene.open()
    await tab.begin(size, {"checksum": algorithm})
    stored = await assert_stored(scene, tab)
    whole = await content(scene, stored["key"])
    computed = crc32(whole) if algorithm == "crc32" else base64.b64encode(sha256(whole).digest()).decode()
    assert stored["checksum"] == {"algorithm": algorithm, "value": computed}
    assert len(tab.page.workers) == (0 if csp else 1)
    assert (await tab.told("states"))[0] == "hashing"


async def test_resumes_parts_with_checksums(scene: Stage) -> None:
    """S3 refuses a part damaged in transit, and the module sends it again."""
    tab = await scene.open()
    scene.line.rule = lambda one: s3_error(403, "AccessDenied", "no") if one.part_number != 1 else None
    # One at a time, so that part 1 has arrived when the upload fails.
    await tab.begin(LARGE, {"checksum": "crc32", "concurrency": 1})
    assert await tab.failed() == "storage_rejected"
    scene.line.rule = lambda _: None
    await tab.begin(LARGE, {"checksum": "crc32"})
    stored = await assert_stored(scene, tab)
    assert stored["checksum"]["value"] == crc32(await content(scene, stored["key"]))
    assert scene.line.stored_parts() == [1, 2, 3]

"""The panel "What just happened": the requests as sent, the receipt, and no secret that nobody asked for."""

import asyncio
import json
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from playwright.async_api import Browser, Locator, Page, Route, expect
from tests.support.browser.demo_pages import MIB, BusyPage, DemoPage, DemoService, demo_service, open_page
from tests.support.fault_proxy import Cut
from tests.support.receipt_keys import OTHER_EC, private_pem
from tests.support.servers import S3Server

from uploadsvc.tokens.receipt_keys import private_key

CONTENT = b"hello from a browser"
PARTS = bytes(range(256)) * (12 * MIB // 256) + b"the end"
WHOLE_DOM = """() => {
    const html = (root) => [root.innerHTML, ...[...root.querySelectorAll("*")]
        .flatMap((each) => [each.value ?? "", each.shadowRoot ? html(each.shadowRoot) : ""])].join("\\n");
    return html(document.documentElement);
}"""


@pytest.fixture
def name() -> str:
    """Give a filename that no other test uses, and that a shell would take apart."""
    return f"it's {uuid4().hex}.txt"


@pytest.fixture(scope="module")
async def service(
    seaweedfs: S3Server, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[DemoService]:
    """Run a demo that signs receipts with a secret; its browsers reach S3 by a line of the tests."""
    async with demo_service(seaweedfs, tmp_path_factory.mktemp("happened")) as running:
        yield running


@pytest.fixture
async def busy(browser: Browser, service: DemoService) -> AsyncIterator[BusyPage]:
    """Open its page."""
    async with open_page(browser, service.url) as opened:
        await opened.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
        yield opened
        service.line.rule = lambda _: None


def request(page: Page, what: str) -> Locator:
    """Find a request by what it is for."""
    return page.get_by_test_id("request").filter(has=page.get_by_text(what, exact=True))


async def copied(page: Page, what: str, button: str = "Copy with secrets") -> str:
    """Copy the command of a request, and give what is in the clipboard."""
    row = request(page, what).last
    if await row.locator("details[open]").count() == 0:
        await row.locator("summary").click()
    await row.get_by_role("button", name=f"{button}: {what}", exact=True).click()
    await expect(page.get_by_test_id("copied")).to_contain_text("clipboard")
    text: str = await page.evaluate("navigator.clipboard.readText()")
    return text


async def run(command: str, directory: Path, **environment: str) -> tuple[str, str]:
    """Run a command in a shell; give what it answers, and the status."""
    script = f"{command} -w '\\n%{{http_code}}'"
    process = await asyncio.create_subprocess_exec(
        "/bin/sh",
        "-c",
        script,
        cwd=directory,
        env={"PATH": "/usr/bin:/bin", "NO_PROXY": "*", **environment},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate()
    assert err == b""
    answer, _, status = out.decode().rpartition("\n")
    return answer, status


async def upload(demo: DemoPage, name: str) -> None:
    """Upload a file, and wait until the panel shows all of it."""
    await demo.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    await demo.choose((name, CONTENT))
    await expect(demo.page.get_by_test_id("receipt")).to_contain_text(name)


async def test_requests_are_shown_as_they_were_sent(demo_page: DemoPage, name: str) -> None:
    """In order, with what each is for; the browser is the witness. Events of the upload come behind."""
    sent: list[tuple[str, str]] = []
    demo_page.page.on(
        "response", lambda got: sent.append((f"{got.request.method} {got.url}", f"{got.status}"))
    )
    await upload(demo_page, name)
    rows = demo_page.page.get_by_test_id("request")
    await expect(rows.locator(".what")).to_have_text(
        ["Create the upload", "Send the file to S3", "Complete and verify the upload"]
    )
    lines = await rows.locator(".line").all_inner_texts()
    assert [line.split()[0] for line in lines] == ["POST", "PUT", "POST"]
    assert lines[0].endswith("/v1/uploads")
    assert lines[2].endswith("/v1/uploads/{id}/complete")
    stored = next(url for url, _ in sent if url.startswith("PUT http"))
    assert stored.startswith(lines[1] + "?")
    await expect(rows.locator(".status")).to_have_text(["201", "200", "200"])
    for took in await rows.locator(".took").all_inner_texts():
        assert re.fullmatch(r"[\d,]+ ms", took)
    await expect(demo_page.page.get_by_test_id("its-event")).to_contain_text("upload.completed")
    await expect(demo_page.page.get_by_test_id("its-event")).to_contain_text(name)


async def test_the_page_holds_no_secret_that_nobody_asked_for(demo_page: DemoPage, name: str) -> None:
    """No token, URL of S3, upload id or receipt, though each can be copied."""
    await upload(demo_page, name)
    for row in await demo_page.page.get_by_test_id("request").locator("summary").all():
        await row.click()
    page = demo_page.page
    created, stored = await copied(page, "Create the upload"), await copied(page, "Send the file to S3")
    completed = await copied(page, "Complete and verify the upload")
    await page.get_by_role("button", name="Copy the receipt").click()
    await expect(page.get_by_test_id("copied")).to_contain_text("Receipt")
    receipt = await page.evaluate("navigator.clipboard.readText()")
    (token,) = re.findall(r"Bearer (\S+)'", created)
    (signature,) = re.findall(r"X-Amz-Signature=(\w+)", stored)
    (upload_id,) = re.findall(r"/v1/uploads/([^/]+)/complete", completed)
    shown = await page.evaluate(WHOLE_DOM)
    assert "$TOKEN" in shown
    assert "$UPLOAD_ID" in shown
    assert receipt.count(".") == 2
    for secret in (token, signature, "X-Amz-Signature", upload_id, receipt, receipt.split(".")[2]):
        assert secret not in shown


async def test_commands_do_what_the_page_did(demo_page: DemoPage, name: str, tmp_path: Path) -> None:
    """Pasted into a shell: whole, and with the token in a variable."""
    await upload(demo_page, name)
    page = demo_page.page
    (tmp_path / name).write_bytes(CONTENT)
    created, status = await run(await copied(page, "Create the upload"), tmp_path)
    assert (status, json.loads(created)["method"]) == ("201", "put")
    shown = await copied(page, "Create the upload", "Copy")
    assert shown == await request(page, "Create the upload").get_by_test_id("curl").inner_text()
    await page.get_by_role("button", name="Copy TOKEN").click()
    await expect(page.get_by_test_id("copied")).to_contain_text("TOKEN")
    variable = await page.evaluate("navigator.clipboard.readText()")
    assert (await run(f"{variable}\n{shown}", tmp_path))[1] == "201"
    assert (await run(shown, tmp_path, TOKEN="wrong"))[1] == "401"
    # S3 refuses to replace the file, until it is deleted.
    stored = await copied(page, "Send the file to S3")
    assert (await run(stored, tmp_path))[1] == "412"
    await demo_page.object(name).get_by_role("button", name=re.compile("Delete")).click()
    await expect(demo_page.object(name)).to_have_count(0)
    assert (await run(stored, tmp_path))[1] == "200"
    answer, status = await run(await copied(page, "Complete and verify the upload"), tmp_path)
    assert (status, json.loads(answer)["object"]["size"]) == ("200", len(CONTENT))
    assert await demo_page.stored("alice", name) == [CONTENT]


async def test_commands_of_parts_send_those_bytes(
    busy: BusyPage, service: DemoService, tmp_path: Path, name: str
) -> None:
    """From where they begin in the file."""
    (tmp_path / name).write_bytes(PARTS)
    service.line.rule = lambda one: Cut() if one.method == "PUT" and one.part_number == 2 else None
    busy.expected.append("ERR_")
    await busy.page.get_by_label("Policy").select_option("paths")
    await busy.choose_from_disk((name, PARTS))
    part = request(busy.page, "Send part 2 to S3").first
    await expect(part.locator(".status")).to_have_text("no response")
    await busy.button("Pause", name).click()
    await part.locator("summary").click()
    await part.get_by_role("button", name="Copy with secrets: Send part 2 to S3").click()
    await expect(busy.page.get_by_test_id("copied")).to_contain_text("clipboard")
    service.line.rule = lambda _: None
    service.line.exchanges.clear()
    command = await busy.page.evaluate("navigator.clipboard.readText()")
    assert await run(command, tmp_path) == ("", "200")
    (sent,) = service.line.sent()
    assert (sent.part_number, sent.sent) == (2, 5 * MIB)
    reader = tmp_path / "curl"
    reader.write_text("#!/bin/sh\ncat > sent\n")
    reader.chmod(0o755)
    await run(command, tmp_path, PATH=f"{tmp_path}:/usr/bin:/bin")
    assert (tmp_path / "sent").read_bytes() == PARTS[5 * MIB : 10 * MIB]
    await busy.button("Resume", name).click()
    await expect(busy.row_state(name)).to_have_text("done")
    assert await busy.stored("alice", name) == [PARTS]


async def test_the_command_of_a_form_sends_its_fields(busy: BusyPage, tmp_path: Path, name: str) -> None:
    """Its policy and its signature are secret too."""
    name = f'"{name}'
    (tmp_path / name).write_bytes(CONTENT)
    await busy.page.get_by_label("Policy").select_option("forms")
    # This S3 breaks off the first form that it gets.
    busy.expected.append("ERR_EMPTY_RESPONSE")
    await busy.choose((name, CONTENT))
    await expect(busy.page.get_by_test_id("receipt")).to_contain_text("policy")
    shown = await copied(busy.page, "Send the file to S3", "Copy")
    assert "$SIGNATURE" in shown
    assert "$POLICY" in shown
    command = await copied(busy.page, "Send the file to S3")
    (signature,) = re.findall(r"x-amz-signature=(\w+)", command, re.IGNORECASE)
    assert signature not in await busy.page.evaluate(WHOLE_DOM)
    assert (await run(command, tmp_path))[1] in {"200", "201", "204"}


async def test_the_receipt_is_checked_with_the_published_key(demo_page: DemoPage, name: str) -> None:
    """Its claims are shown."""
    await upload(demo_page, name)
    verdict = demo_page.page.get_by_test_id("verdict")
    await expect(verdict).to_have_text(
        "Valid: signed with the published key (ES256), not expired, for alice."
    )
    claims = demo_page.page.get_by_test_id("claims")
    for claim, value in {"sub": "alice", "size": "20: 20 B", "policy": "default", "iss": "uploadsvc"}.items():
        await expect(claims.locator("div").filter(has_text=claim).filter(has_text=value)).not_to_have_count(0)


def _foreign(keys: dict[str, Any]) -> None:
    """Another key under the same name."""
    other = private_key(private_pem(OTHER_EC)).public.jwk()
    keys["keys"] = [{**other, "kid": keys["keys"][0]["kid"]}]


def _unpublished(keys: dict[str, Any]) -> None:
    """No key of this name."""
    keys["keys"] = []


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (_foreign, "the signature is wrong"),
        (_unpublished, "the service has not published the key that signed it"),
    ],
)
async def test_a_receipt_of_another_key_is_not_valid(
    demo_page: DemoPage, name: str, change: Callable[[dict[str, Any]], None], why: str
) -> None:
    async def keys(route: Route) -> None:
        answer = await (await route.fetch()).json()
        change(answer)
        await route.fulfill(json=answer)

    await demo_page.page.route("**/.well-known/jwks.json", keys)
    await upload(demo_page, name)
    await expect(demo_page.page.get_by_test_id("verdict")).to_have_text(f"Not valid: {why}.")


async def test_a_receipt_that_was_changed_or_has_expired_is_not_valid(demo_page: DemoPage, name: str) -> None:
    """The page looks at the receipt that came."""

    async def enlarged(route: Route) -> None:
        response = await route.fetch()
        answer = await response.json()
        header, claims, signature = answer["receipt"].split(".")
        told = json.loads(urlsafe_b64decode(claims + "=="))
        changed = urlsafe_b64encode(json.dumps({**told, "size": 1}).encode()).decode().rstrip("=")
        answer["receipt"] = f"{header}.{changed}.{signature}"
        await route.fulfill(response=response, json=answer)

    await demo_page.page.route("**/complete", enlarged)
    await upload(demo_page, name)
    verdict = demo_page.page.get_by_test_id("verdict")
    await expect(verdict).to_have_text("Not valid: the signature is wrong.")
    await demo_page.page.unroute("**/complete")
    await demo_page.page.evaluate("() => { const { now } = Date; Date.now = () => now() + 2 * 86_400_000; }")
    await demo_page.choose((f"late-{name}", CONTENT))
    await expect(verdict).to_have_text("Not valid: it has expired.")


async def test_a_receipt_signed_with_a_secret_is_not_called_valid(busy: BusyPage, name: str) -> None:
    """A page has no secret to check it with."""
    await busy.choose((name, CONTENT))
    await expect(busy.page.get_by_test_id("verdict")).to_contain_text(
        "Not checked here. It is signed with a secret (HS256)"
    )


async def test_a_failure_is_shown_with_its_code(busy: BusyPage, name: str) -> None:
    """And an earlier upload can be chosen again."""
    await busy.choose((f"first-{name}", CONTENT))
    await expect(busy.row_state(f"first-{name}")).to_have_text("done")
    busy.expected.append("415")
    await busy.page.get_by_label("Policy").select_option("pictures")
    await busy.choose((name, CONTENT), content_type="image/gif")
    rows = busy.page.get_by_test_id("request")
    await expect(rows.locator(".status")).to_have_text(["415 content_type_not_allowed"])
    await busy.page.get_by_test_id("happened-upload").select_option(f"first-{name}")
    await expect(rows.locator(".status")).to_have_text(["201", "200", "200"])
    await busy.page.get_by_text("bob", exact=True).first.click()
    await expect(busy.page.get_by_test_id("nothing-happened")).to_be_visible()


async def test_the_keyboard_opens_and_copies_commands(demo_page: DemoPage, name: str) -> None:
    """The focus stays where it was."""
    await upload(demo_page, name)
    press = demo_page.page.keyboard.press
    row = request(demo_page.page, "Create the upload")
    await row.locator("summary").focus()
    await press("Enter")
    await expect(row.get_by_test_id("curl")).to_be_visible()
    await press("Tab")
    button = row.get_by_role("button", name="Copy: Create the upload")
    await expect(button).to_be_focused()
    await press("Space")
    await expect(demo_page.page.get_by_test_id("copied")).to_contain_text("clipboard")
    await expect(button).to_be_focused()
    assert "$TOKEN" in await demo_page.page.evaluate("navigator.clipboard.readText()")


async def test_a_page_without_https_says_what_it_cannot_do(demo_page: DemoPage, name: str) -> None:
    """Browsers give it neither a clipboard nor signatures; commands can still be copied."""
    page = demo_page.page
    await page.add_init_script("""
        Object.defineProperty(navigator, "clipboard", { value: undefined });
        Object.defineProperty(crypto, "subtle", { value: undefined });
        document.addEventListener("copy", () => (globalThis.taken = document.activeElement.value));
    """)
    await page.reload()
    await demo_page.choose((name, CONTENT))
    await expect(page.get_by_test_id("verdict")).to_contain_text("only on HTTPS pages and on localhost")
    row = request(page, "Create the upload")
    await row.locator("summary").click()
    button = row.get_by_role("button", name="Copy: Create the upload")
    await button.click()
    await expect(page.get_by_test_id("copied")).to_contain_text("clipboard")
    assert await page.evaluate("taken") == await row.get_by_test_id("curl").inner_text()
    await expect(button).to_be_focused()
    await expect(page.locator("textarea")).to_have_count(0)

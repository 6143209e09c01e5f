"""Better Upload's own client from npm, in a browser: uploads, and messages on refusals."""

import asyncio
import re
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any, Final
from urllib.parse import urlsplit

import jwt
import pytest
from playwright.async_api import BrowserContext, Route
from tests.support.fault_proxy import Hold, fault_proxy
from tests.support.servers import S3Server
from tests.support.service import RECEIPT_SECRET
from tests.support.stores import on_both_stores
from tests.support.uploaders.packages import Bundled
from tests.support.uploaders.stage import MIB, Stage, stage
from tests.support.uploaders.uppy import others_upload

from uploadsvc.api.integrations.better_upload import routes
from uploadsvc.domain.media_types import is_active

POLICIES: Final[dict[str, Any]] = {
    "default": {"part_size": "5MiB", "multipart_threshold": "6MiB"},
    "avatars": {"content_types": ["image/png", "image/jpeg"], "max_size": 1000},
    "described": {
        "cache_control": "max-age=60",
        "content_disposition": "attachment",
        "metadata": {"album": None, "source": "web"},
        "key": "{filename}",
    },
}


@pytest.fixture
async def scene(s3: S3Server, context: BrowserContext, bundled: Bundled) -> AsyncIterator[Stage]:
    """Set the stage."""
    script = await bundled("better-upload")
    async with asyncio.timeout(90), stage(s3, context, script=script, policies=POLICIES) as scene:
        yield scene


def described(name: str, size: int, type: str = "text/plain") -> dict[str, Any]:  # noqa: A002 - the browser's word
    """Describe a file that the page makes up."""
    return {"name": name, "size": size, "type": type}


async def facts(scene: Stage, key: str) -> dict[str, Any]:
    """Return what S3 itself says of an object."""
    async with scene.s3.client() as client:
        return dict(await client.head_object(Bucket=scene.s3.bucket, Key=key))


def claims(receipt: str) -> dict[str, Any]:
    """Return what a receipt says, checked."""
    found: dict[str, Any] = jwt.decode(
        receipt, RECEIPT_SECRET, algorithms=["HS256"], audience="uploadsvc-receipts"
    )
    return found


@on_both_stores
@pytest.mark.parametrize("sizes", [[5], [11 * MIB, 7], [1, 0, 3]], ids=["one", "in parts", "several"])
async def test_documented_code_uploads_and_gets_receipts(scene: Stage, sizes: list[int]) -> None:
    """One file or several, by one request each or in parts: S3 holds the bytes, and the receipts say so."""
    files = [described(f"{number}.txt", size) for number, size in enumerate(sizes)]
    result = await scene.call("documented", files, "default")
    assert result["failed"] == []
    assert len(result["completed"]) == len(sizes)
    for one, size, digest in zip(result["completed"], sizes, result["digests"], strict=True):
        told = claims(one["receipt"])
        assert (told["sub"], told["size"], told["content_type"]) == ("alice", size, "text/plain")
        assert await scene.digest(told["key"]) == digest
    assert len(await scene.keys()) == len(sizes)
    assert await scene.unfinished() == []
    assert scene.complaints == []


async def test_documented_code_tells_what_was_not_verified(scene: Stage) -> None:
    """A completion that the service refuses, or that a proxy answers, is a failure; the rest stands."""
    names = ["kept.txt", "refused.txt", "lost.txt"]
    refusal = {"code": "verification_failed", "detail": "It has 1 byte."}

    async def answer(route: Route) -> None:
        state = (await scene.ask("GET", urlsplit(route.request.url).path.removesuffix("/complete"))).json()
        name = state["key"].rpartition("/")[2]
        if name == "refused.txt":
            await route.fulfill(status=422, json=refusal, content_type="application/problem+json")
        elif name == "lost.txt":
            await route.fulfill(status=502, body="<html>Bad Gateway</html>", content_type="text/html")
        else:
            await route.continue_()

    await scene.page.route("**/v1/uploads/*/complete", answer)
    result = await scene.call("documented", [described(name, 5) for name in names], "default")
    assert [one["object"]["key"].rpartition("/")[2] for one in result["completed"]] == ["kept.txt"]
    assert [(one["name"], one["status"]) for one in result["failed"]] == [
        ("refused.txt", "failed"),
        ("lost.txt", "failed"),
    ]
    assert result["failed"][0]["error"] == {"type": "rejected", "message": "It has 1 byte."}


async def test_one_file_goes_by_one_put(scene: Stage) -> None:
    """And its progress is told to its end."""
    result = await scene.call("one", described("a b.txt", 70_000))
    file = result["file"]
    assert (file["name"], file["status"], file["progress"]) == ("a b.txt", "complete", 1)
    key = file["objectInfo"]["key"]
    assert re.fullmatch(r"uploads/alice/[0-9a-f-]{36}/a b\.txt", key)
    assert await scene.digest(key) == result["digest"]
    assert list(result["ids"]) == [key]
    assert scene.sent_to(scene.service) == ["POST /better-upload"]
    assert [line.split()[0] for line in scene.sent_to(scene.s3.endpoint_url)] == ["PUT"]
    assert scene.complaints == []


@pytest.mark.parametrize(
    ("type_", "stored"),
    [
        ("", None),
        ("text/plain;charset=utf-8", "text/plain;charset=utf-8"),
        ("video/webm;codecs=vp8", "video/webm;codecs=vp8"),
        ("IMAGE/PNG", "image/png"),
        ("video/webm;codecs=vp8,opus", None),
    ],
)
async def test_a_type_is_signed_as_the_browser_sends_it(scene: Stage, type_: str, stored: str | None) -> None:
    """None at all, too: S3 then guesses, SeaweedFS by the bytes, but no type that a browser would run."""
    result = await scene.call("documented", [described("noname", 5, type_)], "default")
    assert result["failed"] == []
    (completed,) = result["completed"]
    content_type = completed["object"]["content_type"]
    assert not is_active(content_type)
    assert stored in {None, content_type}
    assert completed["object"]["size"] == 5
    assert scene.complaints == []


@on_both_stores
async def test_what_a_policy_adds_is_sent_once(scene: Stage) -> None:
    """Headers that the client sends by itself and those that it is told are all signed, and stored."""
    given = {"route": "described", "metadata": {"album": "naïve %", "secret": "x", "source": "mine"}}
    for size in (5, 65 * MIB):
        name = f"{size}.txt"
        result = await scene.call("one", described(name, size), given)
        assert result["file"]["status"] == "complete"
        told = await facts(scene, f"uploads/alice/{name}")
        assert told["CacheControl"] == "max-age=60"
        assert told["ContentDisposition"] == f'attachment; filename="{name}"'
        assert told["ContentType"] == "text/plain"
        own = {name for name in told["Metadata"] if name.startswith("uploadsvc-")}
        assert own == {"uploadsvc-upload", "uploadsvc-claims"}
        given_or_fixed = {name: value for name, value in told["Metadata"].items() if name not in own}
        assert given_or_fixed == {"album": "na%C3%AFve%20%25", "source": "web"}
    # Without overwriting, a name is taken once.
    again = await scene.call("several", [described("5.txt", 5)], given)
    assert [one["error"]["type"] for one in again["failed"]] == ["s3_upload"]


async def test_large_and_small_files_go_in_parts_of_one_size(scene: Stage) -> None:
    """Three parts, one part and one that is empty: each completed by the service, with the page's bytes."""
    sizes = {"film.mp4": 11 * MIB + 3, "note.txt": 7, "empty.txt": 0}
    files = [described(name, size) for name, size in sizes.items()]
    result = await scene.call("several", files, {"multipartBatchSize": 2})
    assert result["failed"] == []
    assert [(one["name"], one["status"]) for one in result["files"]] == [(name, "complete") for name in sizes]
    for file, digest in zip(result["files"], result["digests"], strict=True):
        key = file["objectInfo"]["key"]
        assert await scene.digest(key) == digest
        state = (await scene.ask("GET", f"/v1/uploads/{result['ids'][key]}")).json()
        assert (state["method"], state["status"], state["part_size"]) == ("multipart", "stored", 5 * MIB)
    assert await scene.unfinished() == []
    calls = [re.sub(r"/[^/]+\.[^/]+\.[^/]+$", "/…", line) for line in scene.sent_to(scene.service)]
    assert calls == ["POST /better-upload", *["POST /better-upload/complete/…"] * 3]
    assert len(scene.sent_to(scene.s3.endpoint_url)) == 5
    assert ["film.mp4", "complete", 1] in result["states"]
    assert scene.complaints == []


@pytest.mark.parametrize(
    ("files", "given", "type_", "message"),
    [
        (
            [described("ok.png", 5, "image/png"), described("photo.gif", 5, "image/gif")],
            {"route": "avatars"},
            "invalid_file_type",
            "photo.gif: Policy 'avatars' does not allow image/gif; it allows image/jpeg, image/png.",
        ),
        (
            [described("photo.png", 1001, "image/png")],
            {"route": "avatars"},
            "file_too_large",
            "photo.png: The file has 1001 bytes; policy 'avatars' allows 1000.",
        ),
        (
            [described("photo", 5, "")],
            {"route": "avatars"},
            "invalid_file_type",
            "photo: The browser knows no type for this file; policy 'avatars' allows image/jpeg, image/png.",
        ),
        (
            [described("page.html", 5, "text/html"), described("film.mp4", 11 * MIB)],
            {},
            "invalid_file_type",
            (
                "page.html: Policy 'default' does not allow text/html: browsers run HTML, SVG, XML and "
                "JavaScript, so a policy must name each of these types. It allows any other type."
            ),
        ),
        (
            [described("a.txt", 1), described("b.txt", 1), described("a.txt", 1)],
            {},
            "invalid_request",
            (
                "a.txt: Another file has this name, size and type too, and the client cannot tell them apart;"
                " upload one after the other."
            ),
        ),
        (
            [described(f"{number}.txt", 1) for number in range(101)],
            {},
            "too_many_files",
            "These are 101 files; ask for at most 100 at once.",
        ),
        (
            [described("a.txt", 1)],
            {"route": "none"},
            "rejected",
            "There is no such policy; yours: avatars, default, described.",
        ),
        (
            [described("a.txt", 1)],
            {"headers": {"Authorization": "Bearer nonsense"}},
            "rejected",
            "The token is malformed, or its signature is wrong.",
        ),
    ],
    ids=["type", "size", "no type", "html", "twins", "many", "policy", "token"],
)
async def test_a_user_sees_why_not(
    scene: Stage, files: list[dict[str, Any]], given: dict[str, Any], type_: str, message: str
) -> None:
    """The client's own error has the type and the service's words; nothing was begun or sent."""
    told = await scene.call("several", files, given)
    assert (told["type"], told["message"]) == (type_, message)
    assert scene.sent_to(scene.s3.endpoint_url) == []
    assert (await scene.keys(), await scene.unfinished()) == ([], [])


@pytest.mark.parametrize(
    ("pattern", "replacement"),
    [
        (r"<ETag>[^<]+</ETag>(\s*)<PartNumber>2", rf"<ETag>{'0' * 32}</ETag>\1<PartNumber>2"),
        (r"<Part>(?:(?!</Part>).)*<PartNumber>3</PartNumber>\s*</Part>", ""),
    ],
    ids=["another ETag", "a part fewer"],
)
async def test_other_parts_than_were_sent_are_no_upload(scene: Stage, pattern: str, replacement: str) -> None:
    """The client reports the failure, and what it sent is thrown away."""
    altered: list[str] = []

    async def alter(route: Route) -> None:
        body = re.sub(pattern, replacement, route.request.post_data or "", flags=re.DOTALL)
        altered.append(body)
        await route.continue_(post_data=body)

    await scene.page.route("**/better-upload/complete/*", alter)
    result = await scene.call("several", [described("film.mp4", 11 * MIB)])
    assert len(altered) == 1
    assert result["files"] == []
    assert [one["error"] for one in result["failed"]] == [
        {"type": "s3_upload", "message": "Failed to upload file to S3."}
    ]
    assert (await scene.keys(), await scene.unfinished()) == ([], [])
    (upload_id,) = result["ids"].values()
    assert (await scene.ask("GET", f"/v1/uploads/{upload_id}")).json()["status"] == "aborted"


async def test_somebody_else_s_upload_is_refused(scene: Stage) -> None:
    """Bob's id, or S3's own name for his upload, in the place of a token: neither completed nor aborted."""
    key, upload_id, s3_upload_id = await others_upload(scene)
    asked: list[int] = []

    async def alter(route: Route) -> None:
        answer = await route.fetch()
        told = await answer.json()
        (file,) = told["multipart"]["files"]
        file["completeSignedUrl"] = f"{scene.service}/better-upload/complete/{upload_id}"
        file["abortSignedUrl"] = f"{scene.service}/better-upload/abort/{s3_upload_id}"
        await route.fulfill(response=answer, json=told)

    await scene.page.route("**/better-upload", alter)
    scene.page.on("response", lambda one: asked.append(one.status) if "/better-upload/" in one.url else None)
    result = await scene.call("several", [described("film.mp4", 11 * MIB)])
    assert result["files"] == []
    assert [one["error"]["type"] for one in result["failed"]] == ["s3_upload"]
    assert asked == [404, 404]
    assert await scene.keys() == []
    assert key in await scene.unfinished()


async def test_whoever_stops_leaves_no_parts(scene: Stage) -> None:
    """By the signal, amid the parts: S3 holds nothing of it any more."""
    held: asyncio.Future[Route] = asyncio.get_running_loop().create_future()

    async def hold(route: Route) -> None:
        if "partNumber=2" in route.request.url:
            held.set_result(route)
            return
        await route.continue_()

    await scene.page.route(f"{scene.s3.endpoint_url}/**", hold)
    running = asyncio.create_task(
        scene.call("several", [described("film.mp4", 11 * MIB)], {"multipartBatchSize": 1})
    )
    route = await held
    assert len(await scene.unfinished()) == 1
    await scene.call("abort")
    result = await running
    await route.abort()
    assert [one["error"]["type"] for one in result["failed"]] == ["aborted"]
    assert (await scene.keys(), await scene.unfinished()) == ([], [])


async def test_a_part_is_sent_again_over_a_bad_line(scene: Stage) -> None:
    """By the client's own retries, to the same address."""
    broken: list[str] = []

    async def break_once(route: Route) -> None:
        if "partNumber=2" in route.request.url and not broken:
            broken.append(route.request.url)
            await route.abort()
            return
        await route.continue_()

    await scene.page.route(f"{scene.s3.endpoint_url}/**", break_once)
    result = await scene.call("several", [described("film.mp4", 11 * MIB)], {"retry": 2})
    assert len(broken) == 1
    (file,) = result["files"]
    assert await scene.digest(file["objectInfo"]["key"]) == result["digests"][0]


async def test_while_s3_puts_parts_together_the_client_waits(
    s3: S3Server, context: BrowserContext, bundled: Bundled, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is sent round and round, however long S3 takes, and takes nothing for a failure."""
    monkeypatch.setattr(routes, "COMPLETE_WAIT", 0.2)
    monkeypatch.setattr("uploadsvc.s3.multipart.PATIENCE", 0.1)
    script = await bundled("better-upload")
    async with asyncio.timeout(90), fault_proxy(s3.endpoint_url) as line:
        slow = replace(s3, endpoint_url=line.url)
        async with stage(slow, context, script=script, policies=POLICIES) as scene:
            done = asyncio.Event()
            line.rule = lambda one: (
                Hold(until=done) if one.method == "POST" and "uploadId=" in one.target else None
            )
            running = asyncio.create_task(scene.call("several", [described("film.mp4", 11 * MIB)]))
            for _ in range(4):
                await scene.page.wait_for_event("request", lambda one: "/complete/" in one.url)
            done.set()
            result = await running
            (file,) = result["files"]
            assert await scene.digest(file["objectInfo"]["key"]) == result["digests"][0]
            assert not [one for one in scene.requests if one.method == "DELETE"]

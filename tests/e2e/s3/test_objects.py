"""Stored objects: list, get, download, delete."""

import re
from urllib.parse import unquote
from uuid import uuid4

import httpx
import pytest
from tests.support.api import assert_problem
from tests.support.servers import S3Server
from tests.support.service import authorization, service_client, settings_for
from tests.support.transfers import content_of, create, put, stored

CONTENT = b"hello, bytes"
ODD_NAMES = [
    "plain.txt",
    "with space.txt",
    "plus+and&and=.txt",
    "per%20cent.txt",
    "hash#question?.txt",
    "tilde~quote'().txt",
    "grüße.txt",
    "世界 🎉.txt",
    "a/b//c.txt",
    "..",
    "",
    "x" * 300 + ".txt",
]
ODD_KEYS = [
    "a b/c+d",
    "50%",
    "%2e%2e/x",
    "q?a=b&c#d",
    "ü/世界/🎉",
    "~'()*!;:@,[]",
    "=",
    "/".join(["a" * 200] * 4),
]


async def test_a_listing_is_paged_in_order(
    api: httpx.AsyncClient, http: httpx.AsyncClient, user: str, s3: S3Server
) -> None:
    """Every key once, Unicode too, by cursors; the last page has none."""
    # LocalStack compares a percent-encoded key with a plain cursor, and so leaves keys out.
    names = ["a", "b/c", "b/d", "grüße", "世界", "🎉"] if s3.strict else ["a", "b", "b/c", "c", "d", "e"]
    for name in names:
        await stored(api, http, CONTENT, policy="keys", relative_key=name)
    seen, cursor = [], None
    for _ in range(4):
        page = await api.get("/v1/objects", params={"limit": 2, **({"cursor": cursor} if cursor else {})})
        assert page.status_code == 200
        seen += [listed["key"] for listed in page.json()["objects"]]
        cursor = page.json()["cursor"]
        if cursor is None:
            break
    assert seen == [f"uploads/{user}/{name}" for name in names]


async def test_a_listing_is_narrowed_by_a_prefix(
    api: httpx.AsyncClient, http: httpx.AsyncClient, user: str
) -> None:
    """It may end anywhere in a name; a cursor goes on within it."""
    for name in ("b", "b/c", "b/d", "c/b"):
        await stored(api, http, CONTENT, policy="keys", relative_key=name)
    for prefix, names in (("b/", ["b/c", "b/d"]), ("b", ["b", "b/c", "b/d"]), ("d", [])):
        listed = (await api.get("/v1/objects", params={"prefix": prefix})).json()["objects"]
        assert [entry["key"] for entry in listed] == [f"uploads/{user}/{name}" for name in names]
    first = (await api.get("/v1/objects", params={"prefix": "b/", "limit": 1})).json()
    second = (await api.get("/v1/objects", params={"prefix": "b/", "cursor": first["cursor"]})).json()
    assert [entry["key"] for entry in second["objects"]] == [f"uploads/{user}/b/d"]


@pytest.mark.parametrize("filename", ODD_NAMES)
async def test_whatever_a_file_is_called_it_travels(
    api: httpx.AsyncClient, http: httpx.AsyncClient, filename: str
) -> None:
    """By PUT and by form; the key that was promised is the key that is listed and downloaded."""
    upload = await create(api, filename=filename, size=len(CONTENT))
    assert (await put(http, upload, CONTENT)).status_code == 200
    done = await api.post(f"/v1/uploads/{upload['id']}/complete")
    assert done.status_code == 200, done.text
    assert await content_of(api, http, upload["key"]) == CONTENT
    listed = (await api.get("/v1/objects")).json()["objects"]
    assert [entry["key"] for entry in listed] == [upload["key"]]


@pytest.mark.parametrize("relative_key", ODD_KEYS)
async def test_a_key_of_ones_own_may_be_odd(
    api: httpx.AsyncClient, http: httpx.AsyncClient, user: str, relative_key: str
) -> None:
    """It is signed and stored exactly as it was given."""
    key = await stored(api, http, CONTENT, policy="keys", relative_key=relative_key)
    assert key == f"uploads/{user}/{relative_key}"
    assert await content_of(api, http, key) == CONTENT
    assert (await api.delete("/v1/object", params={"key": key})).status_code == 204
    assert (await api.get("/v1/object", params={"key": key})).status_code == 404


async def test_every_listed_object_can_be_read_and_deleted(
    api: httpx.AsyncClient, http: httpx.AsyncClient, user: str, s3: S3Server
) -> None:
    """Those too that others put under the prefix, by keys that an upload would not get."""
    names = ["", "folder/", "a//b", "tab\there", "${x}", "e\u0301", "back\\slash", "%2e%2e/x", "\x01"]
    async with s3.client() as admin:
        for name in names:
            content = b"" if name.endswith("/") or not name else CONTENT
            await admin.put_object(Bucket=s3.bucket, Key=f"uploads/{user}/{name}", Body=content)
    listed, cursor = [], None
    # LocalStack compares a percent-encoded key with a plain cursor.
    limit = 4 if s3.strict else 100
    for _ in names:
        page = await api.get("/v1/objects", params={"limit": limit, **({"cursor": cursor} if cursor else {})})
        assert page.status_code == 200
        listed += page.json()["objects"]
        cursor = page.json()["cursor"]
        if cursor is None:
            break
    assert len({entry["key"] for entry in listed}) == len(names)
    for entry in listed:
        key = entry["key"]
        assert (await api.get("/v1/object", params={"key": key})).json()["size"] == entry["size"]
        assert len(await content_of(api, http, key)) == entry["size"]
        assert (await api.delete("/v1/object", params={"key": key})).status_code == 204
    assert (await api.get("/v1/objects")).json()["objects"] == []


async def test_users_with_odd_names_have_prefixes_of_their_own(
    api: httpx.AsyncClient, http: httpx.AsyncClient
) -> None:
    """An id is one segment of the key, whatever is in it."""
    for user in (f"a/{uuid4()}", f"../{uuid4()}", f"ü {uuid4()}", f".{uuid4()}", f"x@{uuid4()}|+%"):
        headers = authorization(user)
        asked = await api.post("/v1/uploads", json={"size": len(CONTENT)}, headers=headers)
        assert (await put(http, asked.json(), CONTENT)).status_code == 200
        listed = (await api.get("/v1/objects", headers=headers)).json()["objects"]
        assert [entry["key"] for entry in listed] == [asked.json()["key"]]
        assert asked.json()["key"].count("/") == 3


@pytest.mark.parametrize("disposition", ["attachment", "inline"])
@pytest.mark.parametrize("filename", ["report.txt", 'grüße "quoted".txt', "a\r\nX-Injected: b.txt"])
async def test_a_download_is_named(
    api: httpx.AsyncClient, http: httpx.AsyncClient, disposition: str, filename: str
) -> None:
    """By the answer's ``Content-Disposition``, and by nothing that a filename smuggles in."""
    key = await stored(api, http, CONTENT)
    wanted = {"key": key, "disposition": disposition, "filename": filename}
    answer = await http.get((await api.post("/v1/downloads", json=wanted)).json()["url"])
    assert (answer.status_code, answer.content) == (200, CONTENT)
    kind, _, parameters = answer.headers["content-disposition"].partition("; ")
    exact = re.search(r"filename\*=UTF-8''([^;]+)$", parameters)
    plain = re.fullmatch(r'filename="([^"]*)"', parameters)
    assert kind == disposition
    named = unquote(exact[1]) if exact else plain and plain[1]
    assert named == filename.replace("\r\n", "")
    assert "x-injected" not in answer.headers


async def test_a_download_is_an_attachment_unless_it_is_asked_for(
    api: httpx.AsyncClient, http: httpx.AsyncClient
) -> None:
    """Named by the last segment of its key; the URL is good for GET of this key alone."""
    key = await stored(api, http, CONTENT, filename="report.txt")
    url = (await api.post("/v1/downloads", json={"key": key})).json()["url"]
    answer = await http.get(url)
    assert answer.headers["content-disposition"] == 'attachment; filename="report.txt"'
    assert (await http.put(url, content=b"x")).status_code == 403
    assert (await http.delete(url)).status_code == 403
    assert (await http.get(url.replace("report.txt?", "other.txt?"))).status_code == 403


@pytest.mark.parametrize("content_type", ["text/html", "image/svg+xml; charset=utf-8", "Text/XML"])
async def test_a_page_is_not_shown_inline(
    api: httpx.AsyncClient, http: httpx.AsyncClient, content_type: str
) -> None:
    """A bare URL leaves its type open, so what it stores may be a page."""
    bare = (await api.get("/uploads", params={"filename": "x.html"})).json()["url"]
    assert (await http.put(bare, content=b"<script>", headers={"Content-Type": content_type})).is_success
    (listed,) = (await api.get("/v1/objects")).json()["objects"]
    wanted = {"key": listed["key"], "disposition": "inline"}
    answer = await api.post("/v1/downloads", json=wanted)
    assert_problem(answer, "content_type_not_allowed", "disposition")
    attachment = (await api.post("/v1/downloads", json={"key": listed["key"]})).json()["url"]
    assert (await http.get(attachment)).headers["content-disposition"].startswith("attachment")


async def test_an_object_shown_inline_keeps_its_type(
    api: httpx.AsyncClient, http: httpx.AsyncClient, s3: S3Server
) -> None:
    """Even if a page takes its place, and even if its type is no media type."""
    for stored_type, shown in (("Text/Plain", "text/plain"), ("page", "application/octet-stream")):
        key = await stored(api, http, CONTENT)
        async with s3.client() as admin:
            await admin.put_object(Bucket=s3.bucket, Key=key, Body=b"a", ContentType=stored_type)
            wanted = {"key": key, "disposition": "inline"}
            url = (await api.post("/v1/downloads", json=wanted)).json()["url"]
            await admin.put_object(Bucket=s3.bucket, Key=key, Body=b"<script>", ContentType="text/html")
        answer = await http.get(url)
        assert (answer.status_code, answer.content) == (200, b"<script>")
        assert answer.headers["content-type"].partition(";")[0] == shown
        assert (await http.get(url.replace("text%2Fplain", "text%2Fhtml") + "x")).status_code == 403


async def test_a_download_of_nothing_is_told_by_s3(
    api: httpx.AsyncClient, http: httpx.AsyncClient, user: str
) -> None:
    """Signing is local: the URL is given, and S3 answers 404."""
    answer = await api.post("/v1/downloads", json={"key": f"uploads/{user}/nothing"})
    assert answer.status_code == 201
    assert (await http.get(answer.json()["url"])).status_code == 404
    inline = {"key": f"uploads/{user}/nothing", "disposition": "inline"}
    assert_problem(await api.post("/v1/downloads", json=inline), "not_found")


async def test_deleting_twice_is_fine(api: httpx.AsyncClient, http: httpx.AsyncClient) -> None:
    """Of an object by its key, and of an upload by its id, before and after its bytes are there."""
    key = await stored(api, http, CONTENT)
    for _ in range(2):
        assert (await api.delete("/v1/object", params={"key": key})).status_code == 204
    upload = await create(api, size=len(CONTENT))
    resource = f"/v1/uploads/{upload['id']}"
    assert (await api.delete(resource)).status_code == 204
    assert (await put(http, upload, CONTENT)).status_code == 200
    for _ in range(2):
        assert (await api.delete(resource)).status_code == 204
    assert (await api.get("/v1/objects")).json()["objects"] == []


async def test_deleting_is_off_by_default(s3: S3Server, http: httpx.AsyncClient, user: str) -> None:
    """403 for an object and for a stored upload; both stay."""
    async with service_client(settings_for(s3), user=user) as api:
        upload = await create(api, size=len(CONTENT))
        assert (await put(http, upload, CONTENT)).status_code == 200
        for resource in (f"/v1/uploads/{upload['id']}", f"/v1/object?key={upload['key']}"):
            answer = await api.delete(resource)
            assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")
        assert (await api.get("/v1/object", params={"key": upload["key"]})).status_code == 200

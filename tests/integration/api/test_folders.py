"""Uploads of files in folders, by every route that takes a filename."""

from collections.abc import AsyncIterator
from typing import Any, Final
from urllib.parse import unquote, urlsplit

import httpx
import pytest
from tests.support.api import assert_problem, created
from tests.support.servers import S3Server
from tests.support.service import service_client, settings_for

POLICIES: Final[dict[str, dict[str, Any]]] = {
    "default": {},
    "kept": {
        "key": "{uuid}/{path}{filename}",
        "content_disposition": "attachment",
        "unsized_multipart": True,
    },
    "shared": {"key": "{path}{uuid}{ext}", "unsized_multipart": True},
}
NAME: Final = "photos/2026/été.jpg"


@pytest.fixture
async def api(moto_server: S3Server) -> AsyncIterator[httpx.AsyncClient]:
    """Serve an app that alice calls."""
    async with service_client(settings_for(moto_server, policies=POLICIES)) as client:
        yield client


def tail(key: str) -> str:
    """Return a key without the user's prefix and the UUID."""
    return key.split("/", 3)[3]


async def test_clients_can_tell_which_policies_keep_folders(api: httpx.AsyncClient) -> None:
    listed = (await api.get("/v1/policies")).json()["policies"]
    assert {one["name"]: one["keeps_folders"] for one in listed} == {
        "default": False,
        "kept": True,
        "shared": True,
    }


@pytest.mark.parametrize("method", ["put", "post", "multipart"])
async def test_an_upload_keeps_its_folders_from_end_to_end(api: httpx.AsyncClient, method: str) -> None:
    """The object can be found and downloaded; its name is that of the file alone."""
    body = {"filename": NAME, "policy": "kept", "method": method, "size": 3}
    upload = created(await api.post("/v1/uploads", json=body))
    assert tail(upload["key"]) == NAME
    async with httpx.AsyncClient(trust_env=False) as s3:
        if method == "put":
            sent = await s3.put(upload["url"], content=b"abc", headers=upload["headers"])
        elif method == "post":
            sent = await s3.post(upload["url"], data=upload["fields"], files={"file": b"abc"})
        else:
            sent = await s3.put(upload["parts"][0]["url"], content=b"abc")
        assert sent.is_success
        done = await api.post(f"/v1/uploads/{upload['id']}/complete")
        assert done.status_code == 200, done.text
        assert done.json()["object"]["key"] == upload["key"]
        url = (await api.post("/v1/downloads", json={"key": upload["key"]})).json()["url"]
        got = await s3.get(url)
    assert got.content == b"abc"
    if method != "multipart":
        signed = upload["headers"] if method == "put" else upload["fields"]
        assert (
            signed["Content-Disposition"]
            == "attachment; filename=\"ete.jpg\"; filename*=UTF-8''%C3%A9t%C3%A9.jpg"
        )


async def test_every_route_keeps_folders(api: httpx.AsyncClient) -> None:
    """A batch, a bare URL, and Uppy's signed requests, whose multipart uploads go on under such a key."""
    batch = {"uploads": [{"filename": NAME, "policy": "kept", "size": 1}]}
    (result,) = (await api.post("/v1/uploads/batch", json=batch)).json()["results"]
    assert tail(result["upload"]["key"]) == NAME
    params = {"filename": NAME, "policy": "shared"}
    url = (await api.get("/uploads", params=params)).json()["url"]
    assert "/uploads/alice/photos/2026/" in unquote(urlsplit(url).path)
    for policy in ("kept", "shared"):
        begin = {"method": "POST", "key": NAME, "policy": policy}
        signed = (await api.post("/uppy/sign", json=begin)).json()
        assert "/photos/2026/" in signed["key"]
        abort = {"method": "DELETE", "key": signed["key"], "uploadId": "x", "policy": policy}
        assert (await api.post("/uppy/sign", json=abort)).status_code == 200, "its UUID was found in the key"


async def test_too_many_folders_are_refused_with_what_is_allowed(api: httpx.AsyncClient) -> None:
    body = {"filename": "d/" * 33 + "a.jpg", "policy": "kept", "size": 1}
    answer = await api.post("/v1/uploads", json=body)
    assert_problem(answer, "invalid_key", "filename")
    assert "32 folders, of 400 bytes" in answer.json()["detail"]

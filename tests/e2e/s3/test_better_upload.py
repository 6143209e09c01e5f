"""Better Upload's responses on real S3 servers: S3 accepts exactly what is signed, and nothing is lost."""

from collections.abc import AsyncIterator
from typing import Any, Final

import httpx
import pytest
from tests.support.better_upload import FILM, NOTE, abort, begun, complete, granted, send
from tests.support.servers import S3Server
from tests.support.service import service_client, settings_for

POLICIES: Final[dict[str, Any]] = {
    "default": {"part_size": "5MiB", "multipart_threshold": "6MiB"},
    "described": {"cache_control": "max-age=60", "metadata": {"album": None}, "key": "{uuid}"},
}


@pytest.fixture
async def api(s3: S3Server) -> AsyncIterator[httpx.AsyncClient]:
    """Call a service whose callers may delete what they stored."""
    settings = settings_for(s3, policies=POLICIES, objects={"delete": True})
    async with service_client(settings) as client:
        yield client


async def test_to_give_up_what_is_complete_takes_nothing_away(api: httpx.AsyncClient) -> None:
    """Though callers may delete: the address gives up parts, and there are none any more."""
    one = await begun(api)
    etags = await send(one)
    for _ in range(2):
        assert (await complete(api, one, etags)).status_code == 204
        assert (await abort(api, one)).status_code == 204
    answer = await api.post(f"/v1/uploads/{one['id']}/complete")
    assert answer.json()["object"]["size"] == FILM["size"]


async def test_to_give_up_throws_the_parts_away(api: httpx.AsyncClient, s3: S3Server) -> None:
    """S3 knows nothing of the upload after."""
    one = await begun(api)
    await send(one, 1, 3)
    assert (await abort(api, one)).status_code == 204
    async with s3.client() as client:
        listed = await client.list_multipart_uploads(Bucket=s3.bucket)
    keys = [entry["Key"] for entry in listed.get("Uploads", [])]
    assert one["file"]["objectInfo"]["key"] not in keys


async def test_what_the_client_is_told_to_send_is_what_is_signed(
    api: httpx.AsyncClient, http: httpx.AsyncClient
) -> None:
    """All headers as the client puts them together; without or with another of them, S3 refuses."""
    answer = await granted(api, NOTE, route="described", metadata={"album": "é %"})
    (one,) = answer["files"]
    info = one["file"]["objectInfo"]
    headers = {
        "Content-Type": NOTE["type"],
        "Cache-Control": info["cacheControl"],
        **{f"x-amz-meta-{name}": value for name, value in info["metadata"].items()},
        **one["headers"],
    }
    for name in headers:
        for altered in ({k: v for k, v in headers.items() if k != name}, {**headers, name: "other"}):
            refused = await http.put(one["signedUrl"], content=b"note", headers=altered)
            assert refused.status_code in {400, 403, 501}, name
    assert (await http.put(one["signedUrl"], content=b"notes", headers=headers)).status_code == 403
    assert (await http.put(one["signedUrl"], content=b"note", headers=headers)).status_code == 200
    (upload_id,) = answer["metadata"]["ids"].values()
    completed = (await api.post(f"/v1/uploads/{upload_id}/complete")).json()
    assert completed["object"]["metadata"]["album"] == "é %"


async def test_a_part_has_its_own_size(api: httpx.AsyncClient, http: httpx.AsyncClient) -> None:
    """One byte more or less is refused."""
    one = await begun(api)
    last = one["parts"][-1]
    for size in (last["size"] - 1, last["size"] + 1):
        assert (await http.put(last["signedUrl"], content=bytes(size))).status_code == 403
    assert (await http.put(last["signedUrl"], content=bytes(last["size"]))).status_code == 200
    assert (await abort(api, one)).status_code == 204


async def test_a_type_is_signed_in_its_own_spelling(api: httpx.AsyncClient, http: httpx.AsyncClient) -> None:
    """To the letter: the client cannot be told of another, though it meant the same."""
    spelled = "text/plain;charset=utf-8"
    (one,) = (await granted(api, {**NOTE, "type": spelled}))["files"]
    for content_type, status in (("text/plain; charset=utf-8", 403), (spelled, 200)):
        headers = {"Content-Type": content_type, **one["headers"]}
        answer = await http.put(one["signedUrl"], content=b"note", headers=headers)
        assert answer.status_code == status

"""Another user's uploads and objects get the same 404 as missing ones."""

from uuid import uuid4

import httpx
import pytest
from tests.support.servers import S3Server
from tests.support.service import authorization, service_client, settings_for
from tests.support.transfers import create, put, stored

CONTENT = b"hello, bytes"


@pytest.mark.parametrize(("method", "action"), [("GET", ""), ("POST", "/complete"), ("DELETE", "")])
async def test_another_users_id_is_no_id(
    api: httpx.AsyncClient, http: httpx.AsyncClient, method: str, action: str
) -> None:
    """Neither pending nor stored can be looked at, completed or deleted; a made-up id gets the same body."""
    upload = await create(api, filename="a.txt", size=len(CONTENT))
    stranger = authorization(f"user-{uuid4().hex}")
    made_up = await api.request(method, f"/v1/uploads/made-up{action}", headers=stranger)
    assert made_up.status_code == 404
    for _ in range(2):
        answer = await api.request(method, f"/v1/uploads/{upload['id']}{action}", headers=stranger)
        assert (answer.status_code, answer.content) == (404, made_up.content)
        await put(http, upload, CONTENT)
    assert (await api.get(f"/v1/uploads/{upload['id']}")).json()["status"] == "stored"


@pytest.mark.parametrize("method", ["GET", "DELETE"])
async def test_another_users_object_is_no_object(
    api: httpx.AsyncClient, http: httpx.AsyncClient, method: str
) -> None:
    """The facts of an object are its owner's, and so is its end."""
    key = await stored(api, http, CONTENT)
    stranger = authorization(f"user-{uuid4().hex}")
    answer = await api.request(method, "/v1/object", params={"key": key}, headers=stranger)
    never = await api.request(method, "/v1/object", params={"key": key + "-not"}, headers=stranger)
    assert (answer.status_code, answer.content) == (404, never.content)
    assert (await api.get("/v1/object", params={"key": key})).status_code == 200


async def test_another_users_object_cannot_be_downloaded(
    api: httpx.AsyncClient, http: httpx.AsyncClient
) -> None:
    """No URL is signed for a key outside one's prefix."""
    key = await stored(api, http, CONTENT)
    stranger = authorization(f"user-{uuid4().hex}")
    answer = await api.post("/v1/downloads", json={"key": key}, headers=stranger)
    never = await api.post("/v1/downloads", json={"key": key + "-not"}, headers=stranger)
    assert (answer.status_code, answer.content) == (404, never.content)


async def test_listings_hold_ones_own_alone(
    api: httpx.AsyncClient, http: httpx.AsyncClient, user: str
) -> None:
    """A user whose name starts with another's sees nothing of theirs, nor the other way round."""
    key = await stored(api, http, CONTENT)
    for other in (f"{user}0", user[:-1], f"{user}/", f"user-{uuid4().hex}"):
        listed = await api.get("/v1/objects", headers=authorization(other))
        assert listed.json() == {"objects": [], "cursor": None}
    assert [o["key"] for o in (await api.get("/v1/objects")).json()["objects"]] == [key]


@pytest.mark.parametrize("prefix", ["../", "..", "/", "a/../../"])
async def test_no_prefix_climbs_out(api: httpx.AsyncClient, prefix: str) -> None:
    """A listing's prefix is below one's own, whatever it says."""
    answer = await api.get("/v1/objects", params={"prefix": prefix})
    if answer.status_code == 200:
        assert answer.json()["objects"] == []
    else:
        assert (answer.status_code, answer.json()["code"]) == (422, "invalid_key")


async def test_a_cursor_stays_below_the_prefix(api: httpx.AsyncClient, http: httpx.AsyncClient) -> None:
    """Another user's cursor lists nothing of theirs."""
    for _ in range(2):
        await stored(api, http, CONTENT)
    page = (await api.get("/v1/objects", params={"limit": 1})).json()
    stranger = authorization(f"user-{uuid4().hex}")
    listed = await api.get("/v1/objects", params={"cursor": page["cursor"]}, headers=stranger)
    assert listed.json() == {"objects": [], "cursor": None}


async def test_an_id_of_another_service_is_no_id(s3: S3Server, http: httpx.AsyncClient) -> None:
    """Sealed with another secret key, the same user's id is unknown; with both keys known, it opens."""
    old, new = "the old secret key of 32 bytes or more", "the new secret key of 32 bytes or more"
    async with service_client(settings_for(s3, secret_key=old)) as api:
        upload = await create(api, size=len(CONTENT))
    assert (await put(http, upload, CONTENT)).status_code == 200
    resource = f"/v1/uploads/{upload['id']}"
    async with service_client(settings_for(s3, secret_key=new)) as api:
        assert (await api.get(resource)).status_code == 404
    async with service_client(settings_for(s3, secret_key=None, secret_keys=(new, old))) as api:
        assert (await api.get(resource)).json()["status"] == "stored"

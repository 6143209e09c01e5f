"""Attacks on completed uploads: a receipt says how long its bytes can be replaced, in every combination."""

from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import datetime
from typing import Any, Final
from uuid import uuid4

import httpx
import pytest
from tests.support.receipt_tokens import claims_of
from tests.support.servers import S3Server
from tests.support.service import authorization, service_client, settings_for
from tests.support.transfers import create, post, put

FIRST: Final = b"the bytes that were verified"
OTHER: Final = b"some others, as many of them"
NO_END: Final = datetime.fromisoformat("9999-12-31T23:59:59+00:00")

POLICIES: Final[dict[str, dict[str, Any]]] = {
    "made": {},
    "named": {"key": "named/{filename}"},
    "chosen": {"client_keys": True, "client_keys_prefix": "chosen"},
    "anywhere": {"client_keys": True, "key": "{uuid}"},
}


class Attacker:
    """An owner who completes an upload, and then wants other bytes under its receipt."""

    def __init__(self, api: httpx.AsyncClient, http: httpx.AsyncClient, request: dict[str, Any]) -> None:
        self._api = api
        self._http = http
        self._request = request

    async def complete(self) -> None:
        """Upload, complete, and keep the receipt."""
        self._earlier = await self._another()
        self.upload = await create(self._api, **self._request)
        await self._send(self.upload, FIRST)
        self.completion = (await self._complete(self.upload)).json()

    async def replay(self) -> None:
        """Send other bytes through the upload's own URLs."""
        await self._send(self.upload, OTHER)
        await self._complete(self.upload)

    async def delete(self) -> None:
        """Delete the object, as both routes may let callers do."""
        await self._api.delete(f"/v1/uploads/{self.upload['id']}")
        await self._api.delete("/v1/object", params={"key": self.upload["key"]})

    async def delete_and_replay(self) -> None:
        """Make room for the upload's own URLs."""
        await self.delete()
        await self.replay()

    async def upload_again(self) -> None:
        """Create another upload with the same key, if any policy allows that."""
        if (again := await self._another()) is not None:
            await self._send(again, OTHER)
            await self._complete(again)

    async def delete_and_upload_again(self) -> None:
        """Make room for another upload."""
        await self.delete()
        await self.upload_again()

    async def finish_an_earlier_one(self) -> None:
        """Finish an upload that began before, with the same key."""
        if self._earlier is not None:
            await self._send(self._earlier, OTHER)
            await self._complete(self._earlier)

    async def succeeded(self) -> bool:
        """Return whether other bytes are stored under the key."""
        answer = await self._api.get("/v1/object", params={"key": self.upload["key"]})
        return answer.status_code == 200 and answer.json()["etag"] != self.completion["object"]["etag"]

    async def _another(self) -> dict[str, Any] | None:
        """Begin another upload with the key: by the same request, or by naming it to each policy."""
        request = dict(self._request)
        tries = [request]
        if hasattr(self, "upload"):
            user_prefix = "/".join(self.upload["key"].split("/")[:2]) + "/"
            rest = self.upload["key"].removeprefix(user_prefix)
            tries += [{**request, "policy": one, "relative_key": rest} for one in POLICIES]
            tries += [{**request, "policy": "chosen", "relative_key": rest.removeprefix("chosen/")}]
        for one in tries:
            answer = await self._api.post("/v1/uploads", json=one)
            if answer.status_code != 201:
                continue
            if not hasattr(self, "upload") or answer.json()["key"] == self.upload["key"]:
                return dict(answer.json())
        return None

    async def _send(self, upload: dict[str, Any], content: bytes) -> None:
        if upload["method"] == "put":
            await put(self._http, upload, content)
        elif upload["method"] == "post":
            await post(self._http, upload, content)
        else:
            part = upload["parts"][0]
            await self._http.put(part["url"], content=content, headers=part["headers"])

    async def _complete(self, upload: dict[str, Any]) -> httpx.Response:
        return await self._api.post(f"/v1/uploads/{upload['id']}/complete")


ATTACKS: Final[dict[str, Callable[[Attacker], Awaitable[None]]]] = {
    "through its own URL": Attacker.replay,
    "through its own URL, once deleted": Attacker.delete_and_replay,
    "by another upload": Attacker.upload_again,
    "by another upload, once deleted": Attacker.delete_and_upload_again,
    "by an earlier upload": Attacker.finish_an_earlier_one,
}


@pytest.fixture
async def http() -> AsyncIterator[httpx.AsyncClient]:
    """Give what sends bytes to S3."""
    async with httpx.AsyncClient(trust_env=False) as client:
        yield client


@pytest.mark.parametrize("delete", [False, True], ids=["kept", "deletable"])
@pytest.mark.parametrize("overwrite", [False, True], ids=["guarded", "overwritten"])
async def test_a_receipt_says_how_long_its_bytes_can_be_replaced(
    seaweedfs: S3Server, http: httpx.AsyncClient, *, overwrite: bool, delete: bool
) -> None:
    policies = {name: {**fields, "overwrite": overwrite} for name, fields in POLICIES.items()}
    if overwrite:
        # It would reach the folders of the others, so the start refuses it.
        del policies["anywhere"]
    settings = settings_for(seaweedfs, policies=policies, objects={"delete": delete})
    async with service_client(settings, user=None) as api:
        for policy in policies:
            for method in ("put", "post", "multipart"):
                await _attack(api, http, policy, method)


async def _attack(api: httpx.AsyncClient, http: httpx.AsyncClient, policy: str, method: str) -> None:
    request = {"policy": policy, "method": method, "size": len(FIRST), "filename": "a.txt"}
    if "client_keys" in POLICIES[policy]:
        request["relative_key"] = "folder/a"
    replaced, said, upload = set(), None, {}
    for name, attack in ATTACKS.items():
        api.headers.update(authorization(f"user-{uuid4().hex}"))
        if (await api.post("/v1/uploads", json=request)).json().get("code") == "method_not_available":
            return
        attacker = Attacker(api, http, request)
        await attacker.complete()
        said, upload = attacker.completion["replaceable_until"], attacker.upload
        claims = claims_of(attacker.completion["receipt"])
        assert claims["replaceable_until"] == (said and int(datetime.fromisoformat(said).timestamp()))
        await attack(attacker)
        if await attacker.succeeded():
            replaced.add(name)
            answer = await api.post(f"/v1/uploads/{upload['id']}/complete")
            if answer.status_code == 200:
                assert claims_of(answer.json()["receipt"])["jti"] != claims["jti"]
    case = (policy, method, replaced)
    if any(name.startswith("by ") for name in replaced):
        assert said is not None, case
        assert datetime.fromisoformat(said) == NO_END, case
    elif replaced:
        assert said == upload["expires_at"], case
    else:
        assert said is None, case


async def test_s3_credentials_can_replace_any_object(session_s3: S3Server, http: httpx.AsyncClient) -> None:
    uppy = {"credentials": True, "role_arn": "arn:aws:iam::000000000000:role/uploads"}
    async with service_client(settings_for(session_s3, uppy=uppy)) as api:
        upload = await create(api, size=len(FIRST))
        await put(http, upload, FIRST)
        completion = (await api.post(f"/v1/uploads/{upload['id']}/complete")).json()
    assert datetime.fromisoformat(completion["replaceable_until"]) == NO_END


async def test_a_narrow_token_cannot_reach_the_objects_of_another_policy(
    seaweedfs: S3Server, http: httpx.AsyncClient
) -> None:
    """An upload token for a policy that may overwrite keys of the caller's choice."""
    policies = {"default": {}, "free": {"client_keys": True, "overwrite": True}}
    settings = settings_for(seaweedfs, policies=policies, objects={"delete": True})
    async with service_client(settings) as api:
        upload = await create(api, filename="a.txt", size=len(FIRST))
        await put(http, upload, FIRST)
        token = (await api.post("/v1/tokens", json={"policies": ["free"]})).json()["token"]
        narrow = {"Authorization": f"Bearer {token}"}
        rest = upload["key"].split("/", 2)[2]
        body = {"policy": "free", "relative_key": rest, "size": len(OTHER)}
        for key in (rest, rest.upper(), rest.replace("/", "//"), f"../alice/{rest}"):
            answer = await api.post("/v1/uploads", json={**body, "relative_key": key}, headers=narrow)
            assert answer.status_code != 201 or answer.json()["key"] != upload["key"]
        answer = await api.post("/v1/uploads", json=body, headers=narrow)
        assert (answer.status_code, answer.json()["code"]) == (422, "invalid_key")
        assert "'default'" in answer.json()["detail"]
        asked = {"method": "PUT", "key": upload["key"], "policy": "free"}
        assert (await api.post("/uppy/sign", json=asked, headers=narrow)).status_code == 422
        assert (await api.delete(f"/v1/uploads/{upload['id']}", headers=narrow)).status_code == 403
        assert (await api.post(f"/v1/uploads/{upload['id']}/complete")).status_code == 200

"""Many objects at once: deleted together by their owner, and listed for a service that sees all."""

import json
from collections.abc import AsyncIterator
from hashlib import sha256
from typing import Any, Final
from uuid import uuid4

import httpx
import pytest
from tests.support.api import assert_problem, bearer, issued, send_bare
from tests.support.servers import S3Server
from tests.support.service import JWT_SECRET, authorization, service_client, settings_for
from tests.support.transfers import stored

SUPPORT: Final = "the key of a support tool, which sees all users"
BACKEND: Final = "the key of a backend, which does not"
NARROW: Final = "the key of a service for one policy"
KEYS: Final = [
    {"name": "support", "sha256": sha256(SUPPORT.encode()).hexdigest(), "all_users": True},
    {"name": "backend", "sha256": sha256(BACKEND.encode()).hexdigest()},
    {"name": "narrow", "sha256": sha256(NARROW.encode()).hexdigest(), "policies": ["default"]},
]
NAMES: Final = [
    *(
        "plain.txt",
        "a b/c+d",
        "%2e%2e/x",
        "&amp;<Key>",
        "]]>",
        "grüße/世界/🎉",
        "e\u0301",
        " padded ",
        "a//b",
        "=",
        "'\"",
    ),
    # What XML cannot hold, and what its parsers change.
    *("tab\there", "line\nend", "line\r\nend", "cr\rend", "\x01", "\x7f", "\u0085", "\u2028"),
]


async def deleted(client: httpx.AsyncClient, *keys: str, **options: Any) -> list[dict[str, Any]]:  # noqa: ANN401 - httpx's own
    """Delete objects, and return the result of each key."""
    # In ASCII: httpx does not send lone surrogates.
    headers = {"Content-Type": "application/json", **options.pop("headers", {})}
    content = json.dumps({"keys": keys})
    answer = await client.post("/v1/objects/delete", content=content, headers=headers, **options)
    assert answer.status_code == 200, answer.text
    results: list[dict[str, Any]] = answer.json()["results"]
    assert [one["key"] for one in results] == list(keys)
    return results


async def test_objects_of_any_name_are_deleted_together(
    api: httpx.AsyncClient, user: str, s3: S3Server
) -> None:
    """Exactly those that are named, not those that a careless parser would read."""
    keys = [f"uploads/{user}/{name}" for name in NAMES]
    kept = {f"uploads/{user}/{name}" for name in ("padded", "line end", "&<Key>", "plain.txt.not")}
    async with s3.client() as admin:
        for key in [*keys, *kept]:
            await admin.put_object(Bucket=s3.bucket, Key=key, Body=b"x")
    results = await deleted(api, *keys, keys[0], f"uploads/{user}/never-was")
    assert [one for one in results if "problem" in one] == []
    listed = (await api.get("/v1/objects")).json()["objects"]
    assert {one["key"] for one in listed} == kept


async def test_more_than_one_call_holds(api: httpx.AsyncClient, user: str, s3: S3Server) -> None:
    """As many keys as a request may have; most of them name nothing."""
    keys = [f"uploads/{user}/{number}" for number in range(1000)]
    there = keys[::97]
    async with s3.client() as admin:
        for key in there:
            await admin.put_object(Bucket=s3.bucket, Key=key, Body=b"x")
    assert all(one.keys() == {"key"} for one in await deleted(api, *keys))
    assert (await api.get("/v1/objects")).json()["objects"] == []
    for wrong in ([], [*keys, "one more"]):
        answer = await api.post("/v1/objects/delete", json={"keys": wrong})
        assert_problem(answer, "validation_error", "keys")


async def test_each_key_has_the_rule_of_the_single_delete(
    api: httpx.AsyncClient, http: httpx.AsyncClient, user: str
) -> None:
    """Another user's, one that never was, a malformed one: the same problem either way."""
    own = await stored(api, http, b"mine")
    stranger = authorization(f"user-{uuid4().hex}")
    wrong = [
        own,
        f"uploads/{user}",
        "elsewhere/x",
        f"uploads/{user}/../x",
        "",
        "\ud800",
        f"uploads/{user}/\0",
    ]
    results = await deleted(api, *wrong, headers=stranger)
    for key, result in zip(wrong, results, strict=True):
        # A URL cannot hold a lone surrogate.
        if key != "\ud800":
            single = await api.delete("/v1/object", params={"key": key}, headers=stranger)
            assert result["problem"] == single.json()
        assert result["problem"]["code"] in {"not_found", "invalid_key"}
    assert (await api.get("/v1/object", params={"key": own})).status_code == 200
    mixed = await deleted(api, wrong[1], own, wrong[3])
    assert ["problem" in one for one in mixed] == [True, False, True]
    assert (await api.get("/v1/object", params={"key": own})).status_code == 404


async def test_who_may_not_delete_deletes_nothing(
    seaweedfs: S3Server, http: httpx.AsyncClient, user: str
) -> None:
    """Where deleting is off, for an upload token, and for a key that is limited to policies."""
    auth = {"jwt": {"secret": JWT_SECRET}, "api_keys": KEYS}
    async with service_client(settings_for(seaweedfs, auth=auth), user=user) as off:
        key = await stored(off, http, b"kept")
        assert_problem(await off.post("/v1/objects/delete", json={"keys": [key]}), "forbidden")
    settings = settings_for(seaweedfs, auth=auth, objects={"delete": True})
    async with service_client(settings, user=user) as client:
        token = await issued(client, authorization(user))
        narrow = {"X-API-Key": NARROW, "X-On-Behalf-Of": user}
        for headers in (bearer(token), narrow):
            answer = await send_bare(
                client, "POST", "/v1/objects/delete", json={"keys": [key]}, headers=headers
            )
            assert_problem(answer, "forbidden")
        assert_problem(
            await send_bare(client, "POST", "/v1/objects/delete", json={"keys": [key]}), "unauthenticated"
        )
        assert (await client.get("/v1/object", params={"key": key})).status_code == 200


@pytest.fixture
async def support(seaweedfs: S3Server) -> AsyncIterator[httpx.AsyncClient]:
    """Call a service of its own prefix, as nobody."""
    settings = settings_for(
        seaweedfs,
        auth={"jwt": {"secret": JWT_SECRET}, "api_keys": KEYS},
        key_prefix=f"all-{uuid4().hex}",
        objects={"delete": True},
    )
    async with service_client(settings, user=None) as client:
        yield client


async def all_objects(client: httpx.AsyncClient, **query: Any) -> list[tuple[str, str]]:  # noqa: ANN401 - of a query
    """Return user and key of each object, page by page."""
    found, cursor = [], None
    while True:
        params = {**query, **({"cursor": cursor} if cursor else {})}
        answer = await client.get("/v1/objects/all", params=params, headers={"X-API-Key": SUPPORT})
        assert answer.status_code == 200, answer.text
        found += [(one["user"], one["key"]) for one in answer.json()["objects"]]
        cursor = answer.json()["cursor"]
        if cursor is None:
            return found


async def test_a_support_tool_sees_all_users(support: httpx.AsyncClient, http: httpx.AsyncClient) -> None:
    """By pages and by a prefix, each object with its user, also one whose name is encoded."""
    users = ["ann", "anna", "bob@example.com", "zoë/x"]
    keys = {}
    for user in users:
        support.headers.update(authorization(user))
        keys[user] = [await stored(support, http, b"x") for _ in range(2)]
    del support.headers["authorization"]
    everything = sorted(((user, key) for user in users for key in keys[user]), key=lambda one: one[1])
    for limit in (1, 3, 100):
        assert await all_objects(support, limit=limit) == everything
    assert [user for user, _ in await all_objects(support, prefix="ann")] == ["ann", "ann", "anna", "anna"]
    assert [user for user, _ in await all_objects(support, prefix="ann/")] == ["ann", "ann"]
    # With the user's name it can do the rest.
    user, key = everything[-1]
    named = {"X-API-Key": SUPPORT, "X-On-Behalf-Of": "zo%C3%AB%2Fx"}
    assert (await support.get("/v1/object", params={"key": key}, headers=named)).json()["key"] == key
    assert user == "zoë/x"


async def test_nobody_else_sees_all_users(support: httpx.AsyncClient) -> None:
    """Not users, upload tokens, other API keys, nor this one on behalf of a user."""
    token = await issued(support, authorization("ann"))
    refused = [
        authorization("ann"),
        bearer(token),
        {"X-API-Key": BACKEND},
        {"X-API-Key": NARROW},
        {"X-API-Key": SUPPORT, "X-On-Behalf-Of": "ann"},
    ]
    for headers in refused:
        assert_problem(await support.get("/v1/objects/all", headers=headers), "forbidden")
    assert_problem(await support.get("/v1/objects/all"), "unauthenticated")
    for prefix in ("../", "..", "a/../../b", "\0"):
        answer = await support.get(
            "/v1/objects/all", params={"prefix": prefix}, headers={"X-API-Key": SUPPORT}
        )
        if prefix == "..":
            assert answer.json()["objects"] == []
        else:
            assert_problem(answer, "invalid_key", "prefix")


async def test_objects_of_no_user_are_left_out(
    support: httpx.AsyncClient, http: httpx.AsyncClient, seaweedfs: S3Server
) -> None:
    """What others put beside the users' prefixes; a page of nothing else still leads on."""
    support.headers.update(authorization("zoe"))
    key = await stored(support, http, b"x")
    del support.headers["authorization"]
    prefix = key.partition("/")[0]
    async with seaweedfs.client() as admin:
        for name in ("README", "=zz/x", "a%2Fb/x"):
            await admin.put_object(Bucket=seaweedfs.bucket, Key=f"{prefix}/{name}", Body=b"x")
    assert await all_objects(support, limit=1) == [("zoe", key)]

"""Better Upload's wire format: what its client is answered, and what it is refused."""

import json
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any, Final

import httpx
import pytest
from fastapi import FastAPI
from tests.support.api import AUTH, NARROW_API_KEY, query, s3_that_is_down, send_bare
from tests.support.better_upload import FILM, NOTE, TYPES, assert_refused, begun, granted, offer, path_of
from tests.support.servers import S3Server
from tests.support.service import BASE_URL, authorization, service_client, settings_for

from uploadsvc.api.integrations.better_upload.routes import BetterUploadRoute
from uploadsvc.api.problems import STATUS_TITLES, Problem, domain_problem
from uploadsvc.app import create_router
from uploadsvc.domain import errors
from uploadsvc.domain.parts import MIB
from uploadsvc.domain.principal import Principal
from uploadsvc.settings import Settings

POLICIES: Final[dict[str, Any]] = {
    "default": {"part_size": "5MiB", "multipart_threshold": "6MiB", "max_size": "5TiB"},
    "small": {"content_types": ["image/*"], "max_size": 10, "min_size": 2},
    "noted": {
        "cache_control": "max-age=60",
        "content_disposition": "inline",
        "storage_class": "STANDARD_IA",
        "tags": {"a": "b"},
        "metadata": {"album": None, "source": "web"},
        "key": "{filename}",
        "expires_in": 60,
        "max_expires_in": 600,
        "multipart_threshold": 100,
    },
    "parts": {"methods": ["multipart"], "part_size": "5MiB"},
    "puts": {"methods": ["put"]},
    "forms": {"methods": ["post"]},
    "sure": {"checksum": "required"},
    "replaced": {"key": "{filename}", "overwrite": True},
}


@pytest.fixture(scope="module")
async def local() -> AsyncIterator[httpx.AsyncClient]:
    """Run the app with an S3 that is down: signing is local."""
    async with service_client(settings_for(s3_that_is_down(), auth=AUTH, policies=POLICIES)) as client:
        yield client


@pytest.fixture(scope="module")
async def api(_moto: S3Server) -> AsyncIterator[httpx.AsyncClient]:
    """Run the app over moto."""
    server = replace(_moto, bucket=await _moto.create_bucket())
    async with service_client(settings_for(server, auth=AUTH, policies=POLICIES)) as client:
        yield client


async def unfinished(api: httpx.AsyncClient) -> list[str]:
    """Return the keys of the uploads that S3 holds unfinished."""
    return [one["key"] for one in (await api.get("/v1/uploads")).json()["uploads"]]


async def test_one_file_goes_by_one_put(local: httpx.AsyncClient) -> None:
    """The whole answer; what the client sends by itself is not among the headers."""
    answer = await granted(local, NOTE, metadata={"any": "thing"})
    (one,) = answer["files"]
    url, key = one["signedUrl"], one["file"]["objectInfo"]["key"]
    (upload_id,) = answer["metadata"]["ids"].values()
    assert answer == {
        "files": [
            {
                "signedUrl": url,
                "file": {**NOTE, "objectInfo": {"key": key, "metadata": {}}},
                "headers": {"If-None-Match": "*"},
            }
        ],
        "metadata": {"ids": {key: upload_id}},
    }
    assert key.startswith("uploads/alice/")
    assert query(url)["X-Amz-SignedHeaders"] == "content-length;content-type;host;if-none-match"
    assert query(url)["X-Amz-Expires"] == "900"


async def test_all_that_a_policy_adds_comes_by_one_way(local: httpx.AsyncClient) -> None:
    """Cache control and metadata by the object's facts, the rest as headers: together what is signed."""
    metadata = {"album": "naïve", "source": "mine", "secret": "x", "size": 5}
    (one,) = (await granted(local, NOTE, route="noted", metadata=metadata))["files"]
    info = one["file"]["objectInfo"]
    assert info["key"] == "uploads/alice/note.txt"
    assert info["cacheControl"] == "max-age=60"
    mark = info["metadata"].pop("uploadsvc-upload")
    assert mark
    assert info["metadata"] == {"album": "na%C3%AFve", "source": "web"}
    assert one["headers"] == {
        "Content-Disposition": 'inline; filename="note.txt"',
        "If-None-Match": "*",
        "x-amz-storage-class": "STANDARD_IA",
        "x-amz-tagging": "a=b",
    }
    sent = {"Host", "Content-Length", "Content-Type", "Cache-Control", *one["headers"]}
    sent |= {f"x-amz-meta-{name}" for name in (*info["metadata"], "uploadsvc-upload")}
    assert query(one["signedUrl"])["X-Amz-SignedHeaders"] == ";".join(sorted(name.lower() for name in sent))


@pytest.mark.parametrize("metadata", [None, "text", 5, [], {"album": 5}, {"Album": "x"}, {"album": None}])
async def test_metadata_of_any_shape_is_taken(local: httpx.AsyncClient, metadata: object) -> None:
    """What the policy does not list, or is no text, is dropped."""
    (one,) = (await granted(local, NOTE, route="noted", metadata=metadata))["files"]
    assert "album" not in one["file"]["objectInfo"]["metadata"]


async def test_urls_live_long_enough_for_the_last_file(local: httpx.AsyncClient) -> None:
    """One file has the policy's usual time; of several, the last is sent when the others are."""
    one = await granted(local, NOTE, route="noted")
    several = await granted(local, NOTE, {**NOTE, "size": 5}, route="noted")
    expected = {"60": one, "600": several}
    for seconds, answer in expected.items():
        assert {query(file["signedUrl"])["X-Amz-Expires"] for file in answer["files"]} == {seconds}


@pytest.mark.parametrize(
    ("type_", "signed"),
    [("", False), ("text/plain;charset=utf-8", True), ("Text/Plain", True), (" text/plain ", True)],
)
async def test_a_type_is_signed_as_it_is_sent(local: httpx.AsyncClient, type_: str, signed: bool) -> None:  # noqa: FBT001 - a parameter of the test
    """Its spelling is the client's, and comes back so; an empty one is not signed."""
    (one,) = (await granted(local, {**NOTE, "type": type_}))["files"]
    assert one["file"]["type"] == type_
    names = query(one["signedUrl"])["X-Amz-SignedHeaders"].split(";")
    assert ("content-type" in names) == signed


async def test_a_large_file_goes_in_parts(api: httpx.AsyncClient) -> None:
    """The whole answer: every part is signed for its size, and lives as long as the policy lets it."""
    answer = await granted(api, FILM)
    (one,) = answer["multipart"]["files"]
    key = one["file"]["objectInfo"]["key"]
    (mark,) = one["file"]["objectInfo"]["metadata"].values()
    complete, abort = one["completeSignedUrl"], one["abortSignedUrl"]
    urls = [part["signedUrl"] for part in one["parts"]]
    (upload_id,) = answer["metadata"]["ids"].values()
    sizes = [5 * MIB, 5 * MIB, MIB]
    assert answer == {
        "multipart": {
            "files": [
                {
                    "file": {**FILM, "objectInfo": {"key": key, "metadata": {"uploadsvc-upload": mark}}},
                    "parts": [
                        {"signedUrl": url, "partNumber": number, "size": size}
                        for number, (url, size) in enumerate(zip(urls, sizes, strict=True), 1)
                    ],
                    "uploadId": upload_id,
                    "completeSignedUrl": complete,
                    "abortSignedUrl": abort,
                }
            ],
            "partSize": 5 * MIB,
        },
        "metadata": {"ids": {key: upload_id}},
    }
    assert complete.startswith(f"{BASE_URL}/better-upload/complete/")
    assert abort.startswith(f"{BASE_URL}/better-upload/abort/")
    for number, url in enumerate(urls, 1):
        asked = query(url)
        assert asked["partNumber"] == str(number)
        assert asked["X-Amz-SignedHeaders"] == "content-length;host"
        assert asked["X-Amz-Expires"] == "3600"


async def test_all_parts_of_a_huge_file_are_signed(api: httpx.AsyncClient) -> None:
    """The client cannot ask for more of them; all end together."""
    size = 5 * MIB * 2500 + 1
    one = await begun(api, {**FILM, "size": size})
    assert [part["partNumber"] for part in one["parts"]] == list(range(1, 2502))
    assert sum(part["size"] for part in one["parts"]) == size
    for number in (1, 100, 101, 1100, 1101, 2501):
        asked = query(one["parts"][number - 1]["signedUrl"])
        assert asked["partNumber"] == str(number)
        assert asked["X-Amz-Expires"] in {"3600", "3599"}


async def test_files_in_parts_have_one_part_size(api: httpx.AsyncClient) -> None:
    """The client cuts all by one: large enough for all together, also for those that are small or empty."""
    sizes = [5 * MIB * 9_998, 5 * MIB, 3, 0]
    files = [{**FILM, "name": f"{size}.mp4", "size": size} for size in sizes]
    answer = await granted(api, *files)
    assert answer["multipart"]["partSize"] == 10 * MIB
    for file, size in zip(answer["multipart"]["files"], sizes, strict=True):
        assert sum(part["size"] for part in file["parts"]) == size
        assert all(part["size"] == 10 * MIB for part in file["parts"][:-1])
    assert [len(file["parts"]) for file in answer["multipart"]["files"]] == [4999, 1, 1, 1]


@pytest.mark.parametrize(
    ("route", "size", "in_parts"),
    [
        ("default", 6 * MIB, False),
        ("default", 6 * MIB + 1, True),
        ("parts", 1, True),
        ("puts", 99 * MIB, False),
    ],
)
async def test_the_policy_says_what_goes_in_parts(
    api: httpx.AsyncClient,
    route: str,
    size: int,
    in_parts: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    """What is above its threshold, and all of it where it has no PUT."""
    answer = await granted(api, {**FILM, "size": size}, route=route)
    assert ("multipart" in answer) == in_parts


@pytest.mark.parametrize(
    ("route", "file", "code", "type_"),
    [
        ("small", {"size": 11}, "file_too_large", "file_too_large"),
        ("small", {"size": 1}, "file_too_small", "invalid_request"),
        ("small", {"type": "text/plain"}, "content_type_not_allowed", "invalid_file_type"),
        ("small", {"type": "image/svg+xml"}, "content_type_not_allowed", "invalid_file_type"),
        ("small", {"type": "nonsense"}, "validation_error", "invalid_request"),
        ("default", {"type": "text/html"}, "content_type_not_allowed", "invalid_file_type"),
        ("default", {"size": 6 * 1024**4}, "file_too_large", "file_too_large"),
        ("sure", {}, "checksum_required", "invalid_request"),
        ("forms", {}, "method_not_available", "invalid_request"),
        ("puts", {"size": 5 * 1024**3 + 1}, "file_too_large", "file_too_large"),
    ],
)
async def test_a_policy_refuses_as_it_does_everywhere(
    local: httpx.AsyncClient, route: str, file: dict[str, Any], code: str, type_: str
) -> None:
    """In the same words, with the same status: in this client's shape, and by the file's name."""
    asked = {"name": "photo.png", "size": 5, "type": "image/png", **file}
    names = {"filename": asked["name"], "content_type": asked["type"], "size": asked["size"]}
    method = "auto" if asked["size"] > 6 * MIB else "put"
    plain = (await local.post("/v1/uploads", json={**names, "policy": route, "method": method})).json()
    assert plain["code"] == code
    for files in ([asked], [{**asked, "name": "a.png", "size": 5, "type": "image/png"}, asked]):
        if len(files) > 1 and route in {"sure", "forms"}:
            continue  # there the first is refused already
        answer = await offer(local, *files, route=route)
        assert_refused(answer, type_, STATUS_TITLES[code][0], f"photo.png: {plain['detail']}")


async def test_a_file_without_a_type_needs_a_policy_for_all(local: httpx.AsyncClient) -> None:
    """What its name stands for is not what the client sends."""
    message = "a.png: The browser knows no type for this file; policy 'small' allows image/*."
    answer = await offer(local, {"name": "a.png", "size": 5, "type": ""}, route="small")
    assert_refused(answer, "invalid_file_type", 415, message)


async def test_who_may_not_is_rejected(local: httpx.AsyncClient) -> None:
    """Nobody, a policy that there is not, and one that the credential does not reach."""
    bare = await send_bare(local, "POST", "/better-upload", json={"route": "default", "files": [NOTE]})
    assert_refused(bare, "rejected", 401)
    assert bare.headers["www-authenticate"] == "Bearer"
    assert_refused(await offer(local, NOTE, route="none"), "rejected", 404)
    narrow = {"X-API-Key": NARROW_API_KEY, "X-On-Behalf-Of": "alice", "Content-Type": "application/json"}
    body = json.dumps({"route": "default", "files": [NOTE]})
    answer = await send_bare(local, "POST", "/better-upload", content=body, headers=narrow)
    message = "This credential may not use policy 'default'."
    assert_refused(answer, "rejected", 403, message)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({}, "route: It has to be given."),
        ({"route": "default"}, "files: It has to be given."),
        ({"route": "default", "files": []}, None),
        ({"route": 5, "files": [NOTE]}, None),
        ({"route": "default", "files": [{**NOTE, "size": -1}]}, None),
        ({"route": "default", "files": [{**NOTE, "size": 1.5}]}, None),
        ({"route": "default", "files": [{**NOTE, "size": "4"}]}, None),
        ({"route": "default", "files": [{**NOTE, "name": ""}]}, None),
        ({"route": "default", "files": [{"name": "a", "size": 1}]}, "files.0.type: It has to be given."),
    ],
)
async def test_what_is_malformed_is_named(
    local: httpx.AsyncClient, body: dict[str, Any], message: str | None
) -> None:
    """By the field, in one line."""
    assert_refused(await local.post("/better-upload", json=body), "invalid_request", 422, message)


async def test_more_than_a_client_needs_is_no_reason(local: httpx.AsyncClient) -> None:
    """Fields of a later release, and ours that it does not know, are let through."""
    await granted(local, {**NOTE, "lastModified": 5}, more={"a": 1})


async def test_a_long_body_is_refused(local: httpx.AsyncClient) -> None:
    """As everywhere, in this client's shape."""
    answer = await offer(local, {**NOTE, "name": "x" * 2_000_000})
    assert_refused(answer, "invalid_request", 413)
    answer = await local.post(
        "/better-upload", content=b'"\xff"', headers={"content-type": "application/json"}
    )
    assert_refused(answer, "invalid_request", 422)


async def test_a_hundred_files_at_once_and_no_more(local: httpx.AsyncClient) -> None:
    """Nor more parts than one upload can have."""
    files = [{**NOTE, "name": f"{number}.txt"} for number in range(101)]
    assert len((await granted(local, *files[:100]))["files"]) == 100
    message = "These are 101 files; ask for at most 100 at once."
    assert_refused(await offer(local, *files), "too_many_files", 422, message)
    large = [{**file, "size": 5 * 1024**4} for file in files[:10]]
    message = "These files have over 10000 parts together; ask for fewer at once."
    assert_refused(await offer(local, *large), "too_many_files", 422, message)


async def test_files_that_the_client_cannot_tell_apart_are_refused(local: httpx.AsyncClient) -> None:
    """It would send the second to the address of the first. One that differs in anything is another."""
    other = [{**NOTE, "name": "n.txt"}, {**NOTE, "size": 5}, {**NOTE, "type": "text/csv"}]
    assert len((await granted(local, NOTE, *other))["files"]) == 4
    told = assert_refused(await offer(local, NOTE, *other, NOTE), "invalid_request", 422)
    assert told.startswith("note.txt: ")


async def test_a_name_in_a_message_is_one_line(local: httpx.AsyncClient) -> None:
    """Whatever it is made of, and however long."""
    for name, shown in (("a\nb\u2028é", r"a\nb\u2028\xe9"), ("x" * 5000, "x" * 200)):
        for type_ in ("text/plain", ""):
            answer = await offer(local, {"name": name, "size": 5, "type": type_}, route="small")
            assert assert_refused(answer, "invalid_file_type", 415).startswith(f"{shown}: ")


async def test_nothing_is_begun_where_one_is_refused(api: httpx.AsyncClient) -> None:
    """Whatever its place among those that would go in parts."""
    before = await unfinished(api)
    wrong = {"name": "page.html", "size": 1, "type": "text/html"}
    for files in ([wrong, FILM], [FILM, wrong], [FILM, {**FILM, "size": 6 * 1024**4}]):
        assert (await offer(api, *files)).status_code >= 400
    assert_refused(await offer(api, FILM, headers={"Host": "no host"}), "invalid_request", 422)
    assert await unfinished(api) == before


async def test_with_s3_down_parts_are_refused_in_time(local: httpx.AsyncClient) -> None:
    """And a client is told when to come back."""
    answer = await offer(local, FILM, {**FILM, "size": 12 * MIB})
    assert_refused(answer, "invalid_request", 503)
    assert answer.headers["retry-after"] == "2"


def test_every_problem_has_the_clients_shape() -> None:
    """Each code of the contract is of a type that the client lists, with its own status and words."""
    route = BetterUploadRoute("/x", lambda: None)
    kinds = [kind for kind in _subclasses(errors.UploadsvcError) if "code" in vars(kind)]
    assert len(kinds) > 20
    problems = [domain_problem(kind("A reason.")) for kind in kinds]
    problems += [Problem(code, "A reason.") for code in STATUS_TITLES]
    for problem in problems:
        code = problem.code
        answer = route.render(problem)
        assert answer.status_code == STATUS_TITLES[code][0]
        error = json.loads(bytes(answer.body))["error"]
        assert error["message"] == "A reason."
        assert error["type"] in TYPES
        refused = code in {"unauthenticated", "forbidden", "not_found", "policy_not_found"}
        assert (error["type"] == "rejected") == refused
        for header in ("Retry-After", "WWW-Authenticate"):
            assert answer.headers.get(header) == problem.headers.get(header)


def _subclasses(kind: type[errors.UploadsvcError]) -> list[type[errors.UploadsvcError]]:
    return [one for child in kind.__subclasses__() for one in (child, *_subclasses(child))]


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("uploads.example.com", "http://uploads.example.com"),
        ("127.0.0.1:8000", "http://127.0.0.1:8000"),
        ("[::1]:8000", "http://[::1]:8000"),
    ],
)
async def test_addresses_are_those_by_which_the_caller_came(
    api: httpx.AsyncClient, host: str, expected: str
) -> None:
    """Scheme, host, port and path as the request named them."""
    one = await begun(api, headers={"Host": host})
    assert one["completeSignedUrl"].startswith(f"{expected}/better-upload/complete/")
    assert one["abortSignedUrl"].startswith(f"{expected}/better-upload/abort/")


@pytest.mark.parametrize(
    "host",
    ["", "a b", "a/b", "a@b", "a?b", "a#b", "a:b", "a:99999", "a:0", "[::1", "é", "a\\b", "a,b", "a:80:80"],
)
async def test_a_host_that_is_none_is_refused(api: httpx.AsyncClient, host: str) -> None:
    """No address is made of it."""
    answer = await api.post(
        "/better-upload",
        json={"route": "default", "files": [FILM]},
        headers=[(b"Host", host.encode()), *[(k.encode(), v.encode()) for k, v in authorization().items()]],
    )
    assert_refused(answer, "invalid_request", 422)


async def test_the_operator_may_name_the_address(moto_server: S3Server) -> None:
    """Then the request's own does not matter."""
    for public_url in ("https://uploads.example.com", "https://example.com/files/"):
        given = settings_for(moto_server, policies=POLICIES, public_url=public_url)
        async with service_client(given) as client:
            one = await begun(client, headers={"Host": "no host"})
        base = public_url.rstrip("/")
        assert one["completeSignedUrl"].startswith(f"{base}/better-upload/complete/")
        assert one["abortSignedUrl"].startswith(f"{base}/better-upload/abort/")


async def test_mounted_routes_know_their_place(moto_server: S3Server) -> None:
    """Under a prefix, two beside each other, in a mounted app, and below the server's own root path."""
    settings = Settings.model_validate(settings_for(moto_server, auth={"jwt": {}}, policies=POLICIES))
    inner, app = FastAPI(), FastAPI()
    app.include_router(create_router(settings, authenticate=lambda: Principal(user="pat")), prefix="/files")
    app.include_router(create_router(settings, authenticate=lambda: Principal(user="zoe")), prefix="/a b")
    inner.include_router(create_router(settings, authenticate=lambda: Principal(user="ann")), prefix="/in")
    app.mount("/sub", inner)
    async with app.router.lifespan_context(app), inner.router.lifespan_context(inner):
        for path in ("/files", "/a%20b", "/sub/in"):
            await _works_at(app, path, path)
        # Some servers leave their own prefix in the path that they tell of, as ASGI wants it, some do not.
        await _works_at(app, "/files", "/api/files", root_path="/api")
        await _works_at(app, "/api/files", "/api/files", root_path="/api")


async def _works_at(app: FastAPI, path: str, expected: str, *, root_path: str = "") -> None:
    transport = httpx.ASGITransport(app, root_path=root_path)
    async with httpx.AsyncClient(transport=transport, base_url=BASE_URL + path, trust_env=False) as client:
        one = await begun(client)
        assert one["abortSignedUrl"].startswith(f"{BASE_URL}{expected}/better-upload/abort/")
        address = path_of(one["abortSignedUrl"]).removeprefix(expected)
        assert (await client.delete(address)).status_code == 204

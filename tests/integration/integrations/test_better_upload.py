"""Better Upload's protocol: responses and refusals."""

import json
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any, Final

import httpx
import pytest
from fastapi import FastAPI
from tests.support.api import ARGUMENTS, AUTH, NARROW_API_KEY, query, s3_that_is_down, send_bare
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
    "replaced": {"key": "replaced/{filename}", "overwrite": True},
}


@pytest.fixture(scope="module")
async def local() -> AsyncIterator[httpx.AsyncClient]:
    """Serve an app whose S3 is down. Signing needs no S3."""
    async with service_client(settings_for(s3_that_is_down(), auth=AUTH, policies=POLICIES)) as client:
        yield client


@pytest.fixture(scope="module")
async def api(_moto: S3Server) -> AsyncIterator[httpx.AsyncClient]:
    """Serve an app over moto."""
    server = replace(_moto, bucket=await _moto.create_bucket())
    async with service_client(settings_for(server, auth=AUTH, policies=POLICIES)) as client:
        yield client


async def unfinished(api: httpx.AsyncClient) -> list[str]:
    """Return the keys of unfinished uploads in S3."""
    return [one["key"] for one in (await api.get("/v1/uploads")).json()["uploads"]]


async def test_one_file_is_sent_by_one_put(local: httpx.AsyncClient) -> None:
    """The headers leave out what the client sends itself."""
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


async def test_every_signed_header_comes_by_exactly_one_way(local: httpx.AsyncClient) -> None:
    """Cache control and metadata in `objectInfo`, the others as headers."""
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
async def test_metadata_of_any_shape_is_accepted(local: httpx.AsyncClient, metadata: object) -> None:
    """Names outside the policy and values other than text are dropped."""
    (one,) = (await granted(local, NOTE, route="noted", metadata=metadata))["files"]
    assert "album" not in one["file"]["objectInfo"]["metadata"]


async def test_urls_live_long_enough_for_the_last_file(local: httpx.AsyncClient) -> None:
    """Several files are sent one after the other, so their URLs have the policy's maximum lifetime."""
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
    """In the client's spelling. An empty type is not signed."""
    (one,) = (await granted(local, {**NOTE, "type": type_}))["files"]
    assert one["file"]["type"] == type_
    names = query(one["signedUrl"])["X-Amz-SignedHeaders"].split(";")
    assert ("content-type" in names) == signed


async def test_a_large_file_is_sent_in_parts(api: httpx.AsyncClient) -> None:
    """Each part is signed for its size, with the policy's maximum lifetime."""
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
    """The client cannot ask for more, so all are signed with the same end."""
    size = 5 * MIB * 2500 + 1
    one = await begun(api, {**FILM, "size": size})
    assert [part["partNumber"] for part in one["parts"]] == list(range(1, 2502))
    assert sum(part["size"] for part in one["parts"]) == size
    for number in (1, 100, 101, 1100, 1101, 2501):
        asked = query(one["parts"][number - 1]["signedUrl"])
        assert asked["partNumber"] == str(number)
        assert asked["X-Amz-Expires"] in {"3600", "3599"}


async def test_multipart_files_share_one_part_size(api: httpx.AsyncClient) -> None:
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
async def test_the_policy_decides_what_is_sent_in_parts(
    api: httpx.AsyncClient,
    route: str,
    size: int,
    in_parts: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    """Files above its threshold, or all files if it has no PUT."""
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
async def test_refusals_have_the_clients_format(
    local: httpx.AsyncClient, route: str, file: dict[str, Any], code: str, type_: str
) -> None:
    """With the status and words of `/v1`, and the name of the file."""
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


async def test_a_file_without_a_type_needs_a_policy_for_all_types(local: httpx.AsyncClient) -> None:
    """The client sends no type, whatever the filename stands for."""
    message = "a.png: The browser knows no type for this file; policy 'small' allows image/*."
    answer = await offer(local, {"name": "a.png", "size": 5, "type": ""}, route="small")
    assert_refused(answer, "invalid_file_type", 415, message)


async def test_unauthorized_callers_are_rejected(local: httpx.AsyncClient) -> None:
    """Without a credential, for an unknown policy, or for one outside the credential."""
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
async def test_malformed_fields_are_named(
    local: httpx.AsyncClient, body: dict[str, Any], message: str | None
) -> None:
    assert_refused(await local.post("/better-upload", json=body), "invalid_request", 422, message)


async def test_unknown_fields_are_ignored(local: httpx.AsyncClient) -> None:
    """Later releases of the client may send more."""
    await granted(local, {**NOTE, "lastModified": 5}, more={"a": 1})


async def test_a_long_body_is_refused(local: httpx.AsyncClient) -> None:
    answer = await offer(local, {**NOTE, "name": "x" * 2_000_000})
    assert_refused(answer, "invalid_request", 413)
    answer = await local.post(
        "/better-upload", content=b'"\xff"', headers={"content-type": "application/json"}
    )
    assert_refused(answer, "invalid_request", 422)


async def test_at_most_a_hundred_files_and_ten_thousand_parts_at_once(local: httpx.AsyncClient) -> None:
    files = [{**NOTE, "name": f"{number}.txt"} for number in range(101)]
    assert len((await granted(local, *files[:100]))["files"]) == 100
    message = "These are 101 files; ask for at most 100 at once."
    assert_refused(await offer(local, *files), "too_many_files", 422, message)
    large = [{**file, "size": 5 * 1024**4} for file in files[:10]]
    message = "These files have over 10000 parts together; ask for fewer at once."
    assert_refused(await offer(local, *large), "too_many_files", 422, message)


async def test_files_that_the_client_cannot_tell_apart_are_refused(local: httpx.AsyncClient) -> None:
    """It would send both to the URL of the first."""
    other = [{**NOTE, "name": "n.txt"}, {**NOTE, "size": 5}, {**NOTE, "type": "text/csv"}]
    assert len((await granted(local, NOTE, *other))["files"]) == 4
    told = assert_refused(await offer(local, NOTE, *other, NOTE), "invalid_request", 422)
    assert told.startswith("note.txt: ")


async def test_filenames_in_messages_are_short_and_on_one_line(local: httpx.AsyncClient) -> None:
    for name, shown in (("a\nb\u2028é", r"a\nb\u2028\xe9"), ("x" * 5000, "x" * 200)):
        for type_ in ("text/plain", ""):
            answer = await offer(local, {"name": name, "size": 5, "type": type_}, route="small")
            assert assert_refused(answer, "invalid_file_type", 415).startswith(f"{shown}: ")


async def test_one_refused_file_leaves_nothing_in_s3(api: httpx.AsyncClient) -> None:
    before = await unfinished(api)
    wrong = {"name": "page.html", "size": 1, "type": "text/html"}
    for files in ([wrong, FILM], [FILM, wrong], [FILM, {**FILM, "size": 6 * 1024**4}]):
        assert (await offer(api, *files)).status_code >= 400
    assert_refused(await offer(api, FILM, headers={"Host": "no host"}), "invalid_request", 422)
    assert await unfinished(api) == before


async def test_with_s3_down_the_client_is_told_when_to_retry(local: httpx.AsyncClient) -> None:
    answer = await offer(local, FILM, {**FILM, "size": 12 * MIB})
    assert_refused(answer, "invalid_request", 503)
    assert answer.headers["retry-after"] == "2"


def test_every_problem_has_the_clients_format() -> None:
    route = BetterUploadRoute("/x", lambda: None)
    kinds = [kind for kind in _subclasses(errors.UploadsvcError) if "code" in vars(kind)]
    assert len(kinds) > 20
    problems = [domain_problem(kind("A reason.", **ARGUMENTS.get(kind.code, {}))) for kind in kinds]
    problems += [Problem(code, "A reason.") for code in STATUS_TITLES]
    for problem in problems:
        code = problem.code
        answer = route.render(problem)
        assert answer.status_code == STATUS_TITLES[code][0]
        error = json.loads(bytes(answer.body))["error"]
        assert error["message"] == "A reason."
        assert error["type"] in TYPES
        codes = {"unauthenticated", "forbidden", "quota_exceeded", "not_found", "policy_not_found"}
        refused = code in codes
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
async def test_action_urls_use_the_requests_own_address(
    api: httpx.AsyncClient, host: str, expected: str
) -> None:
    """Its scheme, host, port and path."""
    one = await begun(api, headers={"Host": host})
    assert one["completeSignedUrl"].startswith(f"{expected}/better-upload/complete/")
    assert one["abortSignedUrl"].startswith(f"{expected}/better-upload/abort/")


@pytest.mark.parametrize(
    "host",
    ["", "a b", "a/b", "a@b", "a?b", "a#b", "a:b", "a:99999", "a:0", "[::1", "é", "a\\b", "a,b", "a:80:80"],
)
async def test_a_malformed_host_is_refused(api: httpx.AsyncClient, host: str) -> None:
    answer = await api.post(
        "/better-upload",
        json={"route": "default", "files": [FILM]},
        headers=[(b"Host", host.encode()), *[(k.encode(), v.encode()) for k, v in authorization().items()]],
    )
    assert_refused(answer, "invalid_request", 422)


async def test_a_public_url_overrides_the_requests_address(moto_server: S3Server) -> None:
    for public_url in ("https://uploads.example.com", "https://example.com/files/"):
        given = settings_for(moto_server, policies=POLICIES, public_url=public_url)
        async with service_client(given) as client:
            one = await begun(client, headers={"Host": "no host"})
        base = public_url.rstrip("/")
        assert one["completeSignedUrl"].startswith(f"{base}/better-upload/complete/")
        assert one["abortSignedUrl"].startswith(f"{base}/better-upload/abort/")


async def test_mounted_routes_know_their_path(moto_server: S3Server) -> None:
    """With a prefix, twice in one app, in a mounted app, and below the server's root path."""
    settings = Settings.model_validate(settings_for(moto_server, auth={"jwt": {}}, policies=POLICIES))
    inner, app = FastAPI(), FastAPI()
    app.include_router(create_router(settings, authenticate=lambda: Principal(user="pat")), prefix="/files")
    app.include_router(create_router(settings, authenticate=lambda: Principal(user="zoe")), prefix="/a b")
    inner.include_router(create_router(settings, authenticate=lambda: Principal(user="ann")), prefix="/in")
    app.mount("/sub", inner)
    async with app.router.lifespan_context(app), inner.router.lifespan_context(inner):
        for path in ("/files", "/a%20b", "/sub/in"):
            await _works_at(app, path, path)
        # ASGI wants servers to leave their root path in the path, but not all do.
        await _works_at(app, "/files", "/api/files", root_path="/api")
        await _works_at(app, "/api/files", "/api/files", root_path="/api")


async def _works_at(app: FastAPI, path: str, expected: str, *, root_path: str = "") -> None:
    transport = httpx.ASGITransport(app, root_path=root_path)
    async with httpx.AsyncClient(transport=transport, base_url=BASE_URL + path, trust_env=False) as client:
        one = await begun(client)
        assert one["abortSignedUrl"].startswith(f"{BASE_URL}{expected}/better-upload/abort/")
        address = path_of(one["abortSignedUrl"]).removeprefix(expected)
        assert (await client.delete(address)).status_code == 204

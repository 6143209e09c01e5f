"""Multipart uploads over HTTP, with mistaken and hostile requests."""

import base64
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Final

import httpx
import pytest
from tests.support.api import AUTH, NARROW_API_KEY, assert_problem, created, query
from tests.support.servers import S3Server
from tests.support.service import authorization, service_client, settings_for, token_for

from uploadsvc.bootstrap.services import utc_now
from uploadsvc.domain.parts import MIB

POLICIES: Final[dict[str, Any]] = {
    "default": {"part_size": "5MiB", "max_size": "5TiB"},
    "small": {"part_size": "5MiB"},
    "fixed": {"key": "avatar", "part_size": "5MiB"},
    "brief": {"multipart_expires_in": 60, "expires_in": 900},
    "keyed": {"client_keys": True},
    "off": {"checksum": "off"},
    "sure": {"checksum": "required"},
}
FILM: Final = {"size": 11 * MIB, "method": "multipart"}
NOTE: Final = {"size": 4, "method": "multipart", "filename": "note.txt"}


@asynccontextmanager
async def running(server: S3Server) -> AsyncIterator[httpx.AsyncClient]:
    """Serve an app whose S3 supports every checksum."""
    settings = settings_for(server, auth=AUTH, policies=POLICIES, s3={"provider": "aws"})
    async with service_client(settings) as client:
        yield client


@pytest.fixture
async def api(moto_server: S3Server) -> AsyncIterator[httpx.AsyncClient]:
    """Serve an app over a bucket for one test."""
    async with running(moto_server) as client:
        yield client


@pytest.fixture(scope="module")
async def shared(_moto: S3Server) -> AsyncIterator[httpx.AsyncClient]:
    """Serve an app for all tests whose requests are refused."""
    async with running(replace(_moto, bucket=await _moto.create_bucket())) as client:
        yield client


async def begin(api: httpx.AsyncClient, **fields: object) -> dict[str, Any]:
    """Create a multipart upload, of 11 MiB by default. Its ``path`` is that of the upload."""
    upload = created(await api.post("/v1/uploads", json={**FILM, **fields}))
    assert upload["method"] == "multipart"
    return {**upload, "path": f"/v1/uploads/{upload['id']}"}


async def send(upload: dict[str, Any], content: bytes = b"note") -> str:
    """Send the first part; return its ETag."""
    async with httpx.AsyncClient(trust_env=False) as s3:
        (part, *_) = upload["parts"]
        answer = await s3.put(part["url"], content=content, headers=part["headers"])
        return answer.raise_for_status().headers["etag"].strip('"')


def as_cursor(value: object) -> str:
    """Encode JSON as a cursor."""
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


async def test_the_first_hundred_parts_are_signed_and_the_rest_on_demand(api: httpx.AsyncClient) -> None:
    """Up to a thousand per request."""
    upload = await begin(api, size=5000 * MIB + 1)
    assert (upload["part_size"], upload["part_count"]) == (5 * MIB, 1001)
    assert [part["part_number"] for part in upload["parts"]] == list(range(1, 101))
    wanted = list(range(1001, 1, -1))
    answer = (await api.post(f"{upload['path']}/parts", json={"part_numbers": wanted})).json()
    assert [part["part_number"] for part in answer["parts"]] == wanted
    assert [part["size"] for part in answer["parts"]] == [1] + [5 * MIB] * 999
    for part in answer["parts"][:3]:
        asked = query(part["url"])
        assert asked["partNumber"] == str(part["part_number"])
        assert asked["X-Amz-SignedHeaders"] == "content-length;host"


async def test_a_part_asked_for_twice_is_signed_twice(api: httpx.AsyncClient) -> None:
    """Each with the checksum at its own index."""
    upload = await begin(api, checksum={"algorithm": "crc32"})
    assert upload["parts"] == []
    checksums = ["AAAAAA==", "AAAAAQ==", "AAAAAA=="]
    asked = {"part_numbers": [2, 2, 1], "checksums": checksums}
    parts = (await api.post(f"{upload['path']}/parts", json=asked)).json()["parts"]
    assert [part["part_number"] for part in parts] == [2, 2, 1]
    assert [part["headers"] for part in parts] == [{"x-amz-checksum-crc32": value} for value in checksums]


@pytest.mark.parametrize(
    ("algorithm", "asked", "field"),
    [
        (None, {"part_numbers": [4]}, "part_numbers"),
        (None, {"part_numbers": [1, 10_000]}, "part_numbers"),
        (None, {"part_numbers": [10_001]}, "part_numbers.0"),
        (None, {"part_numbers": [-1]}, "part_numbers.0"),
        (None, {"part_numbers": [True]}, "part_numbers.0"),
        (None, {"part_numbers": []}, "part_numbers"),
        (None, {"part_numbers": [1] * 1001}, "part_numbers"),
        (None, {"part_numbers": "1"}, "part_numbers"),
        (None, {}, "part_numbers"),
        (None, {"part_numbers": [1], "upload_id": "x"}, "upload_id"),
        (None, {"part_numbers": [1], "checksums": ["AAAAAA=="]}, "checksums"),
        (None, {"part_numbers": [1], "checksums": []}, "checksums"),
        ("crc32", {"part_numbers": [1]}, "checksums"),
        ("crc32", {"part_numbers": [1], "checksums": None}, "checksums"),
        ("crc32", {"part_numbers": [1], "checksums": []}, "checksums"),
        ("crc32", {"part_numbers": [1, 2], "checksums": ["AAAAAA=="]}, "checksums"),
        ("crc32", {"part_numbers": [1], "checksums": ["AAAAAA==", "AAAAAA=="]}, "checksums"),
        ("crc32", {"part_numbers": [1], "checksums": ["AAAAAB=="]}, "checksums"),
        ("crc32", {"part_numbers": [1], "checksums": ["AAAAAA==\r\nx-evil: 1"]}, "checksums"),
        ("crc32", {"part_numbers": [1], "checksums": ["é"]}, "checksums"),
        ("crc32", {"part_numbers": [1], "checksums": [""]}, "checksums"),
        ("crc32", {"part_numbers": [1], "checksums": [None]}, "checksums.0"),
        ("sha256", {"part_numbers": [1], "checksums": ["AAAAAA=="]}, "checksums"),
        ("sha256", {"part_numbers": [1], "checksums": [f"{'A' * 43}=-1"]}, "checksums"),
    ],
)
async def test_a_refusal_names_the_field(
    shared: httpx.AsyncClient, algorithm: str | None, asked: dict[str, Any], field: str
) -> None:
    upload = await begin(shared, checksum={"algorithm": algorithm} if algorithm else None)
    assert_problem(await shared.post(f"{upload['path']}/parts", json=asked), "validation_error", field)


@pytest.mark.parametrize(
    ("checksum", "policy", "code", "field"),
    [
        ({"algorithm": "crc32", "value": "AAAA"}, "default", "validation_error", "checksum"),
        ({"algorithm": "sha256", "value": f"{'A' * 43}=-3"}, "default", "validation_error", "checksum"),
        ({"algorithm": "md5"}, "default", "validation_error", "checksum.algorithm"),
        ({"algorithm": "crc32"}, "off", "validation_error", "checksum"),
        (None, "sure", "checksum_required", "checksum"),
    ],
)
async def test_an_unusable_checksum_is_refused_at_creation(
    shared: httpx.AsyncClient, checksum: object, policy: str, code: str, field: str
) -> None:
    answer = await shared.post("/v1/uploads", json={**FILM, "checksum": checksum, "policy": policy})
    assert_problem(answer, code, field)


async def test_an_empty_file_is_one_empty_part(api: httpx.AsyncClient) -> None:
    upload = await begin(api, size=0)
    assert [(part["part_number"], part["size"]) for part in upload["parts"]] == [(1, 0)]
    answer = await api.post(f"{upload['path']}/parts", json={"part_numbers": [2]})
    assert_problem(answer, "validation_error", "part_numbers")


@pytest.mark.parametrize(
    ("parts", "code", "field", "words"),
    [
        ([{"part_number": 2, "etag": "x"}], "validation_error", "parts", "no part 2"),
        ([{"part_number": 1, "etag": "x"}], "upload_incomplete", "parts", "were named: 1."),
        ([{"part_number": 1, "etag": ""}], "upload_incomplete", "parts", "were named: 1."),
        ([], "upload_incomplete", "parts", "were named: 1."),
        ([{"part_number": 0, "etag": "x"}], "validation_error", "parts.0.part_number", ""),
        ([{"part_number": 10_001, "etag": "x"}], "validation_error", "parts.0.part_number", ""),
        ([{"part_number": 1}], "validation_error", "parts.0.etag", ""),
        ([{"part_number": 1, "etag": "x", "size": 4}], "validation_error", "parts.0.size", ""),
        ("x", "validation_error", "parts", ""),
    ],
)
async def test_etags_of_the_client_are_compared_with_those_of_s3(
    shared: httpx.AsyncClient, *, parts: object, code: str, field: str, words: str
) -> None:
    """With or without quotes."""
    upload = await begin(shared, **NOTE)
    etag = await send(upload)
    refused = await shared.post(f"{upload['path']}/complete", json={"parts": parts})
    assert_problem(refused, code, field)
    assert words in refused.json()["detail"]
    named = {"parts": [{"part_number": 1, "etag": f'"{etag}"'}]}
    assert (await shared.post(f"{upload['path']}/complete", json=named)).status_code == 200


@pytest.mark.parametrize("body", ["[]", "5", '"text"', '{"part": []}', "{"])
async def test_the_body_of_a_completion_is_optional(shared: httpx.AsyncClient, body: str) -> None:
    upload = await begin(shared, **NOTE)
    headers = {"Content-Type": "application/json"}
    answer = await shared.post(f"{upload['path']}/complete", content=body, headers=headers)
    assert answer.json()["code"] == "validation_error"
    await send(upload)
    for nothing in ("", "null", "{}", '{"parts": null}'):
        answer = await shared.post(f"{upload['path']}/complete", content=nothing, headers=headers)
        assert answer.status_code == 200, answer.text


async def test_ten_thousand_etags_fit_into_a_request(api: httpx.AsyncClient) -> None:
    upload = await begin(api, size=50_000 * MIB)
    assert upload["part_count"] == 10_000
    named = [{"part_number": number, "etag": f'"{"f" * 32}-10000"'} for number in range(1, 10_001)]
    answer = await api.post(f"{upload['path']}/complete", json={"parts": named})
    assert_problem(answer, "upload_incomplete", "parts")
    assert "10000 of 10000 parts have not arrived: 1-10000." in answer.json()["detail"]


@pytest.mark.parametrize(
    "value",
    [
        [],
        {},
        5,
        None,
        "ab",
        ["a"],
        ["a", 5],
        [5, "a"],
        [None, "a"],
        ["a", "b", "c"],
        ["a", ""],
        ["a", "é"],
        ["a", "b\n"],
        ["a\x00", "b"],
        ["\ud800", "b"],
        ["a" * 1024, "b"],
        ["é" * 600, "b"],
        ["a", "b" * 2049],
        [["a"], "b"],
    ],
)
async def test_a_forged_cursor_is_refused_or_lists_the_callers_uploads_only(
    shared: httpx.AsyncClient, value: object
) -> None:
    await begin(shared)
    bob = authorization("bob")
    answer = await shared.get("/v1/uploads", params={"cursor": as_cursor(value)}, headers=bob)
    if answer.status_code == 200:
        assert value == "ab"
        assert answer.json()["uploads"] == []
    else:
        assert_problem(answer, "validation_error", "cursor")


@pytest.mark.parametrize("cursor", ["x", "!", "W10", "=", "WyJhIiwiYiJd\n", "é", "A" * 10_000, "W" * 60_000])
async def test_any_text_as_a_cursor(shared: httpx.AsyncClient, cursor: str) -> None:
    answer = await shared.get("/v1/uploads", params={"cursor": cursor})
    assert_problem(answer, "validation_error", "cursor")


@pytest.mark.parametrize("relative", ["", "../bob/", "/", "../../uploads/bob/a", "uploads/bob/"])
async def test_a_cursor_stays_below_the_callers_prefix(api: httpx.AsyncClient, relative: str) -> None:
    for user in ("bob", "alice", "alice2", "alic", "al"):
        headers = authorization(user)
        created(await api.post("/v1/uploads", json={**FILM, "filename": "z"}, headers=headers))
    answer = await api.get("/v1/uploads", params={"cursor": as_cursor([relative, "0"])})
    keys = [upload["key"] for upload in answer.json()["uploads"]]
    assert all(key.startswith("uploads/alice/") for key in keys)
    (mine,) = (await api.get("/v1/uploads")).json()["uploads"]
    assert mine["key"].startswith("uploads/alice/")


@pytest.mark.parametrize("limit", ["0", "-1", "1001", "x", "1.5"])
async def test_a_page_has_a_limit(shared: httpx.AsyncClient, limit: str) -> None:
    assert_problem(await shared.get("/v1/uploads", params={"limit": limit}), "validation_error", "limit")


async def test_a_credential_for_one_policy_reaches_its_uploads_only(api: httpx.AsyncClient) -> None:
    """Neither other uploads of the user, nor the list."""
    minted = (await api.post("/v1/tokens", json={"policies": ["small"]})).json()["token"]
    token = {"Authorization": f"Bearer {minted}"}
    key = {"X-API-Key": NARROW_API_KEY, "X-On-Behalf-Of": "alice"}
    # From here on, each request has its own credential.
    del api.headers["Authorization"]
    mine = created(await api.post("/v1/uploads", json={**NOTE, "policy": "small"}, headers=token))
    other = created(await api.post("/v1/uploads", json=NOTE, headers=authorization()))
    for headers in (token, key):
        path = f"/v1/uploads/{mine['id']}"
        parts = await api.post(f"{path}/parts", json={"part_numbers": [1]}, headers=headers)
        assert parts.status_code == 200
        assert (await api.get(path, headers=headers)).status_code == 200
        path = f"/v1/uploads/{other['id']}"
        for answer in (
            await api.post(f"{path}/parts", json={"part_numbers": [1]}, headers=headers),
            await api.post(f"{path}/complete", headers=headers),
            await api.get(path, headers=headers),
            await api.delete(path, headers=headers),
        ):
            assert_problem(answer, "forbidden", "policy")
        assert_problem(await api.get("/v1/uploads", headers=headers), "forbidden")
    listed = (await api.get("/v1/uploads", headers=authorization())).json()["uploads"]
    for one in listed:
        assert (await api.get(f"/v1/uploads/{one['id']}", headers=token)).status_code == 403
        assert (await api.delete(f"/v1/uploads/{one['id']}", headers=key)).status_code == 403
    await send(mine)
    assert (await api.post(f"/v1/uploads/{mine['id']}/complete", headers=token)).status_code == 200


async def test_only_upload_ids_are_accepted_as_ids(api: httpx.AsyncClient) -> None:
    """Not S3's own ids, keys, cursors or tokens. The id of a PUT upload has no parts."""
    upload = await begin(api)
    token = (await api.post("/v1/tokens", json={})).json()["token"]
    s3_name = query(upload["parts"][0]["url"])["uploadId"]
    body = {"part_numbers": [1]}
    for foreign in (s3_name, as_cursor(["a", s3_name]), token, token_for(), upload["id"][:-2]):
        assert_problem(await api.post(f"/v1/uploads/{foreign}/parts", json=body), "not_found")
        assert_problem(await api.delete(f"/v1/uploads/{foreign}"), "not_found")
    put = created(await api.post("/v1/uploads", json={"size": 1}))
    assert_problem(await api.post(f"/v1/uploads/{put['id']}/parts", json=body), "method_not_available", "id")
    answer = await api.get("/v1/uploads", params={"cursor": upload["id"]})
    assert_problem(answer, "validation_error", "cursor")


async def test_an_id_of_a_listing_can_only_abort(api: httpx.AsyncClient) -> None:
    """Once the upload is complete, it finds and deletes nothing."""
    upload = await begin(api, **NOTE)
    await send(upload)
    (listed,) = (await api.get("/v1/uploads")).json()["uploads"]
    path = f"/v1/uploads/{listed['id']}"
    state = (await api.get(path)).json()
    assert (state["status"], len(state["parts"]), state["part_size"]) == ("uploading", 1, None)
    # It tells neither sizes nor policy, so nothing could be enforced.
    for action, body in (("parts", {"part_numbers": [1]}), ("complete", {})):
        answer = await api.post(f"{path}/{action}", json=body)
        assert_problem(answer, "method_not_available", "id")
    companion = f"/uppy/s3/multipart/{listed['id']}"
    for tail in ("/1", "/batch"):
        answer = await api.get(companion + tail, params={"key": listed["key"], "partNumbers": "1"})
        assert answer.json()["error"] == "method_not_available"
    sent = {"parts": [{"PartNumber": 1, "ETag": "e"}]}
    answer = await api.post(f"{companion}/complete", params={"key": listed["key"]}, json=sent)
    assert answer.json()["error"] == "method_not_available"
    assert (await api.post(f"{upload['path']}/complete")).status_code == 200
    assert (await api.get(path)).json()["status"] == "aborted"
    assert (await api.delete(path)).status_code == 204
    assert (await api.get(upload["path"])).json()["status"] == "stored"


async def test_urls_do_not_outlive_the_upload(api: httpx.AsyncClient, moto_server: S3Server) -> None:
    upload = await begin(api, policy="brief", expires_in=3600)
    assert upload["expires_at"] == upload["upload_expires_at"]
    settings = settings_for(moto_server, auth=AUTH, policies=POLICIES)
    for seconds, alive in ((40, True), (61, False)):
        moment = utc_now() + timedelta(seconds=seconds)

        def later(moment: datetime = moment) -> datetime:
            return moment

        async with service_client(settings, clock=later) as client:
            signed = await client.post(f"{upload['path']}/parts", json={"part_numbers": [1]})
            others = [
                await client.get(upload["path"]),
                await client.post(f"{upload['path']}/complete"),
                await client.delete(upload["path"]),
            ]
        if alive:
            assert signed.json()["expires_at"] == upload["upload_expires_at"]
            assert int(query(signed.json()["parts"][0]["url"])["X-Amz-Expires"]) <= 21
            # The DELETE above has aborted the first.
            upload = await begin(api, policy="brief", expires_in=3600)
        else:
            for answer in (signed, *others):
                assert_problem(answer, "upload_expired")


async def test_an_upload_outlives_its_policy(api: httpx.AsyncClient, moto_server: S3Server) -> None:
    """An upload continues after its policy is removed from the settings."""
    upload = await begin(api, **NOTE, policy="keyed", relative_key="a.txt")
    async with service_client(settings_for(moto_server)) as later:
        signed = await later.post(f"{upload['path']}/parts", json={"part_numbers": [1]})
        assert signed.status_code == 200, signed.text
        assert query(signed.json()["parts"][0]["url"])["X-Amz-Expires"] == "900"
        await send(signed.json())
        assert (await later.post(f"{upload['path']}/complete")).status_code == 200


async def test_a_refused_upload_leaves_nothing_in_s3(api: httpx.AsyncClient) -> None:
    for wrong in ({"size": 6 * 1024**4}, {"overwrite": True}, {"metadata": {"a": "b"}}, {"policy": "none"}):
        assert (await api.post("/v1/uploads", json={**FILM, **wrong})).status_code >= 400
    batch = {"uploads": [{**FILM, "overwrite": True}, FILM]}
    results = (await api.post("/v1/uploads/batch", json=batch)).json()["results"]
    assert [*results[0], *results[1]] == ["problem", "upload"]
    listed = (await api.get("/v1/uploads")).json()["uploads"]
    assert [one["key"] for one in listed] == [results[1]["upload"]["key"]]


async def test_a_taken_key_leaves_the_parts_in_place(api: httpx.AsyncClient) -> None:
    """The client can look at them and abort; the other object stays."""
    first, second = [await begin(api, **NOTE, policy="fixed") for _ in range(2)]
    await send(first)
    await send(second, b"late")
    assert (await api.post(f"{first['path']}/complete")).status_code == 200
    for _ in range(2):
        assert_problem(await api.post(f"{second['path']}/complete"), "object_exists")
        state = (await api.get(second["path"])).json()
        assert (state["status"], len(state["parts"])) == ("uploading", 1)
    for _ in range(2):
        assert (await api.delete(second["path"])).status_code == 204
    assert_problem(await api.post(f"{second['path']}/complete"), "upload_aborted")
    assert (await api.get(first["path"])).json()["status"] == "stored"
    assert (await api.get("/v1/uploads")).json()["uploads"] == []
    # Callers may not delete objects here.
    assert_problem(await api.delete(first["path"]), "forbidden")


async def test_a_later_put_under_the_key_is_not_the_upload(
    api: httpx.AsyncClient, moto_server: S3Server
) -> None:
    """Even with the same size and type, it lacks the mark of the upload."""
    upload = await begin(api, **NOTE, policy="keyed", relative_key="a.txt")
    await send(upload)
    assert (await api.delete(upload["path"])).status_code == 204
    async with moto_server.client() as s3:
        for mark in ({}, {"uploadsvc-upload": "x"}):
            await s3.put_object(
                Bucket=moto_server.bucket,
                Key=upload["key"],
                Body=b"note",
                ContentType="text/plain",
                Metadata=mark,
            )
            assert_problem(await api.post(f"{upload['path']}/complete"), "upload_aborted")
            assert (await api.get(upload["path"])).json()["status"] == "aborted"

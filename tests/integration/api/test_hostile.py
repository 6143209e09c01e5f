"""Hostile requests: the answer is never a 5xx, and every error is a problem."""

import json
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st
from tests.support.api import AUTH, assert_problem, send_bare
from tests.support.properties import examples
from tests.support.servers import S3Server
from tests.support.service import service_client, settings_for

from uploadsvc.api.routing import MAX_BODY_BYTES

FIELDS = ("content_type", "checksum", "overwrite", "expires_in")
POLICIES = {
    "default": {"client_keys": True, "overwrite": True, "metadata": {"album": None}},
    "small": {"content_types": ["image/*"]},
}
SECRET = "do-not-repeat-me-4f9d"
TEXT = st.text(st.characters(categories=None))
"""Any text, lone surrogates included, which JSON can carry as escapes."""
LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | TEXT | st.just(10**4000)
JSON = st.recursive(LEAVES, lambda inner: st.lists(inner) | st.dictionaries(TEXT, inner), max_leaves=8)
NEAR = st.fixed_dictionaries(
    {},
    optional={
        **dict.fromkeys(FIELDS, JSON),
        "policy": st.sampled_from([None, *POLICIES]),
        "method": st.sampled_from([None, "auto", "put", "post", "multipart"]),
        "filename": TEXT,
        "relative_key": TEXT,
        "metadata": st.dictionaries(st.sampled_from(["album", "Album"]), TEXT),
        "size": st.integers(min_value=0),
    },
)
# As httptools and h11 let them through: anything but controls.
HEADER_VALUE = st.binary(max_size=40).map(
    lambda raw: bytes(byte for byte in raw if byte >= 32 and byte != 127)
)
MANY = settings(examples(0.5), suppress_health_check=[HealthCheck.too_slow])


@pytest.fixture(scope="module")
async def api(_moto: S3Server) -> AsyncIterator[httpx.AsyncClient]:
    """Serve an app over moto, so that calls to S3 are answered."""
    given_ = settings_for(_moto, auth=AUTH, policies=POLICIES, objects={"delete": True})
    await _moto.create_bucket(_moto.bucket)
    async with service_client(given_) as client:
        yield client


def assert_no_failure(answer: httpx.Response) -> None:
    """Assert that the status is below 500, and that errors are problems."""
    assert answer.status_code < 500, answer.text
    if answer.status_code >= 400:
        assert_problem(answer, answer.json()["code"], *[error["field"] for error in answer.json()["errors"]])


@MANY
@given(body=JSON | NEAR)
@example(body={"size": float("nan")})
@example(body={"expires_in": float("inf")})
@example(body={"filename": "\ud800"})
@example(body={"\ud800": 1})
@example(body={"metadata": {"\udfff": "x"}})
@example(body={"metadata": {"album": "\x00"}})
@example(body={"metadata": {"album": "\ud800"}})
@example(body={"size": 10**4000})
@example(body={"filename": "\u0301\u0316" * 80_000})  # normalised whole, it would take minutes
@example(body={f"unknown{n}": n for n in range(40_000)})
async def test_any_json(api: httpx.AsyncClient, body: Any) -> None:  # noqa: ANN401 - any JSON
    """It is signed below the caller's prefix or refused."""
    content = json.dumps(body)
    answer = await api.post("/v1/uploads", content=content, headers={"Content-Type": "application/json"})
    assert_no_failure(answer)
    if answer.status_code == 201:
        assert answer.json()["key"].startswith("uploads/alice/")


@MANY
@given(body=st.binary(), content_type=st.sampled_from([b"application/json", b"text/plain"]) | HEADER_VALUE)
@example(body=b'{"filename": "\xff"}', content_type=b"application/json")
@example(body=b"\xff\xfe{\x00}\x00", content_type=b"application/json")
@example(body=b'{"size": ' + b"9" * 5000 + b"}", content_type=b"application/json")
@example(body=b"[" * 500_000, content_type=b"application/json")
@example(body=b'{"metadata":' * 80_000, content_type=b"application/json")
@example(body=b"{}", content_type=b"application/json; charset=nonsense")
async def test_any_bytes(api: httpx.AsyncClient, body: bytes, content_type: bytes) -> None:
    """Bodies that are not JSON, not UTF-8, or endlessly nested are refused."""
    for path in ("/v1/uploads", "/v1/downloads"):
        assert_no_failure(await api.post(path, content=body, headers=[(b"Content-Type", content_type)]))


@MANY
@given(raw=st.text(), names=st.lists(st.sampled_from(["key", "prefix", "cursor", "limit", "size"])))
@example(raw="AQ", names=["cursor"])
@example(raw="77-_", names=["cursor"])
@example(raw="YQ" * 2000, names=["cursor"])
@example(raw="9" * 5000, names=["limit"])
@example(raw="9" * 5000, names=["size"])
@example(raw="uploads/alice/" + "é" * 2000, names=["key"])
async def test_any_query(api: httpx.AsyncClient, raw: str, names: list[str]) -> None:
    """Any value of any parameter, once or repeated, is accepted or refused."""
    query = "&".join(f"{name}={quote(raw)}" for name in names) or quote(raw)
    for path in ("/v1/objects", "/v1/object", "/v1/uploads", "/uploads"):
        assert_no_failure(await api.get(f"{path}?{query}"))


@MANY
@given(raw=st.binary())
@example(raw=b"a?b=%FF&\xff\xfe")
async def test_any_bytes_in_the_path_and_query(api: httpx.AsyncClient, raw: bytes) -> None:
    """Bytes that are not UTF-8 are accepted or refused."""
    for path in (
        "/v1/object?key=",
        "/v1/objects?prefix=",
        "/v1/uploads?cursor=",
        "/uploads?filename=",
        "/web/",
    ):
        assert_no_failure(await api.get(path + quote(raw)))


@MANY
@given(upload_id=st.text(min_size=1) | st.binary(min_size=1))
@example(upload_id="A" * 50_000)
@example(upload_id="-" * 64)
@example(upload_id="/")
async def test_any_id(api: httpx.AsyncClient, upload_id: str | bytes) -> None:
    """An id that was not signed is an unknown upload."""
    # RFC 3986 section 5.2.4: clients remove these segments from the path.
    assume(upload_id not in {".", "..", b".", b".."})
    path = f"/v1/uploads/{quote(upload_id, safe='')}"
    for method, end in (("GET", ""), ("POST", "/complete"), ("POST", "/parts"), ("DELETE", "")):
        body = {"part_numbers": [1]} if end == "/parts" else None
        answer = await api.request(method, path + end, json=body)
        assert_no_failure(answer)
        assert answer.status_code in {404, 405}


@MANY
@given(
    name=st.sampled_from(
        ["Authorization", "X-API-Key", "X-On-Behalf-Of", "X-Request-ID", "Content-Length", "Origin", "Cookie"]
    ),
    value=HEADER_VALUE,
)
@example(name="Authorization", value=b"Bearer \xff.\xff.\xff")
@example(name="Authorization", value=b"Bearer eyJhbGciOiJub25lIn0.e30.")
@example(name="Content-Length", value=b"-1")
@example(name="Content-Length", value=b"9" * 5000)
async def test_any_header(api: httpx.AsyncClient, name: str, value: bytes) -> None:
    """Any bytes that servers allow as a header's value are accepted or refused."""
    headers = [(b"Content-Type", b"application/json"), (name.encode(), value)]
    answer = await send_bare(api, "POST", "/v1/uploads", content=b"{}", headers=dict(headers))
    assert_no_failure(answer)
    assert len(answer.content) < 100_000


async def test_20_mb_are_refused_with_and_without_content_length(api: httpx.AsyncClient) -> None:
    sent = 0

    async def chunks() -> AsyncIterator[bytes]:
        nonlocal sent
        for _ in range(320):
            sent += 65_536
            yield bytes(65_536)

    headers = {"Content-Type": "application/json"}
    assert_problem(
        await api.post("/v1/uploads", content=bytes(20_000_000), headers=headers), "body_too_large"
    )
    assert_problem(await api.post("/v1/uploads", content=chunks(), headers=headers), "body_too_large")
    assert sent <= MAX_BODY_BYTES + 65_536


async def test_a_credential_of_100_kb_is_refused(api: httpx.AsyncClient) -> None:
    headers = {"Authorization": "Bearer " + "a" * 100_000}
    assert_problem(await api.post("/v1/uploads", json={}, headers=headers), "unauthenticated")


@pytest.mark.parametrize(
    "body",
    [
        {"size": SECRET},
        {"method": SECRET},
        {"expires_in": [SECRET]},
        {"checksum": {"algorithm": SECRET, "value": SECRET}},
        {"checksum": {"algorithm": "sha256", "value": SECRET}},
        {"metadata": {"album": {"x": SECRET}}},
        {"policy": SECRET},
        {"content_type": SECRET},
        {"metadata": {SECRET: "x"}},
        {"relative_key": f"/{SECRET}"},
        f"{SECRET}",
    ],
)
async def test_problems_do_not_repeat_the_input(api: httpx.AsyncClient, body: object) -> None:
    """They name the field and the rule."""
    answer = await api.post("/v1/uploads", json=body)
    assert answer.status_code in {404, 422}
    assert SECRET not in answer.text
    bad = await api.post("/v1/uploads", json=body, headers={"Authorization": f"Bearer {SECRET}"})
    assert bad.status_code == 401
    assert SECRET not in bad.text

"""Hostile requests to Better Upload's routes: never a 5xx, and errors in the client's format."""

import json
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any, Final

import httpx
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from tests.support.better_upload import FILM, abort, assert_refused, begun, path_of
from tests.support.properties import examples
from tests.support.servers import S3Server
from tests.support.service import service_client, settings_for

from uploadsvc.domain.parts import MIB

POLICIES: Final[dict[str, Any]] = {
    "default": {"part_size": "5MiB", "multipart_threshold": "6MiB", "key": "{filename}"},
    "parts": {"part_size": "5MiB", "methods": ["multipart"]},
}
MANY = settings(examples(0.5), suppress_health_check=[HealthCheck.too_slow])


@pytest.fixture(scope="module")
async def shared(_moto: S3Server) -> AsyncIterator[httpx.AsyncClient]:
    """Serve an app over moto, so that calls to S3 are answered."""
    server = replace(_moto, bucket=await _moto.create_bucket())
    async with service_client(settings_for(server, policies=POLICIES)) as client:
        yield client


@MANY
@given(body=st.binary(), token=st.text(st.characters(codec="ascii", categories=["L", "N"]), min_size=1))
@example(body=b"<CompleteMultipartUpload>\xff</CompleteMultipartUpload>", token="a.b.c")
async def test_any_body_and_any_token(shared: httpx.AsyncClient, body: bytes, token: str) -> None:
    one = await begun(shared)
    good = path_of(one["completeSignedUrl"])
    assert_refused(await shared.post(good, content=body), "invalid_request", 422)
    for answer in (
        await shared.post(f"/better-upload/complete/{token}", content=body),
        await shared.delete(f"/better-upload/abort/{token}"),
    ):
        assert_refused(answer, "rejected", 404)
    assert (await abort(shared, one)).status_code == 204


TEXT = st.text(st.characters(categories=None))
LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | TEXT
JSON = st.recursive(LEAVES, lambda inner: st.lists(inner) | st.dictionaries(TEXT, inner), max_leaves=8)
FILE = st.fixed_dictionaries(
    {
        "name": TEXT,
        "size": st.integers(0, 10) | st.integers(0, 60 * MIB) | JSON,
        "type": st.sampled_from(["", "text/plain", "image/png; a=b"]) | TEXT,
    }
)
NEAR = st.fixed_dictionaries(
    {"route": st.sampled_from([*POLICIES, "none"]), "files": st.lists(FILE, max_size=3)},
    optional={"metadata": JSON},
)


@MANY
@given(body=JSON | NEAR)
@example(body={"route": "default", "files": [{**FILM, "name": "\ud800"}]})
@example(body={"route": "default", "files": [{**FILM, "size": 2**63 - 1}]})
@example(body={"route": "parts", "files": [{**FILM, "type": "\r\nx-evil: 1"}]})
async def test_any_offer_is_granted_or_refused(
    shared: httpx.AsyncClient,
    body: Any,  # noqa: ANN401 - any JSON
) -> None:
    """Granted files are below the caller's prefix and keep their names."""
    headers = {"Content-Type": "application/json"}
    answer = await shared.post("/better-upload", content=json.dumps(body), headers=headers)
    assert answer.status_code < 500, answer.text
    if answer.status_code >= 400:
        assert_refused(answer, answer.json()["error"]["type"], answer.status_code)
        return
    told = answer.json()
    files = told["multipart"]["files"] if "multipart" in told else told["files"]
    assert len(files) == len(body["files"])
    for file, asked in zip(files, body["files"], strict=True):
        assert [file["file"][name] for name in asked] == list(asked.values())
        assert file["file"]["objectInfo"]["key"].startswith("uploads/alice/")
        if "abortSignedUrl" in file:
            await abort(shared, file)

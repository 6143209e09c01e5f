"""Quotas over HTTP, with two replicas that share a Valkey."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import httpx
import pytest
from structlog.testing import capture_logs
from tests.support.api import assert_problem, created, issued
from tests.support.servers import S3Server
from tests.support.service import service_client, settings_for, token_for
from tests.support.valkey import ValkeyServer, valkey_server

MIB: Final = 1024**2
POLICIES: Final = {"default": {"quota": "1GiB/day", "max_unfinished": 5, "max_size": "5TiB"}}
FILM: Final = {"filename": "film.mp4", "size": 20 * MIB, "method": "multipart"}
CLAIM: Final = "uploadsvc_quotas"


@pytest.fixture
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give Valkey all the time that it needs on a busy machine."""
    monkeypatch.setattr("uploadsvc.limiting.store.DEADLINE", 30.0)


@pytest.fixture
async def valkey(tmp_path: Path) -> AsyncIterator[ValkeyServer]:
    """Run a Valkey."""
    async with valkey_server(tmp_path) as server:
        yield server


@pytest.fixture
async def replicas(
    moto_server: S3Server, valkey: ValkeyServer, patience: None
) -> AsyncIterator[list[httpx.AsyncClient]]:
    """Serve two apps, on one day."""
    del patience
    now = datetime.now(UTC)
    settings = settings_for(
        moto_server,
        policies=POLICIES,
        limits={"store_url": valkey.url},
        auth={"jwt": {"secret": settings_for(moto_server)["auth"]["jwt"]["secret"], "quotas_claim": CLAIM}},
    )
    async with AsyncExitStack() as stack:
        yield [await stack.enter_async_context(service_client(settings, clock=lambda: now)) for _ in range(2)]


def bearer(**claims: Any) -> dict[str, str]:  # noqa: ANN401 - any JSON
    """Return the header of alice with more claims."""
    return {"Authorization": f"Bearer {token_for(**claims)}"}


async def test_a_flood_begins_no_more_uploads_than_the_quota_allows(
    replicas: list[httpx.AsyncClient], valkey: ValkeyServer
) -> None:
    """What was found in operation: 300 requests by one user began 30,000 uploads of 5 TiB."""
    batch = {"uploads": [FILM] * 10}
    answers = await asyncio.gather(
        *(replicas[number % 2].post("/v1/uploads/batch", json=batch) for number in range(12))
    )
    results = [one for answer in answers for one in answer.json()["results"]]
    grants = [one["upload"] for one in results if "upload" in one]
    assert (len(results), len(grants)) == (120, 5)
    refusals = [one["problem"] for one in results if "problem" in one]
    assert {one["code"] for one in refusals} == {"quota_exceeded"}
    assert {one["quota"]["name"] for one in refusals} == {"unfinished_uploads"}
    listed = (await replicas[0].get("/v1/uploads")).json()["uploads"]
    assert len(listed) == 5, "nothing else was created in S3"

    assert_problem(await replicas[1].post("/v1/uploads", json=FILM), "quota_exceeded")
    assert (await replicas[0].delete(f"/v1/uploads/{listed[0]['id']}")).status_code == 204
    created(await replicas[1].post("/v1/uploads", json=FILM))
    assert_problem(await replicas[0].post("/v1/uploads", json=FILM), "quota_exceeded")

    reader, writer = await asyncio.open_connection("127.0.0.1", valkey.port)
    writer.write(b"KEYS *\r\n")
    names = await reader.readuntil(b"names\r\n")
    writer.close()
    assert b"alice" not in names
    assert b"default" not in names


async def test_what_is_stored_counts_on_every_replica(replicas: list[httpx.AsyncClient]) -> None:
    asked = {"filename": "a.txt", "method": "post"}
    large = {"Authorization": f"Bearer {token_for()}"}
    answer = await replicas[0].post("/v1/uploads", json={"filename": "a", "size": 1024 * MIB + 1})
    assert_problem(answer, "quota_exceeded")
    assert answer.json()["quota"] == {
        "name": "bytes_per_day",
        "limit": 1024 * MIB,
        "left": 1024 * MIB,
        "frees_at": None,
    }
    form = created(
        await replicas[0].post(
            "/v1/uploads", json=asked, headers=bearer(**{CLAIM: {"*": {"quota": "9GiB/day"}}})
        )
    )
    answer = await replicas[1].post("/v1/uploads", json={"filename": "a", "size": 1}, headers=large)
    assert answer.json()["quota"]["left"] == 0
    assert answer.json()["quota"]["frees_at"].endswith("T00:00:00Z")
    async with httpx.AsyncClient(trust_env=False) as s3:
        sent = await s3.post(form["url"], data=form["fields"], files={"file": b"bytes"})
        sent.raise_for_status()
    for api in (*replicas, *replicas):
        done = await api.post(f"/v1/uploads/{form['id']}/complete")
        assert done.status_code == 200, done.text
    most = {"filename": "a", "size": 1024 * MIB - 5, "method": "put"}
    assert_problem(
        await replicas[0].post("/v1/uploads", json={**most, "size": 1024 * MIB - 4}), "quota_exceeded"
    )
    created(await replicas[1].post("/v1/uploads", json=most))


async def test_a_token_gives_its_user_other_quotas_and_hands_them_on(
    replicas: list[httpx.AsyncClient],
) -> None:
    api = replicas[0]
    small = bearer(**{CLAIM: {"default": {"quota": "10B/day"}}})
    token = {"Authorization": f"Bearer {await issued(api, small)}"}
    for headers in (small, token):
        answer = await api.post("/v1/uploads", json={"size": 11}, headers=headers)
        assert_problem(answer, "quota_exceeded")
        assert answer.json()["quota"]["limit"] == 10
    created(await api.post("/v1/uploads", json={"size": 10}, headers=token))
    assert_problem(await api.post("/v1/uploads", json={"size": 1}, headers=small), "quota_exceeded")
    created(await api.post("/v1/uploads", json={"size": 11}))
    wrong = bearer(**{CLAIM: {"default": {"quota": 10}}})
    assert_problem(await api.post("/v1/uploads", json={"size": 1}, headers=wrong), "unauthenticated")


async def test_other_uploaders_are_told_in_their_own_format(replicas: list[httpx.AsyncClient]) -> None:
    api = replicas[0]
    answer = await api.get("/uppy/s3/params", params={"filename": "a.txt"})
    body = answer.json()
    assert (answer.status_code, body["error"]) == (403, "quota_exceeded")
    assert body["message"] == body["detail"]
    assert body["quota"]["name"] == "bytes_per_day"
    files = [{"name": name, "size": 600 * MIB, "type": "video/mp4"} for name in ("a.mp4", "b.mp4")]
    answer = await api.post("/better-upload", json={"route": "default", "files": files})
    error = answer.json()["error"]
    assert (answer.status_code, error["type"]) == (403, "rejected")
    assert error["message"].startswith("b.mp4: ")
    assert_problem(await api.get("/uploads"), "quota_exceeded")
    created(await api.post("/v1/uploads", json={"size": 1024 * MIB, "method": "put"}))


async def test_while_valkey_is_down_uploads_go_on(moto_server: S3Server, valkey: ValkeyServer) -> None:
    settings = settings_for(moto_server, policies=POLICIES, limits={"store_url": valkey.url})
    async with service_client(settings) as api:
        created(await api.post("/v1/uploads", json=FILM))
        valkey.stop()
        for _ in range(5):
            upload = created(await api.post("/v1/uploads", json=FILM))
        assert_problem(await api.post("/v1/uploads", json=FILM), "quota_exceeded")
        assert (await api.delete(f"/v1/uploads/{upload['id']}")).status_code == 204
        created(await api.post("/v1/uploads", json=FILM))


@pytest.mark.parametrize("limited", [False, True])
async def test_without_valkey_the_log_says_that_processes_count_alone(
    moto_server: S3Server, *, limited: bool
) -> None:
    settings = settings_for(moto_server, policies=POLICIES if limited else {})
    with capture_logs() as lines:
        async with service_client(settings):
            pass
    assert ("quotas_by_process" in {line["event"] for line in lines}) is limited

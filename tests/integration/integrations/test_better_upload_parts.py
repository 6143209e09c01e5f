"""Better Upload's multipart uploads: completed and aborted at URLs that carry a token."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import httpx
import pytest
from botocore.retries.standard import ExponentialBackoff
from structlog.testing import capture_logs
from tests.support.api import assert_problem, send_bare
from tests.support.better_upload import (
    ETAG,
    FILM,
    NOTE,
    abort,
    assert_refused,
    begun,
    complete,
    completion,
    granted,
    offer,
    path_of,
    send,
)
from tests.support.scripted_s3 import (
    BEGUN,
    DENIED,
    DONE,
    NOTHING,
    PARTS,
    Stage,
    parts,
    performance,
    stored,
)
from tests.support.servers import S3Server
from tests.support.service import SECRET_KEY, authorization, service_client, settings_for
from tests.support.stubs import Canned

from uploadsvc.api.integrations.better_upload import routes
from uploadsvc.api.routing import MAX_BODY_BYTES
from uploadsvc.domain.parts import MIB
from uploadsvc.s3.errors import DEADLINE
from uploadsvc.server.stopping import GRACE_SECONDS
from uploadsvc.tokens.signed_ids import SignedIds

POLICIES: Final[dict[str, Any]] = {
    "default": {"part_size": "5MiB", "multipart_threshold": "6MiB", "key": "{filename}"},
    "brief": {"part_size": "5MiB", "methods": ["multipart"], "multipart_expires_in": 60},
}
OBJECTS: Final = {"delete": True}


@pytest.fixture
async def api(moto_server: S3Server) -> AsyncIterator[httpx.AsyncClient]:
    """Serve an app over a bucket for one test; callers may delete objects."""
    async with service_client(settings_for(moto_server, policies=POLICIES, objects=OBJECTS)) as client:
        yield client


@pytest.fixture(scope="module")
async def shared(_moto: S3Server) -> AsyncIterator[httpx.AsyncClient]:
    """Serve an app for all tests whose requests are refused."""
    server = replace(_moto, bucket=await _moto.create_bucket())
    async with service_client(settings_for(server, policies=POLICIES, objects=OBJECTS)) as client:
        yield client


async def state(api: httpx.AsyncClient, one: dict[str, Any]) -> dict[str, Any]:
    """Return the state of an upload by `/v1`."""
    found: dict[str, Any] = (await api.get(f"/v1/uploads/{one['id']}")).json()
    return found


async def test_completion_can_be_repeated(api: httpx.AsyncClient) -> None:
    """An abort afterwards deletes nothing."""
    one = await begun(api)
    etags = await send(one)
    for _ in range(2):
        answer = await complete(api, one, etags)
        assert (answer.status_code, answer.content) == (204, b"")
        assert answer.headers["cache-control"] == "no-store"
    for _ in range(2):
        assert (await abort(api, one)).status_code == 204
    found = await state(api, one)
    assert (found["status"], found["object"]["size"]) == ("stored", FILM["size"])
    receipts = [await api.post(f"/v1/uploads/{one['id']}/complete") for _ in range(2)]
    assert [answer.status_code for answer in receipts] == [200, 200]


@pytest.mark.parametrize(
    ("sent", "altered", "status", "message"),
    [
        ((1, 3), {}, 409, "1 of 3 parts have not arrived: 2."),
        ((), {2: None}, 409, "S3 has other parts than those that were named: 2."),
        ((), {2: "0" * 32}, 409, "S3 has other parts than those that were named: 2."),
        ((), {4: "0" * 32}, 422, "There is no part 4; the upload has 1 to 3."),
    ],
)
async def test_parts_that_differ_from_those_in_s3_are_not_assembled(
    api: httpx.AsyncClient,
    sent: tuple[int, ...],
    altered: dict[int, str | None],
    status: int,
    message: str,
) -> None:
    one = await begun(api)
    etags = {**await send(one, *sent), **altered}
    answer = await complete(api, one, {number: etag for number, etag in etags.items() if etag})
    assert_refused(answer, "invalid_request", status, message)
    assert (await state(api, one))["status"] == "uploading"
    assert (await abort(api, one)).status_code == 204
    assert (await state(api, one))["status"] == "aborted"


async def test_an_aborted_upload_leaves_nothing(api: httpx.AsyncClient) -> None:
    """Aborting twice is fine; completing afterwards is not."""
    one = await begun(api)
    etags = await send(one)
    for _ in range(2):
        assert (await abort(api, one)).status_code == 204
    assert (await api.get("/v1/uploads")).json()["uploads"] == []
    assert_refused(await complete(api, one, etags), "invalid_request", 409)


async def test_an_older_object_under_the_key_is_not_the_upload(api: httpx.AsyncClient) -> None:
    first, second = await begun(api), await begun(api)
    assert (await complete(api, first, await send(first))).status_code == 204
    assert_refused(await complete(api, second, await send(second)), "invalid_request", 409)
    assert (await abort(api, second)).status_code == 204
    assert (await state(api, first))["status"] == "stored"


async def test_an_empty_file_is_one_empty_part(api: httpx.AsyncClient) -> None:
    one = await begun(api, {**NOTE, "size": 0}, route="brief")
    assert [(part["partNumber"], part["size"]) for part in one["parts"]] == [(1, 0)]
    assert (await complete(api, one, await send(one))).status_code == 204
    assert (await state(api, one))["object"]["size"] == 0


async def test_a_token_is_for_one_action_only(api: httpx.AsyncClient) -> None:
    """And no token is an id or a credential, or the other way round."""
    one, single = await begun(api), (await granted(api, NOTE))["metadata"]["ids"]
    etags = await send(one)
    to_complete, to_abort = (one[name].rpartition("/")[2] for name in ("completeSignedUrl", "abortSignedUrl"))
    issued = (await api.post("/v1/tokens", json={})).json()["token"]
    (single_id,) = single.values()
    for token in (to_abort, issued, one["id"], single_id, "x", to_complete[:-1], to_complete + "A"):
        body = completion(etags)
        answer = await api.post(f"/better-upload/complete/{token}", content=body)
        assert_refused(answer, "rejected", 404, "There is no such upload.")
    for token in (to_complete, issued, one["id"], single_id, "x"):
        answer = await api.delete(f"/better-upload/abort/{token}")
        assert_refused(answer, "rejected", 404, "There is no such upload.")
    for token in (to_complete, to_abort):
        assert_problem(await api.delete(f"/v1/uploads/{token}"), "not_found")
        bearer = {"Authorization": f"Bearer {token}"}
        assert (await send_bare(api, "GET", "/v1/policies", headers=bearer)).status_code == 401
        assert_refused(await offer(api, NOTE, headers=bearer), "rejected", 401)
    assert (await complete(api, one, etags)).status_code == 204


async def test_receipts_and_action_tokens_have_different_keys(api: httpx.AsyncClient) -> None:
    one = await begun(api)
    await complete(api, one, await send(one))
    receipt = (await api.post(f"/v1/uploads/{one['id']}/complete")).json()["receipt"]
    answer = await api.post(f"/better-upload/complete/{receipt}", content=completion({1: ETAG}))
    assert_refused(answer, "rejected", 404)


async def test_another_users_upload_is_not_found(api: httpx.AsyncClient) -> None:
    hers = await begun(api)
    his = await begun(api, headers=authorization("bob"))
    etags = await send(hers)
    await send(his)
    stranger = authorization("bob")
    for upload_id in (hers["id"], hers["uploadId"]):
        for method, end in (("GET", ""), ("POST", "/complete"), ("DELETE", "")):
            answer = await api.request(method, f"/v1/uploads/{upload_id}{end}", headers=stranger)
            assert_problem(answer, "not_found")
    # The token alone decides; credentials beside it are ignored.
    assert (
        await api.delete(path_of(his["abortSignedUrl"]), headers=authorization("alice"))
    ).status_code == 204
    assert (await state(api, hers))["status"] == "uploading"
    head, _, tail = path_of(hers["completeSignedUrl"]).rpartition("/")
    header, _, signature = tail.split(".")
    _, payload, _ = path_of(his["completeSignedUrl"]).rpartition("/")[2].split(".")
    mixed = f"{head}/{header}.{payload}.{signature}"
    assert_refused(await api.post(mixed, content=completion(etags)), "rejected", 404)
    assert (await complete(api, hers, etags)).status_code == 204


async def test_action_urls_have_the_rights_of_the_credential(api: httpx.AsyncClient) -> None:
    issued = await api.post("/v1/tokens", json={"policies": ["brief"]})
    bearer = {"Authorization": f"Bearer {issued.json()['token']}"}
    assert_refused(await offer(api, FILM, headers=bearer), "rejected", 403)
    one = await begun(api, route="brief", headers=bearer)
    assert (await complete(api, one, await send(one))).status_code == 204


@pytest.mark.parametrize(("route", "seconds"), [("default", 2 * 3600), ("brief", 60)])
async def test_action_urls_expire(moto_server: S3Server, route: str, seconds: int) -> None:
    """An hour after the part URLs, or with the upload."""
    noon = datetime.now(UTC).replace(microsecond=0)
    passed = timedelta()
    settings = settings_for(moto_server, policies=POLICIES)
    async with service_client(settings, clock=lambda: noon + passed) as api:
        api.headers.update(authorization("alice", expires_in=3 * 3600))
        one = await begun(api, route=route)
        etags = await send(one)
        passed = timedelta(seconds=seconds)
        for answer in (await complete(api, one, etags), await abort(api, one)):
            assert_refused(answer, "invalid_request", 410)
        passed = timedelta(seconds=seconds - 1)
        assert (await complete(api, one, etags)).status_code == 204


async def test_a_body_that_is_too_long_is_refused(shared: httpx.AsyncClient) -> None:
    one = await begun(shared)
    answer = await shared.post(path_of(one["completeSignedUrl"]), content=b" " * (MAX_BODY_BYTES + 1))
    assert_refused(answer, "invalid_request", 413)


@pytest.fixture
async def scripted(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Stage]:
    """Serve an app whose S3 follows a script, and which waits briefly."""
    monkeypatch.setattr(routes, "COMPLETE_WAIT", 0.3)
    monkeypatch.setattr("uploadsvc.services.assembly.RETRY_PAUSE", 0.01)
    monkeypatch.setattr("uploadsvc.s3.multipart.PATIENCE", 0.05)
    async with performance() as opened:
        yield opened


async def in_parts(stage: Stage) -> tuple[dict[str, Any], str]:
    """Begin a multipart upload; return it and its mark."""
    one = await begun(stage.api, {**FILM, "size": 65 * MIB})
    return one, SignedIds([SECRET_KEY.encode()]).verify(one["id"]).upload_uuid


def all_parts(count: int = 13) -> Canned:
    """Return a listing of all parts, 5 MiB each."""
    return parts(*((number, 5 * MIB) for number in range(1, count + 1)))


SENT: Final = {number: f"e{number}" for number in range(1, 14)}
BUSY: Final = Canned(status=503, code="SlowDown")


async def test_completion_retries_while_s3_fails(scripted: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """The client would abort the upload."""
    monkeypatch.setattr(routes, "COMPLETE_WAIT", 3.0)
    monkeypatch.setattr(ExponentialBackoff, "delay_amount", lambda *_: 0)
    one, mark = await in_parts(scripted)
    scripted.script |= {
        "parts": [*[BUSY] * 4, all_parts()],
        "complete": [DONE],
        "head": [stored(mark, size=65 * MIB)],
    }
    assert (await complete(scripted.api, one, SENT)).status_code == 204


async def test_while_s3_assembles_the_client_is_redirected(scripted: Stage) -> None:
    """To the same URL, with method and body; nothing is assembled twice."""
    one, mark = await in_parts(scripted)
    late: asyncio.Future[Canned] = asyncio.get_running_loop().create_future()
    scripted.script |= {
        "parts": [all_parts()],
        "complete": [late],
        "head": [stored(mark, size=65 * MIB)],
    }
    address = path_of(one["completeSignedUrl"])
    for _ in range(2):
        answer = await complete(scripted.api, one, SENT)
        assert answer.status_code == 307
        assert answer.headers["cache-control"] == "no-store"
        assert (
            str(httpx.URL(one["completeSignedUrl"]).join(answer.headers["location"]))
            == one["completeSignedUrl"]
        )
        assert address.endswith(answer.headers["location"])
    late.set_result(DONE)
    assert (await complete(scripted.api, one, SENT)).status_code == 204
    assert len(scripted.asked("complete")) == 1


async def test_permanent_failures_are_not_retried(scripted: Stage) -> None:
    one, _ = await in_parts(scripted)
    scripted.script |= {"parts": [DENIED]}
    assert_refused(await complete(scripted.api, one, SENT), "invalid_request", 502)
    scripted.script |= {"parts": [parts(*PARTS)]}
    assert_refused(await complete(scripted.api, one, SENT), "invalid_request", 409)
    assert len(scripted.asked("parts")) == 2


def test_the_wait_is_shorter_than_timeouts() -> None:
    """Those of proxies, and of a process that drains."""
    assert routes.COMPLETE_WAIT + DEADLINE < GRACE_SECONDS < 60


async def test_if_one_upload_cannot_begin_the_others_are_aborted(scripted: Stage) -> None:
    scripted.script |= {"create": [BEGUN, DENIED, BEGUN], "abort": [Canned(status=204)], "head": [NOTHING]}
    files = [{**FILM, "name": f"{number}.mp4", "size": 65 * MIB} for number in range(3)]
    assert_refused(await offer(scripted.api, *files), "invalid_request", 502)
    assert len(scripted.asked("create")) == 3
    assert len(scripted.asked("abort")) == 2


async def test_action_urls_are_not_logged(api: httpx.AsyncClient) -> None:
    """They are credentials."""
    with capture_logs() as logs:
        one = await begun(api)
        answers = [await complete(api, one, {1: ETAG}), await abort(api, one)]
    assert [answer.status_code for answer in answers] == [409, 204]
    written = json.dumps(logs, default=str)
    for name in ("completeSignedUrl", "abortSignedUrl"):
        assert one[name].rpartition("/")[2] not in written
    assert one["id"] not in written
    assert "/better-upload/complete/{token}" in written


async def test_calls_without_a_credential_count_as_requests_of_the_user(moto_server: S3Server) -> None:
    limits = {"user": "2/minute"}
    async with service_client(settings_for(moto_server, policies=POLICIES, limits=limits)) as api:
        one = await begun(api)
        assert (await abort(api, one)).status_code == 204
        for answer in (await abort(api, one), await complete(api, one, {1: ETAG})):
            assert_refused(answer, "invalid_request", 429)
            assert answer.headers["ratelimit-policy"] == '"user";q=2;w=60'
        assert (await offer(api, NOTE, headers=authorization("bob"))).status_code == 200

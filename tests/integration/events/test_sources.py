"""The app's own sources of events: stores that push, and completed uploads."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from standardwebhooks import Webhook
from tests.support.api import assert_problem, created, s3_that_is_down
from tests.support.endpoints import Endpoint
from tests.support.servers import S3Server
from tests.support.service import BASE_URL, authorization, service_client, settings_for

from uploadsvc.app import create_router
from uploadsvc.domain.principal import Principal
from uploadsvc.settings import Settings

SECRET = "whsec_bWFkZSB1cCBmb3IgdGhlIHRlc3RzLCAzMiBieXRlcyE="
PUSH_SECRET = "a secret of stores that push, 32 bytes"
PUSHED = {"Authorization": f"Bearer {PUSH_SECRET}"}


def with_events(server: S3Server, endpoint: Endpoint, **events: object) -> dict[str, Any]:
    webhook = {"url": f"http://localhost:{endpoint.port}/in", "secrets": [SECRET]}
    return settings_for(server, events={"webhooks": [webhook], "allow_private_addresses": True, **events})


async def uploaded(client: httpx.AsyncClient, **options: Any) -> dict[str, Any]:  # noqa: ANN401 - httpx's
    body = {"filename": "a b.txt", "content_type": "text/plain", "size": 5}
    upload = created(await client.post("/v1/uploads", json=body, **options))
    async with httpx.AsyncClient() as s3:
        sent = await s3.put(upload["url"], content=b"hello", headers=upload["headers"])
    assert sent.status_code == 200
    return upload


def told(bucket: str, key: str) -> dict[str, Any]:
    found = {"bucket": {"name": bucket}, "object": {"key": key}}
    return {"Records": [{"eventName": "s3:ObjectCreated:Put", "s3": found}]}


@asynccontextmanager
async def mounted(settings: dict[str, Any]) -> AsyncIterator[httpx.AsyncClient]:
    """Serve the routes in another app, which knows its own users."""
    app = FastAPI()

    def alice() -> Principal:
        return Principal(user="alice", policies=None, kind="user")

    app.include_router(create_router(Settings.model_validate(settings), authenticate=alice))
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=BASE_URL) as client,
    ):
        yield client


@pytest.mark.parametrize("serve", [service_client, mounted])
async def test_a_pushed_notification_is_delivered_before_the_answer(
    serve: Any,  # noqa: ANN401 - either app
    moto_server: S3Server,
) -> None:
    async with (
        Endpoint().open() as endpoint,
        serve(with_events(moto_server, endpoint, push_secret=PUSH_SECRET)) as client,
    ):
        upload = await uploaded(client)
        pushed = await client.post("/events/s3", json=told(moto_server.bucket, upload["key"]), headers=PUSHED)
        assert pushed.status_code == 204
        (request,) = endpoint.requests
        event = Webhook(SECRET).verify(request.body, request.headers)
        assert (event["type"], event["data"]["verified"]) == ("upload.completed", True)
        assert event["data"]["object"]["key"] == upload["key"]
        # The event of the completion is the same, and has been delivered.
        await client.post(f"/v1/uploads/{upload['id']}/complete")
    assert len(endpoint.requests) == 1


@pytest.mark.parametrize("serve", [service_client, mounted])
async def test_without_queue_and_push_the_completion_is_the_source(
    serve: Any,  # noqa: ANN401 - either app
    moto_server: S3Server,
) -> None:
    async with Endpoint().open() as endpoint:
        async with serve(with_events(moto_server, endpoint)) as client:
            upload = await uploaded(client)
            done = (await client.post(f"/v1/uploads/{upload['id']}/complete")).json()
            assert (await client.post("/events/s3", json={}, headers=PUSHED)).status_code == 404
        # At its end, the service has delivered what was under way.
        (request,) = endpoint.requests
    event = Webhook(SECRET).verify(request.body, request.headers)
    assert (event["data"]["object"]["key"], event["data"]["object"]["etag"]) == (
        upload["key"],
        done["object"]["etag"],
    )


async def test_what_cannot_be_taken_is_refused_so_that_the_store_tries_again() -> None:
    s3 = s3_that_is_down()
    async with (
        Endpoint().open() as endpoint,
        service_client(with_events(s3, endpoint, push_secret=PUSH_SECRET), user=None) as client,
    ):
        down = await client.post("/events/s3", json=told(s3.bucket, "uploads/alice/a.txt"), headers=PUSHED)
        assert_problem(down, "storage_unavailable")
        assert down.headers["retry-after"] == "10"
        assert_problem(await client.post("/events/s3", json={}), "unauthenticated")
        other = await client.post("/events/s3", json={}, headers=authorization())
        assert_problem(other, "unauthenticated")
        malformed = await client.post("/events/s3", content=b"{", headers=PUSHED)
        assert_problem(malformed, "validation_error", "body")
        long = json.dumps(told(s3.bucket, "x" * 2_000_000))
        assert_problem(await client.post("/events/s3", content=long, headers=PUSHED), "body_too_large")
        assert (await client.head("/events/s3")).status_code == 200
        slash = await client.post("/events/s3/", json={}, headers=PUSHED)
        assert slash.status_code == 404
    assert endpoint.requests == []

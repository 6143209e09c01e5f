"""Apps that replace each other in one process leave nothing behind."""

import asyncio
import gc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
from fastapi import FastAPI
from tests.support.api import s3_that_is_down
from tests.support.service import settings_for, token_for

from uploadsvc.app import create_app
from uploadsvc.s3.storage import Storage
from uploadsvc.server.served import Served
from uploadsvc.settings import Settings
from uploadsvc.telemetry.metrics import Metrics


def count_storages() -> int:
    """Return how many live, those included that the collector leaves out."""
    gc.unfreeze()
    gc.collect()
    return sum(isinstance(each, Storage) for each in gc.get_objects())


@asynccontextmanager
async def living(served: Served) -> AsyncIterator[None]:
    """Run the lifespans of its apps."""
    inbox, outbox = asyncio.Queue[dict[str, Any]](), asyncio.Queue[Any]()
    task = asyncio.ensure_future(served({"type": "lifespan"}, inbox.get, outbox.put))
    await inbox.put({"type": "lifespan.startup"})
    assert (await outbox.get())["type"] == "lifespan.startup.complete"
    yield
    await inbox.put({"type": "lifespan.shutdown"})
    await task


async def reload(served: Served, settings: Settings, metrics: Metrics) -> None:
    """Replace the app."""
    await served.prepare(lambda: create_app(settings, metrics=metrics))
    served.hold()
    served.switch()
    while served._retiring:
        await asyncio.wait(list(served._retiring))


async def test_replaced_apps_are_freed_and_no_longer_counted() -> None:
    """Memory would grow by some megabytes with each reload, and gauges would add up all generations."""
    metrics, before = Metrics(), count_storages()
    settings = Settings.model_validate(settings_for(s3_that_is_down()))
    served = Served(create_app(settings, metrics=metrics))
    async with living(served):
        for _ in range(4):
            await reload(served, settings, metrics)
        followed = metrics.credentials_remaining._followed
        assert [len(functions) for functions in followed.values()] == [1]
        # The last one that was replaced is freed a moment later.
        assert count_storages() - before <= 2
    assert [len(functions) for functions in followed.values()] == [0]


async def test_a_reload_gives_no_new_quota_and_no_new_rate() -> None:
    """Both are counted in memory here."""
    metrics = Metrics()
    policies = {"default": {"quota": "10MiB/day"}, "few": {"rate": "2/day"}}
    settings = Settings.model_validate(settings_for(s3_that_is_down(), policies=policies))
    served = Served(create_app(settings, metrics=metrics))
    async with (
        living(served),
        httpx.AsyncClient(
            transport=httpx.ASGITransport(app=served),
            base_url="http://test",
            headers={"Authorization": f"Bearer {token_for('alice')}"},
        ) as client,
    ):

        async def statuses() -> list[int]:
            asked = [{"size": 6 * 2**20}, {"policy": "few", "size": 1}]
            return [(await client.post("/v1/uploads", json=each)).status_code for each in asked]

        assert await statuses() == [201, 201]
        await reload(served, settings, metrics)
        assert await statuses() == [403, 201]
        await reload(served, settings, metrics)
        assert await statuses() == [403, 429]


def test_a_longer_age_keeps_the_keys() -> None:
    """It is raised while the provider is down. Another provider's keys are not taken over."""

    def app(url: str, max_age: int) -> FastAPI:
        jwt = {"jwks_url": url, "audience": "a", "keys_max_age": max_age}
        return create_app(Settings.model_validate(settings_for(s3_that_is_down(), auth={"jwt": jwt})))

    here, there = "https://login.example.com/keys", "https://other.example.com/keys"
    old, longer, other = app(here, 3600), app(here, 7200), app(there, 3600)
    old.state.kept.jwts._keys = keys = object()
    for each in (longer, other):
        each.state.take_over(old)
    assert longer.state.kept.jwts._keys is keys
    assert other.state.kept.jwts._keys is not keys

"""Rates that several processes count together, in a real server."""

import asyncio
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from http import HTTPStatus
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.api import assert_problem, created, s3_that_is_down
from tests.support.service import authorization, service_client, settings_for
from tests.support.valkey import ValkeyServer, valkey_server

from uploadsvc.domain.errors import RateLimited
from uploadsvc.domain.principal import Principal
from uploadsvc.domain.rates import Rate
from uploadsvc.limiting import store as store_module
from uploadsvc.limiting.rates import RateLimits
from uploadsvc.limiting.store import SharedStore, StoreKeys, parse_store_url
from uploadsvc.telemetry.metrics import Metrics

_UPLOAD = {"filename": "a.txt", "size": 1}


@pytest.fixture(scope="module")
def _patient() -> Iterator[None]:
    """Let the store take its time, on a machine that is busy with other tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(store_module, "DEADLINE", 10.0)
        yield


@pytest.fixture(scope="module")
async def server(_patient: None, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[ValkeyServer]:
    async with valkey_server(tmp_path_factory.mktemp("valkey")) as running:
        yield running


def _settings(server: ValkeyServer, *, rate: str | None = None, **limits: str) -> dict[str, Any]:
    policies = {"default": {"rate": rate} if rate else {}}
    limits = {"store_url": server.url, **limits}
    return settings_for(s3_that_is_down(), policies=policies, limits=limits)


async def _store(server: ValkeyServer, stack: AsyncExitStack) -> SharedStore:
    store = SharedStore(parse_store_url(server.url), on_failure=lambda: None, on_change=lambda _: None)
    return await stack.enter_async_context(store)


async def test_two_processes_count_together_and_the_store_knows_no_user(server: ValkeyServer) -> None:
    odd = "ann@example.com {x}\n*"
    async with AsyncExitStack() as stack:
        one, other = [
            await stack.enter_async_context(
                service_client(_settings(server, user="3/day", rate="2/day", address="1/day"))
            )
            for _ in range(2)
        ]
        headers = authorization(odd)
        created(await one.post("/v1/uploads", json=_UPLOAD, headers=headers))
        created(await other.post("/v1/uploads", json=_UPLOAD, headers=headers))
        refused = await one.post("/v1/uploads", json=_UPLOAD, headers=headers)
        assert_problem(refused, "rate_limited")
        assert refused.headers["ratelimit"].startswith('"policy-default";r=0;t=')
        # The first upload's share falls below one only after the day.
        assert 86_390 <= int(refused.headers["retry-after"]) <= 86_401
        refused = await other.get("/v1/policies", headers=headers)
        assert refused.headers["ratelimit-policy"] == '"user";q=3;w=86400'
        created(await other.post("/v1/uploads", json=_UPLOAD))
        statuses = [
            (await client.get("/v1/policies", headers={"Authorization": "Bearer x"})).status_code
            for client in (one, other)
        ]
        assert statuses == [401, 429]

        store = await _store(server, stack)
        names = await store.client.keys("*")
        assert names
        for name in names:
            assert name.startswith(b"uploadsvc:")
            assert b"ann" not in name
            assert b"127.0.0.1" not in name
            assert 0 < await store.client.ttl(name) <= 2 * 86_400


@settings(max_examples=15)
@given(
    amount=st.integers(1, 40),
    waves=st.lists(st.lists(st.integers(1, 12), min_size=1, max_size=40), min_size=1, max_size=4),
)
async def test_concurrent_clients_never_pass_the_limit(
    server: ValkeyServer, amount: int, waves: list[list[int]]
) -> None:
    """By the strategy's definition: what passes in this window and the share of the one before.

    The window of a day is not over within a test, so all that passes must be within the limit.
    """
    async with AsyncExitStack() as stack:
        rates = [
            RateLimits(
                policies={"default": Rate(amount, "day")},
                keys=StoreKeys(b"k" * 32),
                store=await _store(server, stack),
                metrics=Metrics(),
            )
            for _ in range(3)
        ]
        store = await _store(server, stack)
        await store.client.flushall()
        caller, passed = Principal(user="ann"), 0

        async def ask(number: int, cost: int) -> int:
            limits = rates[number % len(rates)]
            if number % 2:
                refusals = await limits.each_upload(caller, ["default"] * cost)
                return refusals.count(None)
            try:
                await limits.uploads(caller, "default", cost)
            except RateLimited:
                return 0
            return cost

        for wave in waves:
            passed += sum(await asyncio.gather(*(ask(number, cost) for number, cost in enumerate(wave))))
            assert passed <= amount
        # Nor is anything held back: what is left passes.
        left = await rates[0].each_upload(caller, ["default"] * 100)
        assert passed + left.count(None) == amount


async def test_windows_slide_by_the_clock_of_the_store(server: ValkeyServer) -> None:
    """Retry-After is enough, whatever this machine's clock says."""
    async with AsyncExitStack() as stack:
        store = await _store(server, stack)
        await store.client.flushall()
        rates = RateLimits(
            policies={"default": Rate(2, "minute")}, keys=StoreKeys(b"k" * 32), store=store, metrics=Metrics()
        )
        caller = Principal(user="ann")
        await rates.uploads(caller, "default", 2)
        with pytest.raises(RateLimited) as caught:
            await rates.uploads(caller, "default", 2)
        assert 89 <= caught.value.retry_after <= 91
        # Instead of waiting: the counters are moved into the past.
        for name in await store.client.keys("uploadsvc:rate:*"):
            left = await store.client.pttl(name)
            await store.client.pexpire(name, left - 1000 * caught.value.retry_after)
        await rates.uploads(caller, "default", 2)


@pytest.mark.parametrize("fault", ["hangs", "is gone"])
async def test_without_the_store_each_process_decides_alone(
    tmp_path: Path, fault: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No request fails, and they are counted together again when the store is back."""
    monkeypatch.setattr(store_module, "DEADLINE", 0.05)
    async with (
        valkey_server(tmp_path) as server,
        service_client(_settings(server, user="150/day", rate="60/day")) as api,
    ):
        created(await api.post("/v1/uploads", json=_UPLOAD))
        if fault == "hangs":
            server.signal(signal.SIGSTOP)
        else:
            server.stop()
        answers = await asyncio.gather(*(api.post("/v1/uploads", json=_UPLOAD) for _ in range(58)))
        assert {answer.status_code for answer in answers} == {201}
        batch = await api.post("/v1/uploads/batch", json={"uploads": [_UPLOAD] * 3})
        results = batch.json()["results"]
        assert "upload" in results[0]
        assert results[2]["problem"]["code"] == "rate_limited"
        assert_problem(await api.post("/v1/uploads", json=_UPLOAD), "rate_limited")
        metrics: Metrics = _app(api).state.metrics
        assert _value(metrics, "uploadsvc_limits_store_up") == 0
        assert _value(metrics, "uploadsvc_limits_store_failures_total") >= 1
        if fault == "hangs":
            server.signal(signal.SIGCONT)
        else:
            await server.start()
        async with asyncio.timeout(15):
            # This process alone would refuse it all day.
            while (await api.post("/v1/uploads", json=_UPLOAD)).status_code != HTTPStatus.CREATED:  # noqa: ASYNC110
                await asyncio.sleep(0.01)


def _app(client: httpx.AsyncClient) -> Any:  # noqa: ANN401 - the app under test
    transport = client._transport
    assert isinstance(transport, httpx.ASGITransport)
    return transport.app


def _value(metrics: Metrics, wanted: str) -> float:
    (number,) = [numbers[0] for name, _, numbers in metrics.cells.snapshot() if name == wanted]
    return number

"""`/healthz` and `/readyz` while S3 is up, down, or has another time."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import httpx
import pytest
from fastapi import FastAPI
from structlog.testing import capture_logs
from tests.support.api import assert_problem, created, s3_that_is_down
from tests.support.servers import S3Server
from tests.support.service import BASE_URL, service_client, settings_for
from tests.support.stubs import Canned, stub_s3

from uploadsvc.api.problems import register_problems
from uploadsvc.api.v1.health import health_router
from uploadsvc.app import create_app
from uploadsvc.domain.errors import StorageDenied, StorageUnavailable, UploadsvcError
from uploadsvc.s3.storage import Storage
from uploadsvc.services.readiness import MAX_CLOCK_SKEW, Readiness
from uploadsvc.settings import Settings

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)


class ScriptedStorage(Storage):
    """Storage whose answer to ``check`` a test sets."""

    def __init__(self) -> None:
        self.answer: datetime | UploadsvcError = NOON
        self.asked = 0
        self.was_asked = asyncio.Event()
        self.silent: asyncio.Event | None = None

    async def check(self) -> datetime:
        """Return the answer, or raise it."""
        self.asked += 1
        self.was_asked.set()
        if self.silent is not None:
            await self.silent.wait()
        if isinstance(self.answer, UploadsvcError):
            raise self.answer
        return self.answer


@asynccontextmanager
async def probed(storage: Storage, clock: Callable[[], datetime]) -> AsyncIterator[httpx.AsyncClient]:
    """Serve the health routes alone."""
    app = FastAPI()
    app.include_router(health_router(Readiness(storage=storage, clock=clock)))
    register_problems(app)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=BASE_URL) as client:
        yield client


async def test_liveness_needs_neither_s3_nor_a_credential() -> None:
    async with service_client(settings_for(s3_that_is_down()), user=None) as client:
        alive = await client.get("/healthz")
        ready = await client.get("/readyz")
    assert (alive.status_code, alive.json()) == (200, {"status": "ok"})
    assert_problem(ready, "storage_unavailable")
    assert int(ready.headers["retry-after"]) > 0


async def test_ready_once_the_bucket_has_answered(moto_server: S3Server) -> None:
    async with service_client(settings_for(moto_server), user=None) as client:
        answer = await client.get("/readyz")
    assert (answer.status_code, answer.json()) == (200, {"status": "ready", "storage": "ok"})


async def test_a_missing_bucket_is_a_mistake_in_the_settings(moto_server: S3Server) -> None:
    """The service is not ready, but signs all the same."""
    settings = settings_for(replace(moto_server, bucket="no-such-bucket"))
    async with service_client(settings) as client:
        assert_problem(await client.get("/readyz"), "storage_misconfigured")
        created(await client.post("/v1/uploads", json={}))


async def test_a_later_outage_leaves_the_service_ready() -> None:
    """Signing still works; the body reports the outage."""
    storage, times = ScriptedStorage(), [NOON]
    async with probed(storage, lambda: times[0]) as client:
        storage.answer = StorageDenied("Denied.")
        assert_problem(await client.get("/readyz"), "storage_denied")
        storage.answer = NOON
        assert (await client.get("/readyz")).json() == {"status": "ready", "storage": "ok"}
        times[0] += timedelta(seconds=10)
        storage.answer = StorageUnavailable("Down.")
        down = await client.get("/readyz")
        assert (down.status_code, down.json()) == (200, {"status": "ready", "storage": "failing"})
        times[0] += timedelta(seconds=10)
        storage.answer = times[0]
        assert (await client.get("/readyz")).json() == {"status": "ready", "storage": "ok"}


async def test_a_service_that_stops_is_not_ready(moto_server: S3Server) -> None:
    """Load balancers see it before the service stops accepting connections."""
    app = create_app(Settings.model_validate(settings_for(moto_server)))
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=BASE_URL) as client,
    ):
        assert (await client.get("/readyz")).status_code == 200
        app.state.on_drain()
        assert_problem(await client.get("/readyz"), "storage_unavailable")
        assert (await client.get("/healthz")).status_code == 200


async def test_probes_ask_s3_at_most_every_ten_seconds() -> None:
    """Until S3 has answered once, every probe asks it."""
    storage, times = ScriptedStorage(), [NOON]
    storage.answer = StorageUnavailable("Down.")
    async with probed(storage, lambda: times[0]) as client:
        for _ in range(3):
            await client.get("/readyz")
        assert storage.asked == 3
        storage.answer = NOON
        for _ in range(5):
            await client.get("/readyz")
        assert storage.asked == 4
        times[0] += timedelta(seconds=10)
        await client.get("/readyz")
    assert storage.asked == 5


async def test_concurrent_probes_share_one_call_to_s3() -> None:
    """Once the service is ready, they do not wait for a store that hangs."""
    storage, times = ScriptedStorage(), [NOON]
    storage.silent = asyncio.Event()
    async with probed(storage, lambda: times[0]) as client:
        probes = [asyncio.create_task(client.get("/readyz")) for _ in range(5)]
        await storage.was_asked.wait()
        storage.silent.set()
        assert {answer.status_code for answer in await asyncio.gather(*probes)} == {200}
        assert storage.asked == 1
        storage.silent.clear()
        times[0] += timedelta(seconds=10)
        answers = await asyncio.gather(*(client.get("/readyz") for _ in range(5)))
        assert {answer.status_code for answer in answers} == {200}
        assert storage.asked == 2
        storage.silent.set()


@pytest.mark.parametrize("sign", [1, -1])
async def test_a_clock_more_than_five_minutes_off_is_not_ready(sign: int) -> None:
    """S3 would refuse every signature."""
    storage = ScriptedStorage()
    async with probed(storage, lambda: NOON) as client:
        storage.answer = NOON + sign * (MAX_CLOCK_SKEW + timedelta(seconds=1))
        answer = await client.get("/readyz")
        assert_problem(answer, "storage_misconfigured")
        assert "301 seconds" in answer.json()["detail"]
        storage.answer = NOON + sign * MAX_CLOCK_SKEW
        assert (await client.get("/readyz")).status_code == 200


@pytest.mark.parametrize(
    ("code", "status", "said"),
    [
        ("NoSuchBucket", 404, "does not exist"),
        ("SignatureDoesNotMatch", 403, "refuses the service's credentials"),
    ],
)
async def test_a_bucket_that_cannot_be_used_is_logged_at_the_start(code: str, status: int, said: str) -> None:
    """With S3's reason, which an answer to a HEAD does not give, and the command that knows more."""
    async with stub_s3(Canned(status=status, code=code)) as stub:
        server = replace(s3_that_is_down(), endpoint_url=stub.endpoint_url)
        app = create_app(Settings.model_validate(settings_for(server)), check_bucket=True)
        with capture_logs() as logs:
            async with app.router.lifespan_context(app), asyncio.timeout(20):
                while not any(line["event"] == "bucket_not_usable" for line in logs):  # noqa: ASYNC110 - a log
                    await asyncio.sleep(0.01)
    (line,) = (line for line in logs if line["event"] == "bucket_not_usable")
    assert (line["bucket"], line["log_level"]) == (server.bucket, "warning")
    assert said in line["problem"]
    assert code in line["problem"]
    assert "uploadsvc doctor" in line["advice"]


async def test_a_silent_s3_does_not_delay_the_start() -> None:
    async with stub_s3(None) as stub:
        server = replace(s3_that_is_down(), endpoint_url=stub.endpoint_url)
        app = create_app(Settings.model_validate(settings_for(server)), check_bucket=True)
        async with app.router.lifespan_context(app):
            # S3 has not answered, and will not.
            assert len(stub.requests) <= 1

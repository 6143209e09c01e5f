"""One app replaces another while requests run; several workers do so together, or none does."""

import asyncio
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, cast

import pytest
from fastapi import FastAPI
from starlette.types import Receive, Scope, Send

from uploadsvc.server.served import Served
from uploadsvc.server.workers import Workers

HTTP: Scope = {"type": "http"}


class App(FastAPI):
    """An app whose requests end when they are let go.

    Args:
        name: Its name.
        told: Collects what happens.
    """

    def __init__(self, name: str, told: list[str]) -> None:
        @asynccontextmanager
        async def lifespan(_: FastAPI) -> AsyncIterator[None]:
            told.append(f"{name} opened")
            yield
            told.append(f"{name} closed")

        super().__init__(lifespan=lifespan)
        self.name, self.told, self.let_go = name, told, asyncio.Event()
        self.state.on_stop = lambda: told.append(f"{name} stopped")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request."""
        del scope, receive, send
        self.told.append(f"{self.name} asked")
        await self.let_go.wait()


@asynccontextmanager
async def serving(app: App) -> AsyncIterator[tuple[Served, Callable[[], "asyncio.Task[None]"]]]:
    """Run the lifespan, and give what is served and a function that sends a request."""
    served, messages = Served(app), asyncio.Queue[Any]()
    tasks: set[asyncio.Task[None]] = set()
    served.follow(lambda: tasks)
    sent = asyncio.Queue[Any]()
    living = asyncio.ensure_future(served({"type": "lifespan"}, messages.get, sent.put))
    await messages.put({"type": "lifespan.startup"})
    assert (await sent.get())["type"] == "lifespan.startup.complete"

    def ask() -> "asyncio.Task[None]":
        async def request() -> None:
            await served(HTTP, messages.get, sent.put)

        task = asyncio.create_task(request())
        tasks.add(task)
        task.add_done_callback(tasks.discard)
        return task

    yield served, ask
    await messages.put({"type": "lifespan.shutdown"})
    assert (await sent.get())["type"] == "lifespan.shutdown.complete"
    await living


async def settle() -> None:
    """Let all tasks run that can."""
    for _ in range(20):
        await asyncio.sleep(0)


async def test_a_replaced_app_finishes_its_requests() -> None:
    """New requests wait while all hold, and then go to the next app; the old one closes after its last."""
    told: list[str] = []
    old, new = App("old", told), App("new", told)
    async with serving(old) as (served, ask):
        running = ask()
        await settle()
        await served.prepare(lambda: new)
        served.hold()
        held = ask()
        await settle()
        assert told == ["old opened", "old asked", "new opened"]
        served.switch()
        await settle()
        assert told[3:] == ["old stopped", "new asked"]
        new.let_go.set()
        await held
        assert "old closed" not in told
        old.let_go.set()
        await running
        await settle()
        assert told[5:] == ["old closed"]
        cast("Any", served.state).on_stop()
        assert told[6:] == ["new stopped"]
    assert told[7:] == ["new closed"]


async def test_an_app_that_is_dropped_is_closed() -> None:
    """Requests that were held go to the old one."""
    told: list[str] = []
    async with serving(old := App("old", told)) as (served, ask):
        await served.prepare(lambda: App("new", told))
        served.hold()
        held = ask()
        await settle()
        assert "old asked" not in told
        await served.drop()
        old.let_go.set()
        await held
    assert sorted(told) == ["new closed", "new opened", "old asked", "old closed", "old opened"]


async def test_an_app_that_cannot_be_built_or_opened_changes_nothing() -> None:
    told: list[str] = []

    @asynccontextmanager
    async def broken(app: FastAPI) -> AsyncIterator[None]:
        yield app.state.nothing

    async with serving(App("old", told)) as (served, ask):
        with pytest.raises(AttributeError):
            await served.prepare(lambda: FastAPI(lifespan=broken))
        with pytest.raises(ZeroDivisionError):
            await served.prepare(lambda: cast("FastAPI", 1 // 0))
        served.switch()
        request = ask()
        await settle()
        assert told == ["old opened", "old asked"]
        request.cancel()


class Worker:
    """A worker that takes orders.

    Args:
        name: Its name.
        orders: Collects orders.
        refuses: A step that it refuses.
    """

    def __init__(self, name: str, orders: list[str], refuses: str = "") -> None:
        self.name, self.orders, self.refuses = name, orders, refuses
        self.asked = self
        self.process = self

    async def take(self, step: str, _factory: object = None, *, seconds: float) -> str:
        """Take an order."""
        assert seconds > 0
        self.orders.append(f"{step} {self.name}")
        return "because" if step == self.refuses else ""

    def kill(self) -> None:
        """Kill it."""
        self.orders.append(f"kill {self.name}")


def _workers(*running: Worker) -> Workers:
    workers = Workers(cast("Any", "old"), cast("Any", None), 2)
    workers._running = cast("Any", dict.fromkeys(running))
    return workers


async def test_all_workers_hold_before_one_switches() -> None:
    """Otherwise one would sign with a key that another one does not know yet."""
    orders: list[str] = []
    workers = _workers(Worker("a", orders), Worker("b", orders, refuses="switch"))
    await workers._change(cast("Any", "new"))
    steps = [f"{step} {name}" for step in ("prepare", "hold", "switch") for name in ("a", "b")]
    assert orders == [*steps, "kill b"], "its successor starts with the new settings"
    assert workers._factory == cast("Any", "new")


@pytest.mark.parametrize("refused", ["prepare", "hold"])
async def test_no_worker_switches_if_one_cannot(refused: str) -> None:
    orders: list[str] = []
    workers = _workers(Worker("a", orders), Worker("b", orders, refuses=refused))
    await workers._change(cast("Any", "new"))
    assert orders[-2:] == ["drop a", "drop b"]
    assert not any("switch" in order or "kill" in order for order in orders)
    assert workers._factory == cast("Any", "old")


async def test_a_reload_that_breaks_does_not_end_reloading(monkeypatch: pytest.MonkeyPatch) -> None:
    """The next SIGHUP is obeyed, whatever went wrong with this one."""
    changed, failed = asyncio.Event(), asyncio.Event()

    def read_again() -> Callable[[Any], FastAPI]:
        if not failed.is_set():
            failed.set()
            raise MemoryError
        return cast("Callable[[Any], FastAPI]", "new")

    async def change(factory: object) -> None:
        assert factory == "new"
        changed.set()

    workers = Workers(cast("Any", "old"), cast("Any", None), 2, reload=read_again)
    monkeypatch.setattr(workers, "_change", change)
    reloading = asyncio.create_task(workers._reload_on_signal())
    await asyncio.sleep(0)
    async with asyncio.timeout(5):
        signal.raise_signal(signal.SIGHUP)
        await failed.wait()
        signal.raise_signal(signal.SIGHUP)
        await changed.wait()
    reloading.cancel()

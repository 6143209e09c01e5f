"""The current app of a process, replaceable while it runs."""

import asyncio
import traceback
from collections.abc import Awaitable, Callable, Collection
from typing import Any, Final

import structlog
from fastapi import FastAPI
from starlette.datastructures import State
from starlette.types import ASGIApp, Receive, Scope, Send

from uploadsvc.server import collector

HOLD_SECONDS: Final = 10.0
"""Seconds after which held requests continue, even if the parent hangs."""

LONGEST_REQUEST: Final = 600.0
"""Seconds for the requests of a replaced app to finish."""

LONGEST_REST: Final = 3600.0
"""Seconds for its background work to finish after that, such as retries of events."""

_log = structlog.get_logger("uploadsvc")
Tasks = Callable[[], Collection["asyncio.Task[Any]"]]


class _Running:
    """An app whose lifespan runs in its own task, because the same task must open and close it."""

    def __init__(self, app: FastAPI) -> None:
        self.app = app
        self._end = asyncio.Event()
        self._started = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Start the lifespan.

        Raises:
            Exception: The lifespan raised it.
        """
        self._task = asyncio.create_task(self._run())
        started = asyncio.create_task(self._started.wait())
        await asyncio.wait({self._task, started}, return_when=asyncio.FIRST_COMPLETED)
        started.cancel()
        if self._task.done():
            await self._task

    async def close(self) -> None:
        """End the lifespan."""
        self._end.set()
        if self._task is not None:
            await self._task

    async def _run(self) -> None:
        async with self.app.router.lifespan_context(self.app):
            self._started.set()
            await self._end.wait()


class Served:
    """Passes requests to the current app. A replaced app finishes its requests before it is closed.

    Args:
        app: The first app.

    Attributes:
        state: State of the first app, except that its stop callbacks stop the current one.
    """

    def __init__(self, app: FastAPI) -> None:
        self._current = _Running(app)
        self._next: _Running | None = None
        self._app: ASGIApp = app
        self._released = asyncio.Event()
        self._hurry = asyncio.Event()
        self._retiring: dict[asyncio.Task[None], _Running] = {}
        self._tasks: Tasks = tuple
        self.state = State(dict(app.state._state))  # noqa: SLF001 - a copy
        for name in ("on_stop", "on_drain"):
            setattr(self.state, name, lambda name=name: self._tell(self._current, name))

    def follow(self, tasks: Tasks) -> None:
        """Set the function that returns the tasks of all running requests."""
        self._tasks = tasks

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        """Serve a request, or run the lifespans of all apps."""
        if scope["type"] == "lifespan":
            return self._lifespan(receive, send)
        return self._app(scope, receive, send)

    async def prepare(self, build: Callable[[], FastAPI]) -> None:
        """Build and open the next app.

        Raises:
            Exception: It cannot be built or opened.
        """
        # In a thread, because it takes a tenth of a second.
        app = await asyncio.to_thread(build)
        take_over = getattr(app.state, "take_over", None)
        if take_over is not None:
            take_over(self._current.app)
        following = _Running(app)
        await following.start()
        self._next = following

    def hold(self) -> None:
        """Make new requests wait until `switch` or `drop`."""
        self._released = released = asyncio.Event()
        self._app = self._held
        asyncio.get_running_loop().call_later(HOLD_SECONDS, self._release, released)

    def switch(self) -> None:
        """Serve requests with the next app."""
        if self._next is None:
            return
        old, self._current, self._next = self._current, self._next, None
        running = set(self._tasks())
        self._release(self._released)
        # Ends responses that would otherwise run for as long as their clients read.
        self._tell(old, "on_stop")
        self._retiring[asyncio.create_task(self._retire(old, running))] = old

    async def drop(self) -> None:
        """Discard the next app and keep the current one."""
        self._release(self._released)
        following, self._next = self._next, None
        if following is not None:
            await following.close()

    async def _held(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._released.wait()
        await self._app(scope, receive, send)

    def _release(self, held: asyncio.Event) -> None:
        if held is self._released:
            self._app = self._current.app
            held.set()

    def _tell(self, running: _Running, name: str) -> None:
        getattr(running.app.state, name, lambda: None)()

    async def _retire(self, old: _Running, requests: Collection["asyncio.Task[Any]"]) -> None:
        await self._unless_hurried(requests, LONGEST_REQUEST)
        rest = getattr(old.app.state, "finish", None)
        if rest is not None:
            finishing = asyncio.ensure_future(rest())
            await self._unless_hurried([finishing], LONGEST_REST)
            finishing.cancel()
        try:
            await old.close()
        except Exception:  # noqa: BLE001 - the current app serves
            _log.exception("replaced_app_failed")
        self._retiring.pop(asyncio.current_task(), None)  # type: ignore[arg-type] # it runs in a task
        del old
        if not self._hurry.is_set():
            collector.renew()

    async def _unless_hurried(self, tasks: Collection["asyncio.Future[Any]"], seconds: float) -> None:
        hurry = asyncio.create_task(self._hurry.wait())
        left = set(tasks)
        deadline = asyncio.get_running_loop().time() + seconds
        while left and not self._hurry.is_set():
            rest = deadline - asyncio.get_running_loop().time()
            done, _ = await asyncio.wait({hurry, *left}, timeout=rest, return_when=asyncio.FIRST_COMPLETED)
            if not done:
                break
            left -= done
        hurry.cancel()

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        """Run ASGI's lifespan protocol: https://asgi.readthedocs.io/en/latest/specs/lifespan.html."""
        await receive()
        try:
            await self._current.start()
        except BaseException:
            await send({"type": "lifespan.startup.failed", "message": traceback.format_exc()})
            raise
        await send({"type": "lifespan.startup.complete"})
        await receive()
        self._hurry.set()
        try:
            closing = [self._current.close(), self.drop()]
            await asyncio.gather(*closing, *self._retiring)
        except BaseException:
            await send({"type": "lifespan.shutdown.failed", "message": traceback.format_exc()})
            raise
        await send({"type": "lifespan.shutdown.complete"})

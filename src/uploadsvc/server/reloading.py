"""Replace the apps of all workers, or of none.

Every worker prepares the next app, then all hold requests, then all switch. No request starts in between, so
no worker gets ids or tokens that another has signed with newer keys.
"""

import asyncio
from contextlib import suppress
from multiprocessing.connection import Connection
from typing import TYPE_CHECKING, Any, Literal, Self

import structlog

from uploadsvc.server.errors import CannotStartError

if TYPE_CHECKING:
    from collections.abc import Callable

    from fastapi import FastAPI

    from uploadsvc.server.served import Served
    from uploadsvc.telemetry.metrics import Metrics

Step = Literal["prepare", "hold", "switch", "drop"]
Order = "tuple[int, Step, Callable[[Metrics], FastAPI] | None]"
"""Number and step; for the first step, also the factory of the next app."""

_log = structlog.get_logger("uploadsvc")


class ReloadHandler:
    """A worker's end: takes the parent's steps in order, and responds with number and error.

    Args:
        served: The app of this worker.
        control: The connection with the parent.
        metrics: Metrics of this process.
    """

    def __init__(self, served: "Served", control: Connection, metrics: "Metrics") -> None:
        self._served = served
        self._control = control
        self._metrics = metrics
        self._orders = asyncio.Queue[Any]()

    async def __aenter__(self) -> Self:
        """Start taking steps."""
        self._working = asyncio.create_task(self._work())
        asyncio.get_running_loop().add_reader(self._control.fileno(), self._receive)
        return self

    async def __aexit__(self, *_: object) -> None:
        """Stop taking steps."""
        asyncio.get_running_loop().remove_reader(self._control.fileno())
        self._working.cancel()

    def _receive(self) -> None:
        try:
            self._orders.put_nowait(self._control.recv())
        except (EOFError, OSError):
            asyncio.get_running_loop().remove_reader(self._control.fileno())

    async def _work(self) -> None:
        while True:
            number, step, factory = await self._orders.get()
            reason = await self._take(step, factory)
            with suppress(OSError):
                self._control.send((number, reason))

    async def _take(self, step: Step, factory: "Callable[[Metrics], FastAPI] | None") -> str:
        try:
            match step:
                case "prepare":
                    assert factory is not None  # noqa: S101 - it comes with this step
                    await self._served.prepare(lambda: factory(self._metrics))
                case "hold":
                    self._served.hold()
                case "switch":
                    self._served.switch()
                case "drop":
                    await self._served.drop()
        except CannotStartError as error:
            return str(error)
        except Exception as error:  # noqa: BLE001 - the current app serves on
            _log.exception("reload_failed")
            return f"the service cannot start with them ({type(error).__name__})"
        return ""


class Asked:
    """The parent's end of the connection to a worker.

    Args:
        control: The connection.
    """

    def __init__(self, control: Connection) -> None:
        self._control = control
        self._number = 0
        self._answer: asyncio.Future[str] | None = None

    def open(self) -> None:
        """Start receiving responses."""
        asyncio.get_running_loop().add_reader(self._control.fileno(), self._receive)

    def close(self) -> None:
        """Close the connection after the worker has ended."""
        asyncio.get_running_loop().remove_reader(self._control.fileno())
        self._control.close()
        self._settle("a worker has ended")

    async def take(
        self, step: Step, factory: "Callable[[Metrics], FastAPI] | None" = None, *, seconds: float
    ) -> str:
        """Make the worker take a step. Returns the error, or an empty string."""
        self._number += 1
        self._answer = asyncio.get_running_loop().create_future()
        try:
            async with asyncio.timeout(seconds):
                # In a thread, because the pipe of a worker that hangs may be full.
                await asyncio.to_thread(self._control.send, (self._number, step, factory))
                return await self._answer
        except TimeoutError:
            return "a worker did not answer in time"
        except OSError:
            return "a worker has ended"

    def _receive(self) -> None:
        try:
            number, reason = self._control.recv()
        except (EOFError, OSError):
            asyncio.get_running_loop().remove_reader(self._control.fileno())
            return
        if number == self._number:
            self._settle(reason)

    def _settle(self, reason: str) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_result(reason)

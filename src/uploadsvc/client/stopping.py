"""Run a command until it ends, or until Ctrl-C or SIGTERM stops it."""

import asyncio
import signal
import sys
from collections.abc import Callable, Coroutine
from contextlib import AbstractContextManager
from typing import Any, Final

_STOPS: Final = (signal.SIGINT, signal.SIGTERM)


def run_until_stopped(
    work: Callable[[], Coroutine[Any, Any, int]], shown: AbstractContextManager[object], *, on_stop: str
) -> int:
    """Run a command and return its exit status; after a signal, 128 plus its number.

    Args:
        work: The command.
        shown: Display to show while it runs.
        on_stop: Line to print after a signal.
    """
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        return runner.run(_until_stopped(work, shown, on_stop))


async def _until_stopped(
    work: Callable[[], Coroutine[Any, Any, int]], shown: AbstractContextManager[object], on_stop: str
) -> int:
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    stopped_by: list[int] = []

    def stop(number: int) -> None:
        stopped_by.append(number)
        for one in _STOPS:
            # A second signal ends the process at once.
            loop.remove_signal_handler(one)
            signal.signal(one, signal.SIG_DFL)
        if task is not None:
            task.cancel()

    for number in _STOPS:
        loop.add_signal_handler(number, stop, number)
    try:
        with shown:
            return await work()
    except asyncio.CancelledError:
        if not stopped_by:
            raise
        sys.stderr.write(f"uploadsvc: {on_stop}\n")
        return 128 + stopped_by[0]


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    try:
        import uvloop  # noqa: PLC0415 - not available on every platform
    except ImportError:
        return None
    return uvloop.new_event_loop

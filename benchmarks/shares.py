"""Profile the CPU time of ``POST /v1/uploads`` by part of the code, without sockets and HTTP parsing.

Run it with ``python -m benchmarks.shares``. It samples the app in its process, and attributes each sample to
the innermost frame of uploadsvc's code; libraries count as the part that calls them. Log lines are written
synchronously, because samples do not cover the thread that usually writes them.
"""

import asyncio
import os
import signal
from collections import Counter
from contextlib import redirect_stderr
from pathlib import Path
from types import FrameType
from typing import Final, Self

import uvloop

import uploadsvc
from benchmarks.asgi import Caller
from benchmarks.credentials import bearer
from benchmarks.in_process import BODY, PATH, own_app
from uploadsvc.server.logging import configure_logs

CALLS: Final = 60_000
SAMPLE_SECONDS: Final = 0.001

_ROOT: Final = f"{Path(uploadsvc.__file__).parent}{os.sep}"
_PARTS: Final = (
    ("api/direct_calls.py", "hot path: read, validate, call"),
    ("api/access_log.py", "access log"),
    ("server/logging.py", "access log"),
    ("domain/redaction.py", "access log"),
    ("telemetry/", "metrics and records"),
    ("api/middleware.py", "middleware"),
    ("auth/", "authentication"),
    ("tokens/known_tokens.py", "authentication"),
    ("tokens/", "signed id"),
    ("s3/", "signature"),
    ("domain/", "rules and key"),
    ("services/", "use case"),
    ("api/", "request and response"),
)


class Sampler:
    """Counts the parts of the code that run when a timer of CPU time fires: setitimer(2), ``ITIMER_PROF``."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()

    def __enter__(self) -> Self:
        signal.signal(signal.SIGPROF, lambda _signal, frame: self.counts.update([_part(frame)]))
        signal.setitimer(signal.ITIMER_PROF, SAMPLE_SECONDS, SAMPLE_SECONDS)
        return self

    def __exit__(self, *_: object) -> None:
        signal.setitimer(signal.ITIMER_PROF, 0)


def _part(frame: FrameType | None) -> str:
    while frame is not None:
        name = frame.f_code.co_filename
        if name.startswith(_ROOT):
            inside = name.removeprefix(_ROOT)
            return next((part for prefix, part in _PARTS if inside.startswith(prefix)), "other")
        frame = frame.f_back
    return "FastAPI, Starlette and this caller"


async def _run(sampler: Sampler) -> None:
    app = own_app()
    async with app.router.lifespan_context(app):
        caller = Caller(app, bearer(1))
        for _ in range(CALLS // 10):
            await caller.post(PATH, BODY)
        with sampler:
            for _ in range(CALLS):
                await caller.post(PATH, BODY)


def main() -> None:
    """Print the share of each part."""
    sampler = Sampler()
    with Path(os.devnull).open("w", encoding="utf-8") as nowhere, redirect_stderr(nowhere):
        configure_logs(terminal=False)
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(_run(sampler))
    total = sampler.counts.total()
    for part, count in sampler.counts.most_common():
        print(f"{part:<36}{count / total:>5.0%}")


if __name__ == "__main__":
    main()

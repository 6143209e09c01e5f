"""Compare the CPU time of ``POST /v1/uploads`` with plain FastAPI, without sockets and HTTP parsing.

Run it with ``python -m benchmarks.in_process``; it prints JSON. Both apps run in the same process, in turn.
Everything else is as in production: authentication, the id, the request id and the JSON log line, which goes
to the null device.
"""

import asyncio
import json
import os
import statistics
import time
from collections.abc import Mapping
from contextlib import redirect_stderr
from importlib import import_module
from pathlib import Path
from typing import Final

import uvloop
from fastapi import FastAPI

from benchmarks.asgi import Caller
from benchmarks.credentials import AUDIENCE, bearer
from benchmarks.servers import BUCKET, KEY, REGION, SECRET
from uploadsvc.app import create_app
from uploadsvc.server.logging import configure_logs
from uploadsvc.settings import Settings

ROUNDS: Final = 15
CALLS: Final = 500
PATH: Final = "/v1/uploads"
BODY: Final = b'{"filename": "photo.jpg", "content_type": "image/jpeg", "size": 123456}'

_CREATED: Final = 201


def own_app() -> FastAPI:
    """Return the service with authentication by HS256 tokens."""
    settings = {
        "secret_key": SECRET,
        "s3": {
            "bucket": BUCKET,
            "region": REGION,
            "access_key_id": KEY.access_key_id,
            "secret_access_key": KEY.secret_access_key,
        },
        "auth": {"jwt": {"secret": SECRET, "audience": [AUDIENCE]}},
    }
    return create_app(Settings.model_validate(settings))


async def measure() -> dict[str, list[float]]:
    """Return the CPU time of a call in microseconds, for each round."""
    service = own_app()
    async with service.router.lifespan_context(service):
        own = Caller(service, bearer(1))
        _, answer = await own.post(PATH, BODY)
        # The bare app sends this as its response.
        os.environ["BENCH_ANSWER"] = answer.decode()
        bare_app: FastAPI = import_module("benchmarks.peers.bare").app
        callers = {"uploadsvc": own, "bare": Caller(bare_app, {})}
        figures: dict[str, list[float]] = {name: [] for name in callers}
        for number in range(ROUNDS + 1):
            for name, caller in callers.items():
                found = await _microseconds(caller)
                # The first round warms the caches.
                if number:
                    figures[name].append(found)
        return figures


async def _microseconds(caller: Caller) -> float:
    # Of all threads, including the one that writes the log.
    started = time.process_time()
    for _ in range(CALLS):
        status, answer = await caller.post(PATH, BODY)
        if status != _CREATED:
            raise SystemExit(answer.decode())
    return (time.process_time() - started) / CALLS * 1e6


def ratios(figures: Mapping[str, list[float]]) -> list[float]:
    """Return the throughput per CPU second relative to plain FastAPI, for each round."""
    return [bare / own for own, bare in zip(figures["uploadsvc"], figures["bare"], strict=True)]


def main() -> None:
    """Print the medians and the ratios."""
    with (
        Path(os.devnull).open("w", encoding="utf-8") as nowhere,
        redirect_stderr(nowhere),
        asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner,
    ):
        # `serve` does not wait for what reads its logs.
        configure_logs(terminal=False, waits=False)
        figures = runner.run(measure())
    medians = {name: statistics.median(found) for name, found in figures.items()}
    print(json.dumps({**medians, "ratios": ratios(figures)}))


if __name__ == "__main__":
    main()

"""Measure how long one request blocks the event loop, and how much it delays ``/healthz`` for others.

Run it with ``python -m benchmarks.loop``. The first table is measured in this process: a 1 ms timer records
the longest CPU time of the loop's thread, and the longest wall time, between two of its calls while heavy
requests run, from their headers to the last byte of the answers. The second table is measured over HTTP:
``/healthz`` is requested every 5 ms while another process repeats the same request. The store is
`benchmarks.scripted_s3`.
"""

import argparse
import asyncio
import json
import logging
import multiprocessing
import os
import statistics
import tempfile
import time
from collections.abc import Mapping
from contextlib import redirect_stderr
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from unittest.mock import patch

import uvloop

from benchmarks.scripted_s3 import ETAG, PART_SIZE, scripted_s3
from benchmarks.served import connect, request, serve, settings, token
from uploadsvc.app import create_app
from uploadsvc.server import collector
from uploadsvc.server.logging import configure_logs
from uploadsvc.settings import load_settings

GOAL_MS: Final = 20
ROUNDS: Final = 5
PROBES: Final = 400
PROBE_SECONDS: Final = 0.005
MAX_PARTS: Final = 10_000
MEBIBYTE: Final = 1024**2

Call = tuple[str, str, bytes]
"""Method, path and body of a request."""


@dataclass(slots=True)
class Holds:
    """The longest times, in seconds, between two calls of a timer of 1 ms."""

    cpu: float = 0.0
    wall: float = 0.0


async def watch(holds: Holds) -> None:
    """Record how long this loop is blocked at most, until cancelled."""
    while True:
        cpu, wall = time.thread_time(), time.perf_counter()
        await asyncio.sleep(0.001)
        holds.cpu = max(holds.cpu, time.thread_time() - cpu)
        holds.wall = max(holds.wall, time.perf_counter() - wall)


def upload(size: int, method: str = "auto") -> dict[str, Any]:
    """Return the body of a request to create an upload."""
    return {"filename": "film.mp4", "content_type": "video/mp4", "size": size, "method": method}


def heavy_calls(upload_id: str) -> Mapping[str, Call]:
    """Return heavy requests by name.

    Args:
        upload_id: Id of a multipart upload of `MAX_PARTS` parts.
    """
    many = range(1, MAX_PARTS + 1)
    path = f"/v1/uploads/{upload_id}"

    def post(where: str, body: object) -> Call:
        return "POST", where, json.dumps(body).encode()

    files = [{"name": "film.mp4", "size": MAX_PARTS * PART_SIZE, "type": "video/mp4"}]
    return {
        "batch of 100 puts": post("/v1/uploads/batch", {"uploads": [upload(1000)] * 100}),
        "batch of 100 multiparts": post("/v1/uploads/batch", {"uploads": [upload(10**9, "multipart")] * 100}),
        "one of 100 parts": post("/v1/uploads", upload(MAX_PARTS * PART_SIZE)),
        "1,000 parts": post(f"{path}/parts", {"part_numbers": list(range(1, 1001))}),
        "Better Upload, 10,000 parts": post("/better-upload", {"route": "default", "files": files}),
        "status of 10,000 parts": ("GET", path, b""),
        "complete, no etags": post(f"{path}/complete", {}),
        "complete, 10,000 etags": post(
            f"{path}/complete", {"parts": [{"part_number": number, "etag": ETAG} for number in many]}
        ),
        "1,000 objects of long keys": ("GET", "/v1/objects?limit=1000", b""),
        **junk_calls(path),
        "/openapi.json": ("GET", "/openapi.json", b""),
        "/docs": ("GET", "/docs", b""),
        "/docs/swagger-ui-bundle.js": ("GET", "/docs/swagger-ui-bundle.js", b""),
        "/web/uploadsvc.js": ("GET", "/web/uploadsvc.js", b""),
    }


def junk_calls(path: str) -> Mapping[str, Call]:
    """Return invalid requests with bodies of nearly 1 MiB."""
    size = MEBIBYTE - 2_000
    bodies: dict[str, object] = {
        "many fields": {f"f{number}": number for number in range(size // 18)},
        "a long string": {"filename": "é" * (size // 6)},
        "metadata of 49,000 fields": {"metadata": {f"k{number}": "v" for number in range(49_000)}},
        "an array of 100,000": {"uploads": [0] * 99_990},
        "an array of 49,000 objects": {"uploads": [{"x": 1}] * 49_000},
        "100 uploads of 250 wrong values": {
            "uploads": [{"metadata": {f"k{number}": 1 for number in range(250)}}] * 100
        },
    }
    calls: dict[str, Call] = {
        f"1 MB: {name}": ("POST", f"/v1/uploads{where}", json.dumps(body).encode())
        for name, body in bodies.items()
        for where in ("", "/batch")
        if where or "uploads" not in name
    }
    texts = {
        "deep objects": b'{"a":' * 49_000 + b"1" + b"}" * 49_000,
        "deep arrays": b"[" * (size // 2) + b"]" * (size // 2),
        "a long number": b'{"size": ' + b"9" * size + b"}",
        "not UTF-8": b'{"filename": "' + b"\xff" * size + b'"}',
    }
    calls |= {f"1 MB: {name}": ("POST", "/v1/uploads", text) for name, text in texts.items()}
    numbers = json.dumps({"part_numbers": [-1] * 99_990}).encode()
    calls["1 MB: 100,000 part numbers"] = ("POST", f"{path}/parts", numbers)
    parts = {
        "28,000 parts": [{"part_number": 1, "etag": "e"}] * 28_000,
        "24,000 parts": [{"part_number": 1, "etag": "e"}] * 24_000,
        "10,000 wrong parts": [{"part_number": 0, "etag": 1}] * MAX_PARTS,
        "a part of 49,000 fields": [{f"f{number}": number for number in range(49_000)}],
    }
    for name, listed in parts.items():
        calls[f"1 MB: {name}"] = ("POST", f"{path}/complete", json.dumps({"parts": listed}).encode())
    for count in (40_000, 24_000, 100):
        files = [{"name": "", "size": -1}] * count
        body = json.dumps({"route": "default", "files": files}).encode()
        calls[f"1 MB: {count:,} wrong files"] = ("POST", "/better-upload", body)
    return calls


class InProcess:
    """Calls the app without a server, in the loop that is measured."""

    def __init__(self, app: Any, bearer: str) -> None:  # noqa: ANN401 - any ASGI app
        self._app = app
        self._bearer = bearer

    async def call(self, call: Call, bearer: str | None = None) -> tuple[int, bytes]:
        """Send a request; return status and body of the answer."""
        method, target, body = call
        path, _, query = target.partition("?")
        headers = [
            (b"host", b"uploads.test"),
            (b"authorization", f"Bearer {bearer or self._bearer}".encode()),
            (b"content-type", b"application/json"),
            (b"content-length", str(len(body)).encode()),
        ]
        scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": method,
            "scheme": "http",
            "path": path,
            "raw_path": path.encode(),
            "root_path": "",
            "query_string": query.encode(),
            "headers": headers,
            "client": ("127.0.0.1", 1),
            "server": ("uploads.test", 80),
            "state": {},
        }
        answer: list[Any] = []

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": body, "more_body": False}

        async def send(message: Any) -> None:  # noqa: ANN401 - an ASGI message
            answer.append(message)

        await self._app(scope, receive, send)
        return answer[0]["status"], b"".join(message.get("body", b"") for message in answer)


async def measure_holds(endpoint_url: str) -> None:
    """Print how long each call blocks the loop at most."""
    with patch.dict(os.environ, settings(endpoint_url)):
        app = create_app(load_settings())
    async with app.router.lifespan_context(app):
        # As in the process of the service.
        collector.resume()
        service = InProcess(app, token())
        _, created = await service.call(
            ("POST", "/v1/uploads", json.dumps(upload(MAX_PARTS * PART_SIZE)).encode())
        )
        calls = heavy_calls(json.loads(created)["id"])
        print(f"{'in process, ms':<40}{'status':>7}{'CPU, longest':>14}{'median':>9}{'wall':>9}{'first':>9}")
        for name, call in {**calls, "8 KB bad JWT": ("GET", "/v1/policies", b"")}.items():
            bearer = f"{'e30' * 1000}.{'e30' * 1300}.{'A' * 1000}" if "JWT" in name else None
            await _show_holds(service, name, call, bearer)


async def _show_holds(service: InProcess, name: str, call: Call, bearer: str | None) -> None:
    found = []
    status = 0
    for _ in range(ROUNDS):
        holds = Holds()
        watching = asyncio.create_task(watch(holds))
        await asyncio.sleep(0.005)
        status, _ = await service.call(call, bearer)
        await asyncio.sleep(0.005)
        watching.cancel()
        found.append(holds)
    longest = max(one.cpu for one in found)
    median = statistics.median(one.cpu for one in found)
    mark = "" if longest * 1e3 <= GOAL_MS else f"  over {GOAL_MS}"
    wall = max(one.wall for one in found)
    print(
        f"{name:<40}{status:>7}{longest * 1e3:>14.1f}{median * 1e3:>9.1f}{wall * 1e3:>9.1f}"
        f"{found[0].cpu * 1e3:>9.1f}{mark}",
        flush=True,
    )


def _hammer(port: int, sent: bytes) -> None:
    async def run() -> None:
        connection = await connect(port)
        while True:
            await connection.send(sent)

    asyncio.run(run())


async def measure_delays(directory: Path, endpoint_url: str) -> None:
    """Print the latency of ``/healthz`` while each call is repeated."""
    starting = serve(directory, endpoint_url)
    served = await asyncio.to_thread(starting.__enter__)
    bearer = token()
    try:
        connection = await connect(served.port)
        body = json.dumps(upload(MAX_PARTS * PART_SIZE)).encode()
        _, created = await connection.send(request("POST", "/v1/uploads", bearer=bearer, body=body))
        await connection.close()
        print(f"{'/healthz over HTTP, ms':<40}{'median':>9}{'p99':>9}{'longest':>9}")
        await _show_delays(served.port, "nothing else", None)
        for name, (method, path, sent) in heavy_calls(json.loads(created)["id"]).items():
            await _show_delays(served.port, name, request(method, path, bearer=bearer, body=sent))
    finally:
        await asyncio.to_thread(starting.__exit__, None, None, None)


async def _show_delays(port: int, name: str, sent: bytes | None) -> None:
    process = None
    if sent is not None:
        process = multiprocessing.get_context("spawn").Process(target=_hammer, args=(port, sent), daemon=True)
        process.start()
        # Python starts, and the first requests arrive.
        await asyncio.sleep(1)
    probe, found = await connect(port), []
    try:
        for _ in range(PROBES):
            started = time.perf_counter()
            await probe.send(request("GET", "/healthz"))
            found.append((time.perf_counter() - started) * 1e3)
            await asyncio.sleep(max(0.0, PROBE_SECONDS - found[-1] / 1e3))
    finally:
        await probe.close()
        if process is not None:
            process.terminate()
            process.join()
    p99 = statistics.quantiles(found, n=100)[98]
    print(f"{name:<40}{statistics.median(found):>9.1f}{p99:>9.1f}{max(found):>9.1f}", flush=True)


def main() -> None:
    """Measure, and print both tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--no-http", action="store_true", help="make the first table only")
    asked = parser.parse_args()
    with scripted_s3() as endpoint_url:
        with Path(os.devnull).open("w", encoding="utf-8") as nowhere, redirect_stderr(nowhere):
            configure_logs(terminal=False)
            logging.getLogger().setLevel(logging.CRITICAL)
            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                runner.run(measure_holds(endpoint_url))
        if not asked.no_http:
            with tempfile.TemporaryDirectory(prefix="uploadsvc-bench-") as directory:
                asyncio.run(measure_delays(Path(directory), endpoint_url))


if __name__ == "__main__":
    main()

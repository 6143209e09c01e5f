"""Send requests over 16 connections, with wrk if it is installed, or with `benchmarks.loader`."""

import asyncio
import json
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

import httpx
import uvloop

from benchmarks import loader
from benchmarks.machine import cpu_seconds
from benchmarks.servers import Server

CONNECTIONS: Final = 16

_LONGEST_SLOT: Final = 15
"""Seconds without any answer that count as a failure."""

_SETTLE_SECONDS: Final = 0.03
"""Longer than the unit of Linux's CPU times."""

_SETTLE_POLLS: Final = 100

_SCRIPT: Final = Path(__file__).with_name("wrk.lua")


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Requests to a server, and their expected answers.

    Attributes:
        name: Name in the results, one word.
        title: Title in the tables.
        server: The server.
        method: Method of all requests.
        calls: Path, headers and body of each request, to send in turn.
        status: Expected status of every answer.
        check: Returns whether the JSON of an answer is as expected.
        units: Uploads or URLs in one answer.
        connections: Concurrent requests. Few for slow ones: one that is cut off uses CPU and is not counted.
    """

    name: str
    title: str
    server: Server
    method: str
    calls: Sequence[tuple[str, Mapping[str, str], object]]
    status: int
    check: Callable[[Any], bool]
    units: int = 1
    connections: int = CONNECTIONS

    def try_once(self) -> bytes:
        """Send the first request; return the body of the answer.

        Raises:
            SystemExit: The answer is not as expected.
        """
        path, headers, body = self.calls[0]
        with httpx.Client(base_url=self.server.url, trust_env=False, timeout=60) as client:
            answer = client.request(self.method, path, headers=dict(headers), json=body)
        if answer.status_code != self.status or not self.check(answer.json()):
            message = f"{self.title}: {answer.status_code} {answer.text}"
            raise SystemExit(message)
        return answer.content

    def requests(self) -> list[bytes]:
        """Return the requests as bytes."""
        return [encode(self.method, path, headers, body) for path, headers, body in self.calls]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """Measurements of one turn.

    Attributes:
        rate: Answers per second.
        cpu: CPU time of the server per answer, in microseconds.
        busy: Share of the time in which the server used its core.
        p50: Median latency in milliseconds; ``p90`` and ``p99`` are percentiles.
    """

    rate: float
    cpu: float
    busy: float
    p50: float
    p90: float
    p99: float


def encode(method: str, path: str, headers: Mapping[str, str], body: object) -> bytes:
    """Return an HTTP/1.1 request, without a body if it is ``None``."""
    content = b"" if body is None else json.dumps(body).encode()
    lines = [
        f"{method} {path} HTTP/1.1",
        "Host: 127.0.0.1",
        *(f"{name}: {headers[name]}" for name in headers),
    ]
    if body is not None:
        lines += ["Content-Type: application/json", f"Content-Length: {len(content)}"]
    return ("\r\n".join(lines) + "\r\n\r\n").encode() + content


def measure(target: Target, requests: Path, seconds: int) -> Sample:
    """Load a target for some seconds.

    Args:
        target: The target.
        requests: The file of ``write_requests``.
        seconds: Duration in whole seconds, which wrk requires.

    Raises:
        SystemExit: An answer was an error, or none came.
    """
    # Emptied, because a full disk would distort the figures.
    target.server.log.write_bytes(b"")
    before = cpu_seconds(target.server.pid)
    send = _send_with_wrk if wrk() else _send
    found = send(target.server.port, requests, seconds, target.connections)
    used = cpu_seconds(target.server.pid) - before
    _settle(target.server.pid)
    if found["failures"] or (not found["requests"] and seconds > _LONGEST_SLOT):
        message = f"{target.title}: {found['failures']} failures beside {found['requests']} answers"
        raise SystemExit(message)
    if not found["requests"]:
        # Something else had the core all the time.
        return measure(target, requests, seconds * 2)
    return Sample(
        rate=found["requests"] / found["seconds"],
        cpu=used / found["requests"] * 1e6,
        busy=used / found["seconds"],
        **{name: found[name] for name in ("p50", "p90", "p99")},
    )


def _settle(pid: int) -> None:
    """Wait until a server is idle, so that its work does not count in the next turn."""
    before = -1.0
    for _ in range(_SETTLE_POLLS):
        if (now := cpu_seconds(pid)) == before:
            return
        before = now
        time.sleep(_SETTLE_SECONDS)


def write_requests(target: Target, directory: Path) -> Path:
    """Write the requests of a target to a file, each prefixed with its length."""
    path = directory / f"{target.name}.requests"
    with path.open("wb") as file:
        for request in target.requests():
            file.write(b"%d\n" % len(request) + request)
    return path


def read_requests(path: Path) -> list[bytes]:
    """Read what ``write_requests`` wrote."""
    requests = []
    with path.open("rb") as file:
        while length := file.readline():
            requests.append(file.read(int(length)))
    return requests


@cache
def wrk() -> str | None:
    """Return the version of wrk; ``None`` if it is not installed."""
    if (path := shutil.which("wrk")) is None:
        return None
    # It prints its version with its usage, and ends with 1.
    done = subprocess.run([path, "-v"], check=False, stdout=subprocess.PIPE, text=True)  # noqa: S603 - wrk
    found = re.search(r"\d+(\.\d+)+", done.stdout)
    return f"wrk {found[0]}" if found else "wrk"


def _send_with_wrk(port: int, requests: Path, seconds: int, connections: int) -> dict[str, Any]:
    command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", f"-s{_SCRIPT}", "--timeout=30s"]
    command += [f"http://127.0.0.1:{port}/", "--", str(requests)]
    with tempfile.TemporaryFile() as errors:
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=errors, check=True)  # noqa: S603 - ours
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def _send(port: int, requests: Path, seconds: int, connections: int) -> dict[str, Any]:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        load = loader.closed(port, read_requests(requests), seconds, connections=connections)
        return runner.run(load).summary()

"""Measure the cost of uploads, and check the figures in docs/scale.md: ``python -m benchmarks.scale``.

It runs the service with an S3 behind a counting proxy, makes complete uploads, and plans keys. It fails if a
count differs from ``scale.json``. ``--write`` updates that file and the tables.
"""

import argparse
import asyncio
import json
import sys
import tempfile
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import httpx

from benchmarks import flows
from benchmarks.flows import Flow
from benchmarks.prefixes import CROWDS, TEMPLATES, spreads
from benchmarks.s3_proxy import S3Proxy, s3_proxy
from benchmarks.served import Served, cpu_seconds, embedded_s3, serve, token

RESULTS: Final = Path(__file__).with_name("scale.json")
PAGE: Final = Path(__file__).parents[1] / "docs" / "scale.md"
_BENCHMARKS: Final = Path(__file__).with_name("results.json")

FLOWS: Final[Mapping[str, Flow]] = {
    "PUT": flows.put,
    "POST form": flows.post_form,
    "multipart, 3 parts": flows.multipart,
    "multipart, cancelled": flows.abandoned,
}
_UPLOADS: Final = 160
_AT_ONCE: Final = 8

# List prices in US dollars of us-east-1, November 2026: https://aws.amazon.com/s3/pricing/ (S3 Standard),
# https://aws.amazon.com/fargate/pricing/ (Linux, x86), https://aws.amazon.com/sqs/pricing/ (standard queues).
WRITE: Final = 0.005 / 1_000
READ: Final = 0.0004 / 1_000
FREE: Final = frozenset({"AbortMultipartUpload", "DeleteObject"})
READS: Final = frozenset({"HeadObject", "GetObject", "HeadBucket"})
CORE_HOUR: Final = 0.04048
QUEUE_REQUEST: Final = 0.4 / 1_000_000

_MILLION: Final = 1_000_000
_START, _END = "<!-- {}: written by python -m benchmarks.scale --write -->", "<!-- end -->"


def price(operation: str) -> float:
    """Return the price of a request in dollars. All others cost as much as writes."""
    return 0.0 if operation in FREE else READ if operation in READS else WRITE


async def count(proxy: S3Proxy, served: Served, *, uploads: int) -> dict[str, Any]:
    """Return S3's requests of one upload, and the service's CPU time for it in microseconds, by kind.

    Raises:
        SystemExit: Uploads of one kind differ.
    """
    found = {}
    signed_in = {"Authorization": f"Bearer {token()}"}
    base_url = f"http://127.0.0.1:{served.port}"
    async with (
        httpx.AsyncClient(base_url=base_url, headers=signed_in, trust_env=False, timeout=60) as service,
        httpx.AsyncClient(trust_env=False, timeout=60) as s3,
    ):
        for name, flow in FLOWS.items():
            await _repeat(lambda: flow(service, s3), _AT_ONCE)  # noqa: B023 - awaited here
            proxy.counts.clear()
            before = cpu_seconds(served.pid)
            await _repeat(lambda: flow(service, s3), uploads)  # noqa: B023 - awaited here
            used = (cpu_seconds(served.pid) - before) / uploads * 1e6
            found[name] = {"requests": _each(name, proxy.counts, uploads), "microseconds": round(used)}
    return found


async def _repeat(upload: Callable[[], Awaitable[None]], times: int) -> None:
    numbers = iter(range(times))

    async def one_after_another() -> None:
        for _ in numbers:
            await upload()

    await asyncio.gather(*(one_after_another() for _ in range(_AT_ONCE)))


def _each(name: str, counts: Counter[str], uploads: int) -> dict[str, int]:
    if uneven := {operation: number for operation, number in counts.items() if number % uploads}:
        message = f"{name}: not the same for each of {uploads} uploads: {uneven}"
        raise SystemExit(message)
    return {operation: counts[operation] // uploads for operation in sorted(counts)}


async def measure(*, uploads: int = _UPLOADS) -> dict[str, Any]:
    """Run the service with a counted S3, and return the result of `count`."""
    with tempfile.TemporaryDirectory(prefix="uploadsvc-bench-") as name:
        directory = Path(name)
        async with embedded_s3(directory / "s3") as endpoint_url, s3_proxy(endpoint_url) as proxy:
            more = {"UPLOADSVC_POLICIES": '{"default": {"part_size": "5MiB"}}'}
            starting = serve(directory, proxy.url, more=more)
            served = await asyncio.to_thread(starting.__enter__)
            try:
                return await count(proxy, served, uploads=uploads)
            finally:
                await asyncio.to_thread(starting.__exit__, None, None, None)


def tables() -> dict[str, str]:
    """Return the tables of the page, by name."""
    found = json.loads(RESULTS.read_text(encoding="utf-8"))
    return {
        "cost": _cost(found["uploads"]),
        "core": _core(json.loads(_BENCHMARKS.read_text(encoding="utf-8"))["figures"]),
        "prefixes": _prefixes(found["hottest"]),
    }


def rewritten(page: str) -> str:
    """Return the page with updated tables."""
    for name, table in tables().items():
        start = _START.format(name)
        head, _, rest = page.partition(start)
        page = f"{head}{start}\n\n{table}\n\n{_END}{rest.partition(_END)[2]}"
    return page


def _cost(found: Mapping[str, Any]) -> str:
    rows = []
    for name, one in found.items():
        requests: Mapping[str, int] = one["requests"]
        dollars = sum(price(operation) * number for operation, number in requests.items()) * _MILLION
        hours = one["microseconds"] / 3600
        listed = ", ".join(f"{number} {operation}" for operation, number in requests.items())
        rows.append((name, listed, f"${dollars:,.2f}", f"{hours:.2f}", f"${hours * CORE_HOUR:.2f}"))
    head = (
        "upload",
        "S3 requests per upload",
        "S3 cost per million",
        "core hours per million",
        "CPU cost per million",
    )
    return _table(head, rows)


def _core(figures: Mapping[str, Any]) -> str:
    shown = {
        "put": "create an upload by PUT",
        "post": "create an upload by POST form",
        "batch": "create in batches of 100",
        "hs256_new": "create, with a new token each time",
        "rs256_new": "create, with a new RS256 token each time",
        "complete": "complete an upload",
        "status": "get its status",
    }
    rows = [
        (text, f"{round(_MILLION / figures[name]['cpu'], -2):,.0f}", f"{figures[name]['cpu']:,.0f}")
        for name, text in shown.items()
    ]
    return _table(("call", "per second and core", "CPU, µs"), rows)


def _prefixes(hottest: Mapping[str, Mapping[str, float]]) -> str:
    rows = [
        (f"`{template}`", *(f"{share:.0%}" for share in by_crowd.values()))
        for template, by_crowd in hottest.items()
    ]
    return _table(("key template", *CROWDS), rows)


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _shares() -> dict[str, dict[str, float]]:
    found: dict[str, dict[str, float]] = {template: {} for template in TEMPLATES}
    for one in spreads():
        found[one.template][one.crowd] = round(one.hottest, 3)
    return found


def differences(new: Mapping[str, Any], old: Mapping[str, Any]) -> list[str]:
    """Return the differences in S3's requests from the last run."""
    return [
        f"{name}: {found['requests']}, not {old.get(name, {}).get('requests')}"
        for name, found in new.items()
        if found["requests"] != old.get(name, {}).get("requests")
    ]


def main() -> None:
    """Count, compare or write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--uploads", type=int, default=_UPLOADS, help="uploads of each kind")
    parser.add_argument("--write", action="store_true")
    asked = parser.parse_args()
    found = {"uploads": asyncio.run(measure(uploads=asked.uploads)), "hottest": _shares()}
    if asked.write:
        RESULTS.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
        PAGE.write_text(rewritten(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
    print(json.dumps(found, indent=2))
    old = json.loads(RESULTS.read_text(encoding="utf-8"))
    wrong = differences(found["uploads"], old["uploads"])
    if found["hottest"] != old["hottest"]:
        wrong.append("keys spread otherwise than last time")
    sys.exit("\n".join(wrong) or 0)


if __name__ == "__main__":
    main()

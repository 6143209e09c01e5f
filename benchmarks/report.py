"""Format the results as tables, for ``RESULTS.md`` and the terminal."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from benchmarks.results import Figures, Ratio, Results

PATH: Final = Path(__file__).with_name("RESULTS.md")

_INTRODUCTION: Final = """\
# Benchmark results

Written by `make bench`. All servers take turns in the same run, and each row is the median of all rounds.
Absolute figures depend on the machine and on its other load. Ratios are taken within each round and depend
on them much less. Ratios *by CPU* compare the work of one second of CPU, and depend on them least.
If the host of a virtual machine disturbs a measurement, it is repeated, and the least disturbed one counts.
"""

_NOTES: Final = """\
- **uploadsvc** runs as in production: `uploadsvc serve` with one worker, authentication by HS256 tokens of
  100 users, the signed upload id, request ids, and a JSON log line for each request, written to a file.
  The others do none of this.
- **FastAPI alone** validates the same body with pydantic and returns a dict as large as uploadsvc's answer.
  It signs nothing.
- **FastAPI and one aioboto3 client** presigns a PUT with a client that lives as long as the app.
- **Better Upload** and **Uppy Companion** run on Node.js in production mode, with the adapter and the Express
  app of their docs.
- **Each token new** uses more tokens in turn than the service remembers. In the other rows, each user sends
  the same token again, as a front end does until it expires.
- **Two workers** have two cores. On a machine with two cores, they share one of them with the load.
- **CPU** is the server's CPU time for one answer, or for one URL or upload in it. **Core** is the share of a
  core that the server used; if it is far below 100 %, something else was the limit.
- **Latencies** in this table are those of 16 connections that send without a pause (two for batches, parts
  and listings), so they mostly show queueing.
"""

_HALF_LOAD: Final = """\
Creating uploads by PUT at half the rate above, alone and while one more connection repeats another call
without a pause. *FastAPI alone* gets as many requests a second: its latencies are what Python, the load and
the machine add.
"""

_SIGNING: Final = """\
Microseconds of CPU in one process. *Hashing alone* is the SHA-256 and the HMAC that every presigned PUT
needs.
"""


def markdown(results: Results) -> str:
    """Return ``RESULTS.md``."""
    sections = [
        _INTRODUCTION,
        _bullets({**results.machine, **results.how}),
        "![Requests a second](RESULTS.png)\n",
        "## Ratios\n",
        "The median of all rounds, and the lowest and highest.\n",
        _table(
            ("", "ratio", "lowest", "highest", "better"),
            ([one.title, *_ratio(one), one.better] for one in results.ratios.values()),
        ),
        "## Figures\n",
        _table(
            ("", "a second", "lowest", "highest", "CPU, µs", "core", "p50, ms", "p90, ms", "p99, ms"),
            (_figures(one) for one in results.figures.values()),
        ),
        _NOTES,
        "## Latency at half load\n",
        _HALF_LOAD,
        _table(
            ("beside it", "p50, ms", "p90, ms", "p99, ms"),
            (
                [one.beside, *(f"{value:.2f}" for value in (one.p50, one.p90, one.p99))]
                for one in results.latencies
            ),
        ),
        "## Signing\n",
        _SIGNING,
        _table(
            ("", "presigned PUT", "POST policy"),
            (
                [name, *(_number(found.get(kind)) for kind in ("put", "post"))]
                for name, found in results.signing.items()
            ),
        ),
    ]
    if results.uploads:
        sections += [
            "## Uploading from a terminal\n",
            "One file of 512 MiB to an S3 on the same machine, each client with its defaults.\n",
            _table(
                ("", "wall, s", "CPU, s", "memory, MiB"),
                (
                    [name, *(f"{found[kind]:.2f}" for kind in ("wall", "cpu", "memory"))]
                    for name, found in results.uploads.items()
                ),
            ),
        ]
    sections += ["## Versions\n", _bullets(results.versions)]
    return "\n".join(sections)


def compared(ratios: Mapping[str, Ratio], before: Mapping[str, Any]) -> str:
    """Return a table of ratios with their change against committed results."""
    width = max(len(one.title) for one in ratios.values())
    lines = [f"{'':<{width}}{'now':>8}{'lowest':>8}{'highest':>8}{'before':>8}{'change':>8}"]
    for name, one in ratios.items():
        line = f"{one.title:<{width}}" + "".join(f"{value:>8}" for value in _ratio(one))
        if name in before:
            known = float(before[name]["value"])
            line += f"{known:>8.2f}{one.value / known - 1:>+8.0%}"
        else:
            line += f"{'':>16}"
        lines.append(line if one.better == "higher" else f"{line}  lower is better")
    return "\n".join(lines)


def _ratio(one: Ratio) -> list[str]:
    return [f"{value:.2f}" for value in (one.value, one.low, one.high)]


def _figures(one: Figures) -> list[str]:
    rates = [f"{value:,.0f}" for value in (one.rate, one.low, one.high)]
    latencies = [f"{value:.1f}" for value in (one.p50, one.p90, one.p99)]
    return [
        one.title,
        *rates,
        _number(one.cpu),
        f"{one.busy:.0%}",
        *latencies,
    ]


def _number(value: float | None) -> str:
    """Return a number with one decimal if it is below 10, and with none otherwise."""
    if value is None:
        return ""
    return f"{value:,.{max(0, 2 - len(str(int(value))))}f}"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    ruler = "|".join(["---", *["---:"] * (len(head) - 1)])
    lines = [f"| {' | '.join(head)} |", f"|{ruler}|", *(f"| {' | '.join(row)} |" for row in rows)]
    return "\n".join(lines) + "\n"


def _bullets(facts: Mapping[str, str]) -> str:
    return "\n".join(f"- {name}: {value}" for name, value in facts.items()) + "\n"

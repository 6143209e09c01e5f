"""Benchmarks without load: signing, the app in process, uploads from a terminal."""

import asyncio
import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

from benchmarks import machine, signing, uploading
from benchmarks.machine import OTHERS, SERVER
from benchmarks.results import Ratio, of_rounds

UPLOAD_MIB: Final = 512
UPLOAD_ROUNDS: Final = 3


def sign() -> tuple[dict[str, dict[str, float]], dict[str, Ratio]]:
    """Return the microseconds by signer and kind, and the ratios."""
    put, post = asyncio.run(signing.measure())
    own = put["uploadsvc"]
    found = {
        "botocore_put": of_rounds(
            "botocore / our signer, PUT", "higher", [b / o for b, o in zip(put["botocore"], own, strict=True)]
        ),
        "botocore_post": of_rounds(
            "botocore / our signer, POST policy",
            "higher",
            [b / o for b, o in zip(post["botocore"], post["uploadsvc"], strict=True)],
        ),
        "hashing": of_rounds(
            "our signer, PUT / the hashing alone",
            "lower",
            [o / h for o, h in zip(own, put[signing.HASHING], strict=True)],
        ),
    }
    medians: dict[str, dict[str, float]] = {}
    for kind, timings in (("put", put), ("post", post)):
        for name, timing in timings.items():
            medians.setdefault(name, {})[kind] = statistics.median(timing)
    return medians, found


def call_in_process() -> Ratio:
    """Return the throughput per CPU second relative to plain FastAPI."""
    command = [sys.executable, "-m", "benchmarks.in_process"]
    with machine.on(SERVER):
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE)  # noqa: S603 - our own
    title = "PUT / FastAPI alone, by CPU, without sockets"
    return of_rounds(title, "higher", json.loads(done.stdout)["ratios"])


def upload() -> dict[str, dict[str, float]]:
    """Upload a file from a terminal, on all cores; return the figures of each client."""
    with tempfile.TemporaryDirectory(prefix="uploadsvc-bench-") as name, machine.on(SERVER | OTHERS):
        found = asyncio.run(
            uploading.measure(Path(name), size=UPLOAD_MIB * uploading.MIB, rounds=UPLOAD_ROUNDS)
        )
    return {
        client: {
            kind: statistics.median(getattr(one, kind) for one in figures)
            for kind in ("wall", "cpu", "memory")
        }
        for client, figures in found.items()
    }

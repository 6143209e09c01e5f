"""CPU time, memory and file descriptors of processes, from Linux's proc(5)."""

import os
import re
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final

from uploadsvc.telemetry.exposition import Numbers
from uploadsvc.telemetry.families import Definition

_LABELS: Final = ("worker",)
_CPU: Final = "process_cpu_seconds_total"

DEFINITIONS: Final[Mapping[str, Definition]] = {
    definition.name: definition
    for definition in (
        Definition(_CPU, "CPU time in seconds, with that of ended workers of this number.", _LABELS),
        Definition("process_resident_memory_bytes", "Resident memory in bytes.", _LABELS, kind="gauge"),
        Definition("process_open_fds", "Open file descriptors.", _LABELS, kind="gauge"),
        Definition("process_max_fds", "Maximum number of open file descriptors.", _LABELS, kind="gauge"),
    )
}
"""Metrics by name. The label ``worker`` is the worker's number or ``parent``."""

_GAUGES: Final = tuple(name for name in DEFINITIONS if name != _CPU)

_PAGE_BYTES: Final = os.sysconf("SC_PAGE_SIZE") if hasattr(os, "sysconf") else 4096
_TICKS: Final = os.sysconf("SC_CLK_TCK") if hasattr(os, "sysconf") else 100
_USER_TICKS, _SYSTEM_TICKS = 11, 12  # fields after the program's name
_MAX_FDS: Final = re.compile(r"^Max open files\s+(\d+)", re.MULTILINE)


class Processes:
    """Reads processes, and remembers the CPU time of those that have ended."""

    def __init__(self) -> None:
        self._last: dict[str, tuple[int, float]] = {}
        self._ended: dict[str, float] = {}

    def read(self, processes: Iterable[tuple[str, int]]) -> Numbers:
        """Return the values of running processes, by worker and pid."""
        numbers: dict[str, dict[tuple[str, ...], list[float]]] = {name: {} for name in DEFINITIONS}
        for worker, pid in processes:
            with suppress(OSError):
                seconds, *values = _read(Path("/proc", str(pid)))
                self._note(worker, pid, seconds)
                for name, value in zip(_GAUGES, values, strict=True):
                    numbers[name][worker,] = [value]
        for worker, (_, seconds) in self._last.items():
            numbers[_CPU][worker,] = [self._ended.get(worker, 0.0) + seconds]
        return numbers

    def _note(self, worker: str, pid: int, seconds: float) -> None:
        before = self._last.get(worker)
        if before is not None and before[0] != pid:
            self._ended[worker] = self._ended.get(worker, 0.0) + before[1]
        self._last[worker] = pid, seconds


def _read(process: Path) -> tuple[float, float, float, float]:
    # The program's name may contain spaces and parentheses.
    stat = (process / "stat").read_text().rpartition(")")[2].split()
    ticks = int(stat[_USER_TICKS]) + int(stat[_SYSTEM_TICKS])
    pages = int((process / "statm").read_text().split()[1])
    limit = _MAX_FDS.search((process / "limits").read_text())
    most = float(limit[1]) if limit else float("inf")
    files = sum(1 for _ in (process / "fd").iterdir())
    return ticks / _TICKS, float(pages * _PAGE_BYTES), float(files), most

"""Metric values in memory that a worker shares with the process that answers scrapes.

docs/decisions/0014-metrics-in-shared-memory.md says why prometheus-client is not used for counting.
"""

import json
import mmap
import os
import tempfile
import threading
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple, Self

MAX_CELLS: Final = 64 * 1024
"""Maximum number of values of one process. Only those in use take memory."""

_LENGTH_BYTES: Final = 8
_CELLS_BYTES: Final = 8 * MAX_CELLS
_NAMES_BYTES: Final = 4 * 1024 * 1024
_NAMES_AT: Final = _CELLS_BYTES + _LENGTH_BYTES
_SIZE: Final = _NAMES_AT + _NAMES_BYTES

_SPARE: Final = 64
"""Cells at the end for series that do not fit. They are never read."""


class Series(NamedTuple):
    """Cells of one set of labels: metric, label values, first cell, number of cells."""

    metric: str
    labels: tuple[str, ...]
    start: int
    width: int


class Cells:
    """Values by metric and labels. One process writes; it and one other process read.

    Values are updated in place, so counts survive even a killed process.

    Args:
        file: Descriptor of the shared memory; ``None`` if no other process reads it.
    """

    def __init__(self, file: int | None = None) -> None:
        self._file = file
        self._memory = mmap.mmap(-1 if file is None else file, _SIZE)
        whole = memoryview(self._memory)
        self.values = whole[:_CELLS_BYTES].cast("d")
        self._length = whole[_CELLS_BYTES:_NAMES_AT].cast("Q")
        self._names = whole[_NAMES_AT:]
        self._lock = threading.Lock()
        self._next = 0
        self._read = 0
        self._series: list[Series] = []

    @classmethod
    def shared(cls) -> Self:
        """Return cells to share with another process: pass them to it when it is spawned.

        The memory has no name, so it is freed when the last of its processes ends, even by a kill.
        """
        if hasattr(os, "memfd_create"):
            file = os.memfd_create("uploadsvc-metrics")
        else:
            with tempfile.TemporaryFile() as unnamed:
                file = os.dup(unnamed.fileno())
        os.ftruncate(file, _SIZE)
        return cls(file)

    def __reduce__(self) -> tuple[Any, ...]:
        from multiprocessing.reduction import DupFd  # noqa: PLC0415 - Windows has none

        if self._file is None:
            message = "these cells are not shared"
            raise TypeError(message)
        return _attach, (DupFd(self._file),)

    def close(self) -> None:
        """Release the memory. Nothing can be counted or read afterwards."""
        for view in (self.values, self._length, self._names):
            view.release()
        self._memory.close()
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def allocate(self, metric: str, labels: tuple[str, ...], width: int) -> int:
        """Allocate cells that hold zero, and return the first.

        Args:
            metric: Name of the metric.
            labels: Label values.
            width: Number of cells, at most 64.
        """
        record = json.dumps([metric, labels, width]).encode() + b"\n"
        with self._lock:
            length = self._length[0]
            if self._next + width > MAX_CELLS - _SPARE or length + len(record) > _NAMES_BYTES:
                return MAX_CELLS - _SPARE
            start = self._next
            self._next += width
            self._names[length : length + len(record)] = record
            # Last, because readers rely on it.
            self._length[0] = length + len(record)
        return start

    def snapshot(self) -> "Snapshot":
        """Return a copy of all values."""
        length = self._length[0]
        if length > self._read:
            start = self._series[-1].start + self._series[-1].width if self._series else 0
            for line in bytes(self._names[self._read : length]).splitlines():
                metric, labels, width = json.loads(line)
                self._series.append(Series(metric, tuple(labels), start, width))
                start += width
            self._read = length
        used = self._series[-1].start + self._series[-1].width if self._series else 0
        return Snapshot(self._series[:], array("d", self.values[:used]))


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Values of one process at one time."""

    series: Sequence[Series]
    values: "array[float]"

    def __iter__(self) -> Iterator[tuple[str, tuple[str, ...], Sequence[float]]]:
        """Yield metric, labels and values."""
        for metric, labels, start, width in self.series:
            yield metric, labels, self.values[start : start + width]


def _attach(file: Any) -> Cells:  # noqa: ANN401 - multiprocessing's, untyped
    return Cells(file.detach())

"""Counters, gauges and histograms over shared cells."""

import math
from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from uploadsvc.telemetry.cells import Cells

SECONDS: Final = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0)
"""Upper bounds of the buckets, in seconds.

https://opentelemetry.io/docs/specs/semconv/http/http-metrics/#metric-httpserverrequestduration
"""

Kind = Literal["counter", "gauge", "histogram"]
Merge = Literal["sum", "max", "min"]
Note = Callable[[Callable[[], None]], None]


def _nothing(_release: Callable[[], None]) -> None:
    pass


@dataclass(frozen=True, slots=True)
class Definition:
    """A metric.

    Attributes:
        name: Name; that of a counter ends with ``_total``.
        help: One sentence.
        labels: Label names.
        kind: Type of the metric.
        merge: How the gauges of several workers are combined.
        buckets: Upper bounds of a histogram's buckets.
    """

    name: str
    help: str
    labels: tuple[str, ...] = ()
    kind: Kind = "counter"
    merge: Merge = "sum"
    buckets: tuple[float, ...] = ()

    @property
    def width(self) -> int:
        """Cells of one set of labels: for a histogram, its buckets, one for larger values, and the sum."""
        return len(self.buckets) + 2 if self.buckets else 1


class Following:
    """Callbacks of gauges, released together."""

    def __init__(self) -> None:
        self.releases: list[Callable[[], None]] = []

    def release(self) -> None:
        """Remove the callbacks from their gauges."""
        while self.releases:
            self.releases.pop()()


class _Family:
    """A metric and its cells.

    Args:
        definition: The metric.
        cells: Cells that hold its values.
        note: Called with a function that removes a callback, whenever one is added.
    """

    def __init__(self, definition: Definition, cells: Cells, note: Note = _nothing) -> None:
        self.definition = definition
        self._cells = cells
        self._note = note
        self._values = cells.values
        self._starts: dict[tuple[str, ...], int] = {}
        self._followed: dict[tuple[str, ...], list[Callable[[], float | None]]] = {}

    def follow(self, value: Callable[[], float | None], *labels: str) -> None:
        """Call a function for the value on every scrape. It returns ``None`` if there is no value.

        Several functions are merged like the values of several workers.
        """
        functions = self._followed.setdefault(labels, [])
        functions.append(value)
        self._note(lambda: functions.remove(value))

    def refresh(self) -> None:
        """Set the values that the callbacks return."""
        for labels, functions in self._followed.items():
            known = [value for value in (function() for function in functions) if value is not None]
            start = self._starts.get(labels)
            if start is None:
                if not known:
                    continue
                start = self._start(labels)
            self._values[start] = _merge(self.definition.merge, known) if known else math.nan

    def absorb(self, labels: tuple[str, ...], numbers: Sequence[float]) -> None:
        """Add another process's values of the same labels."""
        start = self._starts.get(labels)
        if start is None:
            start = self._start(labels)
        for index, number in enumerate(numbers, start):
            self._values[index] += number

    def _start(self, labels: tuple[str, ...]) -> int:
        """Allocate cells for new labels, and return the first.

        Raises:
            ValueError: The number of labels is wrong.
        """
        if len(labels) != len(self.definition.labels):
            message = f"{self.definition.name} has the labels {self.definition.labels}, not {len(labels)}"
            raise ValueError(message)
        start = self._cells.allocate(self.definition.name, labels, self.definition.width)
        self._starts[labels] = start
        return start


class Counter(_Family):
    """A counter. Label values come from small fixed sets, in the order of the definition."""

    def inc(self, *labels: str) -> None:
        """Add one."""
        start = self._starts.get(labels)
        self._values[self._start(labels) if start is None else start] += 1.0

    def add(self, amount: float, *labels: str) -> None:
        """Add an amount, not below zero. Zero creates the series."""
        start = self._starts.get(labels)
        self._values[self._start(labels) if start is None else start] += amount


class Gauge(_Family):
    """A gauge."""

    def set(self, value: float, *labels: str) -> None:
        """Set the value."""
        start = self._starts.get(labels)
        self._values[self._start(labels) if start is None else start] = value

    def add(self, amount: float, *labels: str) -> None:
        """Add an amount, which may be negative."""
        start = self._starts.get(labels)
        self._values[self._start(labels) if start is None else start] += amount


class Histogram(_Family):
    """A histogram of durations."""

    def __init__(self, definition: Definition, cells: Cells, note: Note = _nothing) -> None:
        super().__init__(definition, cells, note)
        self._buckets = definition.buckets
        self._sum = definition.width - 1

    def observe(self, seconds: float, *labels: str) -> None:
        """Count a duration in seconds."""
        start = self._starts.get(labels)
        if start is None:
            start = self._start(labels)
        values = self._values
        values[start + bisect_left(self._buckets, seconds)] += 1.0
        values[start + self._sum] += seconds


def merged(definition: Definition, one: Sequence[float], other: Sequence[float]) -> list[float]:
    """Combine the values of two workers; NaN stands for no value."""
    if definition.kind != "gauge":
        return [left + right for left, right in zip(one, other, strict=True)]
    known = [value for value in (*one, *other) if not math.isnan(value)]
    if not known:
        return [math.nan]
    return [_merge(definition.merge, known)]


def _merge(merge: Merge, known: Sequence[float]) -> float:
    if merge == "sum":
        return math.fsum(known)
    return max(known) if merge == "max" else min(known)

"""Metrics for a registry of prometheus-client, in an app that has its own ``/metrics``."""

import math
from collections.abc import Iterator, Mapping, Sequence
from itertools import accumulate

from prometheus_client.metrics_core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)

from uploadsvc.telemetry.cells import Snapshot
from uploadsvc.telemetry.families import Definition


def collected(definitions: Mapping[str, Definition], snapshot: Snapshot) -> Iterator[Metric]:
    """Yield the families of one process."""
    found = {name: _family(definition) for name, definition in definitions.items()}
    for name, labels, numbers in snapshot:
        _add(found[name], definitions[name], labels, numbers)
    yield from found.values()


def _family(definition: Definition) -> Metric:
    names = list(definition.labels)
    if definition.kind == "histogram":
        return HistogramMetricFamily(definition.name, definition.help, labels=names)
    if definition.kind == "gauge":
        return GaugeMetricFamily(definition.name, definition.help, labels=names)
    return CounterMetricFamily(definition.name, definition.help, labels=names)


def _add(family: Metric, definition: Definition, labels: Sequence[str], numbers: Sequence[float]) -> None:
    if isinstance(family, HistogramMetricFamily):
        *counts, total = numbers
        ends = [*map(repr, definition.buckets), "+Inf"]
        family.add_metric(labels, list(zip(ends, accumulate(counts), strict=True)), total)
    elif isinstance(family, GaugeMetricFamily | CounterMetricFamily) and not math.isnan(numbers[0]):
        family.add_metric(labels, numbers[0])

"""Read what has been counted."""

from collections.abc import Mapping

import httpx
from prometheus_client.parser import text_string_to_metric_families

from uploadsvc.telemetry.metrics import Metrics

Samples = Mapping[tuple[str, frozenset[tuple[str, str]]], float]


def counts(metrics: Metrics, name: str) -> dict[tuple[str, ...], float]:
    """Return the values of a counter or gauge by its labels."""
    metrics.refresh()
    return {
        labels: values[0]
        for metric, labels, values in metrics.cells.snapshot()
        if metric == f"uploadsvc_{name}"
    }


class Scrape:
    """An answer of ``/metrics``."""

    def __init__(self, text: str) -> None:
        self._samples = {
            (sample.name, frozenset(sample.labels.items())): sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
        }

    def value(self, name: str, **labels: str) -> float | None:
        """Return the value of a sample, if there is one."""
        return self._samples.get((name, frozenset(labels.items())))

    def labels(self, name: str, label: str) -> set[str]:
        """Return all values of a label."""
        return {dict(labels)[label] for metric, labels in self._samples if metric == name}

    def went_down(self, later: "Scrape") -> list[str]:
        """Return the counters that a later scrape shows lower, or no more."""
        return [
            f"{name}{sorted(labels)}"
            for (name, labels), value in self._samples.items()
            if name.endswith(("_total", "_bucket", "_count", "_sum"))
            and later._samples.get((name, labels), -1) < value
        ]


async def scraped(port: int) -> Scrape:
    """Scrape a port of this machine."""
    async with httpx.AsyncClient(trust_env=False) as client:
        answer = await client.get(f"http://127.0.0.1:{port}/metrics", timeout=10)
    assert answer.status_code == 200
    return Scrape(answer.text)

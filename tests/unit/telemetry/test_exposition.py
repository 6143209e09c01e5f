"""The text of the metrics, read by prometheus-client's parsers."""

from collections.abc import Callable, Iterable
from math import inf

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.metrics_core import Metric
from prometheus_client.openmetrics.parser import text_string_to_metric_families as read_openmetrics
from prometheus_client.parser import text_string_to_metric_families as read_text
from tests.support.turns import turns

from uploadsvc.telemetry.exposition import OPENMETRICS, TEXT, format_for, together, written
from uploadsvc.telemetry.families import Histogram
from uploadsvc.telemetry.metrics import Metrics

Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


def busy() -> Metrics:
    """Return metrics of which each has been moved."""
    metrics = Metrics()
    for family in metrics.families.values():
        names = family.definition.labels
        labels = ['a "quoted"\\ value\n', *names[1:]] if names else []
        if isinstance(family, Histogram):
            for seconds in (0.005, 0.3, 11.0):
                family.observe(seconds, *labels)
        else:
            family.follow(lambda: 2e16, *labels)
    metrics.refresh()
    return metrics


def samples(families: Iterable[Metric]) -> Samples:
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in families
        for sample in family.samples
    }


async def text_of(metrics: Metrics, media_type: str) -> str:
    definitions = metrics.definitions()
    numbers = await together(definitions, [metrics.cells.snapshot()])
    return (await written(definitions, numbers, media_type)).decode()


@pytest.mark.parametrize(("media_type", "read"), [(TEXT, read_text), (OPENMETRICS, read_openmetrics)])
async def test_is_what_prometheus_client_would_write(
    media_type: str, read: Callable[[str], Iterable[Metric]]
) -> None:
    metrics = busy()
    registry = CollectorRegistry()
    registry.register(metrics)

    text = await text_of(metrics, media_type)

    families = list(read(text))
    assert samples(families) == samples(read_text(generate_latest(registry).decode()))
    assert {family.documentation for family in families} == {
        definition.help for definition in metrics.definitions().values()
    }
    labels = {"operation": 'a "quoted"\\ value\n', "outcome": "outcome"}
    found = samples(families)
    for end, count in (("0.005", 1), ("0.25", 1), ("0.5", 2), ("10.0", 2), ("+Inf", 3)):
        series = frozenset({**labels, "le": end}.items())
        assert found["uploadsvc_s3_call_duration_seconds_bucket", series] == count
    assert (text.endswith("\n# EOF\n")) == (media_type == OPENMETRICS)


async def test_adds_up_workers() -> None:
    one, other = Metrics(), Metrics()
    for worker, age in ((one, 10.0), (other, 20.0)):
        worker.uploads_created.inc("default", "put")
        worker.s3_call_duration.observe(0.3, "head_object", "ok")
        worker.http_requests_in_progress.add(1)
        worker.jwks_age.set(age)
    other.credentials_remaining.set(inf)
    other.uploads_created.inc("default", "post")

    numbers = await together(one.definitions(), [one.cells.snapshot(), other.cells.snapshot()])

    created = {labels: list(values) for labels, values in numbers["uploadsvc_uploads_created_total"].items()}
    assert created == {("default", "put"): [2], ("default", "post"): [1]}
    assert numbers["uploadsvc_http_requests_in_progress"][()] == [2]
    assert numbers["uploadsvc_jwks_age_seconds"][()] == [20]
    assert list(numbers["uploadsvc_s3_call_duration_seconds"]["head_object", "ok"])[-1] == pytest.approx(0.6)
    assert "uploadsvc_credentials_remaining_seconds +Inf\n" in await text_of(other, TEXT)


@pytest.mark.parametrize(
    ("accept", "media_type"),
    [
        ("", TEXT),
        ("*/*", TEXT),
        ("text/plain", TEXT),
        # Prometheus 2 and 3.
        (
            "application/openmetrics-text;version=1.0.0;q=0.5,text/plain;q=0.3,*/*;q=0.2",
            OPENMETRICS,
        ),
        ("application/openmetrics-text; q=0.2, text/plain; q=0.9", TEXT),
        ("application/openmetrics-text;q=0", TEXT),
        ("application/openmetrics-text;q=many", TEXT),
    ],
)
def test_chooses_the_format_that_is_preferred(accept: str, media_type: str) -> None:
    assert format_for(accept) == media_type


async def test_requests_have_their_turn_in_between() -> None:
    """However many series there are."""
    metrics = Metrics()
    for number in range(2000):
        metrics.http_request_duration.observe(0.1, "GET", f"/{number}", "200")
    async with turns() as taken:
        text = await text_of(metrics, TEXT)
    assert text.count("_bucket{") == 2000 * 15
    # Both while the numbers are read and while they are written.
    assert taken.count >= 2 * 2000 / 50

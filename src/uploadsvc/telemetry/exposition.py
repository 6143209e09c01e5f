"""Format metrics as text, for Prometheus and for OpenMetrics.

https://prometheus.io/docs/instrumenting/exposition_formats/
https://prometheus.io/docs/specs/om/open_metrics_spec/
"""

import asyncio
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

from uploadsvc.telemetry.cells import Snapshot
from uploadsvc.telemetry.families import Definition, merged

TEXT: Final = "text/plain; version=0.0.4; charset=utf-8"
OPENMETRICS: Final = "application/openmetrics-text; version=1.0.0; charset=utf-8"

_SLICE: Final = 50
"""Series to read or write between two yields to the event loop: a quarter of a millisecond."""

_ESCAPES: Final = str.maketrans({"\\": r"\\", "\n": r"\n", '"': r"\""})

Numbers = Mapping[str, Mapping[tuple[str, ...], Sequence[float]]]
"""Values by metric and labels."""


def format_for(accept: str) -> str:
    """Return the media type of the response for this ``Accept`` header."""
    weights = {"application/openmetrics-text": 0.0, "text/plain": 0.0}
    for offered in accept.lower().split(","):
        name, *parameters = (part.strip() for part in offered.split(";"))
        if name in weights:
            weights[name] = max(weights[name], _weight(parameters))
    openmetrics, plain = weights.values()
    return OPENMETRICS if openmetrics > 0 and openmetrics >= plain else TEXT


def _weight(parameters: Iterable[str]) -> float:
    try:
        return next((float(one[2:]) for one in parameters if one.startswith("q=")), 1.0)
    except ValueError:
        return 0.0


def _text(number: float) -> str:
    return "+Inf" if number == math.inf else repr(number)


async def together(definitions: Mapping[str, Definition], snapshots: Iterable[Snapshot]) -> Numbers:
    """Merge the values of several processes."""
    numbers: dict[str, dict[tuple[str, ...], Sequence[float]]] = {name: {} for name in definitions}
    for snapshot in snapshots:
        for count, (name, labels, values) in enumerate(snapshot):
            if count % _SLICE == 0:
                await asyncio.sleep(0)
            known = numbers[name].get(labels)
            numbers[name][labels] = values if known is None else merged(definitions[name], known, values)
    return numbers


async def written(definitions: Mapping[str, Definition], numbers: Numbers, media_type: str) -> bytes:
    """Format values as text."""
    openmetrics = media_type == OPENMETRICS
    lines: list[str] = []
    for name, definition in definitions.items():
        series = numbers.get(name, {})
        if series:
            lines += _head(definition, openmetrics=openmetrics)
        for count, (labels, values) in enumerate(series.items()):
            if count % _SLICE == 0:
                await asyncio.sleep(0)
            lines += _samples(definition, labels, values)
    if openmetrics:
        lines.append("# EOF")
    return "\n".join([*lines, ""]).encode()


def _head(definition: Definition, *, openmetrics: bool) -> Iterator[str]:
    # In OpenMetrics, the family name of a counter has no ``_total``.
    name = definition.name.removesuffix("_total") if openmetrics else definition.name
    yield f"# HELP {name} {definition.help}"
    yield f"# TYPE {name} {definition.kind}"
    if openmetrics and name.endswith("_seconds"):
        yield f"# UNIT {name} seconds"


def _samples(definition: Definition, labels: tuple[str, ...], values: Sequence[float]) -> Iterator[str]:
    name = definition.name
    pairs = [
        f'{label}="{value.translate(_ESCAPES)}"'
        for label, value in zip(definition.labels, labels, strict=True)
    ]
    inside = ",".join(pairs)
    braces = f"{{{inside}}}" if inside else ""
    if definition.kind != "histogram":
        if not math.isnan(values[0]):
            yield f"{name}{braces} {_text(values[0])}"
        return
    before, count = "".join(f"{pair}," for pair in pairs), 0.0
    ends = [repr(end) for end in definition.buckets]
    for end, value in zip([*ends, "+Inf"], values, strict=False):
        count += value
        yield f'{name}_bucket{{{before}le="{end}"}} {count!r}'
    yield f"{name}_count{braces} {count!r}"
    yield f"{name}_sum{braces} {values[-1]!r}"

"""Results of a run: figures of targets, ratios between them, and the machine and versions."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any, Final, Literal

from benchmarks.load import Sample, Target
from benchmarks.rounds import Latency, Samples

PATH: Final = Path(__file__).with_name("results.json")

Better = Literal["higher", "lower"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ratio:
    """A ratio: the median of its rounds, the lowest and the highest.

    Attributes:
        title: What is relative to what.
        better: Whether a higher or a lower ratio is better for uploadsvc.
    """

    title: str
    better: Better
    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """Medians of all rounds of a target; see ``Sample``.

    Attributes:
        low: Lowest rate of a round.
        high: Highest rate of a round.
    """

    title: str
    rate: float
    low: float
    high: float
    cpu: float
    busy: float
    p50: float
    p90: float
    p99: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Results:
    """Everything that a run measured.

    Attributes:
        machine: CPU, cores and kernel.
        versions: Versions of the servers, their packages and the load generator.
        how: Rounds, seconds and the like.
        figures: Figures by target.
        ratios: Ratios by name.
        latencies: Latencies at half load.
        signing: Microseconds of a PUT URL and of a POST policy, by signer.
        uploads: Figures of the terminal clients.
    """

    machine: Mapping[str, str]
    versions: Mapping[str, str]
    how: Mapping[str, str]
    figures: Mapping[str, Figures]
    ratios: Mapping[str, Ratio]
    latencies: Sequence[Latency] = ()
    signing: Mapping[str, Mapping[str, float]]
    uploads: Mapping[str, Mapping[str, float]]

    def write(self) -> None:
        """Write the results to the committed file."""
        PATH.write_text(json.dumps(_rounded(asdict(self)), indent=2, ensure_ascii=False) + "\n")


def committed() -> dict[str, Any]:
    """Return the committed results as JSON, empty if there are none."""
    try:
        found: dict[str, Any] = json.loads(PATH.read_text())
    except FileNotFoundError:
        return {}
    return found


def figures(targets: Sequence[Target], samples: Samples) -> dict[str, Figures]:
    """Return the medians of each target, with the rate in its own units."""
    return {target.name: _figures(target, samples[target.name]) for target in targets}


def _figures(target: Target, samples: Sequence[Sample]) -> Figures:
    rates = [sample.rate * target.units for sample in samples]
    shares = {
        name: median(getattr(sample, name) for sample in samples) for name in ("busy", "p50", "p90", "p99")
    }
    return Figures(
        title=target.title,
        rate=median(rates),
        low=min(rates),
        high=max(rates),
        cpu=median(sample.cpu for sample in samples) / target.units,
        **shares,
    )


def of_rounds(title: str, better: Better, found: Sequence[float]) -> Ratio:
    """Summarize the ratios of all rounds."""
    return Ratio(title=title, better=better, value=median(found), low=min(found), high=max(found))


@dataclass(frozen=True, slots=True)
class Comparison:
    """A ratio between two targets: of their answers per second, or per second of CPU time."""

    name: str
    title: str
    target: str
    reference: str
    by: Literal["time", "CPU"]


def ratios(
    comparisons: Sequence[Comparison], targets: Sequence[Target], samples: Samples
) -> dict[str, Ratio]:
    """Return the ratios whose two targets were both measured, taken round by round."""
    units = {target.name: target.units for target in targets}
    found = {}
    for one in comparisons:
        if one.target not in samples or one.reference not in samples:
            continue
        pairs = zip(samples[one.target], samples[one.reference], strict=True)
        share = units[one.target] / units[one.reference]
        values = [
            target.rate / reference.rate if one.by == "time" else reference.cpu / target.cpu
            for target, reference in pairs
        ]
        found[one.name] = of_rounds(one.title, "higher", [value * share for value in values])
    return found


def _rounded(value: Any) -> Any:  # noqa: ANN401 - JSON
    """Round to four digits: more are noise, and would change with every run."""
    if isinstance(value, float):
        return float(f"{value:.4g}")
    if isinstance(value, dict):
        return {name: _rounded(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [_rounded(one) for one in value]
    return value

"""Plot ``soak.json`` as ``SOAK.png``.

Run it with ``python -m benchmarks.plot_soak`` in the environment of ``locks/bench.txt``; the directory of the
results can follow.
"""

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any, Final

import matplotlib as mpl

mpl.use("agg")

import matplotlib.pyplot as plt

_COLOURS: Final = {
    "slow": "#f2d7a6",
    "busy": "#f4b6a6",
    "reset": "#e3a0b8",
    "kill": "#b9b3dd",
    "rotate": "#a9d3e8",
}


def main(directory: Path) -> None:
    """Draw memory and descriptors by worker, and latencies, with the faults in the background."""
    samples: list[dict[str, Any]] = json.loads((directory / "soak.json").read_text())["samples"]
    figure, (memory, descriptors, latencies) = plt.subplots(
        3, 1, figsize=(10, 7.5), sharex=True, layout="constrained"
    )
    for pid in sorted({pid for one in samples for pid in one["memory"]}, key=int):
        for axes, name in ((memory, "memory"), (descriptors, "descriptors")):
            lived = [one for one in samples if pid in one[name]]
            axes.plot([one["at"] / 60 for one in lived], [one[name][pid] for one in lived], linewidth=1.2)
    minutes = [one["at"] / 60 for one in samples]
    for name in ("p50", "p99"):
        latencies.plot(minutes, [one[name] for one in samples], linewidth=1.2, label=name)
    latencies.legend(loc="upper right")
    for axes, label in ((memory, "RSS, MB"), (descriptors, "file descriptors"), (latencies, "ms")):
        axes.set_ylabel(label)
        axes.set_ylim(bottom=0)
        axes.spines[["top", "right"]].set_visible(False)
        for phase, start, end in _phases(samples):
            axes.axvspan(start / 60, end / 60, color=_COLOURS[phase], alpha=0.6, linewidth=0)
    handles = [plt.Rectangle((0, 0), 1, 1, color=colour) for colour in _COLOURS.values()]
    memory.legend(handles, _COLOURS, ncols=len(_COLOURS), loc="lower right", fontsize="small")
    latencies.set_xlabel("minutes")
    figure.savefig(directory / "SOAK.png", dpi=110, metadata={"Software": None})


def _phases(samples: Sequence[Mapping[str, Any]]) -> Iterator[tuple[str, float, float]]:
    """Yield each fault, with its start and end."""
    before = 0.0
    for phase, group in groupby(samples, key=lambda one: str(one["phase"])):
        end = list(group)[-1]["at"]
        if phase in _COLOURS:
            yield phase, before, end
        before = end


if __name__ == "__main__":
    main(Path(sys.argv[1]) if sys.argv[1:] else Path(__file__).parent)

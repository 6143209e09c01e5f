"""Plot the requests per second in ``results.json`` as ``RESULTS.png``.

Run it with ``python -m benchmarks.plot`` in the environment of ``locks/bench.txt``.
"""

import json
from pathlib import Path
from typing import Any, Final

import matplotlib as mpl

mpl.use("agg")

import matplotlib.pyplot as plt

_DIRECTORY: Final = Path(__file__).parent
_SHOWN: Final = ("bare", "put", "post", "aioboto3", "better_upload", "companion")


def main() -> None:
    """Draw one bar for each server, with the spread of its rounds."""
    found: dict[str, Any] = json.loads((_DIRECTORY / "results.json").read_text())["figures"]
    shown = [found[name] for name in _SHOWN if name in found]
    rates = [one["rate"] for one in shown]
    spread = [
        [one["rate"] - one["low"] for one in shown],
        [one["high"] - one["rate"] for one in shown],
    ]
    figure, axes = plt.subplots(figsize=(9, 3.6), layout="constrained")
    colours = ["#5fb39b" if one["title"].startswith("uploadsvc") else "#b8bfc6" for one in shown]
    labels = [f"{one['title']}: {one['rate']:,.0f}" for one in shown]
    axes.barh(labels, rates, xerr=spread, color=colours, capsize=3)
    axes.invert_yaxis()
    axes.set_xlabel("requests a second on one core: median, lowest and highest of all rounds")
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(_DIRECTORY / "RESULTS.png", dpi=120, metadata={"Software": None})


if __name__ == "__main__":
    main()

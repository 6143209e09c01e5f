"""Run the targets: ``python -m fuzz --seconds 60``, or some of them by name. Needs atheris (Linux)."""

import argparse
import os
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

import atheris

_FOUND: Final = Path(".fuzz")
"""Where new inputs and failures are kept."""

_ONE: Final = "--target"


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m fuzz", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="TARGET")
    parser.add_argument("--seconds", type=int, default=60, help="for each target")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="targets at once")
    parser.add_argument(_ONE, help=argparse.SUPPRESS)
    return parser.parse_args()


def _fuzz(name: str, seconds: int) -> None:
    """Fuzz one target in this process, and end it."""
    with atheris.instrument_imports(include=["uploadsvc"], enable_loader_override=False):
        from fuzz.targets import CORPUS, TARGETS  # noqa: PLC0415 - instrumented
    found = _FOUND / name
    found.mkdir(parents=True, exist_ok=True)
    arguments = [
        f"-max_total_time={seconds}",
        # Seconds. No input should take one, but the machine may be busy.
        "-timeout=20",
        "-rss_limit_mb=2048",
        "-max_len=8192",
        "-print_final_stats=1",
        "-verbosity=1",
        f"-artifact_prefix={found}-",
    ]
    atheris.Setup([sys.argv[0], *arguments, str(found), str(CORPUS / name)], TARGETS[name])
    atheris.Fuzz()


def _run(name: str, seconds: int) -> str:
    """Fuzz a target in another process; return a line for people, with all of its output if it failed."""
    command = [sys.executable, "-m", "fuzz", _ONE, name, "--seconds", str(seconds)]
    done = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)  # noqa: S603 - our own program
    if done.returncode:
        return f"{name}: failed\n{done.stdout}\n{done.stderr}"
    count = re.search(r"number_of_executed_units: *([0-9]+)", done.stderr)
    return f"{name}: {count[1] if count else '?'} inputs, nothing found"


def main() -> None:
    """Fuzz the targets, some at once.

    Raises:
        SystemExit: One of them failed.
    """
    options = _options()
    if options.target:
        _fuzz(options.target, options.seconds)
    from fuzz.targets import TARGETS  # noqa: PLC0415 - only this process needs them all

    failed = False
    with ThreadPoolExecutor(options.jobs) as pool:
        for line in pool.map(lambda name: _run(name, options.seconds), options.names or TARGETS):
            print(line, flush=True)  # noqa: T201 - its output
            failed |= ": failed\n" in line
    raise SystemExit(failed)


if __name__ == "__main__":
    main()

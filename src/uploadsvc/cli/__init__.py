"""Entry point of the command line. Sets signal handlers first, and imports commands only when needed."""

import os
import signal
import sys
from types import FrameType


def main() -> None:
    """Run ``uploadsvc``."""
    if os.getpid() == 1:
        # Process 1 of a container gets only signals that it has handlers for: pid_namespaces(7).
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, _end)
    else:
        # Python's own handler would print a trace while commands are imported. The event loop sets its own.
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    from uploadsvc.cli.commands import run  # noqa: PLC0415 - see above

    run()


def _end(number: int, _frame: FrameType | None) -> None:
    sys.exit(128 + number)

"""The command line's way in. It imports the commands late, so that Ctrl-C is quiet from the first moment."""

import os
import signal
import sys
from types import FrameType


def main() -> None:
    """Run ``uploadsvc``."""
    if os.getpid() == 1:
        # The kernel keeps from a container's first process whatever it has no handler for: pid_namespaces(7).
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, _end)
    else:
        # Python's own handler would print a trace while the commands are imported; the loop sets another.
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    if sys.argv[1:2] == ["upload"]:
        # By itself: what serves is not loaded, which takes longer and more memory than a small file.
        from uploadsvc.client.command import run as upload  # noqa: PLC0415 - see above

        upload(sys.argv[2:])
    else:
        from uploadsvc.cli.commands import run  # noqa: PLC0415 - see above

        run()


def _end(number: int, _frame: FrameType | None) -> None:
    sys.exit(128 + number)

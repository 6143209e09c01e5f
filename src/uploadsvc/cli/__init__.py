"""Entry point of the command line. Sets signal handlers first, and imports commands only when needed."""

import os
import signal
import sys
from types import FrameType


def main() -> None:
    """Run ``uploadsvc``."""
    _fill_closed()
    if os.getpid() == 1:
        # Process 1 of a container gets only signals that it has handlers for: pid_namespaces(7).
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, _end)
    else:
        # Python's own handler would print a trace while commands are imported. The event loop sets its own.
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    from uploadsvc.cli.commands import run  # noqa: PLC0415 - see above

    run()


def _fill_closed() -> None:
    """Open closed standard descriptors, so that no file or connection gets their numbers.

    As in other programs, output fails as if still closed, and messages are lost. `sys.stdin` stays ``None``.
    """
    for descriptor, flags in enumerate((os.O_RDONLY, os.O_RDONLY, os.O_WRONLY)):
        try:
            os.fstat(descriptor)
        except OSError:
            os.set_inheritable(os.open(os.devnull, flags), True)  # noqa: FBT003 - its only way
    if sys.stdout is None:
        sys.stdout = open(1, "w", closefd=False)  # noqa: SIM115 - used until the end
    if sys.stderr is None:
        sys.stderr = open(2, "w", closefd=False)  # noqa: SIM115 - as above


def _end(number: int, _frame: FrameType | None) -> None:
    sys.exit(128 + number)

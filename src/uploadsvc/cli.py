"""The command line's way in. It imports the commands late, so that Ctrl-C is quiet from the first moment."""

import signal


def main() -> None:
    """Run ``uploadsvc``."""
    # Python's own handler would print a trace while the commands are imported; the event loop sets another.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    from uploadsvc.commands import run  # noqa: PLC0415 - see above

    run()

"""Timeouts and exit statuses, which the parent of workers can import without the server."""

from typing import Final

GRACE_SECONDS: Final = 20
"""Seconds for running requests to finish after the signal to stop."""

LAST_CALL_SECONDS: Final = 0.5
"""Seconds that idle connections stay open after that, because a request may be on its way."""

DRAIN_SECONDS: Final = GRACE_SECONDS + 4.0
"""Maximum seconds from the signal to the end of the process."""

EXIT_SECONDS: Final = 2.0
"""Seconds that remain for closing and exiting."""

STARTUP_FAILURE: Final = 3
"""Exit status of a process that cannot start, as uvicorn's."""

EX_TEMPFAIL: Final = 75
"""Exit status of a process that did not end in time: sysexits(3)."""

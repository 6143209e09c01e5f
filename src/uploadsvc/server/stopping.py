"""Timeouts and exit statuses, in a module that the parent of workers can load without the server."""

from typing import Final

GRACE_SECONDS: Final = 20
"""Seconds that running requests have to finish once the process is told to stop."""

LAST_CALL_SECONDS: Final = 0.5
"""Seconds that idle connections then stay open, because a request may be on its way."""

DRAIN_SECONDS: Final = GRACE_SECONDS + 4.0
"""Seconds from the signal within which the process ends."""

EXIT_SECONDS: Final = 2.0
"""Seconds that remain for closing and exiting."""

STARTUP_FAILURE: Final = 3
"""Exit status of a process that cannot start: uvicorn's."""

EX_TEMPFAIL: Final = 75
"""Exit status of a process that did not end in time: sysexits(3)."""

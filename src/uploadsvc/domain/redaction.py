"""S3's own words, as far as they may be shown: what answers may repeat what was signed."""

import re
from typing import Final

LONGEST: Final = 200
"""Characters of a message that are shown."""

_REDACTED: Final = "[redacted]"

# Whatever quotes stand around, and however the sign between name and value is written.
_NAMED: Final = re.compile(
    r"""(?:X-Amz-[A-Za-z0-9-]+|Signature)["'\\]*\s*(?:[=:,]|%3[ad])\s*["'\\]*[^&\s"'\\,;<>]+""",
    re.IGNORECASE,
)

# Without a name: a session's token, a hex signature, and a secret key, which has letters of both cases
# and digits (a request's id has no such length).
_LONG: Final = re.compile(r"[A-Za-z0-9+/=_.%~-]{100,}")
_SIGNATURE: Final = re.compile(r"(?<![A-Za-z0-9])[0-9a-f]{64}(?![A-Za-z0-9])", re.IGNORECASE)
_SECRET: Final = re.compile(
    r"(?<![A-Za-z0-9+/])(?=[A-Za-z0-9+/]*[a-z])(?=[A-Za-z0-9+/]*[A-Z])(?=[A-Za-z0-9+/]*[0-9])"
    r"[A-Za-z0-9+/]{40}(?![A-Za-z0-9+/])"
)


def redacted(message: object) -> str:
    """Return S3's message in one line of at most `LONGEST` characters, without what lets anyone in.

    Args:
        message: As it was read; ``None`` where it was empty.
    """
    text = " ".join(str(message or "").split())
    for secret in (_NAMED, _LONG, _SIGNATURE, _SECRET):
        text = secret.sub(_REDACTED, text)
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"

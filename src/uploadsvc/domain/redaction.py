"""Redact signatures, tokens and secret keys in logs and messages."""

import re
from typing import Final

LONGEST: Final = 200
"""Maximum length of a message."""

_REDACTED: Final = "[redacted]"
_SHORTEST: Final = 40
"""Minimum length of a secret to recognize without its name."""

_HINTS: Final = ("x-amz-", "signature", "bearer ")
"""Text without any of these contains no named secret. Searching for them is faster than matching."""

# Between name and value in a URL, a form, a header or a list, with any quotes.
_IS: Final = r"""["'\\]*\s*(?:[=:,]|%3[ad])\s*["'\\]*"""
# Another name is not a value; its own value comes after it.
_VALUE: Final = r"""(?!X-Amz-|Signature\b|Bearer )[^&\s"'\\]+"""
_NAMED: Final = re.compile(
    rf"((?:X-Amz-(?:Signature|Credential|Security-Token)|Signature){_IS}){_VALUE}"
    r"|(Bearer )[A-Za-z0-9._~+/=-]+",
    re.IGNORECASE,
)
_PARAMETERS: Final = re.compile(rf"(?:X-Amz-[A-Za-z0-9-]+|Signature){_IS}{_VALUE}", re.IGNORECASE)

# A session token. In a traceback, the path of a source file may be as long.
_LONG: Final = re.compile(r"[A-Za-z0-9+/=_.%~-]{100,}")
_LONG_NO_PATH: Final = re.compile(rf"(?<![A-Za-z0-9+/=_.%~-])(?<!File \"){_LONG.pattern}")
_SIGNATURE: Final = re.compile(r"(?<![A-Za-z0-9])[0-9a-f]{64}(?![A-Za-z0-9])", re.IGNORECASE)
# A secret key has letters in both cases and digits. A request id has another length.
_SECRET: Final = re.compile(
    r"(?<![A-Za-z0-9+/])(?=[A-Za-z0-9+/]*[a-z])(?=[A-Za-z0-9+/]*[A-Z])(?=[A-Za-z0-9+/]*[0-9])"
    r"[A-Za-z0-9+/]{40}(?![A-Za-z0-9+/])"
)


def without_named_secrets(text: str) -> str:
    """Redact signatures, credentials and tokens that follow their names.

    Names stay, and so do values without a name: the id of a user or a request may look like a key.
    """
    if text.isalnum() or text.isidentifier():
        # Nothing separates a name from a value.
        return text
    lowered = text.lower()
    if not any(hint in lowered for hint in _HINTS):
        return text
    return _NAMED.sub(rf"\1\2{_REDACTED}", text)


def without_secrets(text: str) -> str:
    """Redact signatures, tokens and secret keys, with and without their names."""
    text = without_named_secrets(text)
    if len(text) < _SHORTEST:
        return text
    for secret in (_LONG_NO_PATH, _SIGNATURE, _SECRET):
        text = secret.sub(_REDACTED, text)
    return text


def redacted(message: object) -> str:
    """Return S3's message in one line of at most `LONGEST` characters, without secrets.

    It may quote the request, so all signature parameters are removed, with their names.

    Args:
        message: The message; ``None`` if there is none.
    """
    text = " ".join(str(message or "").split())
    text = _LONG.sub(_REDACTED, without_secrets(_PARAMETERS.sub(_REDACTED, text)))
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"

"""The JWT cookie, and what a browser must say before a credential that it adds by itself may write."""

from collections.abc import Sequence
from typing import Final

from uploadsvc.auth.calls import Call
from uploadsvc.domain.errors import Forbidden, Unauthenticated

# RFC 9110 section 9.2.1: safe methods ask for nothing to be changed.
_SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS"})


def cookie_value(headers: Sequence[str], name: str) -> str | None:
    """Return the value of a cookie, or ``None`` where there is none (RFC 6265 section 5.4).

    Args:
        headers: All ``Cookie`` headers.
        name: The cookie's name.

    Raises:
        Unauthenticated: There are two that differ: a sibling domain can set one beside ours.
    """
    values = set()
    for pair in (pair for header in headers for pair in header.split(";")):
        found, equals, value = pair.strip().partition("=")
        if equals and found == name:
            values.add(value.strip('"'))
    if len(values) > 1:
        detail = "The cookie that signs in came more than once, with different values."
        raise Unauthenticated(detail)
    return next(iter(values), None)


def check_cookie_write(call: Call, allowed_origins: frozenset[str]) -> None:
    """Let a call that a browser signed in by itself write only for its own site or for an allowed origin.

    ``Sec-Fetch-Site`` cannot be set by a page: https://www.w3.org/TR/fetch-metadata/#sec-fetch-site-header.

    Raises:
        Forbidden: Another site may have made the browser send it, or the browser does not say.
    """
    if call.method in _SAFE or call.headers.get("sec-fetch-site") == "same-origin":
        return
    _check_origin(call, allowed_origins)


def check_proxied_write(call: Call, allowed_origins: frozenset[str]) -> None:
    """Let a call that a proxy signed in write, unless a browser says that another site made it.

    A proxy signs programs in as well, by client certificate for one; they say neither of the two headers.

    Raises:
        Forbidden: Another site made the browser send it.
    """
    site = call.headers.get("sec-fetch-site")
    if call.method in _SAFE or site in {"same-origin", "none"}:
        return
    if site is not None or call.headers.get("origin") is not None:
        _check_origin(call, allowed_origins)


def _check_origin(call: Call, allowed_origins: frozenset[str]) -> None:
    if call.single("origin") not in allowed_origins:
        detail = (
            "A write signed in by a cookie or a proxy must come from this site (Sec-Fetch-Site: same-origin) "
            "or from an allowed origin."
        )
        raise Forbidden(detail)

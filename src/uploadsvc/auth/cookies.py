"""The JWT cookie, and protection against writes that another site makes a browser send (CSRF)."""

from collections.abc import Container, Sequence
from typing import Final

from uploadsvc.auth.request import AuthRequest
from uploadsvc.domain.errors import Forbidden, Unauthenticated

# RFC 9110 section 9.2.1: safe methods change nothing.
_SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS"})


def cookie_value(headers: Sequence[str], name: str) -> str | None:
    """Return the value of a cookie, or ``None`` (RFC 6265 section 5.4).

    Args:
        headers: All ``Cookie`` headers.
        name: The cookie's name.

    Raises:
        Unauthenticated: Two of them differ. A sibling domain can set one beside ours.
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


def check_cookie_write(request: AuthRequest, allowed_origins: Container[str]) -> None:
    """Check that a write with the cookie comes from this site or an allowed origin.

    A page cannot set ``Sec-Fetch-Site``: https://www.w3.org/TR/fetch-metadata/#sec-fetch-site-header.

    Raises:
        Forbidden: Another site made the browser send it, or the browser does not name the site.
    """
    if request.method in _SAFE or request.headers.get("sec-fetch-site") == "same-origin":
        return
    _check_origin(request, allowed_origins)


def check_proxied_write(request: AuthRequest, allowed_origins: Container[str]) -> None:
    """Check that no other site made a browser send a write that a proxy signed in.

    A proxy also signs programs in, for example by client certificate; they send neither header.

    Raises:
        Forbidden: Another site made the browser send it.
    """
    site = request.headers.get("sec-fetch-site")
    if request.method in _SAFE or site in {"same-origin", "none"}:
        return
    if site is not None or request.headers.get("origin") is not None:
        _check_origin(request, allowed_origins)


def _check_origin(request: AuthRequest, allowed_origins: Container[str]) -> None:
    if request.single("origin") not in allowed_origins:
        detail = (
            "A write signed in by a cookie or a proxy must come from this site (Sec-Fetch-Site: same-origin) "
            "or from an allowed origin."
        )
        raise Forbidden(detail)

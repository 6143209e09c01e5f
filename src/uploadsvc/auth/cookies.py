"""The JWT cookie, and protection against cross-site request forgery (CSRF)."""

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
        Unauthenticated: There are two different values. A sibling domain can set a second one.
    """
    values = set()
    for pair in (pair for header in headers for pair in header.split(";")):
        found, equals, value = pair.strip().partition("=")
        if equals and found == name:
            values.add(value.strip('"'))
    if len(values) > 1:
        detail = "The cookie that signs in came more than once, with different values."
        raise Unauthenticated(detail, reason="repeated")
    return next(iter(values), None)


def check_cookie_write(request: AuthRequest, allowed_origins: Container[str]) -> None:
    """Check that a write with the cookie comes from this site or an allowed origin.

    Pages cannot set these headers: https://www.w3.org/TR/fetch-metadata/#sec-fetch-site-header,
    https://fetch.spec.whatwg.org/#origin-header. Over plain HTTP, except to this machine, browsers send no
    ``Sec-Fetch-Site``; then pages of the called host may write.

    Raises:
        Forbidden: It comes from another site, or the browser does not name the site.
    """
    site = request.headers.get("sec-fetch-site")
    if request.method in _SAFE or site == "same-origin":
        return
    if site is None and _is_of_this_host(request, allowed_origins):
        return
    _check_origin(request, allowed_origins)


def check_proxied_write(request: AuthRequest, allowed_origins: Container[str]) -> None:
    """Check that a write authenticated by a proxy does not come from another site.

    A proxy also authenticates programs, for example by client certificate, which send neither header. The
    host is not trusted here: a site can point its own name to this service (DNS rebinding), and a proxy that
    authenticates by address or certificate would accept that too.

    Raises:
        Forbidden: It comes from another site.
    """
    site = request.headers.get("sec-fetch-site")
    if request.method in _SAFE or site in {"same-origin", "none"}:
        return
    if site is not None or request.headers.get("origin") is not None:
        _check_origin(request, allowed_origins)


def _is_of_this_host(request: AuthRequest, allowed_origins: Container[str]) -> bool:
    """Return whether ``Origin`` is the called host (``Host``), with http or https.

    A site that points its own name here (DNS rebinding) passes but gains nothing, because browsers send our
    cookie only to the host that set it. Behind a proxy, the scheme is unknown. If the host is known to use
    https, a page with http was injected by someone on the network.
    """
    host, origin = (request.single("host") or "").lower(), request.single("origin")
    if not host:
        return False
    secure = f"https://{host.removesuffix(':443')}"
    if secure in allowed_origins:
        return origin == secure
    return origin in {secure, f"http://{host.removesuffix(':80')}"}


def _check_origin(request: AuthRequest, allowed_origins: Container[str]) -> None:
    if request.single("origin") not in allowed_origins:
        detail = (
            "A write signed in by a cookie or a proxy must come from this site (Sec-Fetch-Site: same-origin, "
            "or this host in Origin) or from an allowed origin."
        )
        raise Forbidden(detail)

"""Origins of web pages, as browsers send them, and patterns for many of them.

https://html.spec.whatwg.org/#ascii-serialisation-of-an-origin
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv6Address
from typing import Final
from unicodedata import normalize

from uploadsvc.domain.hosts import as_browsers_write

ANY: Final = "*"
"""Allows pages of every origin."""

_DEFAULT_PORTS: Final = {"http": "80", "https": "443"}

# Pages with these schemes have the origin "null" or one with another scheme.
_NO_ORIGIN: Final = frozenset({"about", "blob", "data", "file", "ftp", "javascript", "ws", "wss"})

_PARTS: Final = re.compile(
    r"(?P<scheme>[a-z][a-z0-9+.-]*)://(?P<host>\[[0-9a-f:.]+\]|[A-Za-z0-9*._-]+)(?::(?P<port>[1-9][0-9]{0,4}))?"
)
_WEB_NAME: Final = re.compile(r"[a-z0-9_-]+(\.[a-z0-9_-]+)*\.?")
_APP_NAME: Final = re.compile(r"[A-Za-z0-9._-]+")
_STARRED_LABEL: Final = re.compile(r"[a-z0-9-]*\*[a-z0-9-]*")
_MAX_PORT: Final = 65_535

_FORMS: Final = (
    "write scheme://host or scheme://host:port, in lower case and without a path, such as "
    "https://app.example.com, capacitor://localhost or https://*.example.com"
)

# Anyone can register below these: https://publicsuffix.org
_COUNTRY_SUFFIX: Final = re.compile(r"(ac|co|com|edu|go|gob|gov|ne|net|or|org)\.[a-z]{2}")
_SHARED: Final = frozenset(
    {
        *("amplifyapp.com", "azurestaticapps.net", "azurewebsites.net", "cloudfront.net", "deno.dev"),
        *("firebaseapp.com", "fly.dev", "github.io", "gitlab.io", "herokuapp.com", "netlify.app"),
        *("ngrok.app", "ngrok-free.app", "ngrok.io", "onrender.com", "pages.dev", "surge.sh"),
        *("trycloudflare.com", "up.railway.app", "vercel.app", "web.app", "workers.dev"),
    }
)


def check_origin(text: str) -> None:
    """Check an allowed origin: one that browsers send, a pattern with ``*`` in the first label, or ``*``.

    Raises:
        ValueError: It never matches a page, or matches other people's pages. The message suggests a fix.
    """
    if text == ANY:
        return
    if not text.isascii():
        message = f"{text!r} never matches; browsers send the host in Punycode: write {_punycode(text)}"
        raise ValueError(message)
    parts = _PARTS.fullmatch(text)
    if parts is None or parts["scheme"] in _NO_ORIGIN or int(parts["port"] or 1) > _MAX_PORT:
        message = f"{text!r} is not an origin; {_FORMS}"
        raise ValueError(message)
    if parts["port"] is not None and _DEFAULT_PORTS.get(parts["scheme"]) == parts["port"]:
        message = (
            f"{text!r} never matches; browsers leave out the default port: write {text.rpartition(':')[0]}"
        )
        raise ValueError(message)
    if ANY in parts["host"]:
        _check_pattern(text, parts["scheme"], parts["host"])
    elif not _is_host(parts["scheme"], parts["host"]):
        message = f"{text!r} is not an origin; {_FORMS}"
        raise ValueError(message)


def shared_domain(pattern: str) -> str | None:
    """Return the domain of a pattern if anyone can register below it, such as ``vercel.app``."""
    _, _, host = pattern.partition("://*.")
    domain = host.partition(":")[0]
    return domain if domain in _SHARED else None


def example_of(origin: str) -> str:
    """Return an example of a pattern; other origins are returned unchanged."""
    return origin if origin == ANY else origin.replace(ANY, "uploadsvc-doctor")


@dataclass(frozen=True, slots=True)
class Origins:
    """A set of allowed origins.

    Attributes:
        exact: Origins to compare as a whole. ``*`` has no special meaning.
        patterns: Regular expression for whole origins; ``None`` without patterns.
    """

    exact: frozenset[str]
    patterns: re.Pattern[str] | None

    def __contains__(self, origin: object) -> bool:
        if origin in self.exact:
            return True
        return self.patterns is not None and isinstance(origin, str) and bool(self.patterns.fullmatch(origin))


def named_origins(allowed: Iterable[str]) -> Origins:
    """Return the origins and patterns of a list that `check_origin` has checked, without ``*`` itself."""
    named = frozenset(allowed) - {ANY}
    patterns = [re.escape(one).replace(r"\*", "[a-z0-9-]+") for one in sorted(named) if ANY in one]
    return Origins(
        exact=frozenset(one for one in named if ANY not in one),
        patterns=re.compile("|".join(patterns)) if patterns else None,
    )


def _check_pattern(text: str, scheme: str, host: str) -> None:
    label, _, domain = host.partition(".")
    if scheme not in _DEFAULT_PORTS or not _STARRED_LABEL.fullmatch(label) or not _is_host(scheme, domain):
        message = (
            f"{text!r} is not a pattern; a * stands for a part of the first label of an http or https host, "
            "as in https://*.example.com or https://my-app-*.vercel.app"
        )
        raise ValueError(message)
    name = domain.rstrip(".")
    owned = "." in name and not _COUNTRY_SUFFIX.fullmatch(name) and not name.rpartition(".")[2].isdigit()
    if not owned and name != "localhost":
        message = (
            f"{text!r} is not a pattern to allow: it matches other people's pages; name your own "
            "domain after the *, as in https://*.example.com"
        )
        raise ValueError(message)


def _is_host(scheme: str, host: str) -> bool:
    if scheme not in _DEFAULT_PORTS:
        return bool(_APP_NAME.fullmatch(host))
    if not host.startswith("["):
        return bool(_WEB_NAME.fullmatch(host))
    try:
        return as_browsers_write(IPv6Address(host[1:-1])) == host[1:-1]
    except ValueError:
        return False


def _punycode(origin: str) -> str:
    scheme, mark, rest = normalize("NFKC", origin).lower().partition("://")
    labels = rest.split(".")
    return f"{scheme}{mark}" + ".".join(
        label if label.isascii() else f"xn--{label.encode('punycode').decode()}" for label in labels
    )

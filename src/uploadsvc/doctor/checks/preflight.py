"""A CORS preflight, asked and judged as a browser does it.

https://fetch.spec.whatwg.org/#cors-preflight-fetch
"""

from collections.abc import Iterable
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from typing import Final

import httpx

_SAFE_METHODS: Final = frozenset({"GET", "HEAD", "POST"})
"""Go without being named: https://fetch.spec.whatwg.org/#cors-safelisted-method"""

_SAFE_TYPES: Final = frozenset({"text/plain", "multipart/form-data", "application/x-www-form-urlencoded"})
"""Of these a browser says nothing beforehand: https://fetch.spec.whatwg.org/#cors-safelisted-request-header"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Preflight:
    """The question whether pages of an origin may send a request.

    Attributes:
        origin: The pages'.
        method: Of the request to come.
        headers: Names of those of its headers that have to be allowed, in lower case.
    """

    origin: str
    method: str
    headers: AbstractSet[str] = field(default=frozenset())

    @property
    def request_headers(self) -> dict[str, str]:
        """What a browser sends with ``OPTIONS``: the names sorted, between commas alone."""
        asked = {"Accept": "*/*", "Origin": self.origin, "Access-Control-Request-Method": self.method}
        if self.headers:
            asked["Access-Control-Request-Headers"] = ",".join(sorted(self.headers))
        return asked

    def refusal(self, status: int, answered: httpx.Headers) -> str | None:
        """Return why a browser would not send the request, or ``None`` where it would.

        Args:
            status: The answer's.
            answered: The answer's headers.
        """
        if (reason := closed_to(self.origin, answered)) is not None:
            return reason
        if not httpx.codes.is_success(status):
            return f"the status is {status}"
        methods = answered.get_list("access-control-allow-methods", split_commas=True)
        if self.method not in {*methods, *_SAFE_METHODS} and "*" not in methods:
            return f"Access-Control-Allow-Methods lacks {self.method}"
        names = {
            name.lower() for name in answered.get_list("access-control-allow-headers", split_commas=True)
        }
        refused = [] if "*" in names else sorted(self.headers - names)
        return f"Access-Control-Allow-Headers lacks {', '.join(refused)}" if refused else None


def closed_to(origin: str, answered: httpx.Headers) -> str | None:
    """Return why a page of an origin may not read an answer, or ``None`` where it may.

    https://fetch.spec.whatwg.org/#concept-cors-check, for requests without cookies.
    """
    allowed = answered.get("access-control-allow-origin")
    if allowed is None:
        return "no Access-Control-Allow-Origin"
    return None if allowed in {origin, "*"} else f"Access-Control-Allow-Origin is {allowed}"


def exposes(name: str, answered: httpx.Headers) -> bool:
    """Whether a page may read a header of an answer; the name in lower case."""
    exposed = answered.get_list("access-control-expose-headers", split_commas=True)
    return "*" in exposed or name in {one.lower() for one in exposed}


def headers_to_allow(names: Iterable[str], *, content_types: AbstractSet[str]) -> frozenset[str]:
    """Return the names of an upload's headers that a browser asks about.

    Args:
        names: All that are sent, in lower case.
        content_types: Those that the upload may have; some of which may need no question.
    """
    asked = frozenset(names)
    return asked - {"content-type"} if content_types <= _SAFE_TYPES else asked

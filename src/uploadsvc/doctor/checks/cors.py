"""Check whether pages of each origin may upload, by the CORS protocol of browsers.

https://fetch.spec.whatwg.org/#cors-preflight-fetch
"""

import asyncio
from collections.abc import Iterable, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace
from typing import Final
from uuid import uuid4

import httpx

from uploadsvc.doctor.findings import Finding, failed, ok, skipped, warning
from uploadsvc.doctor.probes import Probe
from uploadsvc.doctor.target import ANY_ORIGIN, Target
from uploadsvc.domain.cors import EVENT_HEADERS, RANGE_HEADERS, TRACING_HEADERS
from uploadsvc.domain.endpoints import BucketEndpoint

FOREIGN: Final = "cors-others"

_FIX: Final = "run uploadsvc bucket apply, which makes the CORS rule"
_METHODS: Final = ("GET", "HEAD", "PUT", "POST", "DELETE")

_SAFE_METHODS: Final = frozenset({"GET", "HEAD", "POST"})
"""Allowed without being named: https://fetch.spec.whatwg.org/#cors-safelisted-method"""

_SAFE_TYPES: Final = frozenset({"text/plain", "multipart/form-data", "application/x-www-form-urlencoded"})
"""Sent without a preflight: https://fetch.spec.whatwg.org/#cors-safelisted-request-header"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Preflight:
    """A CORS preflight: asks whether pages of an origin may send a request.

    Attributes:
        origin: The pages' origin.
        method: The request's method.
        headers: Names of the request's headers that have to be allowed, in lower case.
    """

    origin: str
    method: str
    headers: AbstractSet[str] = field(default=frozenset())

    @property
    def request_headers(self) -> dict[str, str]:
        """Headers of the ``OPTIONS`` request, as browsers send them."""
        asked = {"Accept": "*/*", "Origin": self.origin, "Access-Control-Request-Method": self.method}
        if self.headers:
            asked["Access-Control-Request-Headers"] = ",".join(sorted(self.headers))
        return asked

    def refusal(self, status: int, answered: httpx.Headers) -> str | None:
        """Return why a browser would not send the request, or ``None`` if it would.

        Args:
            status: Status of the answer.
            answered: Headers of the answer.
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
    """Return why a page of an origin may not read an answer, or ``None`` if it may.

    https://fetch.spec.whatwg.org/#concept-cors-check, for requests without cookies.
    """
    allowed = answered.get("access-control-allow-origin")
    if allowed is None:
        return "no Access-Control-Allow-Origin"
    return None if allowed in {origin, "*"} else f"Access-Control-Allow-Origin is {allowed}"


def exposes(name: str, answered: httpx.Headers) -> bool:
    """Return whether a page may read a response header, by its lower-case name."""
    exposed = answered.get_list("access-control-expose-headers", split_commas=True)
    return "*" in exposed or name in {one.lower() for one in exposed}


def headers_to_allow(names: Iterable[str], *, content_types: AbstractSet[str]) -> frozenset[str]:
    """Return the names of an upload's headers that a preflight must ask for.

    Args:
        names: All headers of the upload, in lower case.
        content_types: The types that the upload may have; some need no preflight.
    """
    asked = frozenset(names)
    return asked - {"content-type"} if content_types <= _SAFE_TYPES else asked


def cors_checks(target: Target) -> list[str]:
    """Return the names of the checks: one for each origin, or ``cors`` if there are none, and `FOREIGN`."""
    return [*(map(target.origin_check, target.pages) if target.pages else ["cors"]), FOREIGN]


def with_forms(finding: Finding, target: Target, probes: Sequence[Probe]) -> Finding:
    """Return an origin's finding, downgraded if its pages may send a form but not read the answer."""
    for probe in probes:
        for page, outcome in zip(target.pages, probe.outcomes, strict=False):
            readable = probe.method != "post" or not outcome.response.accepted
            if readable or finding.status != "ok" or finding.check != target.origin_check(page):
                continue
            if (reason := closed_to(page, outcome.headers)) is not None:
                return failed(finding.check, f"pages may not read the answer to a form ({reason})", _FIX)
            if "location" in outcome.headers and not exposes("location", outcome.headers):
                found = "pages may not read the Location of a form's answer, which some uploaders need"
                return warning(finding.check, found, _FIX)
    return finding


class Browser:
    """Sends preflights.

    Args:
        target: The target of the run.
        http: Sends them.
        endpoint: The address that they are sent to.
    """

    def __init__(self, target: Target, http: httpx.AsyncClient, endpoint: BucketEndpoint) -> None:
        self._target = target
        self._http = http
        # A preflight carries no credentials, and S3 answers it by the bucket's rules alone.
        self._url = f"{endpoint.scheme}://{endpoint.host}{endpoint.path}/{target.folder}/{uuid4().hex}"

    async def findings(self) -> list[Finding]:
        """Return one finding for each of `cors_checks`."""
        if not self._target.origins:
            words = "no origins are set (UPLOADSVC_CORS__ALLOW_ORIGINS), so no page uploads"
            own = [skipped("cors", words)]
        else:
            own = await asyncio.gather(*map(self._origin, self._target.pages))
        return [*own, await self._foreign()]

    async def _origin(self, page: str) -> Finding:
        check = self._target.origin_check(page)
        preflights = list(self._preflights(page))
        refusals = await asyncio.gather(*map(self._refusal, preflights))
        for preflight, refusal in zip(preflights, refusals, strict=True):
            if refusal is not None:
                return failed(check, await self._narrowed(preflight, refusal), _FIX)
        for pages, preflight in self._other_preflights(page):
            if (refusal := await self._refusal(preflight)) is not None:
                return warning(check, f"pages {pages} fail: {await self._narrowed(preflight, refusal)}", _FIX)
        methods = dict.fromkeys(preflight.method for preflight in preflights)
        return ok(check, f"pages may send {' and '.join(methods)} with the headers that the policies sign")

    def _preflights(self, origin: str) -> Iterable[Preflight]:
        """Return each preflight that a browser sends for uploads by these policies, once."""
        asked = set[Preflight]()
        for planner in self._target.planners.values():
            if planner.methods & {"put", "multipart"}:
                headers = headers_to_allow(
                    planner.browser_headers, content_types=planner.policy.content_types
                )
                asked.add(Preflight(origin=origin, method="PUT", headers=headers))
            if "post" in planner.methods:
                # Sent only when the page watches the progress, as the known uploaders do.
                asked.add(Preflight(origin=origin, method="POST"))
        # Browsers with their own S3 credentials use more methods; GET and HEAD need no preflight.
        used = {one.method for one in asked}
        for method in self._target.requirements.cors_methods - {"GET", "HEAD"} - used:
            asked.add(Preflight(origin=origin, method=method))
        known = (planner.browser_headers for planner in self._target.planners.values())
        if others := self._target.requirements.cors_headers.difference(*known):
            asked.add(Preflight(origin=origin, method="PUT", headers=others))
        # Those of events are checked with the uploads that have them.
        checked = RANGE_HEADERS | TRACING_HEADERS | EVENT_HEADERS
        if named := self._target.requirements.cors_extra_headers - checked:
            asked.add(Preflight(origin=origin, method=self._upload_method, headers=named))
        return sorted(asked, key=lambda one: (one.method != "PUT", sorted(one.headers)))

    def _other_preflights(self, origin: str) -> Iterable[tuple[str, Preflight]]:
        """Yield the preflights of pages that do more than upload, each with a description."""
        yield (
            "that trace requests",
            Preflight(origin=origin, method=self._upload_method, headers=TRACING_HEADERS),
        )
        yield (
            "that read ranges, as PDF viewers and players do,",
            Preflight(origin=origin, method="GET", headers=RANGE_HEADERS),
        )

    @property
    def _upload_method(self) -> str:
        return "PUT" if "PUT" in self._target.requirements.cors_methods else "POST"

    async def _refusal(self, preflight: Preflight) -> str | None:
        try:
            answer = await self._http.options(self._url, headers=preflight.request_headers)
        except httpx.HTTPError as error:
            return f"no answer to a preflight ({type(error).__name__})"
        return preflight.refusal(answer.status_code, answer.headers)

    async def _narrowed(self, preflight: Preflight, refusal: str) -> str:
        """Find the part of a preflight that S3 refuses, because it answers only yes or no."""
        plain = replace(preflight, headers=frozenset())
        if await self._refusal(plain) is None:
            singly = [replace(preflight, headers=frozenset({name})) for name in sorted(preflight.headers)]
            refusals = await asyncio.gather(*map(self._refusal, singly))
            names = [min(one.headers) for one, no in zip(singly, refusals, strict=True) if no is not None]
            if names:
                # The refusal may name something else: some stores then answer with no rule at all.
                return f"{preflight.method} with the header {', '.join(names)} is not allowed"
            return f"{preflight.method} with all headers that the policies sign is not allowed ({refusal})"
        others = [replace(plain, method=method) for method in _METHODS if method != preflight.method]
        if any(no is None for no in await asyncio.gather(*map(self._refusal, others))):
            return f"{preflight.method} is not allowed, other methods are ({refusal})"
        return f"pages of {preflight.origin} may send nothing ({refusal})"

    async def _foreign(self) -> Finding:
        if "*" in self._target.origins:
            return skipped(FOREIGN, "all origins are allowed")
        if await self._refusal(Preflight(origin=ANY_ORIGIN, method="PUT")) is not None:
            return ok(FOREIGN, "pages of other origins are refused")
        fix = "name the origins in the bucket's CORS rules, in place of *"
        return warning(FOREIGN, "pages of any origin may use a presigned URL", fix)

"""Whether pages of each origin may upload, asked as their browsers ask."""

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Final
from uuid import uuid4

import httpx

from uploadsvc.doctor.checks.preflight import Preflight, closed_to, exposes, headers_to_allow
from uploadsvc.doctor.findings import Finding, failed, ok, skipped, warning
from uploadsvc.doctor.probes import Attempt
from uploadsvc.doctor.target import ANY_ORIGIN, Target
from uploadsvc.domain.endpoints import BucketEndpoint

FOREIGN: Final = "cors-others"

_MEND: Final = "run uploadsvc bucket apply, which makes the CORS rule"
_METHODS: Final = ("GET", "HEAD", "PUT", "POST", "DELETE")


def cors_checks(target: Target) -> list[str]:
    """Return the names of all checks here: one for each origin, or one for none."""
    return [*(map(target.origin_check, target.pages) if target.pages else ["cors"]), FOREIGN]


def with_forms(finding: Finding, target: Target, attempts: Sequence[Attempt]) -> Finding:
    """Fail an origin whose pages may send a form, and may not read the answer."""
    for attempt in attempts:
        for page, outcome in zip(target.pages, attempt.outcomes, strict=False):
            readable = attempt.method != "post" or not outcome.answer.taken
            if readable or finding.status != "ok" or finding.check != target.origin_check(page):
                continue
            if (reason := closed_to(page, outcome.headers)) is not None:
                return failed(finding.check, f"pages may not read the answer to a form ({reason})", _MEND)
            if "location" in outcome.headers and not exposes("location", outcome.headers):
                found = "pages may not read Location of the answer to a form, which some uploaders want"
                return warning(finding.check, found, _MEND)
    return finding


class Browser:
    """Sends preflights.

    Args:
        target: What is examined.
        http: Sends them.
        endpoint: Where.
    """

    def __init__(self, target: Target, http: httpx.AsyncClient, endpoint: BucketEndpoint) -> None:
        self._target = target
        self._http = http
        # A preflight carries no credential, and S3 answers it by the bucket's rules alone.
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
                return failed(check, await self._narrowed(preflight, refusal), _MEND)
        methods = dict.fromkeys(preflight.method for preflight in preflights)
        return ok(check, f"pages may send {' and '.join(methods)} with what the policies sign")

    def _preflights(self, origin: str) -> Iterable[Preflight]:
        """Return each question that a browser asks for uploads by these policies, once."""
        asked = set[Preflight]()
        for planner in self._target.planners.values():
            if planner.methods & {"put", "multipart"}:
                headers = headers_to_allow(
                    planner.browser_headers, content_types=planner.policy.content_types
                )
                asked.add(Preflight(origin=origin, method="PUT", headers=headers))
            if "post" in planner.methods:
                # Asked about only where the page watches its progress, as all that we know do.
                asked.add(Preflight(origin=origin, method="POST"))
        # Browsers that speak S3 themselves do more; GET and HEAD need no question.
        for method in (
            self._target.requirements.cors_methods - {"GET", "HEAD"} - {one.method for one in asked}
        ):
            asked.add(Preflight(origin=origin, method=method))
        known = (planner.browser_headers for planner in self._target.planners.values())
        if others := self._target.requirements.cors_headers.difference(*known):
            asked.add(Preflight(origin=origin, method="PUT", headers=others))
        return sorted(asked, key=lambda one: (one.method != "PUT", sorted(one.headers)))

    async def _refusal(self, preflight: Preflight) -> str | None:
        try:
            answer = await self._http.options(self._url, headers=preflight.request_headers)
        except httpx.HTTPError as error:
            return f"no answer to a preflight ({type(error).__name__})"
        return preflight.refusal(answer.status_code, answer.headers)

    async def _narrowed(self, preflight: Preflight, refusal: str) -> str:
        """Say what of the question it is that S3 refuses: it answers all or nothing."""
        plain = replace(preflight, headers=frozenset())
        if await self._refusal(plain) is None:
            singly = [replace(preflight, headers=frozenset({name})) for name in sorted(preflight.headers)]
            refusals = await asyncio.gather(*map(self._refusal, singly))
            names = [min(one.headers) for one, no in zip(singly, refusals, strict=True) if no is not None]
            if names:
                return f"{preflight.method} may not carry {', '.join(names)} ({refusal})"
            return f"{preflight.method} may not carry all that the policies sign at once ({refusal})"
        others = [replace(plain, method=method) for method in _METHODS if method != preflight.method]
        if any(no is None for no in await asyncio.gather(*map(self._refusal, others))):
            return f"{preflight.method} is not allowed, other methods are ({refusal})"
        return f"pages of {preflight.origin} may send nothing ({refusal})"

    async def _foreign(self) -> Finding:
        if "*" in self._target.origins:
            return skipped(FOREIGN, "all origins are allowed")
        if await self._refusal(Preflight(origin=ANY_ORIGIN, method="PUT")) is not None:
            return ok(FOREIGN, "pages of other origins are refused")
        mend = "name the origins in the bucket's CORS rules, in place of *"
        return warning(FOREIGN, "pages of any origin may use a URL that they get hold of", mend)

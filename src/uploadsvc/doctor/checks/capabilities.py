"""Capabilities of the store, compared with its provider: signatures, conditional writes, checksums, tags."""

import asyncio
from collections.abc import Sequence
from http import HTTPStatus
from typing import Final

from uploadsvc.doctor.canaries import BODY, Canaries, Outcome, spoiled, wrong_digest
from uploadsvc.doctor.checks.uploads import FIX_PROVIDER
from uploadsvc.doctor.findings import Finding, blocked, failed, listed, ok, skipped, warning
from uploadsvc.doctor.probes import Probe
from uploadsvc.doctor.target import Target
from uploadsvc.domain.checksums import ALGORITHMS, Algorithm, checksum_header
from uploadsvc.domain.errors import UploadsvcError
from uploadsvc.domain.plan import Plan
from uploadsvc.domain.planner import Planner
from uploadsvc.domain.unclaimed import TAG, UNCLAIMED
from uploadsvc.s3.tagging import StoredTags

_ALWAYS: Final = ("signatures", "conditional-writes", "checksums")

_FIX_HEADERS: Final = (
    "use a store that refuses them, as S3 does: with x-amz-copy-source, callers may be able to copy the "
    "objects of others"
)


_FIX_TAGS: Final = (
    "remove unclaimed_expires_in from the policies, and run uploadsvc bucket apply: this store would "
    "delete nothing, or claimed uploads too"
)
_FIX_CLAIMS: Final = "grant these credentials the rights that uploadsvc iam-policy prints"


def capability_checks(target: Target) -> list[str]:
    """Return the names of the checks, with ``claims`` if an upload by PUT has to be claimed."""
    return [*_ALWAYS, *(["claims"] if _marking(target) else [])]


def _marking(target: Target) -> list[Planner]:
    """Return the planners whose PUT uploads have to be claimed."""
    planners = target.planners.values()
    return [one for one in planners if one.policy.unclaimed_expires_in and "put" in one.methods]


class Capabilities:
    """Sends requests that the store has to refuse.

    Args:
        target: The target of the run.
        canaries: Sends them.
        probes: Earlier uploads, to find a policy whose PUT passed.
    """

    def __init__(self, target: Target, canaries: Canaries, probes: Sequence[Probe]) -> None:
        self._target = target
        self._canaries = canaries
        passed = [probe for probe in probes if probe.method == "put" and not probe.problem]
        self._planner = target.planners[passed[0].policy] if passed else None

    async def findings(self) -> list[Finding]:
        """Return one finding for each of `capability_checks`."""
        checks = capability_checks(self._target)
        if self._planner is None:
            if any("put" in planner.methods for planner in self._target.planners.values()):
                return [blocked(check, "canary:put") for check in checks]
            return [skipped(check, "no policy uploads by PUT") for check in checks]
        making = [self._signatures(), self._conditional_writes(), self._checksums()]
        if _marking(self._target):
            making.append(self._claims())
        return list(await asyncio.gather(*making))

    def _plan(self) -> tuple[Plan, dict[str, str]]:
        assert self._planner is not None  # noqa: S101 - checked by `findings`
        plan = self._canaries.plan(self._planner, "put")
        return plan, dict(plan.headers)

    async def _signatures(self) -> Finding:
        accepted = []
        forged, longer, added = await self._forged(), await self._longer(), await self._with_another_header()
        if forged.passed or forged.stored:
            accepted.append("a forged signature")
        if longer.passed or longer.stored:
            accepted.append("more bytes than were signed")
        if self._target.provider.post_policies and await self._forged_form():
            accepted.append("a form with a forged signature")
        unsigned = ["x-amz headers that were not signed"] if added.passed or added.stored else []
        if not (accepted or unsigned):
            return ok(
                "signatures", "forged ones are refused, and so are bytes and headers that were not signed"
            )
        found = f"the store accepts {listed([*accepted, *unsigned])}"
        if not accepted:
            return warning("signatures", found, _FIX_HEADERS)
        if self._target.provider.name == "localstack":
            return warning("signatures", found, "LocalStack is for development; never let strangers reach it")
        return failed("signatures", found, "let the store verify signatures: anyone can write to this bucket")

    async def _forged(self) -> Outcome:
        plan, headers = self._spoiled_plan()
        url = await self._canaries.sign(plan.key, headers)
        forged = url[:-1] + ("1" if url.endswith("0") else "0")
        return await self._canaries.send(forged, plan.key, headers)

    async def _longer(self) -> Outcome:
        plan, headers = self._spoiled_plan()
        return await self._canaries.put_as(plan.key, headers, body=BODY + b"!")

    async def _with_another_header(self) -> Outcome:
        plan, headers = self._spoiled_plan()
        url = await self._canaries.sign(plan.key, headers)
        return await self._canaries.send(url, plan.key, {**headers, "x-amz-meta-not-signed": "1"})

    async def _forged_form(self) -> bool:
        planner = next((each for each in self._target.planners.values() if "post" in each.methods), None)
        if planner is None:
            return False
        outcome = await self._canaries.post(planner, forged=True)
        return outcome.passed or outcome.stored

    def _spoiled_plan(self) -> tuple[Plan, dict[str, str]]:
        plan, headers = self._plan()
        if not self._canaries.permissions.store:
            headers |= spoiled(headers, self._target.provider.checksum_algorithms)
        return plan, headers

    async def _claims(self) -> Finding:
        """Check that the store keeps the tag of an unclaimed upload, and removes it on request."""
        check, marking = "claims", _marking(self._target)
        if (finding := self._not_stored(check)) is not None:
            return finding
        plan = self._canaries.plan(marking[0], "put")
        outcome = await self._canaries.put_as(plan.key, plan.headers)
        if not outcome.stored:
            return blocked(check, "canary:put")
        try:
            wrong = await self._claim(plan.key, outcome.headers.get("x-amz-version-id"))
        except UploadsvcError as error:
            return failed(check, f"the tag {TAG} could not be removed: {error.detail}", _FIX_CLAIMS)
        if wrong:
            return failed(check, wrong, _FIX_TAGS)
        return ok(check, f"the store keeps the tag {TAG}, and the service can remove it")

    async def _claim(self, key: str, version: str | None) -> str:
        """Claim a canary. Returns the problem in words."""
        tags = StoredTags(self._target.storage)
        if not await tags.has(key, TAG, UNCLAIMED, version_id=version):
            return f"the store does not keep the tag {TAG} of an upload"
        await tags.remove(key, TAG, UNCLAIMED, version_id=version)
        left = await tags.has(key, TAG, UNCLAIMED, version_id=version)
        return f"the store keeps the tag {TAG} when it is removed" if left else ""

    def _not_stored(self, check: str) -> Finding | None:
        permissions = self._canaries.permissions
        if permissions.store:
            return None
        return skipped(check, f"not tried, since nothing may be stored: {permissions.why_not}")

    async def _conditional_writes(self) -> Finding:
        check, provider = "conditional-writes", self._target.provider
        if (finding := self._not_stored(check)) is not None:
            return finding
        plan, headers = self._plan()
        headers["If-None-Match"] = "*"
        first = await self._canaries.put_as(plan.key, headers)
        again = await self._canaries.send(first.url, plan.key, headers) if first.stored else first
        if again.response.status == HTTPStatus.PRECONDITION_FAILED:
            more = "" if provider.conditional_writes else f", though provider {provider.name!r} need not"
            return ok(check, f"the store refuses a second PUT with If-None-Match: *{more}")
        which = "second " if first.stored else ""
        found = f"S3 answers {again.response} to a {which}PUT with If-None-Match: *"
        if not provider.conditional_writes:
            return ok(check, f"{found}, as {provider.name!r} is known to")
        no_overwrite = [name for name, one in self._target.planners.items() if not one.policy.overwrite]
        if no_overwrite:
            found += f"; policies {listed(no_overwrite)} count on a refusal"
        fix = f"{FIX_PROVIDER}, or {self._target.lacking('conditional_writes')}"
        return (failed if no_overwrite else warning)(check, found, fix)

    async def _checksums(self) -> Finding:
        check, provider = "checksums", self._target.provider
        if (finding := self._not_stored(check)) is not None:
            return finding
        known = [algorithm for algorithm in ALGORITHMS if algorithm in provider.checksum_algorithms]
        tried = await asyncio.gather(*(self._wrong(algorithm) for algorithm in known or ["sha256"]))
        if not known:
            more = "" if tried[0].stored else "; yet it refuses a wrong sha256"
            return ok(check, f"{provider.name!r} is not expected to verify any{more}")
        unchecked = [name for name, one in zip(known, tried, strict=True) if one.stored]
        if not unchecked:
            return ok(check, f"a wrong {listed(known)} is refused")
        rely = [name for name, one in self._target.planners.items() if one.policy.checksum != "off"]
        found = f"the store accepts a body with a wrong {listed(unchecked)}"
        missing = self._target.lacking(*(unchecked if len(unchecked) < len(known) else ("checksums",)))
        fix = f"{FIX_PROVIDER}, or {missing}"
        return (failed if rely else warning)(check, found, fix)

    async def _wrong(self, algorithm: Algorithm) -> Outcome:
        plan, headers = self._plan()
        kept = {name: value for name, value in headers.items() if not name.startswith("x-amz-checksum-")}
        return await self._canaries.put_as(
            plan.key, {**kept, checksum_header(algorithm): wrong_digest(algorithm)}
        )

"""All checks, in their order: from the outside in, and at once what does not depend on each other."""

import asyncio
from collections.abc import Awaitable, Collection, Iterable
from typing import Final

import httpx

from uploadsvc.doctor.canaries import Canaries
from uploadsvc.doctor.checks import bucket_rules as rules
from uploadsvc.doctor.checks import capabilities, connection, cors, public_endpoint, uploads
from uploadsvc.doctor.checks.public_endpoint import Way
from uploadsvc.doctor.checks.temporary_credentials import session_checks, session_findings
from uploadsvc.doctor.cleanup import Custody
from uploadsvc.doctor.contact import Contact, first_contact
from uploadsvc.doctor.findings import Finding, failed, follows, ok
from uploadsvc.doctor.permissions import Licence, licence
from uploadsvc.doctor.probes import METHODS, Attempt, Attempts
from uploadsvc.doctor.target import Target
from uploadsvc.domain.errors import UploadsvcError
from uploadsvc.provisioning.models import ProvisioningError, Step

CLEANUP: Final = "cleanup"

DEADLINE: Final = 30.0
"""Seconds that a group of checks may take; each request has less."""

CLEARING: Final = 20.0
"""Seconds for taking away what was sent."""

_DEAF: Final = frozenset({"endpoint", "region", "bucket"})
"""What keeps even a preflight, which is not signed, from an answer."""

_LATE: Final = f"no answer within {DEADLINE:.0f} seconds"
_SLOW: Final = "see what keeps the store from answering"


def check_names(target: Target) -> list[str]:
    """Return the names of all checks, in the order in which they are shown."""
    return [
        *_connected(),
        *cors.cors_checks(target),
        *_sent(target),
        *session_checks(target),
        *rules.CHECKS,
        CLEANUP,
    ]


def _connected() -> list[str]:
    return [*connection.CHECKS, public_endpoint.CHECK]


def _sent(target: Target) -> list[str]:
    methods, policies = map(uploads.method_check, METHODS), map(uploads.policy_check, target.planners)
    return [*methods, uploads.ETAG, *capabilities.CHECKS, *policies]


class Examination:
    """One run over a target, whose storage is open.

    Args:
        target: What is examined.
        http: Sends as a browser does, and follows no redirect.
        only: The checks that are asked for; what they need is done all the same.
        store: Whether canaries may be stored, for the moment until they are deleted.
    """

    def __init__(
        self, target: Target, http: httpx.AsyncClient, *, only: Collection[str], store: bool = True
    ) -> None:
        self._target = target
        self._http = http
        self._only = frozenset(only)
        self._store = store
        self._custody = Custody(target)
        self.left: list[str] = []
        """What could not be taken away again, in words."""

    async def findings(self) -> list[Finding]:
        """Make the checks. Whatever happens meanwhile, nothing that was sent stays."""
        try:
            found = await self._examine()
        finally:
            self.left = await self._clear()
        found.append(self._cleanup())
        by_check = {finding.check: finding for finding in found}
        shown = {check for check in by_check if check in self._only}
        # A check that waits for another is told with what it waits for; and what is left behind, always.
        shown |= {by_check[check].because for check in shown} & by_check.keys()
        shown |= {CLEANUP} if self.left else set()
        return [by_check[check] for check in check_names(self._target) if check in shown]

    async def _clear(self) -> list[str]:
        try:
            async with asyncio.timeout(CLEARING):
                return await self._custody.clear()
        except TimeoutError:
            return [f"perhaps something below {self._target.folder}/{self._custody.run}: no answer in time"]

    def _cleanup(self) -> Finding:
        if self.left:
            mend = f"delete by hand what lies below {self._target.folder}/"
            return failed(CLEANUP, f"left behind: {'; '.join(self.left)}", mend)
        stored = self._custody.stored
        done = f"{stored} canaries were stored and deleted" if stored else "nothing was stored"
        return ok(CLEANUP, f"nothing is left: {done}")

    async def _examine(self) -> list[Finding]:
        contact = await self._contact()
        cause = contact.cause(self._target)
        public, way = await public_endpoint.public_endpoint(
            self._target, self._http, contact.credentials, cause=cause
        )
        async with asyncio.TaskGroup() as group:
            connected = group.create_task(connection.connection_findings(self._target, contact))
            pages = group.create_task(self._pages(way, cause))
            ruled = group.create_task(self._rules(cause))
            sent = group.create_task(self._uploads(contact, way, cause))
            sessions = group.create_task(self._sessions(way, cause))
        steps, own = ruled.result()
        attempts, uploaded = sent.result()
        seen = [
            rules.with_rule(cors.with_forms(one, self._target, attempts), steps) for one in pages.result()
        ]
        closed = [finding.check for finding in seen if finding.status == "failed"]
        etag = uploads.etag_finding(self._target, attempts, closed)
        # What kept uploads from being tried is told of this one too.
        return [*connected.result(), public, *seen, etag, *uploaded, *sessions.result(), *own]

    async def _contact(self) -> Contact:
        try:
            async with asyncio.timeout(DEADLINE):
                return await first_contact(self._target)
        except TimeoutError:
            return Contact(obstacle=f"{self._target.inner.host}: {_LATE}")

    async def _pages(self, way: Way, cause: str | None) -> list[Finding]:
        checks = cors.cors_checks(self._target)
        if not self._wants(*checks, uploads.ETAG):
            return []
        if not way.reached or cause in _DEAF:
            return [follows(check, cause or public_endpoint.CHECK) for check in checks]
        return await _in_time(
            checks, cors.Browser(self._target, self._http, way.presigner.endpoint).findings()
        )

    async def _rules(self, cause: str | None) -> tuple[list[Step], list[Finding]]:
        if not self._wants(*rules.CHECKS, *cors.cors_checks(self._target)):
            return [], []
        if cause is not None:
            return [], [follows(check, cause) for check in rules.CHECKS]
        try:
            async with asyncio.timeout(DEADLINE):
                steps = await rules.rule_steps(self._target)
        except (ProvisioningError, UploadsvcError, TimeoutError) as error:
            return [], [failed(check, str(error) or _LATE, _SLOW) for check in rules.CHECKS]
        return steps, rules.rule_findings(steps)

    async def _uploads(
        self, contact: Contact, way: Way, cause: str | None
    ) -> tuple[list[Attempt], list[Finding]]:
        checks = _sent(self._target)
        if not self._wants(*checks):
            return [], []
        if cause is not None or contact.credentials is None or not way.reached:
            blocked = cause or public_endpoint.CHECK
            return [], [follows(check, blocked) for check in checks]
        attempts: list[Attempt] = []

        async def send() -> list[Finding]:
            granted = await licence(self._target)
            if not self._store:
                granted = Licence(store=False, why="it was not asked for", abort=granted.abort)
            assert contact.credentials is not None  # noqa: S101 - looked at above
            canaries = Canaries(
                self._target,
                http=self._http,
                presigner=way.presigner.with_credentials(contact.credentials),
                licence=granted,
                custody=self._custody,
            )
            attempts.extend(await Attempts(self._target, canaries, self._custody).all())
            return [
                *uploads.method_findings(self._target, attempts, granted),
                *uploads.policy_findings(self._target, attempts),
                *await capabilities.Capabilities(self._target, canaries, attempts).findings(),
            ]

        return attempts, await _in_time(checks, send())

    async def _sessions(self, way: Way, cause: str | None) -> list[Finding]:
        checks = session_checks(self._target)
        if not self._wants(*checks):
            return []
        if cause is not None or not way.reached:
            return [follows(check, cause or public_endpoint.CHECK) for check in checks]
        return await _in_time(
            checks, session_findings(self._target, self._http, way.presigner, self._custody)
        )

    def _wants(self, *checks: str) -> bool:
        return not self._only.isdisjoint(checks)


async def _in_time(checks: Iterable[str], work: Awaitable[list[Finding]]) -> list[Finding]:
    try:
        async with asyncio.timeout(DEADLINE):
            return await work
    except TimeoutError:
        return [failed(check, _LATE, _SLOW) for check in checks]

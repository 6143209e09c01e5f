"""Run the checks in order; independent checks run concurrently."""

import asyncio
from collections.abc import Awaitable, Collection, Iterable
from typing import Final

import httpx

from uploadsvc.doctor.canaries import Canaries
from uploadsvc.doctor.checks import bucket_rules as rules
from uploadsvc.doctor.checks import (
    capabilities,
    connection,
    cors,
    public_endpoint,
    queue,
    uploads,
    webhooks,
)
from uploadsvc.doctor.checks.inspection import inspection_checks, inspection_findings
from uploadsvc.doctor.checks.public_endpoint import Route
from uploadsvc.doctor.checks.temporary_credentials import session_checks, session_findings
from uploadsvc.doctor.cleanup import Cleanup
from uploadsvc.doctor.contact import Contact, first_contact
from uploadsvc.doctor.findings import Finding, blocked, failed, ok
from uploadsvc.doctor.network import FIND_OUT, Obstacle
from uploadsvc.doctor.permissions import Permissions, canary_permissions
from uploadsvc.doctor.probes import METHODS, Probe, Prober
from uploadsvc.doctor.target import Target
from uploadsvc.domain.errors import UploadsvcError
from uploadsvc.provisioning.models import ProvisioningError, Step
from uploadsvc.s3.presigner import Presigner

CLEANUP: Final = "cleanup"

DEADLINE: Final = 30.0
"""Seconds for a group of checks; each request has less."""

CLEANUP_DEADLINE: Final = 20.0
"""Seconds for the cleanup."""

_NO_PREFLIGHT: Final = frozenset({"endpoint", "region", "bucket"})
"""Failures after which not even an unsigned preflight can get a response."""

_LATE: Final = f"no answer within {DEADLINE:.0f} seconds"


def check_names(target: Target) -> list[str]:
    """Return the names of all checks, in the order in which they are shown."""
    return [
        *connection.CHECKS,
        public_endpoint.CHECK,
        *cors.cors_checks(target),
        *_upload_checks(target),
        *session_checks(target),
        *rules.CHECKS,
        *queue.queue_checks(target),
        *webhooks.webhook_checks(target),
        *webhooks.delivery_checks(target),
        CLEANUP,
    ]


def _upload_checks(target: Target) -> list[str]:
    methods, policies = map(uploads.method_check, METHODS), map(uploads.policy_check, target.planners)
    return [
        *methods,
        uploads.ETAG,
        *capabilities.capability_checks(target),
        *inspection_checks(target),
        *policies,
    ]


class Runner:
    """One run over a target, whose storage is open.

    Args:
        target: The target.
        http: Sends as a browser does, and follows no redirect.
        only: The checks to show; checks that these depend on run as well.
        store: Whether canaries may be stored; they are deleted a moment later.
    """

    def __init__(
        self, target: Target, http: httpx.AsyncClient, *, only: Collection[str], store: bool = True
    ) -> None:
        self._target = target
        self._http = http
        self._only = frozenset(only)
        self._store = store
        self._cleanup = Cleanup(target)
        self.left: list[str] = []
        """Leftovers that could not be removed, in words."""

    async def findings(self) -> list[Finding]:
        """Run the checks, and remove everything that was sent, even when cancelled."""
        try:
            found = await self._check()
        finally:
            self.left = await self._clear()
        found.append(self._cleanup_finding())
        by_check = {finding.check: finding for finding in found}
        shown = {check for check in by_check if check in self._only}
        # The cause of a blocked check is shown too, and so are leftovers.
        shown |= {by_check[check].because for check in shown} & by_check.keys()
        shown |= {CLEANUP} if self.left else set()
        return [by_check[check] for check in check_names(self._target) if check in shown]

    async def _clear(self) -> list[str]:
        try:
            async with asyncio.timeout(CLEANUP_DEADLINE):
                return await self._cleanup.clear()
        except TimeoutError:
            return [f"perhaps something below {self._target.folder}/{self._cleanup.run}: no answer in time"]

    def _cleanup_finding(self) -> Finding:
        if self.left:
            fix = (
                f"delete everything below {self._target.folder}/ by hand, and let these credentials delete "
                "there, or use --no-store"
            )
            return failed(CLEANUP, f"left behind: {'; '.join(self.left)}", fix)
        stored = self._cleanup.stored
        done = f"{stored} canaries were stored and deleted" if stored else "nothing was stored"
        return ok(CLEANUP, f"nothing is left: {done}")

    async def _check(self) -> list[Finding]:
        contact = await self._contact()
        cause = contact.cause(self._target)
        permissions = await self._permissions(cause)
        public, route = await self._public_endpoint(contact, cause, permissions)
        async with asyncio.TaskGroup() as group:
            connected = group.create_task(connection.connection_findings(self._target, contact))
            pages = group.create_task(self._pages(route, cause))
            ruled = group.create_task(self._rules(cause))
            sent = group.create_task(self._uploads(route, cause, permissions))
            sessions = group.create_task(self._sessions(route, cause))
            events = group.create_task(self._events(route, cause, permissions))
        steps, rule_findings = ruled.result()
        probes, upload_findings = sent.result()
        origins = [
            rules.with_rule(cors.with_forms(one, self._target, probes), steps) for one in pages.result()
        ]
        closed = [finding.check for finding in origins if finding.status == "failed"]
        etag = rules.with_rule(uploads.etag_finding(self._target, probes, closed), steps)
        # If uploads were not tried, their finding for the ETag replaces this one.
        return [
            *connected.result(),
            public,
            *origins,
            etag,
            *upload_findings,
            *sessions.result(),
            *rule_findings,
            *events.result(),
        ]

    async def _contact(self) -> Contact:
        try:
            async with asyncio.timeout(DEADLINE):
                return await first_contact(self._target)
        except TimeoutError:
            found = f"{self._target.inner.host}: {_LATE}"
            return Contact(obstacle=Obstacle(found=found, fix=FIND_OUT))

    async def _permissions(self, cause: str | None) -> Permissions | None:
        """Find out whether canaries may be stored; ``None`` if none can be sent."""
        if cause is not None or not self._wants(
            public_endpoint.CHECK, *_upload_checks(self._target), queue.EVENTS
        ):
            return None
        try:
            async with asyncio.timeout(DEADLINE):
                permissions = await canary_permissions(self._target)
        except TimeoutError:
            return Permissions(store=False, why_not=_LATE)
        if not self._store:
            refused = permissions.abort_refused
            return Permissions(store=False, why_not="storing is turned off", abort_refused=refused)
        return permissions

    async def _public_endpoint(
        self, contact: Contact, cause: str | None, permissions: Permissions | None
    ) -> tuple[Finding, Route]:
        may_store = permissions is not None and permissions.store
        canaries = self._canaries(self._target.presigner, permissions) if permissions and may_store else None
        return await public_endpoint.public_endpoint(
            self._target, self._http, contact.credentials, cause=cause, canaries=canaries
        )

    def _canaries(self, presigner: Presigner, permissions: Permissions) -> Canaries:
        return Canaries(
            self._target,
            http=self._http,
            presigner=presigner,
            permissions=permissions,
            cleanup=self._cleanup,
        )

    async def _pages(self, route: Route, cause: str | None) -> list[Finding]:
        checks = cors.cors_checks(self._target)
        if not self._wants(*checks, uploads.ETAG):
            return []
        if not route.reached or cause in _NO_PREFLIGHT:
            return [blocked(check, cause or public_endpoint.CHECK) for check in checks]
        browser = cors.Browser(self._target, self._http, route.presigner.endpoint)
        return await _in_time(checks, browser.findings())

    async def _rules(self, cause: str | None) -> tuple[list[Step], list[Finding]]:
        if not self._wants(*rules.CHECKS, *cors.cors_checks(self._target), uploads.ETAG):
            return [], []
        if cause is not None:
            return [], [blocked(check, cause) for check in rules.CHECKS]
        try:
            async with asyncio.timeout(DEADLINE):
                steps = await rules.rule_steps(self._target)
        except (ProvisioningError, UploadsvcError, TimeoutError) as error:
            return [], [failed(check, str(error) or _LATE, FIND_OUT) for check in rules.CHECKS]
        return steps, rules.rule_findings(steps)

    async def _uploads(
        self, route: Route, cause: str | None, permissions: Permissions | None
    ) -> tuple[list[Probe], list[Finding]]:
        checks = _upload_checks(self._target)
        if not self._wants(*checks):
            return [], []
        if permissions is None or not route.reached:
            return [], [blocked(check, cause or public_endpoint.CHECK) for check in checks]
        probes: list[Probe] = []

        async def send() -> list[Finding]:
            canaries = self._canaries(route.presigner, permissions)
            probes.extend(await Prober(self._target, canaries, self._cleanup).probe_all())
            return [
                *uploads.method_findings(self._target, probes, permissions),
                *uploads.policy_findings(self._target, probes),
                *await capabilities.Capabilities(self._target, canaries, probes).findings(),
                *await inspection_findings(self._target, canaries, self._cleanup),
            ]

        return probes, await _in_time(checks, send())

    async def _sessions(self, route: Route, cause: str | None) -> list[Finding]:
        checks = session_checks(self._target)
        if not self._wants(*checks):
            return []
        if cause is not None or not route.reached:
            return [blocked(check, cause or public_endpoint.CHECK) for check in checks]
        findings = session_findings(self._target, self._http, route.presigner, self._cleanup)
        return await _in_time(checks, findings)

    async def _events(
        self, route: Route, cause: str | None, permissions: Permissions | None
    ) -> list[Finding]:
        found = []
        if self._wants(*(hosts := webhooks.webhook_checks(self._target))):
            found += await _in_time(hosts, webhooks.webhook_findings(self._target))
        if self._wants(*(receivers := webhooks.delivery_checks(self._target))):
            found += await _in_time(receivers, webhooks.delivery_findings(self._target))
        checks = queue.queue_checks(self._target)
        if not self._wants(*checks):
            return found
        if cause is not None or not route.reached:
            return found + [blocked(check, cause or public_endpoint.CHECK) for check in checks]

        async def look() -> list[Finding]:
            canaries = self._canaries(route.presigner, permissions) if permissions else None
            async with self._target.queue_clients() as clients:
                return await queue.queue_findings(self._target, clients, canaries, self._cleanup)

        return found + await _in_time(checks, look())

    def _wants(self, *checks: str) -> bool:
        return not self._only.isdisjoint(checks)


async def _in_time(checks: Iterable[str], work: Awaitable[list[Finding]]) -> list[Finding]:
    try:
        async with asyncio.timeout(DEADLINE):
            return await work
    except TimeoutError:
        return [failed(check, _LATE, FIND_OUT) for check in checks]

"""Canaries: small uploads with the service's own plans and signatures, sent as a browser sends them."""

import asyncio
import base64
import hashlib
import zlib
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from itertools import count
from typing import Final
from uuid import uuid4

import httpx

from uploadsvc.doctor.cleanup import Cleanup
from uploadsvc.doctor.permissions import Permissions
from uploadsvc.doctor.responses import S3Response
from uploadsvc.doctor.target import Target
from uploadsvc.domain.checksums import ALGORITHMS, Algorithm, Checksum, checksum_header
from uploadsvc.domain.keys import Namespace
from uploadsvc.domain.media_types import DEFAULT
from uploadsvc.domain.plan import Plan, UploadRequest
from uploadsvc.domain.planner import Planner
from uploadsvc.domain.policy import Method, Policy
from uploadsvc.domain.providers import Provider
from uploadsvc.s3.presigner import Presigner

EXPIRES_IN: Final = 300

BODY: Final = b"uploadsvc doctor"
"""Content of a canary."""

NOT_SENT: Final = "not sent: the store keeps what it should refuse"
"""Response of canaries that are skipped after the store has kept one."""

_OTHER_BODY: Final = b"not the bytes that are sent"
_COMPUTED: Final[tuple[Algorithm, ...]] = ("sha256", "crc32")
"""Checksums that Python computes; every store that verifies checksums verifies one of them."""

_LENGTHS: Final[Mapping[Algorithm, int]] = {"sha256": 32, "crc32": 4, "crc32c": 4, "crc64nvme": 8}
_EXAMPLE_TYPES: Final = {
    "image": "image/png",
    "text": "text/plain",
    "video": "video/mp4",
    "audio": "audio/mp4",
}
_REFUSED_BYTES: Final = frozenset({"BadDigest", "InvalidDigest", "XAmzContentChecksumMismatch"})
_REFUSED_SIZE: Final = frozenset({"EntityTooLarge", "EntityTooSmall"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """Result of one canary.

    Attributes:
        response: S3's answer; its status is 0 if none arrived.
        headers: Headers of the answer.
        passed: S3 accepted the canary, or refused only the bytes that it was meant to refuse.
        stored: S3 stored the canary.
        url: URL of a PUT, to send it again; never shown.
        misplaced: Description of where it was stored, if the service does not look there.
        bucket_in_key: The key started with the bucket's name, because the address already includes the
            bucket.
    """

    response: S3Response
    headers: httpx.Headers
    passed: bool
    stored: bool
    url: str = ""
    misplaced: str = ""
    bucket_in_key: bool = False


class Canaries:
    """Sends canaries.

    Args:
        target: The target of the run.
        http: Sends as a browser does, and follows no redirect.
        presigner: Signs for the address that they are sent to.
        permissions: Whether they may be stored.
        cleanup: Tracks them.
    """

    def __init__(
        self,
        target: Target,
        *,
        http: httpx.AsyncClient,
        presigner: Presigner,
        permissions: Permissions,
        cleanup: Cleanup,
    ) -> None:
        self._target = target
        self._http = http
        self._presigner = presigner
        self._cleanup = cleanup
        self._numbers = count(1)
        self._one_by_one = asyncio.Lock()
        # Set once the store kept a canary that it should have refused. No more are sent then.
        self._breached = False
        self.permissions = permissions

    def plan(self, planner: Planner, method: Method) -> Plan:
        """Plan a canary by a policy.

        Raises:
            UploadsvcError: The policy does not allow it.
        """
        algorithm = algorithm_for(planner.policy, self._target.provider, method)
        value = Checksum(algorithm, digest(algorithm, BODY)) if algorithm and method != "multipart" else None
        request = UploadRequest(
            filename="canary.txt",
            content_type=_content_type(planner),
            size=len(BODY),
            method=method,
            metadata=dict.fromkeys(planner.metadata_names, "canary"),
            checksum=value,
            checksum_algorithm=algorithm,
        )
        # Each has its own prefix, because a key template without {uuid} gives the same key every time.
        owner = f"{self._cleanup.run}-{next(self._numbers)}"
        today = self._target.clock().date()
        return planner.plan(request, user=owner, upload_uuid=uuid4().hex, unique=str(uuid4()), today=today)

    async def put(self, planner: Planner, *, origin: str | None = None) -> Outcome:
        """Send a PUT by a policy."""
        plan = self.plan(planner, "put")
        headers = dict(plan.headers)
        if not self.permissions.store:
            headers |= spoiled(headers, self._target.provider.checksum_algorithms)
        return await self.put_as(plan.key, headers, origin=origin)

    async def put_as(
        self, key: str, headers: Mapping[str, str], *, body: bytes = BODY, origin: str | None = None
    ) -> Outcome:
        """Send a PUT with exactly these headers, all signed."""
        return await self.send(await self.sign(key, headers), key, headers, body=body, origin=origin)

    async def sign(self, key: str, headers: Mapping[str, str], query: Mapping[str, str] | None = None) -> str:
        """Return a presigned URL for a PUT."""
        batch = await self._presigner.start(expires_in=EXPIRES_IN)
        return batch.url("PUT", key, headers=headers, query=query)

    async def send(
        self, url: str, key: str, headers: Mapping[str, str], *, body: bytes = BODY, origin: str | None = None
    ) -> Outcome:
        """Send a PUT to a URL that was signed for these headers."""
        outcome = await self._tracked(key, self._put_request(url, headers, body, origin))
        return replace(outcome, url=url)

    async def send_part(self, url: str, headers: Mapping[str, str], *, origin: str | None) -> Outcome:
        """Send a part of a multipart upload. A part alone stores no object."""
        return await self._cleanup.finish(self._exchange(self._put_request(url, headers, BODY, origin)))

    def _put_request(
        self, url: str, headers: Mapping[str, str], body: bytes, origin: str | None
    ) -> httpx.Request:
        sent = {name: value for name, value in headers.items() if name != "Content-Length"}
        if origin is not None:
            sent["Origin"] = origin
        return self._http.build_request("PUT", url, headers=sent, content=body)

    async def post(self, planner: Planner, *, origin: str | None = None, forged: bool = False) -> Outcome:
        """Send a form by a policy, with a forged signature if asked to."""
        plan = self.plan(planner, "post")
        fields = dict(plan.fields)
        exact = len(BODY)
        size = (exact, exact)
        if not self.permissions.store and self._target.provider.form_checksums:
            fields |= spoiled(fields, self._target.provider.checksum_algorithms)
            fields.pop("Content-MD5", None)
        elif not self.permissions.store:
            size = (exact + 1, exact + 1)
        batch = await self._presigner.start(expires_in=EXPIRES_IN)
        form = batch.form(fields, size_range=size)
        if forged:
            form["x-amz-signature"] = "0" * len(form["x-amz-signature"])
        sent = {} if origin is None else {"Origin": origin}
        request = self._http.build_request(
            "POST", self._presigner.endpoint.base_url, headers=sent, data=form, files={"file": ("file", BODY)}
        )
        return await self._tracked(plan.key, request)

    async def _tracked(self, key: str, request: httpx.Request) -> Outcome:
        if self.permissions.store:
            return await self._cleanup.finish(self._noted(key, request))
        # One at a time: if the store keeps it, only one object cannot be deleted.
        async with self._one_by_one:
            if self._breached:
                return _unsent(NOT_SENT)
            outcome = await self._cleanup.finish(self._noted(key, request))
            self._breached = outcome.stored
            return outcome

    async def _noted(self, key: str, request: httpx.Request) -> Outcome:
        self._cleanup.sending(key)
        outcome = await self._exchange(request)
        if outcome.response.status:
            version = outcome.headers.get("x-amz-version-id")
            self._cleanup.answered(key, stored=outcome.stored, version=version)
        if outcome.stored and self._presigner.endpoint != self._target.inner:
            return await self._located(key, outcome)
        return outcome

    async def locate(self) -> Outcome:
        """Store a canary, to check that its address leads to the service's bucket."""
        return await self.put_as(self._cleanup.key("location"), {"Content-Length": str(len(BODY))})

    async def _located(self, key: str, outcome: Outcome) -> Outcome:
        """Look for a stored canary like the service. If it is elsewhere, remove it there."""
        if not await self._cleanup.is_missing(key):
            return outcome
        bound = f"{self._target.bucket}/{key}"
        bucket_in_key = not await self._cleanup.is_missing(bound)
        if not bucket_in_key:
            batch = await self._presigner.start(expires_in=EXPIRES_IN)
            version = outcome.headers.get("x-amz-version-id")
            url = batch.url("DELETE", key, query={"versionId": version} if version else None)
            removal = (await self._exchange(self._http.build_request("DELETE", url))).response
            self._cleanup.elsewhere(key, removal)
            where = "elsewhere"
        else:
            self._cleanup.moved(key, bound)
            where = f"at {bound}"
        return replace(outcome, passed=False, misplaced=where, bucket_in_key=bucket_in_key)

    async def _exchange(self, request: httpx.Request) -> Outcome:
        try:
            answer = await self._http.send(request)
        except httpx.HTTPError as error:
            # Its message is left out, because it may quote the URL.
            return _unsent(type(error).__name__)
        response = S3Response.of_response(answer)
        refused = response.code in _REFUSED_BYTES | _REFUSED_SIZE
        passed = response.accepted if self.permissions.store else refused
        return Outcome(response=response, headers=answer.headers, passed=passed, stored=response.accepted)


def _unsent(why: str) -> Outcome:
    response = S3Response(status=0, code=why)
    return Outcome(response=response, headers=httpx.Headers(), passed=False, stored=False)


def canary_planner(policy: Policy, provider: Provider, folder: str) -> Planner:
    """Return a policy's planner for canaries, with their own folder and limits that allow their size.

    S3 sees only the signed size, not the policy's limits.
    """
    small = replace(policy, min_size=0, max_size=max(policy.max_size, len(BODY)))
    return Planner(policy=small, provider=provider, namespace=Namespace(folder))


def _content_type(planner: Planner) -> str:
    if planner.policy.all_types:
        return DEFAULT
    pattern = min(planner.policy.content_types)
    family, _, kind = pattern.partition("/")
    return pattern if kind != "*" else _EXAMPLE_TYPES.get(family, f"{family}/x-canary")


def algorithm_for(policy: Policy, provider: Provider, method: Method) -> Algorithm | None:
    """Return the checksum algorithm of a canary, if its policy requires one."""
    if policy.checksum != "required":
        return None
    known = provider.part_checksums if method == "multipart" else provider.checksum_algorithms
    return next((algorithm for algorithm in _COMPUTED if algorithm in known), None)


def digest(algorithm: Algorithm, body: bytes) -> str:
    """Return a checksum in base64: ``sha256`` or ``crc32``."""
    raw = hashlib.sha256(body).digest() if algorithm == "sha256" else zlib.crc32(body).to_bytes(4, "big")
    return base64.b64encode(raw).decode()


def wrong_digest(algorithm: Algorithm) -> str:
    """Return a checksum that is wrong for a canary."""
    return base64.b64encode(b"\x5a" * _LENGTHS[algorithm]).decode()


def spoiled(present: Mapping[str, str], known: AbstractSet[str]) -> dict[str, str]:
    """Return headers that make S3 refuse a canary's bytes after all other checks.

    Args:
        present: The canary's headers; a checksum among them is replaced, since S3 accepts only one.
        known: The checksums that the store is expected to verify.
    """
    # Stores have verified MD5 from the beginning: https://www.rfc-editor.org/rfc/rfc1864
    md5 = hashlib.md5(_OTHER_BODY, usedforsecurity=False).digest()
    wrong = {"Content-MD5": base64.b64encode(md5).decode()}
    brought = [algorithm for algorithm in ALGORITHMS if checksum_header(algorithm) in present]
    for algorithm in brought or [one for one in _COMPUTED if one in known][:1]:
        wrong[checksum_header(algorithm)] = wrong_digest(algorithm)
    return wrong

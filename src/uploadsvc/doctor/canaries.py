"""Canaries: small uploads by the service's own plans and signatures, sent as a client sends them."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import count
from typing import Final
from uuid import uuid4

import httpx

from uploadsvc.doctor.cleanup import Custody
from uploadsvc.doctor.permissions import Licence
from uploadsvc.doctor.responses import Answer, of_response
from uploadsvc.doctor.samples import BODY, algorithm_for, content_type, digest, spoilt
from uploadsvc.doctor.target import Target
from uploadsvc.domain.checksums import Checksum
from uploadsvc.domain.plan import Plan, UploadRequest
from uploadsvc.domain.planner import Planner
from uploadsvc.domain.policy import Method
from uploadsvc.s3.presigner import Presigner

EXPIRES_IN: Final = 300

_REFUSED_BYTES: Final = frozenset({"BadDigest", "InvalidDigest", "XAmzContentChecksumMismatch"})
_TOO_LARGE: Final = frozenset({"EntityTooLarge", "EntityTooSmall"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of one canary.

    Attributes:
        answer: S3's; with the status 0 where there was none.
        headers: Of the answer.
        through: Whether S3 took it, or refused nothing about it but its bytes, as it was meant to.
        stored: Whether it was stored.
        url: Of a PUT, for the same once more; never shown.
        sent: The headers that went with it.
    """

    answer: Answer
    headers: httpx.Headers
    through: bool
    stored: bool
    url: str = ""
    sent: Mapping[str, str] | None = None


class Canaries:
    """Sends canaries.

    Args:
        target: What is examined.
        http: Sends as a browser does, and follows no redirect.
        presigner: Signs for the address that they are sent to.
        licence: Whether they may be stored.
        custody: Keeps account of them.
    """

    def __init__(
        self,
        target: Target,
        *,
        http: httpx.AsyncClient,
        presigner: Presigner,
        licence: Licence,
        custody: Custody,
    ) -> None:
        self._target = target
        self._http = http
        self._presigner = presigner
        self._custody = custody
        self._numbers = count(1)
        self._one_by_one = asyncio.Lock()
        self.breached = False
        """Whether the store has kept what it was meant to refuse; nothing more is sent then."""
        self.licence = licence

    def plan(self, planner: Planner, method: Method) -> Plan:
        """Plan a canary by a policy.

        Raises:
            UploadsvcError: The policy does not allow it.
        """
        algorithm = algorithm_for(planner.policy, self._target.provider, method)
        value = Checksum(algorithm, digest(algorithm, BODY)) if algorithm and method != "multipart" else None
        request = UploadRequest(
            filename="canary.txt",
            content_type=content_type(planner),
            size=len(BODY),
            method=method,
            metadata=dict.fromkeys(planner.metadata_names, "canary"),
            checksum=value,
            checksum_algorithm=algorithm,
        )
        # Each has a prefix of its own: a template without {uuid} gives the same key every time.
        owner = f"{self._custody.run}-{next(self._numbers)}"
        today = self._target.clock().date()
        return planner.plan(request, user=owner, upload_uuid=uuid4().hex, unique=str(uuid4()), today=today)

    async def put(self, planner: Planner, *, origin: str | None = None) -> Outcome:
        """Send a PUT by a policy."""
        plan = self.plan(planner, "put")
        headers = dict(plan.headers)
        if not self.licence.store:
            headers |= spoilt(headers, self._target.provider.checksum_algorithms)
        return await self.put_as(plan.key, headers, origin=origin)

    async def put_as(
        self, key: str, headers: Mapping[str, str], *, body: bytes = BODY, origin: str | None = None
    ) -> Outcome:
        """Send a PUT that carries exactly these headers, signed."""
        return await self.send(await self.sign(key, headers), key, headers, body=body, origin=origin)

    async def sign(self, key: str, headers: Mapping[str, str], query: Mapping[str, str] | None = None) -> str:
        """Return a presigned URL for a PUT; it is never shown."""
        batch = await self._presigner.start(expires_in=EXPIRES_IN)
        return batch.url("PUT", key, headers=headers, query=query)

    async def send(
        self, url: str, key: str, headers: Mapping[str, str], *, body: bytes = BODY, origin: str | None = None
    ) -> Outcome:
        """Send a PUT to a URL that was signed for these headers."""
        outcome = await self._kept(key, self._put_request(url, headers, body, origin))
        return replace(outcome, url=url, sent=headers)

    async def send_part(self, url: str, headers: Mapping[str, str], *, origin: str | None) -> Outcome:
        """Send a part of a multipart upload, which stores nothing by itself."""
        return await self._custody.finish(self._exchange(self._put_request(url, headers, BODY, origin)))

    def _put_request(
        self, url: str, headers: Mapping[str, str], body: bytes, origin: str | None
    ) -> httpx.Request:
        sent = {name: value for name, value in headers.items() if name != "Content-Length"}
        if origin is not None:
            sent["Origin"] = origin
        return self._http.build_request("PUT", url, headers=sent, content=body)

    async def post(self, planner: Planner, *, origin: str | None = None, forged: bool = False) -> Outcome:
        """Send a form by a policy; with a false signature where it is forged."""
        plan = self.plan(planner, "post")
        fields = dict(plan.fields)
        exact = len(BODY)
        size = (exact, exact)
        if not self.licence.store and self._target.provider.form_checksums:
            fields |= spoilt(fields, self._target.provider.checksum_algorithms)
            fields.pop("Content-MD5", None)
        elif not self.licence.store:
            size = (exact + 1, exact + 1)
        batch = await self._presigner.start(expires_in=EXPIRES_IN)
        form = batch.form(fields, size_range=size)
        if forged:
            form["x-amz-signature"] = "0" * len(form["x-amz-signature"])
        sent = {} if origin is None else {"Origin": origin}
        request = self._http.build_request(
            "POST", self._presigner.endpoint.base_url, headers=sent, data=form, files={"file": ("file", BODY)}
        )
        return await self._kept(plan.key, request)

    async def _kept(self, key: str, request: httpx.Request) -> Outcome:
        if self.licence.store:
            return await self._sent(key, request)
        # One at a time: what cannot be deleted must not be many.
        async with self._one_by_one:
            if self.breached:
                return _unsent("not sent: the store keeps what it should refuse")
            outcome = await self._sent(key, request)
            self.breached = outcome.stored
            return outcome

    async def _sent(self, key: str, request: httpx.Request) -> Outcome:
        return await self._custody.finish(self._noted(key, request))

    async def _noted(self, key: str, request: httpx.Request) -> Outcome:
        self._custody.sending(key)
        outcome = await self._exchange(request)
        if outcome.answer.status:
            version = outcome.headers.get("x-amz-version-id")
            self._custody.answered(key, stored=outcome.stored, version=version)
        return outcome

    async def _exchange(self, request: httpx.Request) -> Outcome:
        try:
            response = await self._http.send(request)
        except httpx.HTTPError as error:
            # Never its own words: they may hold the URL.
            return _unsent(type(error).__name__)
        answer = of_response(response)
        meant = answer.taken if self.licence.store else answer.code in _REFUSED_BYTES | _TOO_LARGE
        return Outcome(answer=answer, headers=response.headers, through=meant, stored=answer.taken)


def _unsent(why: str) -> Outcome:
    answer = Answer(status=0, code=why)
    return Outcome(answer=answer, headers=httpx.Headers(), through=False, stored=False)

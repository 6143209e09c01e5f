"""Each policy's uploads, by each method that it can use: a canary for each that S3 can tell from another."""

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Final

from uploadsvc.doctor.canaries import Canaries, Outcome
from uploadsvc.doctor.cleanup import Custody
from uploadsvc.doctor.multipart_canary import StepRefusedError, try_multipart
from uploadsvc.doctor.samples import canary_planner
from uploadsvc.doctor.target import Target
from uploadsvc.domain.errors import UploadsvcError
from uploadsvc.domain.planner import Planner
from uploadsvc.domain.policy import Method, Policy

METHODS: Final[tuple[Method, ...]] = ("put", "post", "multipart")

_AT_ONCE: Final = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """What became of one policy's upload by one method.

    Attributes:
        policy: The policy's name.
        method: By which.
        outcomes: S3's answers; of a multipart upload, to its part, for each origin.
        problem: Why it did not work; empty where it did.
        own: Whether it is the policy's own wishes that S3 does not take, and the same without them works.
    """

    policy: str
    method: Method
    outcomes: tuple[Outcome, ...] = ()
    problem: str = ""
    own: bool = False


class Attempts:
    """Tries uploads.

    Args:
        target: What is examined.
        canaries: Sends them.
        custody: Keeps account of them.
    """

    def __init__(self, target: Target, canaries: Canaries, custody: Custody) -> None:
        self._target = target
        self._canaries = canaries
        self._custody = custody
        self._room = asyncio.Semaphore(_AT_ONCE)

    async def all(self, methods: Iterable[Method] = METHODS) -> list[Attempt]:
        """Try every policy by every method of these; what looks the same to S3 is tried once."""
        wanted = set(methods)
        groups: dict[tuple[Method, object], list[str]] = {}
        for name, planner in self._target.planners.items():
            for method in wanted & planner.methods:
                groups.setdefault((method, _look(planner.policy)), []).append(name)
        tried = await asyncio.gather(*(self._try(names[0], method) for (method, _), names in groups.items()))
        return [
            replace(attempt, policy=name)
            for attempt, names in zip(tried, groups.values(), strict=True)
            for name in names
        ]

    async def _try(self, name: str, method: Method) -> Attempt:
        planner = self._target.planners[name]
        attempt = await self._once(name, planner, method)
        bare = _bare(planner.policy)
        if attempt.problem and bare != planner.policy:
            # Its own wishes, or something that keeps all uploads from working?
            without = canary_planner(bare, self._target.provider, self._target.folder)
            if method in without.methods and not (await self._once(name, without, method)).problem:
                return replace(attempt, own=True)
        return attempt

    async def _once(self, name: str, planner: Planner, method: Method) -> Attempt:
        async with self._room:
            try:
                outcomes = await self._outcomes(planner, method)
            except StepRefusedError as error:
                return Attempt(policy=name, method=method, problem=f"S3 did not {error.step}: {error.answer}")
            except UploadsvcError as error:
                return Attempt(policy=name, method=method, problem=error.detail, own=True)
        failures = [outcome for outcome in outcomes if not (outcome.through or method == "multipart")]
        problem = _problem(failures[0]) if failures else ""
        return Attempt(policy=name, method=method, outcomes=tuple(outcomes), problem=problem)

    async def _outcomes(self, planner: Planner, method: Method) -> list[Outcome]:
        pages = self._target.pages
        if method == "multipart":
            if (refusal := self._canaries.licence.abort) is not None:
                step = "let these credentials abort one, so none was begun"
                raise StepRefusedError(step, refusal)
            return await try_multipart(self._target, self._canaries, self._custody, planner, origins=pages)
        # Where there are parts, they tell what pages of every origin may read.
        parts = any("multipart" in each.methods for each in self._target.planners.values())
        origins = pages[:1] if parts else pages
        send = self._canaries.put if method == "put" else self._canaries.post
        return [await send(planner, origin=origin) for origin in origins or (None,)]


def _problem(outcome: Outcome) -> str:
    if outcome.stored:
        return "the store keeps bytes that have another digest or size than was signed"
    return f"S3 answers {outcome.answer}" if outcome.answer.status else f"no answer ({outcome.answer.code})"


def _look(policy: Policy) -> object:
    """Return what S3 can tell one policy's uploads from another's by, besides type and size."""
    return (
        policy.acl,
        policy.storage_class,
        policy.server_side_encryption,
        policy.kms_key_id,
        policy.cache_control,
        policy.content_disposition,
        policy.overwrite,
        policy.checksum == "required",
        tuple(sorted(policy.tags.items())),
        tuple(sorted(policy.metadata.items(), key=str)),
    )


def _bare(policy: Policy) -> Policy:
    nothing: Mapping[str, str] = {}
    return replace(
        policy, acl=None, storage_class=None, server_side_encryption=None, kms_key_id=None, tags=nothing
    )

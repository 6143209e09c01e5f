"""Try the uploads of each policy by each method, with one canary for all that are the same to S3."""

import asyncio
from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import Any, Final

from botocore.exceptions import ClientError

from uploadsvc.doctor.canaries import BODY, Canaries, Outcome, algorithm_for, canary_planner, digest
from uploadsvc.doctor.cleanup import Cleanup
from uploadsvc.doctor.responses import UNANSWERED, S3Response
from uploadsvc.doctor.target import Target
from uploadsvc.domain.checksums import checksum_header
from uploadsvc.domain.errors import UploadsvcError
from uploadsvc.domain.planner import Planner
from uploadsvc.domain.policy import Method, Policy
from uploadsvc.domain.providers import Capability
from uploadsvc.s3.multipart import creation_parameters

METHODS: Final[tuple[Method, ...]] = ("put", "post", "multipart")

_AT_ONCE: Final = 8
_STEP_TIMEOUT: Final = 10.0
_BEGIN: Final = "begin a multipart upload"
_SEND: Final = "accept a part"
_LIST: Final = "list the parts"
_ABORT: Final = "abort it"
_NEVER_BEGUN: Final = "let these credentials abort one, so none was begun"


class StepRefusedError(Exception):
    """S3 refused a step of a multipart upload.

    Args:
        step: The step, in words.
        response: S3's answer.
    """

    def __init__(self, step: str, response: S3Response) -> None:
        super().__init__(f"{step}: {response}")
        self.step = step
        self.response = response


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """Result of one policy's upload by one method.

    Attributes:
        policy: The policy's name.
        method: The method.
        outcomes: The canaries; of a multipart upload, its part, sent once for each origin.
        problem: Why it failed; empty if it did not.
        policy_refused: S3 refuses the policy's options; without them, the upload works.
        response: S3's response to the failed request.
        missing: What the store lacks, if the upload works without it.
    """

    policy: str
    method: Method
    outcomes: tuple[Outcome, ...] = ()
    problem: str = ""
    policy_refused: bool = False
    response: S3Response | None = None
    missing: Capability | None = None

    @property
    def kept(self) -> bool:
        """Whether the store kept a canary that it should have refused."""
        return any(outcome.stored and not outcome.passed for outcome in self.outcomes)


class Prober:
    """Tries uploads.

    Args:
        target: The target of the run.
        canaries: Sends them.
        cleanup: Tracks them.
    """

    def __init__(self, target: Target, canaries: Canaries, cleanup: Cleanup) -> None:
        self._target = target
        self._canaries = canaries
        self._cleanup = cleanup
        self._slots = asyncio.Semaphore(_AT_ONCE)

    async def probe_all(self) -> list[Probe]:
        """Try every policy by each of its methods. Uploads that are the same to S3 are tried once."""
        groups: dict[tuple[Method, object], list[str]] = {}
        for name, planner in self._target.planners.items():
            for method in planner.methods:
                groups.setdefault((method, _seen_by_s3(planner.policy)), []).append(name)
        probes = await asyncio.gather(
            *(self._probe(names[0], method) for (method, _), names in groups.items())
        )
        return [
            replace(probe, policy=name)
            for probe, names in zip(probes, groups.values(), strict=True)
            for name in names
        ]

    async def _probe(self, name: str, method: Method) -> Probe:
        planner = self._target.planners[name]
        probe = await self._once(name, planner, method)
        if not probe.problem or probe.policy_refused:
            return probe
        plain = _without_options(planner.policy)
        if plain != planner.policy and await self._works(plain, method):
            return replace(probe, policy_refused=True)
        return replace(probe, missing=await self._missing(plain, method))

    async def _works(self, policy: Policy, method: Method) -> bool:
        planner = canary_planner(policy, self._target.provider, self._target.folder)
        return method in planner.methods and not (await self._once(policy.name, planner, method)).problem

    async def _missing(self, policy: Policy, method: Method) -> Capability | None:
        """Return the capability without which a refused upload works."""
        provider = self._target.provider
        guarded = method == "put" and provider.conditional_writes and not policy.overwrite
        if guarded and await self._works(replace(policy, overwrite=True), method):
            return "conditional_writes"
        algorithm = algorithm_for(policy, provider, method)
        if algorithm is not None and await self._works(replace(policy, checksum="off"), method):
            return "form_checksums" if method == "post" else algorithm
        return None

    async def _once(self, name: str, planner: Planner, method: Method) -> Probe:
        async with self._slots:
            try:
                outcomes = await self._outcomes(planner, method)
            except StepRefusedError as error:
                problem = f"S3 did not {error.step}: {error.response}"
                return Probe(policy=name, method=method, problem=problem, response=error.response)
            except UploadsvcError as error:
                return Probe(policy=name, method=method, problem=error.detail, policy_refused=True)
        failures = [outcome for outcome in outcomes if not (outcome.passed or method == "multipart")]
        problem = _problem(failures[0]) if failures else ""
        response = failures[0].response if failures else None
        return Probe(policy=name, method=method, outcomes=tuple(outcomes), problem=problem, response=response)

    async def _outcomes(self, planner: Planner, method: Method) -> list[Outcome]:
        pages = self._target.pages
        if method == "multipart":
            return await self._multipart(planner, pages)
        # Parts, if any, are sent as pages of every origin; then one origin is enough here.
        parts = any("multipart" in each.methods for each in self._target.planners.values())
        origins = pages[:1] if parts else pages
        send = self._canaries.put if method == "put" else self._canaries.post
        return [await send(planner, origin=origin) for origin in origins or (None,)]

    async def _multipart(self, planner: Planner, origins: Sequence[str]) -> list[Outcome]:
        """Go through all steps of a multipart upload except the last, which would store an object.

        Args:
            planner: Planner of a policy with multipart.
            origins: The part is sent once for each, as their pages would; once if there are none.

        Returns:
            The outcomes of the part, in the order of the origins.

        Raises:
            StepRefusedError: S3 refused a step.
            UploadsvcError: The policy does not allow it.
        """
        if (refusal := self._canaries.permissions.abort_refused) is not None:
            raise StepRefusedError(_NEVER_BEGUN, refusal)
        plan = self._canaries.plan(planner, "multipart")
        client, bucket = self._target.storage.client, self._target.bucket
        algorithm = algorithm_for(planner.policy, self._target.provider, "multipart")

        async def begin() -> str:
            parameters = creation_parameters(plan.headers, checksum=algorithm)
            call = client.create_multipart_upload(Bucket=bucket, Key=plan.key, **parameters)
            answer: Any = await self._step(_BEGIN, call)
            self._cleanup.started(plan.key, str(answer["UploadId"]))
            return str(answer["UploadId"])

        upload_id = await self._cleanup.finish(begin())
        try:
            headers = {"Content-Length": str(len(BODY))}
            if algorithm is not None:
                headers[checksum_header(algorithm)] = digest(algorithm, BODY)
            url = await self._canaries.sign(plan.key, headers, {"partNumber": "1", "uploadId": upload_id})
            outcomes = [
                await self._canaries.send_part(url, headers, origin=origin) for origin in origins or (None,)
            ]
            for outcome in outcomes:
                if not outcome.response.accepted:
                    raise StepRefusedError(_SEND, outcome.response)
            call = client.list_parts(Bucket=bucket, Key=plan.key, UploadId=upload_id)
            listed: Any = await self._step(_LIST, call)
            if not listed.get("Parts"):
                raise StepRefusedError(_LIST, S3Response(status=HTTPStatus.OK, message="it has none"))
        finally:
            refusal = await self._cleanup.abort(plan.key, upload_id)
        if refusal is not None:
            raise StepRefusedError(_ABORT, refusal)
        return outcomes

    async def _step(self, step: str, call: Awaitable[Any]) -> Any:  # noqa: ANN401 - botocore's answers
        try:
            async with asyncio.timeout(_STEP_TIMEOUT):
                return await call
        except ClientError as error:
            raise StepRefusedError(step, S3Response.of_error(error)) from None
        except UNANSWERED as error:
            self._cleanup.lost()
            raise StepRefusedError(step, S3Response.none(error)) from None
        except BaseException:
            self._cleanup.lost()
            raise


def _problem(outcome: Outcome) -> str:
    if outcome.misplaced:
        return f"it was stored {outcome.misplaced}, where the service does not look"
    if outcome.stored:
        return "the store keeps bytes with another digest or size than was signed"
    response = outcome.response
    return f"S3 answers {response}" if response.status else f"no answer ({response.code})"


def _seen_by_s3(policy: Policy) -> object:
    """Return everything that distinguishes a policy's uploads to S3, except type and size."""
    return (
        policy.acl,
        policy.storage_class,
        policy.server_side_encryption,
        policy.kms_key_id,
        policy.cache_control,
        policy.content_disposition,
        policy.overwrite,
        policy.checksum == "required",
        tuple(sorted(policy.signed_tags.items())),
        tuple(sorted(policy.metadata.items(), key=str)),
    )


def _without_options(policy: Policy) -> Policy:
    nothing: Mapping[str, str] = {}
    return replace(
        policy,
        acl=None,
        storage_class=None,
        server_side_encryption=None,
        kms_key_id=None,
        tags=nothing,
        unclaimed_expires_in=None,
    )

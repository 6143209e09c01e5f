"""A multipart upload that is begun, gets one part, is looked at, and is given up."""

import asyncio
from collections.abc import Awaitable, Sequence
from typing import Any, Final

from botocore.exceptions import ClientError

from uploadsvc.doctor.canaries import Canaries, Outcome
from uploadsvc.doctor.cleanup import Custody
from uploadsvc.doctor.responses import UNANSWERED, Answer, of_error
from uploadsvc.doctor.samples import BODY, algorithm_for, digest
from uploadsvc.doctor.target import Target
from uploadsvc.domain.checksums import checksum_header
from uploadsvc.domain.planner import Planner
from uploadsvc.s3.multipart import creation_parameters

_PATIENCE: Final = 10.0
_BEGIN: Final = "begin a multipart upload"
_SEND: Final = "take a part"
_LIST: Final = "list the parts"
_ABORT: Final = "abort it"


class StepRefusedError(Exception):
    """A step did not work.

    Args:
        step: Which, in words.
        answer: S3's.
    """

    def __init__(self, step: str, answer: Answer) -> None:
        super().__init__(f"{step}: {answer}")
        self.step = step
        self.answer = answer


async def try_multipart(
    target: Target, canaries: Canaries, custody: Custody, planner: Planner, *, origins: Sequence[str]
) -> list[Outcome]:
    """Go through all steps but the last, which would store something.

    Args:
        target: What is examined.
        canaries: Sends the part.
        custody: Keeps account of the upload.
        planner: Of a policy that can upload in parts.
        origins: The part is sent once for each, as pages of theirs would; once for none.

    Returns:
        What became of the part, in the order of the origins.

    Raises:
        StepRefusedError: S3 refused a step.
        UploadsvcError: The policy does not allow it.
    """
    plan = canaries.plan(planner, "multipart")
    client, bucket = target.storage.client, target.bucket
    algorithm = algorithm_for(planner.policy, target.provider, "multipart")

    async def begin() -> str:
        parameters = creation_parameters(plan.headers, checksum=algorithm)
        call = client.create_multipart_upload(Bucket=bucket, Key=plan.key, **parameters)
        answer: Any = await _step(_BEGIN, custody, call)
        custody.begun(plan.key, str(answer["UploadId"]))
        return str(answer["UploadId"])

    upload_id = await custody.finish(begin())
    try:
        headers = {"Content-Length": str(len(BODY))}
        if algorithm is not None:
            headers[checksum_header(algorithm)] = digest(algorithm, BODY)
        url = await canaries.sign(plan.key, headers, {"partNumber": "1", "uploadId": upload_id})
        outcomes = [await canaries.send_part(url, headers, origin=origin) for origin in (origins or (None,))]
        for outcome in outcomes:
            if not outcome.answer.taken:
                raise StepRefusedError(_SEND, outcome.answer)
        listed: Any = await _step(
            _LIST, custody, client.list_parts(Bucket=bucket, Key=plan.key, UploadId=upload_id)
        )
        if not listed.get("Parts"):
            raise StepRefusedError(_LIST, Answer(status=200, message="it has none"))
    finally:
        refusal = await custody.abort(plan.key, upload_id)
    if refusal is not None:
        raise StepRefusedError(_ABORT, refusal)
    return outcomes


async def _step(step: str, custody: Custody, call: Awaitable[Any]) -> Any:  # noqa: ANN401 - botocore's answers
    try:
        async with asyncio.timeout(_PATIENCE):
            return await call
    except ClientError as error:
        raise StepRefusedError(step, of_error(error)) from None
    except UNANSWERED as error:
        custody.lost()
        raise StepRefusedError(step, Answer(status=0, code=type(error).__name__)) from None
    except BaseException:
        custody.lost()
        raise

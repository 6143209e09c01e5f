"""Check that S3's notifications arrive in the queue, and count dead letters."""

import asyncio
import json
from collections.abc import Mapping, Sequence
from time import monotonic
from typing import Any, Final

from botocore.exceptions import ClientError

from uploadsvc.doctor.canaries import BODY, Canaries
from uploadsvc.doctor.checks.bucket_rules import rule_finding
from uploadsvc.doctor.cleanup import Cleanup
from uploadsvc.doctor.findings import Finding, blocked, failed, ok, skipped, warning
from uploadsvc.doctor.network import FIND_OUT
from uploadsvc.doctor.responses import UNANSWERED, S3Response
from uploadsvc.doctor.target import Target
from uploadsvc.domain.notifications import MalformedNotificationError, parse_notifications
from uploadsvc.provisioning.models import ProvisioningError, QueueClients, Rule
from uploadsvc.provisioning.plan import plan

RULES: Final[tuple[Rule, ...]] = ("queue", "queue-policy", "notifications")
EVENTS: Final = "events"
DEAD_LETTERS: Final = "dead-letters"

MOST_WAITING: Final = 100
"""With more messages in the queue, none is received, to leave them to the workers."""

ROUNDS: Final = (1, 8, 8)
"""Canaries per round. A worker may receive some of the notifications first, but hardly all."""

ROUND: Final = 3.0
"""Seconds to wait for the notifications of a round."""

_READERS: Final = 3
_WAIT: Final = 1
_AT_ONCE: Final = 10
_HIDDEN: Final = 30
"""Seconds after which other messages become visible again, if the doctor ends before it returns them."""

_UNREAD: Final = (ClientError, *UNANSWERED)
_AS_WORKER: Final = "run this with the credentials of uploadsvc events (uploadsvc iam-policy --for events)"
_START: Final = "start uploadsvc events, or more of them, and run this again once the queue is nearly empty"
_STOP: Final = "stop uploadsvc events for a moment, and run uploadsvc doctor --only events"
_REDRIVE: Final = "find the cause in the log of uploadsvc events, then run uploadsvc events redrive"


def queue_checks(target: Target) -> list[str]:
    """Return the names of the checks; none without a queue."""
    return [*RULES, EVENTS, DEAD_LETTERS] if target.requirements.queue is not None else []


async def queue_findings(
    target: Target, queues: QueueClients | None, canaries: Canaries | None, cleanup: Cleanup
) -> list[Finding]:
    """Compare the rules about the queue, send a canary through it, and count dead letters.

    Args:
        target: The target of the run.
        queues: Clients of SQS; ``None`` without a queue.
        canaries: Sends canaries; ``None`` if none can be sent.
        cleanup: Tracks them.
    """
    if queues is None:
        return []
    try:
        steps = await plan(target.storage.client, target.requirements, rules=RULES, queues=queues)
    except ProvisioningError as error:
        return [failed(check, str(error), FIND_OUT) for check in queue_checks(target)]
    rules = [rule_finding(step) for step in steps]
    if cause := next((finding.check for finding in rules if finding.status == "failed"), None):
        return [*rules, blocked(EVENTS, cause), blocked(DEAD_LETTERS, cause)]
    queue = _Queue(target, queues)
    return [*rules, await queue.events(canaries, cleanup), await queue.dead_letters()]


class _Queue:
    """Queue client, like that of a worker.

    Args:
        target: The target of the run, with a queue.
        queues: Clients of SQS.
    """

    def __init__(self, target: Target, queues: QueueClients) -> None:
        self._target = target
        self._client = queues.sqs
        queue = target.requirements.queue
        self._url = queue.url if queue else ""
        self._seen: dict[str, float] = {}
        """Keys of canaries whose notifications arrived, with the time."""
        self._done = False
        self._held: list[str] = []
        """Handles of other messages. Each is returned once, at the end: received repeatedly, it would become
        a dead letter.
        """

    async def events(self, canaries: Canaries | None, cleanup: Cleanup) -> Finding:
        """Send a canary, and wait for its notification."""
        try:
            waiting = int((await self._attributes(self._url))["ApproximateNumberOfMessages"])
            if waiting > MOST_WAITING:
                found = f"about {waiting} messages wait in the queue, so no canary was sent"
                return warning(EVENTS, found, _START)
            if canaries is None or not canaries.permissions.store:
                why = canaries.permissions.why_not if canaries else "none can be sent"
                return skipped(EVENTS, f"no canary was stored: {why}")
            try:
                return await self._sent(canaries, cleanup)
            finally:
                await self._give_back()
        except _UNREAD as error:
            return skipped(
                EVENTS, f"no access with these credentials: SQS answers {_said(error)}", _AS_WORKER
            )

    async def dead_letters(self) -> Finding:
        """Count the messages in the dead-letter queue."""
        try:
            redrive = json.loads((await self._attributes(self._url)).get("RedrivePolicy", "{}"))
            if not redrive:
                return skipped(DEAD_LETTERS, "the queue has no dead-letter queue")
            *_, account, name = redrive["deadLetterTargetArn"].split(":")
            url = (await self._client.get_queue_url(QueueName=name, QueueOwnerAWSAccountId=account))[
                "QueueUrl"
            ]
            waiting = int((await self._attributes(url))["ApproximateNumberOfMessages"])
        except _UNREAD as error:
            found = f"no access with these credentials: SQS answers {_said(error)}"
            return skipped(DEAD_LETTERS, found, _AS_WORKER)
        if waiting:
            return warning(DEAD_LETTERS, f"about {waiting} dead letters are in {name}", _REDRIVE)
        return ok(DEAD_LETTERS, f"{name} is empty")

    async def _sent(self, canaries: Canaries, cleanup: Cleanup) -> Finding:
        # Started before the canary is sent, because they compete with the workers.
        readers = [asyncio.create_task(self._read(cleanup)) for _ in range(_READERS)]
        try:
            return await self._timed(canaries, cleanup, readers)
        finally:
            # Not cancelled, because the messages of a cancelled call would stay invisible.
            self._done = True
            await asyncio.gather(*readers, return_exceptions=True)

    async def _timed(
        self, canaries: Canaries, cleanup: Cleanup, readers: Sequence[asyncio.Task[None]]
    ) -> Finding:
        sent: dict[str, float] = {}
        for number, count in enumerate(ROUNDS):
            keys = [cleanup.key(f"events-{number}-{each}") for each in range(count)]
            started = monotonic()
            sent |= dict.fromkeys(keys, started)
            headers = {"Content-Length": str(len(BODY))}
            outcomes = await asyncio.gather(*(canaries.put_as(key, headers) for key in keys))
            if not (first := outcomes[0]).stored:
                return skipped(EVENTS, f"no canary was stored: S3 answers {first.response}")
            while monotonic() - started < ROUND and not self._seen.keys() & sent.keys():
                done, _ = await asyncio.wait(readers, timeout=0.05, return_when=asyncio.FIRST_EXCEPTION)
                for reader in done:
                    reader.result()
            if arrived := self._seen.keys() & sent.keys():
                late = min(self._seen[key] - sent[key] for key in arrived)
                return ok(EVENTS, f"S3's notification of a canary was in the queue after {late:.1f} s")
        found = (
            f"no notification of {len(sent)} canaries was seen: S3 is slow, or uploadsvc events was faster"
        )
        return warning(EVENTS, found, _STOP)

    async def _read(self, cleanup: Cleanup) -> None:
        while not self._done:
            answer: Any = await self._client.receive_message(
                QueueUrl=self._url,
                MaxNumberOfMessages=_AT_ONCE,
                WaitTimeSeconds=_WAIT,
                VisibilityTimeout=_HIDDEN,
            )
            for message in answer.get("Messages", []):
                keys, handle = _keys(message["Body"]), message["ReceiptHandle"]
                if not keys or any(cleanup.run not in key for key in keys):
                    self._held.append(handle)
                    continue
                for key in keys:
                    self._seen.setdefault(key, monotonic())
                await self._client.delete_message(QueueUrl=self._url, ReceiptHandle=handle)

    async def _give_back(self) -> None:
        await asyncio.gather(
            *(
                self._client.change_message_visibility(
                    QueueUrl=self._url, ReceiptHandle=handle, VisibilityTimeout=0
                )
                for handle in self._held
            )
        )

    async def _attributes(self, url: str) -> Mapping[str, str]:
        answer: Any = await self._client.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])
        found: Mapping[str, str] = answer["Attributes"]
        return found


def _keys(body: str) -> Sequence[str]:
    try:
        return [notification.key for notification in parse_notifications(body)]
    except MalformedNotificationError:
        return []


def _said(error: Exception) -> S3Response:
    return S3Response.of_error(error) if isinstance(error, ClientError) else S3Response.none(error)

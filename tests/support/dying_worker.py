"""The worker of the settings, as ``uploadsvc events`` runs it, which kills itself at a step.

Its schedule is a thousand times faster. What it held is visible to others after two seconds.
"""

import asyncio
import os
import signal
import sys
from typing import TYPE_CHECKING, Any, Final

import httpx

from uploadsvc.bootstrap.services import build_services
from uploadsvc.bootstrap.worker import build_worker, open_queue
from uploadsvc.events import queue as queue_module
from uploadsvc.events.queue import SqsQueue
from uploadsvc.events.receivers import Outcome, Receivers
from uploadsvc.events.resolver import EventResolver
from uploadsvc.server.logging import configure_logs
from uploadsvc.settings import Settings, load_settings

STEPS: Final = (
    "received",
    "resolved",
    "sending",
    "sent",
    "remembering",
    "remembered",
    "deleting",
    "deleted",
    "putting back",
    "put back",
)
if TYPE_CHECKING:
    from collections.abc import Sequence

UNIT: Final = 0.001


class Deadline:
    """Kills the process when a step is reached for the n-th time.

    Args:
        step: The step; anything else for never.
        count: How often it is to be reached.
    """

    def __init__(self, step: str, count: int) -> None:
        self._step = step
        self._left = count

    def at(self, step: str) -> None:
        """Tell that a step is reached."""
        if step == self._step:
            self._left -= 1
            if not self._left:
                os.kill(os.getpid(), signal.SIGKILL)


def haunt(deadline: Deadline) -> None:
    """Let the queue and the resolver tell their steps."""

    def between(kind: type, name: str, before: str, after: str) -> None:
        method = getattr(kind, name)

        async def told(self: object, *arguments: object, **options: object) -> object:
            deadline.at(before)
            found = await method(self, *arguments, **options)
            if found != []:
                deadline.at(after)
            return found

        setattr(kind, name, told)

    between(SqsQueue, "receive", "", "received")
    between(SqsQueue, "send", "remembering", "remembered")
    between(SqsQueue, "delete", "deleting", "deleted")
    between(SqsQueue, "put_back", "putting back", "put back")
    between(EventResolver, "resolve", "", "resolved")


class _Receiver:
    """Sends to a URL, and tells its steps."""

    def __init__(self, url: str, client: httpx.AsyncClient, deadline: Deadline) -> None:
        self.id = url
        self.types: Sequence[str] = ("*",)
        self.policies: Sequence[str] = ("*",)
        self._client = client
        self._deadline = deadline

    async def send(self, event_id: str, body: bytes) -> Outcome:
        """Send an event."""
        self._deadline.at("sending")
        try:
            answer = await self._client.post(self.id, content=body, headers={"webhook-id": event_id})
        except httpx.HTTPError as error:
            return Outcome(state="failed", reason=type(error).__name__)
        self._deadline.at("sent")
        if answer.is_success:
            return Outcome(state="delivered")
        wait = answer.headers.get("retry-after")
        state: Any = "gone" if answer.status_code == 410 else "failed"
        return Outcome(state=state, retry_after=float(wait) if wait else None)


async def work(settings: Settings, deadline: Deadline) -> None:
    """Work until SIGTERM."""
    stopping = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopping.set)
    services = build_services(settings)
    async with (
        services.open(),
        open_queue(settings, services) as queue,
        httpx.AsyncClient(trust_env=False, timeout=0.5) as client,
    ):
        receivers = Receivers(
            _Receiver(webhook.url, client, deadline) for webhook in settings.events.webhooks if webhook.url
        )
        worker = build_worker(settings, services, queue=queue, receivers=receivers, unit=UNIT)
        await worker.run(stopping)


if __name__ == "__main__":
    configure_logs(terminal=False)
    vars(queue_module)["VISIBILITY_SECONDS"] = 2
    dies = Deadline(sys.argv[1], int(sys.argv[2]))
    haunt(dies)
    asyncio.run(work(load_settings(), dies))

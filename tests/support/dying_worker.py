"""The worker as ``uploadsvc events`` runs it, which kills itself at a given step.

Its schedule is a thousand times faster. What it held is visible to others after five seconds.
"""

import asyncio
import os
import signal
import sys
from typing import Final

from uploadsvc.bootstrap.events import build_receivers
from uploadsvc.bootstrap.services import build_services
from uploadsvc.bootstrap.worker import build_worker, open_queue
from uploadsvc.events import queue as queue_module
from uploadsvc.events import webhooks
from uploadsvc.events.queue import SqsQueue
from uploadsvc.events.resolver import EventResolver
from uploadsvc.events.webhooks import Webhook
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
    """Let the queue, the resolver and the receivers tell their steps."""

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
    between(Webhook, "send", "sending", "sent")
    between(EventResolver, "resolve", "", "resolved")


async def work(settings: Settings) -> None:
    """Work until SIGTERM."""
    stopping = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopping.set)
    services = build_services(settings)
    receivers = build_receivers(settings, services)
    async with services.open(), receivers.open(), open_queue(settings, services) as queue:
        worker = build_worker(settings, services, queue=queue, receivers=receivers, unit=UNIT)
        await worker.run(stopping)


if __name__ == "__main__":
    configure_logs(terminal=False)
    vars(queue_module)["VISIBILITY_SECONDS"] = 5
    vars(webhooks)["ATTEMPT_SECONDS"] = 2
    haunt(Deadline(sys.argv[1], int(sys.argv[2])))
    asyncio.run(work(load_settings()))

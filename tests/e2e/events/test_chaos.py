"""No event is lost or changes its id, whatever fails: worker, queue or receivers.

``UPLOADSVC_TEST_UPLOADS=10000 python -m pytest tests/e2e/events/test_chaos.py -s`` does it with more uploads.
"""

import asyncio
import hashlib
import itertools
import json
import os
import random
import signal
import statistics
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import httpx
from tests.support.chaos_receivers import ChaosReceivers, chaos_receivers
from tests.support.dying_worker import STEPS
from tests.support.processes import Program, environment_for, program
from tests.support.queues import Queues, queues_of
from tests.support.servers import S3Server
from tests.support.service import service_client, settings_for

UPLOADS: Final = int(os.environ.get("UPLOADSVC_TEST_UPLOADS", "300"))
CALM: Final = 40
"""Uploads at the end, with nobody killed."""

POISON: Final = ("no JSON", '{"Records": 7}', '{"uploadsvc_delivery":{"fields":[],"mac":""}}', '["a"]')
SECRET: Final = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
RECEIVERS: Final = ("good", "flaky", "hanging", "gone")
DEADLINE: Final = 90 + UPLOADS * 0.3
"""Seconds for all."""


class Play:
    """The uploads, the queue and the workers.

    Attributes:
        keys: Keys of the uploads.
    """

    def __init__(self, server: S3Server, queues: Queues, receivers: ChaosReceivers, directory: Path) -> None:
        self._server = server
        self._queues = queues
        self._receivers = receivers
        self._directory = directory
        self._numbers = itertools.count()
        self._random = random.Random(13)  # noqa: S311 - chosen once
        self.keys: set[str] = set()
        events = {
            "queue_url": queues.url,
            "endpoint_url": server.endpoint_url,
            "allow_private_addresses": True,
            "webhooks": [
                {"url": f"http://127.0.0.1:{receivers.port}/{name}", "secrets": [SECRET]}
                for name in RECEIVERS
            ],
        }
        self.settings = settings_for(server, s3={"bucket": queues.bucket}, events=events)

    async def upload(self, number: int, *, unruly: bool) -> None:
        """Upload files; some are told of twice, late, or wrongly."""
        limit = asyncio.Semaphore(8)
        async with service_client(self.settings) as api, httpx.AsyncClient(trust_env=False) as s3:

            async def one() -> None:
                async with limit:
                    content = f"upload {next(self._numbers)}".encode()
                    asked = {"filename": "a b+ü.txt", "size": len(content), "method": "put"}
                    upload = (await api.post("/v1/uploads", json=asked)).json()
                    stored = await s3.put(upload["url"], headers=upload["headers"], content=content)
                    assert stored.status_code == 200
                    self.keys.add(upload["key"])
                    if unruly and self._random.random() < 0.4:
                        await self.tell(upload["key"], content, seconds=self._random.randrange(4))
                    if unruly and self._random.random() < 0.1:
                        await self.tell(upload["key"], b"what was there before")

            await asyncio.gather(*(one() for _ in range(number)))

    async def tell(self, key: str, content: bytes, *, bucket: str | None = None, seconds: int = 0) -> None:
        """Send a notification."""
        found = {"key": key.replace(" ", "+"), "eTag": hashlib.md5(content).hexdigest()}  # noqa: S324 - S3's ETag
        s3 = {"bucket": {"name": bucket or self._queues.bucket}, "object": found}
        record = {"eventName": "ObjectCreated:Put", "eventSource": "aws:s3", "s3": s3}
        await self.send(json.dumps({"Records": [record]}), seconds=seconds)

    async def send(self, body: str, *, seconds: int = 0) -> None:
        """Send a message."""
        await self._queues.sqs.send_message(QueueUrl=self._queues.url, MessageBody=body, DelaySeconds=seconds)

    @asynccontextmanager
    async def worker(self, step: str, count: int = 1) -> AsyncIterator[Program]:
        """Run a worker that kills itself at a step; stop it at the end."""
        events = self.settings["events"]
        variables = {
            **environment_for(self._server),
            "UPLOADSVC_S3__PROVIDER": "localstack",
            "UPLOADSVC_S3__BUCKET": self._queues.bucket,
            "UPLOADSVC_EVENTS__QUEUE_URL": events["queue_url"],
            "UPLOADSVC_EVENTS__ENDPOINT_URL": events["endpoint_url"],
            "UPLOADSVC_EVENTS__ALLOW_PRIVATE_ADDRESSES": "true",
            "UPLOADSVC_EVENTS__WEBHOOKS": json.dumps(events["webhooks"]),
        }
        directory = self._directory / step
        directory.mkdir(exist_ok=True)
        async with program(
            step, str(count), directory=directory, environment=variables, module="tests.support.dying_worker"
        ) as worker:
            yield worker
            if worker.process.poll() is None:
                assert await worker.ended(signal.SIGTERM, seconds=30) == 0, worker.err

    async def kill_in_turn(self, steps: Sequence[str]) -> None:
        """Run one worker after the other, and let each die at its step."""
        for step in steps:
            async with self.worker(step, self._random.randrange(1, 12)) as worker:
                assert await worker.ended(seconds=60) == -signal.SIGKILL, worker.err


async def test_every_upload_has_an_event_with_one_id(localstack: S3Server, tmp_path: Path) -> None:
    async with (
        asyncio.timeout(DEADLINE),
        queues_of(localstack) as queues,
        chaos_receivers() as receivers,
    ):
        play = Play(localstack, queues, receivers, tmp_path)
        for body in POISON:
            await play.send(body)
        await play.tell("uploads/alice/never-stored.txt", b"")
        await play.tell("elsewhere/alice/note.txt", b"")
        await play.tell("uploads/alice/note.txt", b"", bucket="other")
        async with localstack.client() as s3:
            for key in ("elsewhere/alice/note.txt", "uploads/alice/by-hand.txt"):
                await s3.put_object(Bucket=queues.bucket, Key=key, Body=b"")
        uploading = asyncio.create_task(play.upload(UPLOADS, unruly=True))
        await play.kill_in_turn(STEPS)
        await uploading
        async with play.worker("never"):
            await queues.emptied()
        receivers.latencies.clear()
        async with play.worker("never"):
            await play.upload(CALM, unruly=False)
            await queues.emptied()
        assert sorted(await queues.dead_letters()) == sorted(POISON)
    expected = play.keys | {"uploads/alice/by-hand.txt"}
    for name in ("good", "flaky", "hanging"):
        assert receivers.accepted[name].keys() == expected
    assert receivers.accepted["gone"] == {}
    for key in expected:
        ids = set().union(*(receivers.accepted[name][key] for name in ("good", "flaky", "hanging")))
        assert len(ids) == 1
    p95 = statistics.quantiles(receivers.latencies, n=20)[-1]
    print(f"p95 from S3's event to the receiver: {p95:.3f} s of {len(receivers.latencies)}")  # noqa: T201 - for who runs it

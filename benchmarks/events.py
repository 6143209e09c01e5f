"""Measure the worker's CPU time per event, on Linux: ``python -m benchmarks.events``.

The worker is ``uploadsvc events``. This process plays S3, SQS and the receiver, and answers at once. Each
event costs a HEAD, the verification, a receipt, a signed webhook, and a share of the calls to the queue.
"""

import argparse
import asyncio
import itertools
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from benchmarks.served import cpu_seconds, settings
from benchmarks.servers import BUCKET, REGION, SECRET
from uploadsvc.tokens.object_claims import ObjectClaims
from uploadsvc.tokens.signed_ids import UploadClaims

ROUNDS: Final = 5
EVENTS: Final = 1_000
"""Events per round."""

_KEYS: Final = 500
_ETAG: Final = "0123456789abcdef0123456789abcdef"
_WEBHOOK_SECRET: Final = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"  # noqa: S105 - made up
_ID: Final = "00000000-0000-0000-0000-000000000000"
_LENGTH: Final = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_TARGET: Final = re.compile(rb"\r\nx-amz-target: *AmazonSQS\.(\w+)", re.IGNORECASE)
_JSON: Final = b"HTTP/1.1 200 OK\r\nContent-Type: application/x-amz-json-1.0\r\nContent-Length: %d\r\n\r\n%b"
_ROUND_SECONDS: Final = 60
_CLOSE_SECONDS: Final = 30


class Surroundings:
    """S3, SQS and the receiver, on one port.

    Attributes:
        port: The port.
        delivered: Number of events that the receiver got.
    """

    def __init__(self) -> None:
        self.port = 0
        self.delivered = 0
        self._wanted = 0
        self._told = 0
        self._again: list[str] = []
        self._more = asyncio.Event()
        self._done = asyncio.Event()
        self._numbers = itertools.cycle(range(_KEYS))
        self._claims = list(_signed())

    async def run(self, count: int) -> None:
        """Let S3 report uploads, and wait until their events are delivered."""
        self._wanted += count
        self._done.clear()
        self._more.set()
        async with asyncio.timeout(_ROUND_SECONDS):
            await self._done.wait()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve a connection."""
        with suppress(asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            while head := await reader.readuntil(b"\r\n\r\n"):
                found = _LENGTH.search(head)
                body = await reader.readexactly(int(found[1])) if found else b""
                if target := _TARGET.search(head):
                    answer = json.dumps(await self._queue(target[1].decode(), body)).encode()
                    writer.write(_JSON % (len(answer), answer))
                elif head.startswith(b"HEAD "):
                    writer.write(self._object(head.split(b" ", 2)[1].decode()))
                else:
                    self._count()
                    writer.write(b"HTTP/1.1 204 No Content\r\n\r\n")
        writer.close()

    async def _queue(self, operation: str, body: bytes) -> Mapping[str, Any]:
        if operation == "GetQueueAttributes":
            policy = json.dumps({"deadLetterTargetArn": "arn:aws:sqs:x:1:dead", "maxReceiveCount": 10})
            return {"Attributes": {"RedrivePolicy": policy}}
        if operation == "DeleteMessageBatch":
            entries = json.loads(body)["Entries"]
            return {"Successful": [{"Id": entry["Id"]} for entry in entries], "Failed": []}
        if operation == "SendMessage":
            # The receiver had no room: its event comes again at once.
            self._again.append(json.loads(body)["MessageBody"])
            self._more.set()
            return {"MessageId": _ID, "MD5OfMessageBody": ""}
        while self._told >= self._wanted and not self._again:
            self._more.clear()
            await self._more.wait()
        bodies, self._again = self._again[:10], self._again[10:]
        new = min(10 - len(bodies), self._wanted - self._told)
        self._told += new
        bodies += [self._notification() for _ in range(new)]
        return {"Messages": [_message(body) for body in bodies]}

    def _notification(self) -> str:
        found = {"key": _key(next(self._numbers)), "eTag": _ETAG, "size": 5}
        record = {
            "eventSource": "aws:s3",
            "eventName": "ObjectCreated:Put",
            "eventTime": "2026-01-01T00:00:00.000Z",
            "s3": {"bucket": {"name": BUCKET}, "object": found},
        }
        return json.dumps({"Records": [record]})

    def _object(self, target: str) -> bytes:
        number = int(target.rpartition("/")[2].partition(".")[0])
        lines = [
            "HTTP/1.1 200 OK",
            "x-amz-request-id: 1",
            "Content-Type: image/jpeg",
            "Content-Length: 5",
            f'ETag: "{_ETAG}"',
            "Last-Modified: Thu, 01 Jan 2026 00:00:00 GMT",
            f"x-amz-meta-uploadsvc-claims: {self._claims[number]}",
        ]
        return ("\r\n".join(lines) + "\r\n\r\n").encode()

    def _count(self) -> None:
        self.delivered += 1
        if self.delivered >= self._wanted:
            self._done.set()


def _message(body: str) -> Mapping[str, Any]:
    return {
        "MessageId": _ID,
        "ReceiptHandle": "h" * 200,
        "Body": body,
        "Attributes": {"ApproximateReceiveCount": "1", "SentTimestamp": "1767225600000"},
    }


def _key(number: int) -> str:
    return f"uploads/ann/{number}.jpg"


def _signed() -> Iterator[str]:
    signer = ObjectClaims([SECRET.encode()])
    for number in range(_KEYS):
        claims = UploadClaims(
            upload_uuid=f"00000000-0000-0000-0000-{number:012}",
            policy="default",
            bucket=BUCKET,
            key=_key(number),
            method="put",
            min_size=5,
            max_size=5,
            content_type="image/jpeg",
            checksum=None,
            part_checksum=None,
            upload_id="",
            part_size=0,
            no_overwrite=False,
            tags_object=False,
            url_expires_at=0,
            expires_at=0,
        )
        yield signer.sign(claims)


def _environment(directory: Path, port: int) -> Mapping[str, str]:
    url = f"http://127.0.0.1:{port}"
    webhook = {"url": f"{url}/hook", "secrets": [_WEBHOOK_SECRET]}
    return {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": os.environ.get("PYTHONPATH", ""),
        "HOME": str(directory),
        **settings(url),
        "UPLOADSVC_S3__REGION": REGION,
        "UPLOADSVC_EVENTS__QUEUE_URL": f"{url}/000000000000/uploads",
        "UPLOADSVC_EVENTS__ENDPOINT_URL": url,
        "UPLOADSVC_EVENTS__ALLOW_PRIVATE_ADDRESSES": "true",
        "UPLOADSVC_EVENTS__WEBHOOKS": json.dumps([webhook]),
    }


async def measure(*, rounds: int = ROUNDS, events: int = EVENTS) -> dict[str, float]:
    """Return the CPU microseconds per event, and the events per second: medians of all rounds."""
    surroundings = Surroundings()
    used, rates = [], []
    with tempfile.TemporaryDirectory(prefix="uploadsvc-bench-") as name:
        directory = Path(name)
        async with await asyncio.start_server(surroundings.serve, "127.0.0.1", 0) as server:
            surroundings.port = server.sockets[0].getsockname()[1]
            with (directory / "worker.log").open("wb") as log:
                worker = subprocess.Popen(  # noqa: ASYNC220 - our own, and it starts once
                    [sys.executable, "-m", "uploadsvc", "events"],
                    env=_environment(directory, surroundings.port),
                    stdout=log,
                    stderr=log,
                )
            try:
                await surroundings.run(events)
                for _ in range(rounds):
                    before, started = cpu_seconds(worker.pid), time.perf_counter()
                    await surroundings.run(events)
                    rates.append(events / (time.perf_counter() - started))
                    used.append((cpu_seconds(worker.pid) - before) / events * 1e6)
            finally:
                worker.terminate()
                await asyncio.to_thread(worker.wait, _CLOSE_SECONDS)
    return {"microseconds": statistics.median(used), "rate": statistics.median(rates)}


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    asked = parser.parse_args()
    found = asyncio.run(measure(rounds=asked.rounds))
    spent = found["microseconds"]
    print(f"{spent:.0f} µs of CPU for an event: {1e6 / spent:.0f} events a second for each core")
    print(f"{found['rate']:.0f} events a second by the clock, on this machine as busy as it is")


if __name__ == "__main__":
    main()

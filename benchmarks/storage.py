"""Store objects for the calls that query S3, and measure aioboto3's own calls for comparison.

``python -m benchmarks.storage ENDPOINT KEY`` does only the latter: it prints the CPU time of a
``head_object`` and of a ``list_objects_v2``, in microseconds, as JSON.
"""

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import aioboto3
import httpx
import uvloop

from benchmarks.credentials import bearer, user
from benchmarks.machine import SERVER, on
from benchmarks.servers import BUCKET, KEY, REGION, Server

if TYPE_CHECKING:
    from contextlib import AbstractAsyncContextManager

    from types_aiobotocore_s3 import S3Client

UPLOADERS: Final = 16
"""Users that have uploaded an object."""

LISTED: Final = 100
"""Objects per listing by default."""

PAGE: Final = 1_000
"""Objects in the longest listing, and of the user who owns them."""

COLLECTOR: Final = 999
"""That user's number."""

_BODY: Final = b"x" * 64
_CONCURRENT: Final = 16
_SECONDS: Final = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """An upload whose object S3 holds.

    Attributes:
        headers: Headers of its user.
        path: Path of the upload in the API.
        key: Key of the object.
    """

    headers: dict[str, str]
    path: str
    key: str


def client(endpoint_url: str) -> "AbstractAsyncContextManager[S3Client]":
    """Open a client of the embedded S3."""
    session = aioboto3.Session(
        aws_access_key_id=KEY.access_key_id,
        aws_secret_access_key=KEY.secret_access_key,
        region_name=REGION,
    )
    opened: AbstractAsyncContextManager[S3Client] = session.client("s3", endpoint_url=endpoint_url)
    return opened


def upload(server: Server) -> list[Stored]:
    """Upload an object for each user, as a client does."""
    stored = []
    with httpx.Client(trust_env=False, timeout=30) as http:
        for number in range(UPLOADERS):
            headers = dict(bearer(number))
            asked = {"filename": "note.txt", "content_type": "text/plain", "size": len(_BODY)}
            answer = (
                http.post(f"{server.url}/v1/uploads", headers=headers, json=asked).raise_for_status().json()
            )
            http.put(answer["url"], headers=answer["headers"], content=_BODY).raise_for_status()
            stored.append(Stored(headers=headers, path=f"/v1/uploads/{answer['id']}", key=answer["key"]))
    return stored


async def create_bucket(endpoint_url: str) -> None:
    """Create the bucket of the benchmarks."""
    async with client(endpoint_url) as s3:
        await s3.create_bucket(Bucket=BUCKET)


async def fill(endpoint_url: str) -> None:
    """Create a page of objects for one user."""
    numbers = iter(range(PAGE))
    async with client(endpoint_url) as s3:

        async def put() -> None:
            for number in numbers:
                key = f"uploads/{user(COLLECTOR)}/{number:04}/photo.jpg"
                await s3.put_object(Bucket=BUCKET, Key=key, Body=_BODY)

        await asyncio.gather(*(put() for _ in range(_CONCURRENT)))


def aioboto3_microseconds(endpoint_url: str, key: str) -> dict[str, float]:
    """Measure aioboto3 in a separate process, on the servers' core."""
    command = [sys.executable, "-m", "benchmarks.storage", endpoint_url, key]
    with on(SERVER):
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE)  # noqa: S603 - our own
    found: dict[str, float] = json.loads(done.stdout)
    return found


async def _measure(endpoint_url: str, key: str) -> dict[str, float]:
    prefix = f"uploads/{user(COLLECTOR)}/"
    async with client(endpoint_url) as s3:
        calls: dict[str, Callable[[], Awaitable[Any]]] = {
            "head_object": lambda: s3.head_object(Bucket=BUCKET, Key=key),
            "list_objects_v2": lambda: s3.list_objects_v2(Bucket=BUCKET, Prefix=prefix, MaxKeys=LISTED),
        }
        return {name: await _microseconds(call) for name, call in calls.items()}


async def _microseconds(call: Callable[[], Awaitable[Any]]) -> float:
    """Return the CPU time per call, with as many concurrent calls as the load has connections."""
    await asyncio.gather(*(call() for _ in range(_CONCURRENT)))
    ends, used, count = time.perf_counter() + _SECONDS, time.process_time(), 0

    async def repeat() -> None:
        nonlocal count
        while time.perf_counter() < ends:
            await call()
            count += 1

    await asyncio.gather(*(repeat() for _ in range(_CONCURRENT)))
    return (time.process_time() - used) / count * 1e6


def main(arguments: Sequence[str]) -> None:
    """Print the microseconds."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        print(json.dumps(runner.run(_measure(*arguments))))


if __name__ == "__main__":
    main(sys.argv[1:])

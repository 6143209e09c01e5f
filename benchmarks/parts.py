"""Time the signing of 1,000 parts in one call of ``POST /v1/uploads/{id}/parts``, on one core.

Run it with ``python -m benchmarks.parts``. It times the whole call in this process: routing, authentication,
validation, the id, the signatures, JSON and discarded logs, but no sockets. The network is used only at the
start, to create one multipart upload in an embedded S3.
"""

import asyncio
import json
import os
import statistics
import tempfile
import time
from contextlib import redirect_stderr
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import aioboto3
import jwt
from fastapi import FastAPI

from benchmarks.asgi import Caller
from benchmarks.servers import BUCKET, KEY, REGION, SECRET
from uploadsvc.app import create_app
from uploadsvc.dev.seaweedfs import run_seaweedfs
from uploadsvc.server.logging import configure_logs
from uploadsvc.settings import Settings

ROUNDS: Final = 200
PARTS: Final = 1000
GOAL: Final = 60_000


async def measure() -> list[float]:
    """Return the duration of each call in seconds."""
    with tempfile.TemporaryDirectory(prefix="uploadsvc-bench-") as directory:
        async with run_seaweedfs(directory=Path(directory), credentials=KEY) as s3:
            keys = {"access_key_id": KEY.access_key_id, "secret_access_key": KEY.secret_access_key}
            session = aioboto3.Session(*keys.values(), region_name=REGION)
            async with session.client("s3", endpoint_url=s3.endpoint_url) as witness:
                await witness.create_bucket(Bucket=BUCKET)
            settings = {
                "secret_key": SECRET,
                "s3": {"bucket": BUCKET, "region": REGION, "endpoint_url": s3.endpoint_url, **keys},
                "auth": {"jwt": {"secret": SECRET}},
            }
            app = create_app(Settings.model_validate(settings))
            async with app.router.lifespan_context(app):
                return await _timed(app)


async def _timed(app: FastAPI) -> list[float]:
    ends = datetime.now(UTC) + timedelta(days=1)
    token = jwt.encode({"sub": "bench", "exp": ends}, SECRET, algorithm="HS256")
    caller = Caller(app, {"Authorization": f"Bearer {token}"})
    size = PARTS * 5 * 1024**2
    _, created = await caller.post(
        "/v1/uploads",
        json.dumps({"filename": "film.mp4", "size": size, "method": "multipart"}).encode(),
    )
    upload = json.loads(created)
    path = f"/v1/uploads/{upload['id']}/parts"
    count = min(PARTS, upload["part_count"])
    body = json.dumps({"part_numbers": [1 + n % count for n in range(PARTS)]}).encode()
    seconds = []
    for _ in range(ROUNDS):
        started = time.perf_counter()
        status, answer = await caller.post(path, body)
        seconds.append(time.perf_counter() - started)
        if status != 200 or len(json.loads(answer)["parts"]) != PARTS:  # noqa: PLR2004 - OK
            raise SystemExit(answer.decode())
    return seconds


def main() -> None:
    """Print the median and the best time."""
    with Path(os.devnull).open("w", encoding="utf-8") as nowhere, redirect_stderr(nowhere):
        configure_logs(terminal=False)
        seconds = asyncio.run(measure())
    for name, found in (("median", statistics.median(seconds)), ("best", min(seconds))):
        print(f"{name:<8}{found * 1e3:>8.2f} ms{PARTS / found:>12,.0f} URLs/s (goal {GOAL:,})")


if __name__ == "__main__":
    main()

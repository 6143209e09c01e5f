"""Compare how fast uploadsvc, botocore and aioboto3 sign a presigned PUT and a POST policy.

Run it with ``python -m benchmarks.signing``. No network is used.
"""

import asyncio
import statistics
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import aioboto3
import botocore.session
from botocore.config import Config

from uploadsvc.domain.credentials import Credentials
from uploadsvc.domain.endpoints import aws_endpoint_url, bucket_endpoint
from uploadsvc.s3.sigv4 import Condition, presign, sign_post_policy

ROUNDS = 15
REPEATS = {"uploadsvc": 2000, "botocore": 200, "aioboto3": 200}

REGION = "eu-central-1"
BUCKET = "media"
KEY = "uploads/user-42/0b6f8a9c-7d6e-4f43-9d5e-1f2a3b4c5d6e/photo.jpg"
SIZE = 123_456
EXPIRES_IN = 900
CREDENTIALS = Credentials(
    access_key_id="AKIAIOSFODNN7EXAMPLE", secret_access_key="wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
)
ENDPOINT = bucket_endpoint(endpoint_url=aws_endpoint_url(REGION), bucket=BUCKET, style="virtual")
PUT_HEADERS = {"Content-Type": "image/jpeg", "Content-Length": str(SIZE), "If-None-Match": "*"}
PUT_PARAMETERS = {
    "Bucket": BUCKET,
    "Key": KEY,
    "ContentType": "image/jpeg",
    "ContentLength": SIZE,
    "IfNoneMatch": "*",
}
CONDITIONS: list[Condition] = [["content-length-range", SIZE, SIZE], {"Content-Type": "image/jpeg"}]
CLIENT: dict[str, Any] = {
    "service_name": "s3",
    "region_name": REGION,
    "aws_access_key_id": CREDENTIALS.access_key_id,
    "aws_secret_access_key": CREDENTIALS.secret_access_key,
    "config": Config(signature_version="s3v4", s3={"addressing_style": "virtual"}),
}

Timings = dict[str, list[float]]


def own_put() -> str:
    """Presign as the service does."""
    return presign(
        method="PUT",
        endpoint=ENDPOINT,
        key=KEY,
        credentials=CREDENTIALS,
        region=REGION,
        now=datetime.now(UTC),
        expires_in=EXPIRES_IN,
        headers=PUT_HEADERS,
    )


def own_post() -> dict[str, str]:
    """Sign a form as the service does."""
    now = datetime.now(UTC)
    return sign_post_policy(
        conditions=[*CONDITIONS, {"bucket": BUCKET}, {"key": KEY}],
        credentials=CREDENTIALS,
        region=REGION,
        now=now,
        expires_at=now + timedelta(seconds=EXPIRES_IN),
    )


def microseconds(sign: Callable[[], object], repeats: int) -> float:
    """Time one call, as the mean of ``repeats``."""
    started = time.perf_counter()
    for _ in range(repeats):
        sign()
    return (time.perf_counter() - started) / repeats * 1e6


async def awaited_microseconds(sign: Callable[[], Awaitable[object]], repeats: int) -> float:
    """Time one awaited call, as the mean of ``repeats``."""
    started = time.perf_counter()
    for _ in range(repeats):
        await sign()
    return (time.perf_counter() - started) / repeats * 1e6


async def measure() -> tuple[Timings, Timings]:
    """Time all three in each round, so that load on the machine affects them alike."""
    put: Timings = {name: [] for name in REPEATS}
    post: Timings = {name: [] for name in REPEATS}
    sync_client: Any = botocore.session.Session().create_client(**CLIENT)
    async with aioboto3.Session().client(**CLIENT) as async_client:

        def put_by(client: Any) -> Any:  # noqa: ANN401 - botocore makes its clients at run time
            return client.generate_presigned_url("put_object", Params=PUT_PARAMETERS, ExpiresIn=EXPIRES_IN)

        def post_by(client: Any) -> Any:  # noqa: ANN401 - botocore makes its clients at run time
            return client.generate_presigned_post(
                BUCKET, KEY, Conditions=list(CONDITIONS), ExpiresIn=EXPIRES_IN
            )

        for round_number in range(ROUNDS + 1):
            figures = {
                "uploadsvc": (
                    microseconds(own_put, REPEATS["uploadsvc"]),
                    microseconds(own_post, REPEATS["uploadsvc"]),
                ),
                "botocore": (
                    microseconds(lambda: put_by(sync_client), REPEATS["botocore"]),
                    microseconds(lambda: post_by(sync_client), REPEATS["botocore"]),
                ),
                "aioboto3": (
                    await awaited_microseconds(lambda: put_by(async_client), REPEATS["aioboto3"]),
                    await awaited_microseconds(lambda: post_by(async_client), REPEATS["aioboto3"]),
                ),
            }
            # The first round warms the caches.
            if round_number:
                for name, (put_figure, post_figure) in figures.items():
                    put[name].append(put_figure)
                    post[name].append(post_figure)
    return put, post


def main() -> None:
    """Print the medians and their ratios to uploadsvc's."""
    put, post = asyncio.run(measure())
    own_put_median, own_post_median = (
        statistics.median(put["uploadsvc"]),
        statistics.median(post["uploadsvc"]),
    )
    print(f"{'µs, median':<12}{'presigned PUT':>15}{'ratio':>8}{'POST policy':>15}{'ratio':>8}")
    for name in REPEATS:
        put_median, post_median = statistics.median(put[name]), statistics.median(post[name])
        print(
            f"{name:<12}{put_median:>15.1f}{put_median / own_put_median:>8.1f}"
            f"{post_median:>15.1f}{post_median / own_post_median:>8.1f}"
        )


if __name__ == "__main__":
    main()

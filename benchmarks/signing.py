"""Compare how fast uploadsvc, botocore and aioboto3 sign a presigned PUT and a POST policy.

Run it with ``python -m benchmarks.signing``. No network is used.
"""

import asyncio
import hmac
import statistics
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any
from urllib.parse import urlsplit

import aioboto3
import botocore.session
from botocore.config import Config

from uploadsvc.domain.credentials import Credentials
from uploadsvc.domain.endpoints import aws_endpoint_url, bucket_endpoint
from uploadsvc.s3.presigner import Presigner
from uploadsvc.s3.sigv4 import Condition

ROUNDS = 15
REPEATS = {"uploadsvc": 2000, "botocore": 200, "aioboto3": 200}

HASHING = "hashing alone"

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


async def _credentials() -> Credentials:
    return CREDENTIALS


PRESIGNER = Presigner(
    endpoint=ENDPOINT,
    bucket=BUCKET,
    region=REGION,
    credentials=_credentials,
    clock=lambda: datetime.now(UTC),
)


def own_put() -> str:
    """Presign as the service does."""
    return PRESIGNER.batch(CREDENTIALS, expires_in=EXPIRES_IN).url("PUT", KEY, headers=PUT_HEADERS)


def own_post() -> dict[str, str]:
    """Sign a form as the service does."""
    batch = PRESIGNER.batch(CREDENTIALS, expires_in=EXPIRES_IN)
    return batch.form({"key": KEY, "Content-Type": "image/jpeg"}, size_range=(SIZE, SIZE))


def hashing() -> Callable[[], str]:
    """Return a function with the least work to sign a PUT: the SHA-256 of a canonical request, and one HMAC.

    https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-query-string-auth.html
    """
    url = urlsplit(own_put())
    query = url.query.rpartition("&X-Amz-Signature=")[0]
    lines = "content-length:123456\ncontent-type:image/jpeg\nhost:" + url.netloc + "\nif-none-match:*\n"
    signed = "content-length;content-type;host;if-none-match"
    request = f"PUT\n{url.path}\n{query}\n{lines}\n{signed}\nUNSIGNED-PAYLOAD".encode()
    prefix = f"AWS4-HMAC-SHA256\n20261128T120000Z\n20261128/{REGION}/s3/aws4_request\n"
    key = bytes(32)

    def hash_twice() -> str:
        digest = sha256(request).hexdigest()
        return hmac.digest(key, (prefix + digest).encode(), "sha256").hex()

    return hash_twice


def microseconds(sign: Callable[[], object], repeats: int) -> float:
    """Return the CPU time of one call, as the mean of ``repeats``."""
    started = time.process_time()
    for _ in range(repeats):
        sign()
    return (time.process_time() - started) / repeats * 1e6


async def awaited_microseconds(sign: Callable[[], Awaitable[object]], repeats: int) -> float:
    """Return the CPU time of one awaited call, as the mean of ``repeats``."""
    started = time.process_time()
    for _ in range(repeats):
        await sign()
    return (time.process_time() - started) / repeats * 1e6


async def measure() -> tuple[Timings, Timings]:
    """Time all three in each round, so that other load on the machine affects them equally.

    Returns:
        Microseconds for a PUT, including those for hashing alone, and for a POST policy.
    """
    put: Timings = {name: [] for name in [*REPEATS, HASHING]}
    post: Timings = {name: [] for name in REPEATS}
    sync_client: Any = botocore.session.Session().create_client(**CLIENT)
    async with aioboto3.Session().client(**CLIENT) as async_client:

        def put_by(client: Any) -> Any:  # noqa: ANN401 - botocore makes its clients at run time
            return client.generate_presigned_url("put_object", Params=PUT_PARAMETERS, ExpiresIn=EXPIRES_IN)

        def post_by(client: Any) -> Any:  # noqa: ANN401 - botocore makes its clients at run time
            return client.generate_presigned_post(
                BUCKET, KEY, Conditions=list(CONDITIONS), ExpiresIn=EXPIRES_IN
            )

        hash_twice = hashing()
        for round_number in range(ROUNDS + 1):
            hashed = microseconds(hash_twice, REPEATS["uploadsvc"])
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
                put[HASHING].append(hashed)
                for name, (put_figure, post_figure) in figures.items():
                    put[name].append(put_figure)
                    post[name].append(post_figure)
    return put, post


def main() -> None:
    """Print the medians and their ratios to uploadsvc's."""
    put, post = (
        {name: statistics.median(found) for name, found in timings.items()}
        for timings in asyncio.run(measure())
    )
    print(f"{'µs, median':<15}{'presigned PUT':>15}{'ratio':>8}{'POST policy':>15}{'ratio':>8}")
    for name, median in put.items():
        figures = f"{median:>15.1f}{median / put['uploadsvc']:>8.1f}"
        if name in post:
            figures += f"{post[name]:>15.1f}{post[name] / post['uploadsvc']:>8.1f}"
        print(f"{name:<15}{figures}")


if __name__ == "__main__":
    main()

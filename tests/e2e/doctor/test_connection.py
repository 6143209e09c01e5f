"""One failed check blocks the others, which name it."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any, Final
from uuid import uuid4

import pytest
from tests.support.doctor import Findings, examine, of_status, settings_of, traces
from tests.support.servers import S3Server, free_port
from tests.support.stubs import Canned, Script, stub_s3

REGION: Final = "eu-west-1"
NO_PAGES: Final[dict[str, Any]] = {"cors": {"allow_origins": []}}
"""A stub answers no preflight, which would be a failure of its own."""


def server_on(endpoint_url: str) -> S3Server:
    """Describe a server somewhere."""
    return S3Server(
        name="stub",
        endpoint_url=endpoint_url,
        access_key_id="AKIDEXAMPLE",
        secret_access_key="wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
        region=REGION,
        bucket="example-bucket",
        strict=False,
    )


async def examined(answer: Canned | Script) -> Findings:
    """Examine an S3 that says what a test wants it to say."""
    async with stub_s3(answer) as stub:
        return await examine(settings_of(server_on(stub.endpoint_url), **NO_PAGES))


def assert_cause(found: Findings, check: str) -> None:
    """Assert that one check failed, and that all that could not be made names it."""
    assert of_status(found, "failed", "warning") == {check}
    causes = {finding.because for finding in found.values() if finding.because}
    assert causes == {check}
    assert {"canary:put", "canary:post", "canary:multipart", "signatures", "policy:default"} <= of_status(
        found, "skipped"
    )


def by_method(head: Canned, get: Canned) -> Script:
    """Answer a HEAD so, and all else so."""

    async def answer(request: str) -> Canned:
        return head if request.startswith("HEAD ") else get

    return answer


@pytest.mark.parametrize(
    ("head", "get"),
    [
        (
            Canned(status=301, headers=[("x-amz-bucket-region", "eu-central-1")]),
            Canned(status=301, code="PermanentRedirect"),
        ),
        (
            Canned(status=400, headers=[("x-amz-bucket-region", "eu-central-1")]),
            Canned(status=400, code="AuthorizationHeaderMalformed"),
        ),
        (
            Canned(status=400),
            Canned(
                status=400,
                body=(
                    "<Error><Code>AuthorizationHeaderMalformed</Code><Message>The region is wrong.</Message>"
                    "<Region>eu-central-1</Region></Error>"
                ),
            ),
        ),
        (Canned(status=403, headers=[("x-amz-bucket-region", "eu-central-1")]), Canned(status=403)),
    ],
)
async def test_another_region_is_named(head: Canned, get: Canned) -> None:
    """By a redirect, a refusal, a header or a body."""
    found = await examined(by_method(head, get))
    assert_cause(found, "region")
    assert found["region"].found == "UPLOADSVC_S3__REGION is eu-west-1, the bucket is in eu-central-1"
    assert found["region"].mend == "set UPLOADSVC_S3__REGION=eu-central-1"


async def test_a_redirect_without_a_region_fails_the_region() -> None:
    """S3 redirects when the bucket is at another endpoint."""
    moved = Canned(status=301, code="PermanentRedirect")
    assert_cause(await examined(by_method(Canned(status=301), moved)), "region")


async def test_a_wrong_region_that_the_store_accepts_is_a_warning(localstack: S3Server) -> None:
    """LocalStack accepts any region; AWS does not."""
    own = replace(localstack, bucket=await localstack.create_bucket(), region=REGION)
    found = await examine(settings_of(own), only=["region", "canary:put"])
    assert found["region"].status == "warning"
    assert found["canary:put"].status == "ok"


def dated(minutes: float, *, status: int = 403, code: str = "RequestTimeTooSkewed") -> Canned:
    """Answer with another date."""
    told = format_datetime(datetime.now(UTC) + timedelta(minutes=minutes), usegmt=True)
    return Canned(status=status, code=code, date=told)


@pytest.mark.parametrize(("minutes", "said"), [(20, "behind"), (-20, "ahead of"), (6, "behind")])
async def test_a_wrong_clock_is_named(minutes: float, said: str) -> None:
    """With the difference and its direction, whatever S3 says of the signature."""
    found = await examined(dated(minutes, code="AccessDenied"))
    assert_cause(found, "clock")
    match = re.search(r"(\d+) s (\w+(?: of)?) the store's", found["clock"].found)
    assert match
    assert int(match[1]) == pytest.approx(abs(minutes) * 60, abs=5)
    assert match[2] == said


async def test_a_slightly_wrong_clock_is_a_warning(localstack: S3Server) -> None:
    """From one minute on."""
    found = await examined(dated(2, code="AccessDenied"))
    assert found["clock"].status == "warning"
    assert (await examine(settings_of(localstack), only=["clock"]))["clock"].status == "ok"


@pytest.mark.parametrize("code", ["InvalidAccessKeyId", "SignatureDoesNotMatch", "ExpiredToken"])
async def test_an_unknown_key_is_named(code: str) -> None:
    """With S3's message, without the secret."""
    found = await examined(by_method(Canned(status=403), Canned(status=403, code=code)))
    assert_cause(found, "credentials")
    assert f"403 {code} (Canned.)" in found["credentials"].found
    assert "UPLOADSVC_S3__ACCESS_KEY_ID" in found["credentials"].mend
    assert "wJalrXUtnFEMI" not in str(found)


async def test_a_wrong_secret_is_named(seaweedfs: S3Server) -> None:
    """By a real store."""
    found = await examine(settings_of(replace(seaweedfs, secret_access_key="wrong" * 8), **NO_PAGES))
    assert_cause(found, "credentials")
    assert "SignatureDoesNotMatch" in found["credentials"].found


async def test_a_missing_bucket_is_named(s3: S3Server) -> None:
    """It is not created."""
    found = await examine(settings_of(replace(s3, bucket=f"missing-{uuid4().hex}")))
    assert_cause(found, "bucket")
    assert "NoSuchBucket" in found["bucket"].found
    assert "uploadsvc bucket apply" in found["bucket"].mend


async def test_missing_credentials_are_named(localstack: S3Server) -> None:
    """Preflights need none, and are still sent."""
    settings = settings_of(localstack)
    settings["s3"] = {**settings["s3"], "access_key_id": None, "secret_access_key": None}
    found = await examine(settings)
    assert "credentials" in of_status(found, "failed")
    assert found["credentials"].found == "No AWS credentials were found."
    assert found["canary:put"].because == "credentials"
    assert found["endpoint"].status == "ok"


async def test_missing_rights_on_the_bucket_are_named() -> None:
    """S3 knows the key, but denies HeadBucket."""
    found = await examined(Canned(status=403, code="AccessDenied"))
    assert {"bucket", "canary:put"} <= of_status(found, "failed")
    assert "uploadsvc iam-policy" in found["bucket"].mend


@asynccontextmanager
async def speaking_plain() -> AsyncIterator[int]:
    """Listen on a port, and speak no TLS."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(16)
        writer.write(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        await server.wait_closed()


async def test_the_failing_step_of_a_connection_is_named() -> None:
    """DNS, the connection, or TLS."""
    async with speaking_plain() as port:
        cases = {
            "http://s3.nowhere.invalid": "DNS does not know s3.nowhere.invalid",
            f"http://127.0.0.1:{free_port()}": "no connection to 127.0.0.1:",
            f"https://127.0.0.1:{port}": "has no trusted TLS certificate",
        }
        for endpoint_url, said in cases.items():
            found = await examine(settings_of(server_on(endpoint_url)))
            assert_cause(found, "endpoint")
            assert said in found["endpoint"].found
            assert found["public-endpoint"].because == "endpoint"


async def test_a_failing_store_is_named() -> None:
    """A 5xx is not the fault of settings or rules."""
    assert_cause(await examined(Canned(status=503, code="SlowDown")), "endpoint")


PAGE: Final = "<html><body>Welcome</body></html>"


@pytest.mark.parametrize(
    "page",
    [
        Canned(status=200, body="<!DOCTYPE html><p>Welcome", content_type="text/html", ours=False),
        Canned(status=200, body=PAGE, content_type="text/html", ours=False),
        Canned(status=200, ours=False),
        Canned(status=404, body='{"code": "not_found"}', content_type="application/json", ours=False),
        Canned(status=403, body=PAGE, content_type="text/html", ours=False),
    ],
)
async def test_an_endpoint_that_is_not_s3_is_named(page: Canned) -> None:
    """For example this service's own port, or a web page."""
    found = await examined(page)
    assert_cause(found, "endpoint")
    assert re.fullmatch(r"what answers at http://127\.0\.0\.1:\d+ is not S3", found["endpoint"].found)
    assert "UPLOADSVC_S3__ENDPOINT_URL" in found["endpoint"].mend


async def test_a_blocked_check_is_shown_with_its_cause(seaweedfs: S3Server) -> None:
    """Otherwise a pipeline would see no failure."""
    found = await examine(settings_of(replace(seaweedfs, secret_access_key="wrong" * 8)), only=["etag"])
    assert of_status(found, "failed") == {"credentials"}
    assert found.keys() == {"credentials", "etag"}


async def test_only_the_chosen_checks_are_shown(s3: S3Server) -> None:
    own = replace(s3, bucket=await s3.create_bucket())
    found = await examine(settings_of(own), only=["canary:put", "clock"])
    assert list(found) == ["clock", "canary:put"]
    assert await traces(own) == []


async def test_sts_names_the_owner_of_the_credentials(
    moto_server: S3Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On AWS, with credentials from the chain; moto stands in for S3 and STS."""
    monkeypatch.setenv("AWS_ENDPOINT_URL_STS", moto_server.endpoint_url)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY")
    settings = settings_of(moto_server)
    settings["s3"] = {**settings["s3"], "access_key_id": None, "secret_access_key": None, "provider": "aws"}
    found = (await examine(settings, only=["credentials"]))["credentials"]
    assert found.status == "ok"
    assert found.found.startswith("AKIAIOSFODNN7EXAMPLE, from the AWS chain: the environment; arn:aws:")
    assert "of account 123456789012" in found.found


async def test_sts_need_not_be_reachable(moto_server: S3Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """Uploads do not need it."""
    monkeypatch.setenv("AWS_ENDPOINT_URL_STS", f"http://127.0.0.1:{free_port()}")
    settings: Any = settings_of(moto_server)
    settings["s3"]["provider"] = "aws"
    found = (await examine(settings, only=["credentials"]))["credentials"]
    assert found.status == "ok"
    assert "STS cannot be reached from here" in found.found

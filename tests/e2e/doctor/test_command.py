"""``uploadsvc doctor`` as a process: its output, its exit status, its signals."""

import asyncio
import json
import signal
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Final

import pytest
from tests.support.doctor import ORIGIN, prepare, settings_of, traces
from tests.support.fault_proxy import Exchange, Fault, Hold, fault_proxy
from tests.support.processes import environment_for, program
from tests.support.servers import S3Server
from tests.support.service import JWT_SECRET, SECRET_KEY
from tests.support.sts import ROLE_ARN

UNKNOWN_POLICY: Final = json.dumps([{"name": "billing", "sha256": "0" * 64, "policies": ["other"]}])


@pytest.fixture
async def server(seaweedfs: S3Server) -> S3Server:
    """Give a bucket of one's own, with all rules."""
    own = replace(seaweedfs, bucket=await seaweedfs.create_bucket())
    await prepare(settings_of(own, cors={"allow_origins": [ORIGIN]}))
    return own


def environment(server: S3Server, **more: str) -> dict[str, str]:
    """Return the variables by which the doctor examines a server."""
    s3 = {"UPLOADSVC_S3__PROVIDER": "seaweedfs", "NO_PROXY": "127.0.0.1"}
    return environment_for(server, UPLOADSVC_CORS__ALLOW_ORIGINS=ORIGIN, **s3, **more)


async def doctor(directory: Path, environment: Mapping[str, str], *arguments: str) -> tuple[int, str, str]:
    """Run ``uploadsvc doctor``; give its exit status, its standard output and its standard error."""
    async with program("doctor", *arguments, directory=directory, environment=environment) as running:
        status = await running.ended(seconds=60)
    return status, running.out, running.err


def assert_no_secret(server: S3Server, *printed: str) -> None:
    """Assert that nothing printed would let anyone in."""
    secrets = [server.secret_access_key, SECRET_KEY, JWT_SECRET, "X-Amz-", "Signature=", "http_request"]
    assert [secret for secret in secrets if secret in "".join(printed)] == []


async def test_it_prints_a_table(tmp_path: Path, server: S3Server) -> None:
    """Symbols and words, no colour outside a terminal, and exit status 0."""
    status, out, err = await doctor(tmp_path, environment(server))
    assert (status, err) == (0, "")
    assert "\x1b" not in out
    lines = out.splitlines()
    assert lines[0].startswith("✓ ok       credentials ")
    assert lines[-1] == "20 ok, 2 skipped"
    assert any(line.startswith(f"✓ ok       cors:{ORIGIN} ") for line in lines)
    assert_no_secret(server, out, err)
    assert await traces(server) == []


async def test_a_failure_is_printed_with_its_fix(tmp_path: Path, server: S3Server) -> None:
    """The exit status is 1."""
    async with server.client() as client:
        await client.delete_bucket_lifecycle(Bucket=server.bucket)
    status, out, err = await doctor(tmp_path, environment(server))
    assert (status, err) == (1, "")
    rows = [line for line in out.splitlines() if line.startswith("✗ failed")]
    assert [row.split()[2] for row in rows] == ["lifecycle"]
    assert "Fix: run uploadsvc bucket apply" in out
    assert_no_secret(server, out, err)


async def test_it_prints_json(tmp_path: Path, server: S3Server) -> None:
    """One document with all findings."""
    async with server.client() as client:
        await client.delete_bucket_cors(Bucket=server.bucket)
    status, out, err = await doctor(tmp_path, environment(server), "--json")
    assert (status, err) == (1, "")
    document = json.loads(out)
    assert document["healthy"] is False
    assert document["summary"] == {"ok": 18, "warning": 0, "failed": 1, "skipped": 3}
    findings = {finding["check"]: finding for finding in document["findings"]}
    assert findings["etag"]["because"] == f"cors:{ORIGIN}"
    failed = findings[f"cors:{ORIGIN}"]
    assert failed.keys() == {"check", "status", "found", "mend", "because"}
    assert failed["status"] == "failed"
    assert "uploadsvc bucket apply" in failed["mend"]
    assert_no_secret(server, out, err)


async def test_only_and_skip_choose_checks(tmp_path: Path, server: S3Server) -> None:
    """By name or kind; checks left out do not affect the exit status."""
    async with server.client() as client:
        await client.delete_bucket_lifecycle(Bucket=server.bucket)
    arguments = ("--json", "--only", "cors", "--only", "lifecycle", "--skip", "lifecycle", "--no-store")
    status, out, _ = await doctor(tmp_path, environment(server), *arguments)
    assert status == 0
    assert [finding["check"] for finding in json.loads(out)["findings"]] == [f"cors:{ORIGIN}"]


async def test_strict_makes_warnings_failures(tmp_path: Path, server: S3Server) -> None:
    """The exit status is 1, and `healthy` is false."""
    more = {"UPLOADSVC_S3__PUBLIC_ENDPOINT_URL": "http://127.0.0.1:9"}
    only = ("--json", "--only", "public-endpoint")
    status, out, _ = await doctor(tmp_path, environment(server, **more), *only)
    assert (status, json.loads(out)["healthy"]) == (0, True)
    status, out, _ = await doctor(tmp_path, environment(server, **more), *only, "--strict")
    assert (status, json.loads(out)["healthy"]) == (1, False)


@pytest.mark.parametrize(
    ("changed", "arguments", "named"),
    [
        ({"UPLOADSVC_S3__BUCKET": ""}, (), "UPLOADSVC_S3__BUCKET: "),
        ({"UPLOADSVC_S3__ENDPOINT_URL": "s3.example.com"}, (), "UPLOADSVC_S3__ENDPOINT_URL: "),
        (
            {"UPLOADSVC_CORS__ALLOW_ORIGINS": "https://app.example.com/"},
            (),
            "UPLOADSVC_CORS__ALLOW_ORIGINS: ",
        ),
        (
            {"UPLOADSVC_POLICIES": '{"a": {"acl": "public-read"}}', "UPLOADSVC_S3__PROVIDER": "r2"},
            (),
            "__ACL: ",
        ),
        ({"UPLOADSVC_UPPY__ROLE_ARN": ROLE_ARN}, (), "UPLOADSVC_UPPY__CREDENTIALS: must be true"),
        ({"UPLOADSVC_UPPY__CREDENTIALS": "true"}, (), "UPLOADSVC_UPPY__ROLE_ARN: missing"),
        ({"UPLOADSVC_PUBLIC_URL": "uploads.example.com"}, (), "UPLOADSVC_PUBLIC_URL: "),
        ({"UPLOADSVC_TOKENS__EXPIRES_IN": "7200"}, (), "UPLOADSVC_TOKENS__EXPIRES_IN: 7200 is above"),
        ({"UPLOADSVC_SECRET_KEY": "short"}, (), "UPLOADSVC_SECRET_KEY: has 5 bytes"),
        ({"UPLOADSVC_RECEIPTS__SECRET": "short"}, (), "UPLOADSVC_RECEIPTS__SECRET: has 5 bytes"),
        ({"UPLOADSVC_AUTH__JWT__SECRET": "short"}, (), "UPLOADSVC_AUTH__JWT__SECRET: "),
        ({"UPLOADSVC_AUTH__API_KEYS": UNKNOWN_POLICY}, (), "there is no policy 'other'"),
        ({"AWS_CA_BUNDLE": "/nowhere.pem"}, (), "AWS_CA_BUNDLE: cannot read '/nowhere.pem'"),
        ({}, ("--only", "corse"), "--only corse: there is no such check; there are credentials, "),
        ({}, ("--skip", "policy:other"), "--skip policy:other: there is no such check"),
    ],
)
async def test_unusable_settings_and_options_are_one_line(
    tmp_path: Path, server: S3Server, changed: dict[str, str], arguments: tuple[str, ...], named: str
) -> None:
    """The exit status is 2, and S3 gets no request."""
    status, out, err = await doctor(tmp_path, environment(server) | changed, *arguments)
    assert (status, out) == (2, "")
    (line,) = err.splitlines()
    assert line.startswith("uploadsvc: ")
    assert named in line


async def test_it_runs_without_the_services_secrets(tmp_path: Path, server: S3Server) -> None:
    """The bucket can be checked from another machine."""
    without = environment(server)
    del without["UPLOADSVC_SECRET_KEY"], without["UPLOADSVC_AUTH__JWT__SECRET"]
    status, out, err = await doctor(tmp_path, without, "--only", "bucket")
    assert (status, err) == (0, "")
    assert out.startswith("✓ ok  bucket ")


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
async def test_a_stopped_run_cleans_up(
    tmp_path: Path, server: S3Server, number: signal.Signals, status: int
) -> None:
    """While a canary hangs: stored objects are deleted, multipart uploads aborted."""
    go_on = asyncio.Event()

    def rule(exchange: Exchange) -> Fault | None:
        return Hold(until=go_on, after=8) if exchange.part_number else None

    async with fault_proxy(server.endpoint_url) as proxy:
        proxy.rule = rule
        behind = environment(replace(server, endpoint_url=proxy.url))
        async with program("doctor", directory=tmp_path, environment=behind) as running:
            await proxy.until(lambda: any(one.part_number and one.sent == 8 for one in proxy.exchanges))
            await proxy.until(
                lambda: any(one.method == "PUT" and one.status == 200 for one in proxy.exchanges)
            )
            left = await traces(server)
            assert {one.split()[0] for one in left} >= {"object", "upload"}
            assert await running.ended(number, seconds=30) == status
    assert (running.out, running.err) == ("", "")
    assert await traces(server) == []


async def test_a_canary_that_lands_after_the_stop_is_deleted(tmp_path: Path, server: S3Server) -> None:
    """The run waits for requests under way."""
    go_on = asyncio.Event()

    def rule(exchange: Exchange) -> Fault | None:
        return Hold(until=go_on, after=8) if exchange.method == "PUT" else None

    async with fault_proxy(server.endpoint_url) as proxy:
        proxy.rule = rule

        def held(*, parts: bool) -> list[Exchange]:
            return [one for one in proxy.sent() if one.sent == 8 and bool(one.part_number) is parts]

        behind = environment(replace(server, endpoint_url=proxy.url))
        async with program("doctor", directory=tmp_path, environment=behind) as running:
            await proxy.until(lambda: bool(held(parts=True) and held(parts=False)))
            (canary,) = held(parts=False)
            aborts = len(proxy.sent("DELETE"))
            running.process.send_signal(signal.SIGTERM)
            # The upload that was begun is aborted: it knows that it is stopped.
            await proxy.until(lambda: len(proxy.sent("DELETE")) > aborts)
            go_on.set()
            assert await running.ended(seconds=30) == 143
    assert canary.status == 200
    assert (running.out, running.err) == ("", "")
    assert await traces(server) == []

"""``uploadsvc serve`` as operators run it: a process with environment variables alone."""

import json
import signal
import socket
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from tests.processes import environment_for, program
from tests.servers import S3Server, free_port
from tests.service import JWT_SECRET, SECRET_KEY, token_for

CONTENT = b"hello, bytes"


async def upload_at(base_url: str, token: str) -> dict[str, str]:
    """Upload and complete; give the answer of the creation."""
    async with httpx.AsyncClient(
        base_url=base_url, headers={"Authorization": f"Bearer {token}"}, trust_env=False
    ) as api:
        asked = await api.post("/v1/uploads", json={"filename": "secret-name.txt", "size": len(CONTENT)})
        upload = asked.json()
        async with httpx.AsyncClient(trust_env=False) as http:
            put = await http.put(upload["url"], content=CONTENT, headers=upload["headers"])
        assert put.status_code == 200
        done = await api.post(f"/v1/uploads/{upload['id']}/complete")
        assert done.status_code == 200
        assert (await api.get(f"/v1/uploads/{upload['id']}")).json()["status"] == "stored"
        return {"id": upload["id"], "url": upload["url"]}


async def test_it_serves_and_its_logs_hold_no_secret(tmp_path: Path, localstack: S3Server) -> None:
    """Started, healthy, ready, used, told to stop: exit 0, and every log line is JSON without a secret."""
    port, token = free_port(), token_for("alice")
    base_url = f"http://127.0.0.1:{port}"
    arguments = ("serve", "--port", str(port))
    async with program(*arguments, directory=tmp_path, environment=environment_for(localstack)) as running:
        await running.answers(f"{base_url}/healthz")
        await running.answers(f"{base_url}/readyz")
        upload = await upload_at(base_url, token)
        await running.answers(f"{base_url}/healthz?{urlsplit(upload['url']).query}")
        assert await running.ended(signal.SIGTERM, seconds=5) == 0
    first, *lines = running.err.splitlines()
    assert base_url in first
    assert {json.loads(line)["event"] for line in lines} == {"request"}
    routes = [json.loads(line)["route"] for line in lines]
    assert "/v1/uploads/{id}/complete" in routes
    signature = parse_qs(urlsplit(upload["url"]).query)["X-Amz-Signature"][0]
    secrets = [token, upload["id"], signature, SECRET_KEY, JWT_SECRET, "secret-name", "X-Amz-"]
    assert [secret for secret in secrets if secret in running.err + running.out] == []


async def test_several_workers_serve(tmp_path: Path, localstack: S3Server) -> None:
    """Each process opens what another has sealed; SIGTERM ends them all."""
    port = free_port()
    base_url = f"http://127.0.0.1:{port}"
    arguments = ("serve", "--port", str(port), "--workers", "2")
    async with program(*arguments, directory=tmp_path, environment=environment_for(localstack)) as running:
        await running.answers(f"{base_url}/healthz")
        for _ in range(4):
            await upload_at(base_url, token_for("alice"))
        assert await running.ended(signal.SIGTERM, seconds=15) == 0
    async with httpx.AsyncClient(trust_env=False) as http:
        with pytest.raises(httpx.ConnectError):
            await http.get(f"{base_url}/healthz")
    assert "Traceback" not in running.err
    logged = [json.loads(line) for line in running.err.splitlines() if '"event"' in line]
    assert "request" in {line["event"] for line in logged}, "workers log as one process does"


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"UPLOADSVC_S3__BUCKET": ""}, "UPLOADSVC_S3__BUCKET"),
        ({"UPLOADSVC_SECRET_KEY": ""}, "UPLOADSVC_SECRET_KEY"),
        ({"UPLOADSVC_SECRET_KEY": "too short"}, "UPLOADSVC_SECRET_KEY"),
        ({"UPLOADSVC_AUTH__JWT__SECRET": ""}, "UPLOADSVC_AUTH__JWT__SECRET"),
        ({"UPLOADSVC_S3_BUCKET": "misspelt"}, "UPLOADSVC_S3_BUCKET"),
        ({"UPLOADSVC_S3__REGION": "not a region"}, "UPLOADSVC_S3__REGION"),
        ({"UPLOADSVC_POLICIES": '{"default": {"max_size": "5 apples"}}'}, "UPLOADSVC_POLICIES__DEFAULT"),
    ],
)
@pytest.mark.parametrize("workers", ["1", "2"])
async def test_a_wrong_setting_is_one_line(
    tmp_path: Path, changed: dict[str, str], named: str, workers: str
) -> None:
    """Exit 1, and the line names the variable; no trace, no value of a secret."""
    server = S3Server(
        name="generic",
        endpoint_url="http://127.0.0.1:9",
        access_key_id="id",
        secret_access_key="a-secret-access-key",
        bucket="bucket",
        strict=False,
    )
    environment = {**environment_for(server), **changed}
    arguments = ("serve", "--port", str(free_port()), "--workers", workers)
    async with program(*arguments, directory=tmp_path, environment=environment) as running:
        assert await running.ended(seconds=20) == 1
    (line,) = running.err.splitlines()
    assert named in line
    assert not any(secret in line for secret in ("too short", "a-secret-access-key", SECRET_KEY, JWT_SECRET))
    assert running.out == ""


async def test_no_setting_at_all_is_one_line(tmp_path: Path) -> None:
    """The first thing that anyone sees says what to set."""
    async with program("serve", "--port", str(free_port()), directory=tmp_path) as running:
        assert await running.ended(seconds=20) == 1
    (line,) = running.err.splitlines()
    assert "UPLOADSVC_S3__BUCKET" in line


@pytest.mark.parametrize("workers", ["1", "2"])
async def test_a_port_in_use_is_one_line(tmp_path: Path, localstack: S3Server, workers: str) -> None:
    """Exit 1, and the line names the port."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        arguments = ("serve", "--port", port, "--workers", workers)
        environment = environment_for(localstack)
        async with program(*arguments, directory=tmp_path, environment=environment) as running:
            assert await running.ended(seconds=20) == 1
    (line,) = running.err.splitlines()
    assert port in line

"""`uploadsvc serve` and `receipt-key` as operators run them."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import get_args
from urllib.parse import parse_qs, urlsplit
from uuid import uuid4

import httpx
import jwt
import pytest
import typer
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from tests.support.api import s3_that_is_down
from tests.support.processes import DEADLINE, environment_for, program
from tests.support.receipt_keys import EC, ED25519, KEYS, RSA, private_pem, public_pem
from tests.support.servers import S3Server, free_port
from tests.support.service import JWT_SECRET, SECRET_KEY, service_client, settings_for, token_for
from typer.core import TyperCommand, TyperGroup
from typer.testing import CliRunner, Result

from uploadsvc.bootstrap.secrets import build_receipts
from uploadsvc.bootstrap.services import utc_now
from uploadsvc.cli import main
from uploadsvc.cli.commands import app as commands
from uploadsvc.cli.commands import run
from uploadsvc.provisioning.models import Rule
from uploadsvc.provisioning.plan import RULES
from uploadsvc.server.listener import BindError, bind
from uploadsvc.settings import load_settings
from uploadsvc.tokens.derived_keys import derive_key

CONTENT = b"hello, bytes"
OLD_SECRET_KEY = "the secret key from before the rotation, 32 bytes or more"
OWN_SECRET = "an operator's own secret for receipts, of 32 bytes or more"


async def upload_at(base_url: str, token: str) -> dict[str, str]:
    """Upload and complete; return the created upload."""
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


def test_the_version_is_printed(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["uploadsvc", "--version"])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 0
    assert capsys.readouterr().out == f"uploadsvc {version('uploadsvc')}\n"


@pytest.mark.parametrize(
    "line", ["", "--help", "--version", "serve --help", "bucket", "bucket plan --help", "doctor --help"]
)
async def test_the_help_does_not_load_the_service(tmp_path: Path, line: str) -> None:
    """It would take over a second."""
    environment = {"PYTHONPROFILEIMPORTTIME": "1"}
    async with program(*line.split(), directory=tmp_path, environment=environment) as running:
        await running.ended(seconds=DEADLINE)
        assert "uploadsvc" in running.out
    loaded = {name.rpartition("|")[2].strip() for name in running.err.splitlines()}
    assert "uploadsvc.cli" in loaded
    assert loaded & {"fastapi", "pydantic_settings", "botocore", "aiobotocore", "httpx", "structlog"} == set()
    # 330 in 0.2 s, and 90 more to print a table; the service has 1,100.
    assert len(loaded) < 500


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("uploadsvc ge", {"get"}),
        ("uploadsvc get --re", {"--recursive", "--retries"}),
        ("uploadsvc upload --checksum ", {"sha256", "crc32"}),
        ("uploadsvc bucket a", {"apply"}),
    ],
)
async def test_tab_completes(tmp_path: Path, line: str, offered: set[str]) -> None:
    """As Bash asks; the service is not loaded for it."""
    environment = {
        "_UPLOADSVC_COMPLETE": "complete_bash",
        "COMP_WORDS": line,
        "COMP_CWORD": str(line.count(" ")),
        "PYTHONPROFILEIMPORTTIME": "1",
    }
    async with program(directory=tmp_path, environment=environment) as running:
        await running.ended()
    assert set(running.out.split()) == offered
    assert "httpx" not in running.err


def _commands(group: TyperGroup) -> Iterator[TyperGroup | TyperCommand]:
    for command in group.commands.values():
        assert isinstance(command, TyperGroup | TyperCommand)
        yield command
        if isinstance(command, TyperGroup):
            yield from _commands(command)


def test_every_command_has_examples_that_can_be_typed() -> None:
    """Their options exist, and no line is wider than a terminal of 80 columns."""
    group = typer.main.get_command(commands)
    assert isinstance(group, TyperGroup)
    for command in _commands(group):
        heading, *lines = (command.epilog or "").replace("\\[", "[").split("\n")
        assert heading == "Examples:", command.name
        assert all(len(line) <= 78 for line in lines), command.name
        options = {name for parameter in command.params for name in parameter.opts}
        own = [line for line in lines if line.startswith(f"uploadsvc {command.name}")]
        used = {word for line in own for word in line.split("|")[0].split() if re.match("--?[a-z]", word)}
        assert used <= options, command.name


@pytest.mark.parametrize(
    ("modules", "unused"),
    [
        # The parent of the workers.
        ("uploadsvc.cli.serve", {"fastapi", "uvicorn", "aiohttp", "botocore", "typer"}),
        ("uploadsvc.app, uploadsvc.server.worker", {"typer", "moto", "uploadsvc.doctor", "uploadsvc.client"}),
    ],
)
def test_a_process_loads_only_what_it_uses(modules: str, unused: set[str]) -> None:
    """Each module takes time at the start, and memory for ever."""
    program = f"import sys, {modules}; print(*sys.modules, sep='\\n')"
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)  # noqa: S603 - our own
    loaded = set(done.stdout.split())
    assert "uploadsvc.settings" in loaded
    assert loaded & unused == set()


def test_rules_to_skip_are_those_of_the_bucket() -> None:
    """The command names them without loading them."""
    assert get_args(Rule) == RULES


@pytest.mark.parametrize(("host", "option"), [("192.0.2.1", "--host"), ("127.0.0.1", "--port")])
def test_an_address_that_cannot_be_bound_names_the_option(host: str, option: str) -> None:
    """192.0.2.1 belongs to no one (RFC 5737)."""
    with bind("127.0.0.1", 0) as used:
        used.listen()
        with pytest.raises(BindError, match=f"try another {option}"):
            bind(host, used.getsockname()[1])


async def test_demo_mode_creates_its_bucket(tmp_path: Path, localstack: S3Server) -> None:
    """With CORS, once for all workers; a second start finds it."""
    port, origin = free_port(), "http://localhost:8000"
    environment = environment_for(localstack) | {
        "UPLOADSVC_S3__BUCKET": f"demo-{uuid4().hex}",
        "UPLOADSVC_DEMO": "true",
        "UPLOADSVC_AUTH__JWT__SECRET": "",
        "UPLOADSVC_CORS__ALLOW_ORIGINS": origin,
    }
    base_url = f"http://127.0.0.1:{port}"
    for workers in ("1", "2"):
        arguments = ("serve", "--port", str(port), "--workers", workers)
        async with program(*arguments, directory=tmp_path, environment=environment) as running:
            await running.answers(f"{base_url}/readyz")
            async with httpx.AsyncClient(trust_env=False) as http:
                users = (await http.get(f"{base_url}/demo/users")).json()["users"]
                upload = await upload_at(base_url, users[0]["token"])
                preflight = {"Origin": origin, "Access-Control-Request-Method": "PUT"}
                answer = await http.options(upload["url"], headers=preflight)
            assert answer.headers["access-control-allow-origin"] in {origin, "*"}
            assert await running.ended(signal.SIGTERM) == 0


async def test_demo_mode_without_s3_stops_with_one_line(tmp_path: Path) -> None:
    environment = environment_for(s3_that_is_down(), UPLOADSVC_DEMO="true", UPLOADSVC_AUTH__JWT__SECRET="")
    arguments = ("serve", "--port", str(free_port()))
    async with program(*arguments, directory=tmp_path, environment=environment) as running:
        assert await running.ended(seconds=30) == 1
    (line,) = running.err.splitlines()
    assert line.startswith("uploadsvc: bucket 'example-bucket' could not be set up: ")


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.0.0.7"])  # noqa: S104 - it does not start
def test_a_demo_for_the_network_has_to_name_its_hosts(monkeypatch: pytest.MonkeyPatch, host: str) -> None:
    """It would hand tokens to anyone. Nothing is started; one line says how to allow it."""
    demo = environment_for(s3_that_is_down(), UPLOADSVC_DEMO="true", UPLOADSVC_AUTH__JWT__SECRET="")
    for name, value in demo.items():
        monkeypatch.setenv(name, value)
    # It would stay configured for other tests.
    monkeypatch.setattr("uploadsvc.cli.serve.configure_logs", lambda **_: None)
    monkeypatch.setattr(sys, "argv", ["uploadsvc", "serve", "--host", host, "--port", str(free_port())])
    with pytest.raises(SystemExit) as stopped:
        run()
    assert str(stopped.value).startswith(
        f"uploadsvc: UPLOADSVC_DEMO_HOSTS: missing; a demo that listens on {host}"
    )
    assert "\n" not in str(stopped.value)


@pytest.mark.parametrize("path", ["files", "/files/", "/", "/a//b", "/a?b", "https://example.com"])
def test_a_root_path_has_no_slash_at_its_end(path: str) -> None:
    result = CliRunner().invoke(commands, ["serve", "--root-path", path])
    assert result.exit_code == 2
    assert "such as /files" in result.output


async def test_it_serves_and_its_logs_hold_no_secret(tmp_path: Path, localstack: S3Server) -> None:
    """From start to SIGTERM: exit status 0, and JSON lines without secrets."""
    port, token = free_port(), token_for("alice")
    base_url = f"http://127.0.0.1:{port}"
    arguments = ("serve", "--port", str(port))
    environment = environment_for(localstack)
    async with program(*arguments, directory=tmp_path, environment=environment, fresh=True) as running:
        await running.answers(f"{base_url}/healthz")
        await running.answers(f"{base_url}/readyz")
        upload = await upload_at(base_url, token)
        await running.answers(f"{base_url}/healthz?{urlsplit(upload['url']).query}")
        assert await running.ended(signal.SIGTERM) == 0
    first, *lines = map(json.loads, running.err.splitlines())
    assert (first["event"], first["address"], first["version"]) == ("serving", base_url, version("uploadsvc"))
    assert [line["event"] for line in lines if line["event"] != "request"] == ["stopping", "stopped"]
    routes = [line["route"] for line in lines if line["event"] == "request"]
    assert "/v1/uploads/{id}/complete" in routes
    signature = parse_qs(urlsplit(upload["url"]).query)["X-Amz-Signature"][0]
    secrets = [token, upload["id"], signature, SECRET_KEY, JWT_SECRET, "secret-name", "X-Amz-"]
    assert [secret for secret in secrets if secret in running.err + running.out] == []


async def test_several_workers_serve(tmp_path: Path, localstack: S3Server) -> None:
    """Ids of one worker are valid for the others; SIGTERM stops all."""
    port = free_port()
    base_url = f"http://127.0.0.1:{port}"
    arguments = ("serve", "--port", str(port), "--workers", "2")
    environment = environment_for(localstack)
    async with program(*arguments, directory=tmp_path, environment=environment, fresh=True) as running:
        await running.answers(f"{base_url}/healthz")
        for _ in range(4):
            await upload_at(base_url, token_for("alice"))
        assert await running.ended(signal.SIGTERM) == 0
    async with httpx.AsyncClient(trust_env=False) as http:
        with pytest.raises(httpx.ConnectError):
            await http.get(f"{base_url}/healthz")
    assert "Traceback" not in running.err
    logged = [json.loads(line)["event"] for line in running.err.splitlines()]
    assert "request" in logged, "workers log as one process does"
    assert logged[-1] == "stopped"
    assert logged.count("serving") == 2
    assert logged.count("stopped") == 3


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"UPLOADSVC_S3__BUCKET": ""}, "UPLOADSVC_S3__BUCKET"),
        ({"UPLOADSVC_SECRET_KEY": ""}, "UPLOADSVC_SECRET_KEY"),
        ({"UPLOADSVC_SECRET_KEY": "too short"}, "UPLOADSVC_SECRET_KEY"),
        ({"UPLOADSVC_AUTH__JWT__SECRET": ""}, "UPLOADSVC_AUTH__JWT__SECRET"),
        ({"UPLOADSVC_RECEIPTS__PRIVATE_KEY": "too short"}, "UPLOADSVC_RECEIPTS__PRIVATE_KEY"),
        ({"UPLOADSVC_S3_BUCKET": "misspelt"}, "UPLOADSVC_S3_BUCKET"),
        ({"UPLOADSVC_S3__REGION": "not a region"}, "UPLOADSVC_S3__REGION"),
        ({"UPLOADSVC_POLICIES": '{"default": {"max_size": "5 apples"}}'}, "UPLOADSVC_POLICIES__DEFAULT"),
    ],
)
@pytest.mark.parametrize("workers", ["1", "2"])
async def test_a_wrong_setting_is_one_line(
    tmp_path: Path, changed: dict[str, str], named: str, workers: str
) -> None:
    """Exit status 1; the line names the variable, without secrets."""
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
        assert await running.ended() == 1
    (line,) = running.err.splitlines()
    assert named in line
    assert not any(secret in line for secret in ("too short", "a-secret-access-key", SECRET_KEY, JWT_SECRET))
    assert running.out == ""


async def test_missing_settings_are_one_line(tmp_path: Path) -> None:
    """It says what to set first."""
    async with program("serve", "--port", str(free_port()), directory=tmp_path) as running:
        assert await running.ended() == 1
    (line,) = running.err.splitlines()
    assert "UPLOADSVC_S3__BUCKET" in line


@pytest.mark.parametrize("workers", ["1", "2"])
async def test_a_port_in_use_is_one_line(tmp_path: Path, localstack: S3Server, workers: str) -> None:
    """Exit status 1; the line names the port."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        arguments = ("serve", "--port", port, "--workers", workers)
        environment = environment_for(localstack)
        async with program(*arguments, directory=tmp_path, environment=environment) as running:
            assert await running.ended() == 1
    (line,) = running.err.splitlines()
    assert port in line


def receipt_key(monkeypatch: pytest.MonkeyPatch, *arguments: str, **settings: str) -> Result:
    """Run ``uploadsvc receipt-key`` with these settings and a bucket."""
    for name, value in {"S3__BUCKET": "bucket", "S3__REGION": "eu-central-1", **settings}.items():
        monkeypatch.setenv(f"UPLOADSVC_{name}", value)
    result = CliRunner().invoke(commands, ["receipt-key", *arguments], catch_exceptions=False)
    assert result.exit_code == 0, result.stderr
    assert len(result.stderr.splitlines()) == 1
    return result


async def test_a_printed_token_uploads_for_its_user_by_its_policies(monkeypatch: pytest.MonkeyPatch) -> None:
    """The service needs nothing else to accept it."""
    settings = settings_for(
        s3_that_is_down(), secret_key=SECRET_KEY, policies={"default": {}, "avatars": {"max_size": 10}}
    )
    for name, value in {
        "S3__BUCKET": "bucket",
        "S3__REGION": "eu-central-1",
        "SECRET_KEY": SECRET_KEY,
        "POLICIES": json.dumps(settings["policies"]),
    }.items():
        monkeypatch.setenv(f"UPLOADSVC_{name}", value)
    arguments = ["token", "ann", "--policy", "avatars", "--expires-in", "60"]
    before = utc_now().timestamp()
    printed = CliRunner().invoke(commands, arguments, catch_exceptions=False)
    assert printed.exit_code == 0, printed.stderr
    claims = jwt.decode(printed.stdout.strip(), options={"verify_signature": False})
    assert int(before) + 60 <= claims["exp"] <= utc_now().timestamp() + 60
    assert printed.stderr.startswith("uploadsvc: valid until ")
    caller = {"Authorization": f"Bearer {printed.stdout.strip()}"}
    async with service_client(settings, user=None) as client:
        allowed = await client.post("/v1/uploads", json={"size": 1, "policy": "avatars"}, headers=caller)
        refused = await client.post("/v1/uploads", json={"size": 1, "policy": "default"}, headers=caller)
    assert allowed.json()["key"].startswith("uploads/ann/")
    assert refused.status_code == 403
    for arguments in (["a" * 2000], ["ann", "--policy", "none"]):
        wrong = CliRunner().invoke(commands, ["token", *arguments])
        assert (wrong.exit_code, wrong.stdout.count("eyJ")) == (1, 0)


def verified(receipt: str, printed: str) -> dict[str, object]:
    """Return a receipt's claims, verified with the printed keys alone."""
    key = jwt.PyJWKSet.from_json(printed)[jwt.get_unverified_header(receipt)["kid"]]
    return jwt.decode(
        receipt, key, algorithms=[key.algorithm_name], audience="backend", issuer="https://uploads.example"
    )


NAMES = {"RECEIPTS__AUDIENCE": "backend", "RECEIPTS__ISSUER": "https://uploads.example"}


def signed() -> str:
    """Return a receipt signed with the current settings."""
    settings = load_settings()
    receipts = build_receipts(settings, settings.secrets)
    return receipts.sign({"size": 5}, user="ann", jti="J", now=utc_now())


@pytest.mark.parametrize("key", KEYS.values(), ids=KEYS.keys())
def test_public_keys_are_printed(monkeypatch: pytest.MonkeyPatch, key: PrivateKeyTypes) -> None:
    """They verify current and earlier receipts. Nothing private is printed."""
    monkeypatch.setenv("UPLOADSVC_SECRET_KEY", SECRET_KEY)
    before = RSA if key is not RSA else EC
    settings = {
        "RECEIPTS__PRIVATE_KEY": private_pem(key),
        "RECEIPTS__PUBLIC_KEYS": json.dumps([public_pem(before)]),
        **NAMES,
    }
    result = receipt_key(monkeypatch, **settings)
    assert verified(signed(), result.stdout)["size"] == 5
    monkeypatch.setenv("UPLOADSVC_RECEIPTS__PUBLIC_KEYS", "[]")
    monkeypatch.setenv("UPLOADSVC_RECEIPTS__PRIVATE_KEY", private_pem(before))
    assert verified(signed(), result.stdout)["size"] == 5
    assert [set(one) & {"d", "p", "q", "k"} for one in json.loads(result.stdout)["keys"]] == [set(), set()]
    assert result.stdout.startswith('{\n  "keys": [\n')
    assert result.stderr.startswith("uploadsvc: public keys; ")
    for named in ("'uploadsvc-receipt+jwt'", "'https://uploads.example'", "'backend'", "exp"):
        assert named in result.stderr


def test_public_keys_are_printed_as_pem(monkeypatch: pytest.MonkeyPatch) -> None:
    """The signing key comes first."""
    settings = {
        "RECEIPTS__PRIVATE_KEY": private_pem(ED25519),
        "RECEIPTS__PUBLIC_KEYS": json.dumps([public_pem(EC)]),
    }
    result = receipt_key(monkeypatch, "--pem", **settings)
    assert result.stdout == public_pem(ED25519) + public_pem(EC)


def test_after_a_rotation_all_derived_keys_are_printed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Earlier receipts still verify. The secret keys themselves are not printed."""
    receipt_key(monkeypatch, SECRET_KEY=OLD_SECRET_KEY, **NAMES)
    old = signed()
    monkeypatch.delenv("UPLOADSVC_SECRET_KEY")
    result = receipt_key(monkeypatch, SECRET_KEYS=json.dumps([SECRET_KEY, OLD_SECRET_KEY]))
    assert verified(old, result.stdout)["size"] == verified(signed(), result.stdout)["size"] == 5
    keys = json.loads(result.stdout)["keys"]
    assert [key["kid"] for key in keys] == [jwt.get_unverified_header(one)["kid"] for one in (signed(), old)]
    secrets = [secret.encode() for secret in (SECRET_KEY, OLD_SECRET_KEY)]
    assert [jwt.PyJWK(key).key for key in keys] == [derive_key(secret, "receipt") for secret in secrets]
    assert "SECRET" in result.stderr
    assert "keep them like passwords" in result.stderr
    for key in keys:
        assert key["k"] not in result.stderr


def test_a_receipt_secret_is_printed_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """It needs no secret key, and nothing is derived from it."""
    result = receipt_key(monkeypatch, RECEIPTS__SECRET=OWN_SECRET, **NAMES)
    (key,) = json.loads(result.stdout)["keys"]
    assert (key["kty"], key["alg"], key["use"]) == ("oct", "HS256", "sig")
    assert jwt.PyJWK(key).key == OWN_SECRET.encode()
    assert verified(signed(), result.stdout)["size"] == 5
    assert "SECRET" in result.stderr


PEM_LINE = private_pem(ED25519).splitlines()[1]


@pytest.mark.parametrize(
    ("arguments", "changed", "named"),
    [
        ((), {"RECEIPTS__PRIVATE_KEY": PEM_LINE}, "UPLOADSVC_RECEIPTS__PRIVATE_KEY: is not a PEM"),
        (
            (),
            {"RECEIPTS__PRIVATE_KEY": private_pem(ED25519), "RECEIPTS__SECRET": OWN_SECRET},
            "UPLOADSVC_RECEIPTS__PRIVATE_KEY: set this or",
        ),
        ((), {"RECEIPTS__PUBLIC_KEYS": json.dumps([PEM_LINE])}, "UPLOADSVC_RECEIPTS__PUBLIC_KEYS: requires"),
        ((), {"S3__BUCKET": ""}, "UPLOADSVC_S3__BUCKET"),
        (("--pem",), {}, "has no PEM"),
        (("--pem",), {"RECEIPTS__SECRET": OWN_SECRET}, "has no PEM"),
    ],
)
def test_failures_of_receipt_key_are_one_line(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: tuple[str, ...],
    changed: dict[str, str],
    named: str,
) -> None:
    """Nothing is on standard output, and no key in the line."""
    settings = {"S3__BUCKET": "bucket", "S3__REGION": "eu-central-1", "SECRET_KEY": SECRET_KEY, **changed}
    for name, value in settings.items():
        monkeypatch.setenv(f"UPLOADSVC_{name}", value)
    monkeypatch.setattr(sys, "argv", ["uploadsvc", "receipt-key", *arguments])
    with pytest.raises(SystemExit) as caught:
        run()
    (line,) = str(caught.value.code).splitlines()
    assert line.startswith("uploadsvc: ")
    assert named in line
    assert not any(secret in line for secret in (PEM_LINE, OWN_SECRET, SECRET_KEY))
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_process_1_handles_signals_during_the_start(
    number: signal.Signals, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The kernel delivers to process 1 only signals that it handles."""
    before = {each: signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)}
    monkeypatch.setattr(os, "getpid", lambda: 1)
    monkeypatch.setattr("uploadsvc.cli.commands.run", lambda: signal.raise_signal(number))
    try:
        with pytest.raises(SystemExit) as caught:
            main()
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)
    assert caught.value.code == 128 + number

"""Choice of the signing credentials, expiry of signed URLs, and renewal of sessions."""

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from structlog.testing import capture_logs
from tests.support.api import assert_problem, created, query, s3_that_is_down
from tests.support.processes import is_alive
from tests.support.servers import SEAWEEDFS_KEY, S3Server
from tests.support.service import service_client, settings_for
from tests.support.sts import ROLE_ARN, Container, answering, assume_role, container, session_json
from typer.testing import CliRunner

from uploadsvc.app import create_app
from uploadsvc.cli.commands import app as commands
from uploadsvc.domain.credentials import Credentials
from uploadsvc.domain.errors import StorageMisconfigured
from uploadsvc.s3.aws_chain import AwsChain
from uploadsvc.s3.credentials import EXPIRY_MARGIN
from uploadsvc.s3.storage import Storage
from uploadsvc.settings import Settings, SettingsError
from uploadsvc.telemetry.metrics import Metrics

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)


def chain_settings(server: S3Server | None = None) -> dict[str, Any]:
    """Return settings without an access key, so that the AWS chain is asked."""
    settings = settings_for(server or s3_that_is_down())
    for name in ("access_key_id", "secret_access_key", "session_token"):
        settings["s3"][name] = None
    return settings


def sessions_of(life: timedelta) -> Callable[[], Awaitable[Credentials]]:
    """Return what begins one session after the other, of made-up keys."""
    count = 0

    async def begin() -> Credentials:
        nonlocal count
        count += 1
        ends = (datetime.now(UTC) + life).replace(microsecond=0)
        return Credentials(
            access_key_id="ASIAEXAMPLE",
            secret_access_key="secret",
            session_token=f"{count:04}" + "t" * 1500,
            expires_at=ends,
        )

    return begin


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> Callable[[Mapping[str, str]], None]:
    """Set variables for one test."""

    def set_all(variables: Mapping[str, str]) -> None:
        for name, value in variables.items():
            monkeypatch.setenv(name, value)

    return set_all


Environment = Callable[[Mapping[str, str]], None]


@asynccontextmanager
async def in_a_container(
    environment: Environment, begin: Callable[[], Awaitable[Credentials]], server: S3Server | None = None
) -> AsyncIterator[tuple[Container, httpx.AsyncClient]]:
    """Run the service where a container's endpoint hands out its credentials."""
    async with container(begin) as running:
        environment(running.environment)
        async with service_client(chain_settings(server)) as client:
            yield running, client


def a_storage(region: str = "us-east-1") -> Storage:
    """Return a storage that asks the AWS chain, and is never opened."""
    return Storage(
        bucket="b",
        region=region,
        endpoint_url=None,
        addressing_style="path",
        credentials=None,
        clock=lambda: datetime.now(UTC),
        metrics=Metrics(),
    )


async def asked_once() -> Credentials:
    """Return what the AWS chain has, and ask it no more."""
    storage = a_storage()
    try:
        return await storage.credentials()
    finally:
        # It renews them in the background, even long after this test.
        await storage._source.close()


def check_url(url: str, expires_at: str, running: Container) -> None:
    """A URL is alive, ends when it is said to, and a minute before the session whose token is in it."""
    names = query(url)
    signed_at = datetime.strptime(names["X-Amz-Date"], "%Y%m%dT%H%M%S%z")
    ends = signed_at + timedelta(seconds=int(names["X-Amz-Expires"]))
    assert signed_at < ends == datetime.fromisoformat(expires_at)
    session = running.sessions[names["X-Amz-Security-Token"]]
    assert session.expires_at is not None
    assert ends + EXPIRY_MARGIN <= session.expires_at


async def sign_much(client: httpx.AsyncClient, running: Container) -> None:
    """Ask for 100 uploads and 100 downloads at once, and look at each."""
    # On a busy machine the endpoint may need longer for the first session than a request waits.
    async with asyncio.timeout(60):
        while (await client.post("/v1/uploads", json={})).status_code != 201:
            pass
    answers = await asyncio.gather(
        *(client.post("/v1/uploads", json={"size": 1}) for _ in range(100)),
        *(client.post("/v1/downloads", json={"key": "uploads/alice/a"}) for _ in range(100)),
    )
    for answer in answers:
        body = created(answer)
        check_url(body["url"], body["expires_at"], running)


async def test_expires_at_tells_the_end_of_the_session(environment: Environment) -> None:
    """With a role's session of ten minutes a URL of fifteen is cut, and says so; it has the token."""
    async with in_a_container(environment, sessions_of(timedelta(minutes=10))) as (running, client):
        put = created(await client.post("/v1/uploads", json={"size": 1}))
        form = created(await client.post("/v1/uploads", json={}))
    ((token, session),) = running.sessions.items()
    assert session.expires_at is not None
    for upload in (put, form):
        assert datetime.fromisoformat(upload["expires_at"]) == session.expires_at - EXPIRY_MARGIN
    check_url(put["url"], put["expires_at"], running)
    assert form["fields"]["x-amz-security-token"] == token


async def test_a_session_at_its_end_is_503(environment: Environment) -> None:
    """No new credentials, no URL."""
    async with in_a_container(environment, sessions_of(timedelta(seconds=30))) as (_, client):
        for answer in (
            await client.post("/v1/uploads", json={}),
            await client.get("/uploads"),
            await client.post("/v1/downloads", json={"key": "uploads/alice/a"}),
            await client.get("/v1/objects"),
        ):
            assert_problem(answer, "storage_unavailable")
            assert int(answer.headers["retry-after"]) > 0


async def test_an_endpoint_that_fails_is_503(environment: Environment) -> None:
    """The service starts nevertheless, and tells callers to come back; the log says why."""
    async with container(sessions_of(timedelta(hours=1))) as running:
        running.down = True
        environment(running.environment)
        with capture_logs() as logs:
            async with service_client(chain_settings()) as client:
                answer = await client.post("/v1/uploads", json={})
    assert_problem(answer, "storage_unavailable")
    assert int(answer.headers["retry-after"]) > 0
    (line,) = (line for line in logs if line["event"] == "credentials_not_refreshed")
    assert (line["log_level"], line["old_ones_serve"]) == ("warning", False)


async def test_without_any_credentials_the_settings_are_at_fault() -> None:
    """The AWS chain finds none: not the caller's fault, and nothing that mends itself."""
    async with service_client(chain_settings()) as client:
        assert_problem(await client.post("/v1/uploads", json={}), "storage_misconfigured")
        assert_problem(await client.get("/readyz"), "storage_misconfigured")


async def test_a_short_session_is_asked_for_once(session_s3: S3Server, environment: Environment) -> None:
    """Not at every signature, as botocore would with fifteen minutes; nor by the calls to S3 itself."""
    # Begun ahead: botocore asks a container's endpoint again when it takes more than two seconds.
    session = await assume_role(session_s3.endpoint_url)

    async def begin() -> Credentials:
        return session

    async with in_a_container(environment, begin, session_s3) as (running, client):
        await sign_much(client, running)
        for _ in range(5):
            assert (await client.get("/v1/objects")).status_code == 200
            assert (await client.get("/readyz")).status_code == 200
    assert running.asked == 1


async def test_sessions_change_under_load(environment: Environment) -> None:
    """Sessions end, others come; every URL is alive and ends before its own, and none is refused."""
    async with in_a_container(environment, sessions_of(timedelta(seconds=66))) as (running, client):
        async with asyncio.timeout(120):
            while len(running.sessions) < 3:
                asked = running.asked
                await sign_much(client, running)
                # 200 requests never ask 200 times, however slow the machine.
                assert running.asked - asked < 20


async def test_uploads_go_on_through_a_change_of_sessions(
    session_s3: S3Server, environment: Environment
) -> None:
    """Sessions that an STS has begun; what each URL promises, S3 takes: before, between and after."""
    begun = [await assume_role(session_s3.endpoint_url) for _ in range(4)]

    async def begin() -> Credentials:
        session = begun.pop() if begun else await assume_role(session_s3.endpoint_url)
        # It lives for 15 minutes; told a minute and a little, the service asks for the next one soon.
        ends = datetime.now(UTC) + timedelta(seconds=66)
        return Credentials(
            access_key_id=session.access_key_id,
            secret_access_key=session.secret_access_key,
            session_token=session.session_token,
            expires_at=ends.replace(microsecond=0),
        )

    used: set[str] = set()
    async with (
        in_a_container(environment, begin, session_s3) as (running, client),
        httpx.AsyncClient(trust_env=False) as s3,
        asyncio.timeout(120),
    ):
        first = created(await client.post("/v1/uploads", json={"size": 5}))
        while len(used) < 3:
            upload = created(await client.post("/v1/uploads", json={"size": 5}))
            check_url(upload["url"], upload["expires_at"], running)
            token = query(upload["url"])["X-Amz-Security-Token"]
            if token in used:
                continue
            used.add(token)
            sent = await s3.put(upload["url"], content=b"bytes", headers=upload["headers"])
            assert sent.status_code == 200, sent.text
            completed = await client.post(f"/v1/uploads/{upload['id']}/complete")
            assert completed.status_code == 200, completed.text
            download = created(await client.post("/v1/downloads", json={"key": upload["key"]}))
            check_url(download["url"], download["expires_at"], running)
            assert (await s3.get(download["url"])).content == b"bytes"
        if datetime.now(UTC) < datetime.fromisoformat(first["expires_at"]):
            late = await s3.put(first["url"], content=b"bytes", headers=first["headers"])
            assert late.status_code == 200, late.text


async def test_a_profile_that_assumes_a_role(
    session_s3: S3Server, environment: Environment, tmp_path: Path
) -> None:
    """A role by a profile, from a real STS, signs what S3 takes."""
    config = tmp_path / "config"
    config.write_text(
        f"[profile app]\nrole_arn = {ROLE_ARN}\nsource_profile = key\nduration_seconds = 900\n"
        f"[profile key]\naws_access_key_id = {SEAWEEDFS_KEY.access_key_id}\n"
        f"aws_secret_access_key = {SEAWEEDFS_KEY.secret_access_key}\n"
    )
    environment(
        {
            "AWS_CONFIG_FILE": str(config),
            "AWS_PROFILE": "app",
            "AWS_ENDPOINT_URL_STS": session_s3.endpoint_url,
        }
    )
    async with (
        service_client(chain_settings(session_s3)) as client,
        httpx.AsyncClient(trust_env=False) as s3,
    ):
        upload = created(await client.post("/v1/uploads", json={"size": 5}))
        sent = await s3.put(upload["url"], content=b"bytes", headers=upload["headers"])
        assert sent.status_code == 200, sent.text
        assert (await client.get("/v1/objects")).status_code == 200
    assert len(query(upload["url"])["X-Amz-Security-Token"]) > 0


async def test_a_web_identity(environment: Environment, tmp_path: Path) -> None:
    """A pod's role (IRSA): its token is sent to the STS, whose session signs."""
    ends = (datetime.now(UTC) + timedelta(hours=1)).replace(microsecond=0)
    refused = False

    async def sts(request: str, _: Mapping[str, str]) -> tuple[int, str]:
        assert request == "POST /"
        if refused:
            return 403, "<ErrorResponse><Error><Code>AccessDenied</Code></Error></ErrorResponse>"
        session = (
            "<AccessKeyId>ASIAPOD</AccessKeyId><SecretAccessKey>s</SecretAccessKey>"
            f"<SessionToken>t</SessionToken><Expiration>{ends:%Y-%m-%dT%H:%M:%SZ}</Expiration>"
        )
        result = f"<AssumeRoleWithWebIdentityResult><Credentials>{session}</Credentials>"
        return 200, (
            f"<AssumeRoleWithWebIdentityResponse>{result}</AssumeRoleWithWebIdentityResult>"
            "</AssumeRoleWithWebIdentityResponse>"
        )

    token = tmp_path / "token"
    token.write_text("the pod's token")
    async with answering(sts) as url:
        environment(
            {
                "AWS_WEB_IDENTITY_TOKEN_FILE": str(token),
                "AWS_ROLE_ARN": ROLE_ARN,
                "AWS_ENDPOINT_URL_STS": url,
            }
        )
        found = await asked_once()
        assert (found.access_key_id, found.session_token, found.expires_at) == ("ASIAPOD", "t", ends)
        refused = True
        async with service_client(chain_settings()) as client:
            assert_problem(await client.post("/v1/uploads", json={}), "storage_denied")


async def test_an_instances_session_ends_when_it_ends(environment: Environment) -> None:
    """Botocore would tell a later end for one in its last quarter of an hour; nothing is signed past it."""
    session = await sessions_of(timedelta(minutes=10))()

    async def metadata(request: str, _: Mapping[str, str]) -> tuple[int, str]:
        said = {
            "PUT /latest/api/token": "token",
            "GET /latest/meta-data/iam/security-credentials/": "role",
            "GET /latest/meta-data/iam/security-credentials/role": session_json(session),
        }
        return (200, said[request]) if request in said else (404, "")

    async with answering(metadata) as url:
        environment({"AWS_EC2_METADATA_DISABLED": "false", "AWS_EC2_METADATA_SERVICE_ENDPOINT": url})
        assert await asked_once() == session


async def test_the_environments_credentials_are_found(environment: Environment) -> None:
    """The AWS chain starts with the environment, whose keys do not end."""
    environment({"AWS_ACCESS_KEY_ID": "AKIAENVIRONMENT", "AWS_SECRET_ACCESS_KEY": "secret"})
    found = await asked_once()
    assert found.access_key_id == "AKIAENVIRONMENT"
    assert (found.session_token, found.expires_at) == (None, None)


async def test_the_environment_may_tell_an_end(environment: Environment) -> None:
    """As tools that export a session do."""
    environment(
        {
            "AWS_ACCESS_KEY_ID": "ASIAENVIRONMENT",
            "AWS_SECRET_ACCESS_KEY": "secret",
            "AWS_SESSION_TOKEN": "token",
            "AWS_CREDENTIAL_EXPIRATION": "2099-11-23T12:00:00+01:00",
        }
    )
    found = await asked_once()
    assert found.expires_at == datetime(2099, 11, 23, 11, tzinfo=UTC)


@pytest.mark.parametrize(
    ("name", "part"),
    [
        ("AWS_ACCESS_KEY_ID", "access key id"),
        ("AWS_SECRET_ACCESS_KEY", "secret access key"),
        ("AWS_SESSION_TOKEN", "session token"),
    ],
)
async def test_whitespace_around_a_key_of_the_environment_is_named(
    environment: Environment, name: str, part: str
) -> None:
    """The network is not to blame. The key is not shown."""
    keys = {"AWS_ACCESS_KEY_ID": "AKID", "AWS_SECRET_ACCESS_KEY": "s", "AWS_SESSION_TOKEN": "t"}
    for pasted in ("hunter2\n", " hunter2", "hun\nter2"):
        environment({**keys, name: pasted})
        with pytest.raises(StorageMisconfigured, match=f"The {part} .* holds whitespace") as caught:
            await asked_once()
        assert "hunter2" not in caught.value.detail


def test_a_profile_that_is_not_there_stops_the_start(environment: Environment, tmp_path: Path) -> None:
    """In one line; so does a file that is none."""
    environment({"AWS_PROFILE": "no-such-profile"})
    with pytest.raises(SettingsError, match=r"UPLOADSVC_S3: .* \(no-such-profile\) could not be found"):
        create_app(Settings.model_validate(chain_settings()))
    config = tmp_path / "config"
    config.write_text("[default\n")
    environment({"AWS_CONFIG_FILE": str(config)})
    with pytest.raises(SettingsError, match="UPLOADSVC_S3: "):
        create_app(Settings.model_validate(chain_settings()))


async def test_a_credential_process_ends_with_the_question(environment: Environment, tmp_path: Path) -> None:
    """One that hangs is not left behind, nor started beside itself by each caller."""
    told, config = tmp_path / "told", tmp_path / "config"
    os.mkfifo(told)
    script = tmp_path / "hangs.sh"
    script.write_text(f"#!/bin/sh\necho $$ > {told}\nexec sleep 1000\n")
    script.chmod(0o755)
    config.write_text(f"[default]\ncredential_process = {script}\n")
    environment({"AWS_CONFIG_FILE": str(config)})
    asking = asyncio.create_task(AwsChain(region="us-east-1")())
    pid = int(await asyncio.to_thread(told.read_text))
    assert is_alive(pid)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    assert not is_alive(pid)


async def test_a_wrong_profile_is_nothing_to_a_fixed_key(environment: Environment) -> None:
    """It is not looked for; nor is it for the document."""
    environment({"AWS_PROFILE": "nothing"})
    async with service_client(settings_for(s3_that_is_down())) as client:
        created(await client.post("/v1/uploads", json={}))
    result = CliRunner().invoke(commands, ["openapi"], catch_exceptions=False)
    assert result.exit_code == 0

"""`GET /uppy/credentials`: S3 credentials for an app's ``getCredentials`` function."""

from dataclasses import replace
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any, Final

import httpx
import pytest
from pydantic import ValidationError
from tests.support.servers import S3Server
from tests.support.service import JWT_SECRET, authorization, service_client, settings_for, token_for
from tests.support.sts import ROLE_ARN, answering

from uploadsvc.domain.arns import objects_arn, partition
from uploadsvc.settings import Settings

ON: Final = {"credentials": True, "role_arn": ROLE_ARN}
HOLDS_SESSIONS: Final = {"provider": "minio"}
API_KEY: Final = "the tests' own narrow API key"
SERVER: Final = S3Server(
    name="nowhere",
    endpoint_url="http://127.0.0.1:9",
    access_key_id="AKIDEXAMPLE",
    secret_access_key="wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
    bucket="example-bucket",
    strict=False,
)
ANSWER: Final = """<{0}Response xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><{0}Result><Credentials>
<AccessKeyId>ASIAEXAMPLE</AccessKeyId><SecretAccessKey>s</SecretAccessKey><SessionToken>t</SessionToken>
<Expiration>2030-01-01T00:00:00Z</Expiration></Credentials></{0}Result></{0}Response>"""


async def granted(api: httpx.AsyncClient, user: str) -> dict[str, Any]:
    """Get credentials; assert success."""
    answer = await api.get("/uppy/credentials", headers=authorization(user))
    assert answer.status_code == 200, answer.text
    assert answer.headers["cache-control"] == "no-store"
    body: dict[str, Any] = answer.json()
    return body


async def test_credentials_are_limited_to_the_callers_prefix(sts_s3: S3Server) -> None:
    async with service_client(settings_for(sts_s3, uppy={**ON, "credentials_expires_in": 900})) as api:
        told = await granted(api, "alice")
    assert told.keys() == {"credentials", "region", "bucket", "endpoint", "prefix"}
    assert (told["region"], told["bucket"]) == (sts_s3.region, sts_s3.bucket)
    assert told["endpoint"] == f"{sts_s3.endpoint_url}/{sts_s3.bucket}"
    assert told["prefix"] == "uploads/alice/"
    session = told["credentials"]
    assert session.keys() == {"accessKeyId", "secretAccessKey", "sessionToken", "expiration"}
    left = datetime.fromisoformat(session["expiration"]) - datetime.now(UTC)
    assert 800 < left.total_seconds() <= 900
    hers = replace(
        sts_s3,
        access_key_id=session["accessKeyId"],
        secret_access_key=session["secretAccessKey"],
        session_token=session["sessionToken"],
    )
    async with hers.client() as s3:
        await s3.put_object(Bucket=hers.bucket, Key="uploads/alice/a.txt", Body=b"a")
        for key in ("uploads/bob/a.txt", "uploads/alice2/a.txt", "uploads/alice", "a.txt"):
            with pytest.raises(s3.exceptions.ClientError, match="AccessDenied"):
                await s3.put_object(Bucket=hers.bucket, Key=key, Body=b"a")
        with pytest.raises(s3.exceptions.ClientError, match="AccessDenied"):
            await s3.list_objects_v2(Bucket=hers.bucket)
        with pytest.raises(s3.exceptions.ClientError, match="AccessDenied"):
            await s3.delete_object(Bucket=hers.bucket, Key="uploads/alice/a.txt")
        with pytest.raises(s3.exceptions.ClientError, match="AccessDenied"):
            await s3.get_object(Bucket=hers.bucket, Key="uploads/alice/a.txt")


@pytest.mark.parametrize(("lives", "lasts"), [(1000, 1000), (7200, 3600)])
async def test_credentials_expire_with_the_callers_own(sts_s3: S3Server, lives: int, lasts: int) -> None:
    async with service_client(settings_for(sts_s3, uppy=ON)) as api:
        token = {"Authorization": f"Bearer {token_for('alice', expires_in=lives)}"}
        session = (await api.get("/uppy/credentials", headers=token)).json()["credentials"]
    left = datetime.fromisoformat(session["expiration"]) - datetime.now(UTC)
    assert lasts - 60 < left.total_seconds() <= lasts


async def test_a_credential_that_ends_before_the_shortest_session_gets_none() -> None:
    """The answer says how long it must still be valid."""
    settings = settings_for(SERVER, s3=HOLDS_SESSIONS, uppy=ON)
    async with service_client(settings) as api:
        token = {"Authorization": f"Bearer {token_for('alice', expires_in=800)}"}
        answer = await api.get("/uppy/credentials", headers=token)
    assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")
    assert "last at least 900 seconds" in answer.json()["detail"]


async def test_wildcards_in_user_names_are_encoded(sts_s3: S3Server) -> None:
    async with service_client(settings_for(sts_s3, uppy=ON)) as api:
        told = await granted(api, "*")
    assert told["prefix"] == "uploads/=2A/"


async def test_credentials_are_off_by_default(sts_s3: S3Server) -> None:
    async with service_client(settings_for(sts_s3)) as api:
        answer = await api.get("/uppy/credentials")
    assert (answer.status_code, answer.json()["error"]) == (403, "forbidden")
    assert "UPLOADSVC_UPPY__CREDENTIALS" in answer.json()["message"]


async def test_a_credential_with_limits_gets_none(sts_s3: S3Server) -> None:
    """They would have more rights than the caller's own."""
    narrow = {"name": "narrow", "sha256": sha256(API_KEY.encode()).hexdigest(), "policies": ["default"]}
    auth = {"jwt": {"secret": JWT_SECRET}, "api_keys": [narrow]}
    async with service_client(settings_for(sts_s3, uppy=ON, auth=auth)) as api:
        token = (await api.post("/v1/tokens", json={})).json()["token"]
        for headers in (
            {"Authorization": f"Bearer {token}"},
            {"X-API-Key": API_KEY, "X-On-Behalf-Of": "alice", "Authorization": None},
        ):
            request = api.build_request("GET", "/uppy/credentials")
            for name, value in headers.items():
                request.headers.pop(name, None)
                if value is not None:
                    request.headers[name] = value
            answer = await api.send(request)
            assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")


async def test_sts_may_have_its_own_endpoint() -> None:
    async def answer(_request: str, _headers: object) -> tuple[int, str]:
        return 200, ANSWER.format("AssumeRole")

    async with answering(answer) as url:
        uppy = {**ON, "sts_endpoint_url": url}
        async with service_client(settings_for(SERVER, s3=HOLDS_SESSIONS, uppy=uppy)) as api:
            told = await granted(api, "alice")
    assert told["credentials"]["accessKeyId"] == "ASIAEXAMPLE"


@pytest.mark.parametrize(("status", "code"), [(403, "storage_denied"), (503, "storage_unavailable")])
async def test_failures_of_sts_are_reported_like_those_of_s3(
    monkeypatch: pytest.MonkeyPatch, status: int, code: str
) -> None:
    """Without the session policy."""
    monkeypatch.setattr("botocore.retries.standard.ExponentialBackoff.delay_amount", lambda *_: 0)

    async def answer(_request: str, _headers: object) -> tuple[int, str]:
        body = "<ErrorResponse><Error><Code>Denied</Code><Message>no</Message></Error></ErrorResponse>"
        return status, body

    async with answering(answer) as url:
        server = replace(SERVER, endpoint_url=url)
        async with service_client(settings_for(server, s3=HOLDS_SESSIONS, uppy=ON)) as api:
            refused = await api.get("/uppy/credentials")
    assert refused.json()["code"] == code
    assert "uploads/alice" not in refused.text


@pytest.mark.parametrize(
    ("uppy", "s3", "variable"),
    [
        ({"credentials": True}, HOLDS_SESSIONS, "UPLOADSVC_UPPY__ROLE_ARN: missing"),
        (ON, {}, "UPLOADSVC_UPPY__CREDENTIALS: generic has no token service"),
        (ON, {"provider": "r2"}, "UPLOADSVC_UPPY__CREDENTIALS: r2 has no token service"),
        (ON, {"provider": "localstack"}, "UPLOADSVC_UPPY__CREDENTIALS: localstack has no token service"),
        ({"role_arn": ROLE_ARN}, {}, "UPLOADSVC_UPPY__CREDENTIALS: must be true"),
        ({**ON, "sts_endpoint_url": "sts.example.com"}, HOLDS_SESSIONS, "UPLOADSVC_UPPY__STS_ENDPOINT_URL: "),
    ],
)
def test_contradictory_settings_stop_the_start(
    uppy: dict[str, Any], s3: dict[str, Any], variable: str
) -> None:
    """The error names the variable."""
    with pytest.raises(ValidationError) as refused:
        Settings.model_validate(settings_for(SERVER, s3=s3, uppy=uppy))
    (error,) = refused.value.errors()
    cause = error["ctx"]["error"]
    assert str(cause).startswith(variable)
    assert "\n" not in str(cause)


def test_prefixes_are_escaped_for_iam_policies() -> None:
    """IAM's wildcards and variables are escaped."""
    arn = objects_arn("b", region="eu-central-1", prefix="a*b?${c}/alice/")
    assert arn == "arn:aws:s3:::b/a${*}b${?}${$}{c}/alice/*"
    regions = ("us-east-1", "cn-north-1", "us-gov-west-1")
    assert [partition(region) for region in regions] == ["aws", "aws-cn", "aws-us-gov"]

"""The doctor checks that callers' S3 credentials are limited to their prefix."""

from dataclasses import replace
from typing import Any, Final

import pytest
from tests.support.doctor import examine, settings_of, traces
from tests.support.fault_proxy import Answer, Exchange, Fault, fault_proxy, s3_error
from tests.support.servers import S3Server
from tests.support.sts import ROLE_ARN, answering

CHECK: Final = "uppy-credentials"
ON: Final = {"credentials": True, "role_arn": ROLE_ARN}
SESSION: Final = """<AssumeRoleResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><AssumeRoleResult>
<Credentials><AccessKeyId>ASIAEXAMPLE</AccessKeyId><SecretAccessKey>s</SecretAccessKey>
<SessionToken>t</SessionToken><Expiration>2030-01-01T00:00:00Z</Expiration></Credentials>
</AssumeRoleResult></AssumeRoleResponse>"""
DENIED: Final = s3_error(403, "AccessDenied", "Access Denied")
DIGEST: Final = s3_error(400, "BadDigest", "The digest is another.")


@pytest.fixture
async def server(sts_s3: S3Server) -> S3Server:
    """Give a bucket where there is a token service."""
    return replace(sts_s3, bucket=await sts_s3.create_bucket())


async def found(
    server: S3Server,
    provider: str = "seaweedfs",
    **uppy: Any,  # noqa: ANN401 - any setting
) -> tuple[str, str, str]:
    """Return the status, what was found, and what became of what was sent."""
    settings = settings_of(server, s3={"provider": provider}, uppy={**ON, **uppy})
    findings = await examine(settings, only=[CHECK, "cleanup"])
    return findings[CHECK].status, findings[CHECK].found, findings["cleanup"].found


async def test_a_session_is_limited_to_its_prefix(server: S3Server) -> None:
    """A PUT passes inside and is refused outside; neither is stored."""
    status, told, cleanup = await found(server)
    assert (status, told) == (
        "ok",
        "a session's PUT is accepted below the caller's own prefix, and refused elsewhere",
    )
    assert cleanup == "nothing is left: nothing was stored"
    assert await traces(server) == []


def is_canary(exchange: Exchange, *, inside: bool) -> bool:
    """Tell what the doctor sends by the session."""
    target = exchange.target.partition("?")[0]
    return exchange.method == "PUT" and (
        "/uploads/uploadsvc-doctor-" in target if inside else target.endswith("-session")
    )


@pytest.mark.parametrize("answer", [DIGEST, Answer(status=200)])
async def test_a_store_that_does_not_limit_sessions_is_named(server: S3Server, answer: Answer) -> None:
    """Whether it stores the canary or refuses only its bytes."""

    def rule(exchange: Exchange) -> Fault | None:
        return answer if is_canary(exchange, inside=False) else None

    async with fault_proxy(server.endpoint_url) as proxy:
        proxy.rule = rule
        status, told, _ = await found(replace(server, endpoint_url=proxy.url))
    assert status == "failed"
    assert told.startswith("outside the caller's own prefix a PUT is not refused: S3 answers ")


async def test_a_role_that_may_not_upload_is_named(server: S3Server) -> None:

    def rule(exchange: Exchange) -> Fault | None:
        return DENIED if is_canary(exchange, inside=True) else None

    async with fault_proxy(server.endpoint_url) as proxy:
        proxy.rule = rule
        status, told, _ = await found(replace(server, endpoint_url=proxy.url))
    assert status == "failed"
    assert told == "inside the caller's own prefix S3 answers 403 AccessDenied (Access Denied)"


async def test_a_role_that_cannot_be_assumed_is_named(server: S3Server) -> None:
    status, told, _ = await found(server, role_arn="arn:aws:iam::000000000000:role/nobody")
    assert status == "failed"
    assert told.startswith("no session could be started: The object store ")


async def test_stored_canaries_of_a_session_are_deleted(moto_server: S3Server) -> None:
    """Moto checks neither rights nor digests."""

    async def begin(_request: str, _headers: object) -> tuple[int, str]:
        return 200, SESSION

    async with answering(begin) as url:
        status, told, cleanup = await found(moto_server, provider="minio", sts_endpoint_url=url)
    assert status == "failed"
    assert told.startswith("outside the caller's own prefix a PUT is not refused: S3 answers ")
    assert cleanup.startswith("nothing is left")
    assert await traces(moto_server) == []


async def test_an_answer_that_is_not_a_token_services_is_named(server: S3Server) -> None:
    """Such as a login page."""

    async def page(_request: str, _headers: object) -> tuple[int, str]:
        return 200, "<html><body>Log in</body></html>"

    async with answering(page) as url:
        status, told, _ = await found(server, sts_endpoint_url=url)
    assert status == "failed"
    assert told.startswith("no session could be started: The object store's address does not answer")


async def test_the_check_exists_only_when_sessions_are_on(server: S3Server) -> None:
    assert CHECK not in await examine(settings_of(server), only=["cleanup"])

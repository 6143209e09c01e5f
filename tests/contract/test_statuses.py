"""Every end that the document names for an operation is reached, and is as the document says."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import replace

import httpx
import pytest
from tests.contract.document import OPERATIONS, assert_documented
from tests.contract.scenarios import SCENARIOS
from tests.contract.stage import Stage, plain_settings
from tests.servers import S3Server
from tests.service import service_client

from uploadsvc.api.problems import STATUS_TITLES

DOCUMENTED = [
    (operation.id, outcome) for operation in OPERATIONS.values() for outcome in operation.outcomes()
]


@pytest.fixture(scope="module")
async def server(_moto: S3Server) -> S3Server:
    """Give these tests a bucket of their own."""
    return replace(_moto, bucket=await _moto.create_bucket())


@pytest.fixture(scope="module")
async def plain(server: S3Server) -> AsyncIterator[httpx.AsyncClient]:
    """Open a service in which nothing is wrong."""
    async with service_client(plain_settings(server)) as client:
        yield client


@pytest.fixture
async def stage(
    plain: httpx.AsyncClient, server: S3Server, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Stage]:
    """Give a scenario what it plays with."""
    async with AsyncExitStack() as stack:
        yield Stage(plain, server, monkeypatch, stack)


@pytest.mark.parametrize(("name", "outcome"), DOCUMENTED)
async def test_a_documented_end_is_reached(name: str, outcome: str, stage: Stage) -> None:
    """By the status and the code that the document names, with a body by its schema."""
    assert (name, outcome) in SCENARIOS, "documented, and no scenario reaches it"
    operation = OPERATIONS[name]
    answer = await SCENARIOS[name, outcome](stage, operation)
    assert_documented(operation, answer)
    if outcome in STATUS_TITLES:
        assert (answer.json()["code"], answer.status_code) == (outcome, STATUS_TITLES[outcome][0]), (
            answer.text
        )
        # RFC 9110 sections 11.6.1 and 10.2.3: how to come in, and when to come back.
        assert ("www-authenticate" in answer.headers) is (answer.status_code == 401)
        assert ("retry-after" in answer.headers) is (answer.status_code == 503)
    else:
        assert str(answer.status_code) == outcome, answer.text


def test_every_scenario_is_documented() -> None:
    """An end that an operation can come to is in the document."""
    assert SCENARIOS.keys() <= set(DOCUMENTED), sorted(SCENARIOS.keys() - set(DOCUMENTED))

"""Commands of concurrent requests, sent together."""

import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path

import pytest
from tests.support.valkey import ValkeyServer, valkey_server
from valkey.asyncio import ConnectionPool
from valkey.exceptions import ResponseError, ValkeyError

from uploadsvc.limiting.pipelining import PipeliningValkey


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[ValkeyServer]:
    async with valkey_server(tmp_path) as running:
        yield running


@pytest.fixture
async def client(server: ValkeyServer) -> AsyncIterator[PipeliningValkey]:
    client = PipeliningValkey(ConnectionPool(host="127.0.0.1", port=server.port, socket_timeout=None))
    yield client
    client.abandon()
    with suppress(ValkeyError):
        await client.aclose(close_connection_pool=True)


async def _sent(client: PipeliningValkey) -> None:
    while client._sender is None or client._waiting:  # noqa: ASYNC110 - it has no event
        await asyncio.sleep(0)


async def test_each_gets_its_own_answer(client: PipeliningValkey) -> None:
    """Errors too, and over one connection."""
    asked = [client.execute_command("ECHO", str(number)) for number in range(1200)]
    asked.insert(7, client.execute_command("LPUSH", "list"))
    answers = await asyncio.gather(*asked, return_exceptions=True)
    assert isinstance(answers.pop(7), ResponseError)
    assert answers == [str(number).encode() for number in range(1200)]
    assert len(await client.client_list()) == 1


async def test_a_cancelled_command_does_not_disturb_the_others(
    client: PipeliningValkey, server: ValkeyServer
) -> None:
    await client.ping()
    server.signal(signal.SIGSTOP)
    first = [asyncio.ensure_future(client.execute_command("ECHO", str(number))) for number in range(10)]
    await _sent(client)
    later = [asyncio.ensure_future(client.execute_command("ECHO", str(number))) for number in range(10, 20)]
    await asyncio.sleep(0)
    for task in (first[3], later[3]):
        task.cancel()
    server.signal(signal.SIGCONT)
    answers = await asyncio.gather(*first, *later, return_exceptions=True)
    assert [number for number, answer in enumerate(answers) if not isinstance(answer, bytes)] == [3, 13]
    assert answers[19] == b"19"


async def test_abandoned_commands_fail_and_new_ones_get_a_new_connection(
    client: PipeliningValkey, server: ValkeyServer
) -> None:
    """So that an answer that comes late is not taken for that of another command."""
    await client.ping()
    server.signal(signal.SIGSTOP)
    asked = [asyncio.ensure_future(client.execute_command("ECHO", "late")) for _ in range(3)]
    await _sent(client)
    client.abandon()
    answers = await asyncio.gather(*asked, return_exceptions=True)
    assert all(isinstance(answer, ValkeyError) for answer in answers)
    server.signal(signal.SIGCONT)
    assert await client.execute_command("ECHO", "new") == b"new"


async def test_without_a_server_all_fail(client: PipeliningValkey, server: ValkeyServer) -> None:
    await client.ping()
    server.stop()
    asked = (client.execute_command("PING") for _ in range(3))
    answers = await asyncio.gather(*asked, return_exceptions=True)
    assert all(isinstance(answer, ValkeyError | OSError) for answer in answers)
    await server.start()
    assert await client.ping()

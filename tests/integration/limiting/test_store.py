"""The store of counters, with a server that goes and comes back."""

import asyncio
import signal
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import pytest
import structlog
from tests.support.certificates import certificate_for
from tests.support.valkey import ValkeyServer, valkey_server
from valkey.asyncio import Valkey

from uploadsvc.limiting import store as store_module
from uploadsvc.limiting.store import Script, SharedStore, StoreDownError, parse_store_url

_ADD: Final = Script("return redis.call('incrby', KEYS[1], ARGV[1])")


class _Seen:
    """What the store reported."""

    def __init__(self) -> None:
        self.failures = 0
        self.states: list[str] = []
        self._changed = asyncio.Event()

    def failed(self) -> None:
        self.failures += 1

    def changed(self, up: bool) -> None:  # noqa: FBT001 - as it is called
        self.states.append("up" if up else "down")
        self._changed.set()

    async def until(self, *states: str) -> None:
        async with asyncio.timeout(15):
            while self.states != list(states):
                self._changed.clear()
                await self._changed.wait()


@asynccontextmanager
async def _opened(url: str) -> AsyncIterator[tuple[SharedStore, _Seen]]:
    seen = _Seen()
    address = parse_store_url(url)
    async with SharedStore(address, on_failure=seen.failed, on_change=seen.changed) as store:
        yield store, seen


async def _added(store: SharedStore) -> int:
    added: int = await store.run(_ADD, keys=["n"], args=[1])
    return added


async def test_runs_scripts_also_after_the_server_has_forgotten_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # On a busy machine.
    monkeypatch.setattr(store_module, "DEADLINE", 10.0)
    async with valkey_server(tmp_path) as server, _opened(server.url) as (store, seen):
        assert [await _added(store) for _ in range(2)] == [1, 2]
        await store.ask(store.client.script_flush)
        assert await _added(store) == 3

        together = await asyncio.gather(*(_added(store) for _ in range(100)))

        assert sorted(together) == list(range(4, 104))
        assert (seen.failures, seen.states) == (0, ["up"])


async def test_a_busy_process_does_not_take_the_store_for_down(tmp_path: Path) -> None:
    """The answer has arrived while it was busy for longer than the deadline."""
    async with valkey_server(tmp_path) as server, _opened(server.url) as (store, seen):
        await _added(store)
        asking = asyncio.create_task(_added(store))
        asyncio.get_running_loop().call_soon(time.sleep, 3 * store_module.DEADLINE)
        assert await asking == 2
        assert (seen.failures, seen.states) == (0, ["up"])


def _stop(server: ValkeyServer) -> None:
    server.stop()


def _hang(server: ValkeyServer) -> None:
    server.signal(signal.SIGSTOP)


async def _start(server: ValkeyServer) -> None:
    await server.start()


async def _go_on(server: ValkeyServer) -> None:
    server.signal(signal.SIGCONT)


@pytest.mark.parametrize(("fail", "mend"), [(_stop, _start), (_hang, _go_on)])
async def test_asks_nothing_of_a_server_that_is_down_until_it_is_back(
    tmp_path: Path, fail: Callable[[ValkeyServer], None], mend: Callable[[ValkeyServer], Awaitable[None]]
) -> None:
    async with valkey_server(tmp_path) as server, _opened(server.url) as (store, seen):
        await _added(store)
        with structlog.testing.capture_logs() as lines:
            fail(server)
            with pytest.raises(StoreDownError):
                await _added(store)
            asked = 0

            async def count() -> None:
                nonlocal asked
                asked += 1

            with pytest.raises(StoreDownError):
                await store.ask(count)
            assert (asked, seen.failures, seen.states) == (0, 1, ["up", "down"])

            await mend(server)
            await seen.until("up", "down", "up")

        await _added(store)
        down, up = lines
        assert (down["event"], down["store"]) == ("limits_store_down", f"127.0.0.1:{server.port}")
        assert down["reason"] == ("connection" if fail is _stop else "timeout")
        assert up["event"] == "limits_store_up"
        assert up["down_seconds"] >= 0


async def test_a_probe_without_an_answer_does_not_hold_up_the_next(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(store_module, "_CONNECT_SECONDS", 0.3)
    connections: list[asyncio.StreamWriter] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connections.append(writer)
        if len(connections) <= 2:
            # Like a host that is gone: the first one during the start, the second during a probe.
            return
        while await reader.read(4096):
            writer.write(b"+OK\r\n")

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with _opened(f"valkey://127.0.0.1:{port}") as (_, seen):
        try:
            await seen.until("up", "down", "up")
        finally:
            server.close()
            for one in connections:
                one.close()


async def test_a_question_has_fifty_milliseconds(tmp_path: Path) -> None:
    async with valkey_server(tmp_path) as server, _opened(server.url) as (store, seen):
        waited = asyncio.Event()

        async def never() -> None:
            try:
                await waited.wait()
            finally:
                waited.set()

        loop = asyncio.get_running_loop()
        began = loop.time()
        with pytest.raises(StoreDownError):
            await store.ask(never)

        # Its deadline is on the loop's clock. How long it took is not asserted: the machine may be busy.
        assert loop.time() - began >= 0.05
        assert seen.states == ["up", "down"]


async def test_starts_without_a_server(tmp_path: Path) -> None:
    server = ValkeyServer(tmp_path)
    try:
        async with _opened(server.url) as (store, seen):
            assert not store.up
            await server.start()
            await seen.until("up", "down", "up")
            assert await _added(store) == 1
    finally:
        server.stop()


async def _evals(witness: Valkey) -> int:
    """Return how many scripts the server has been sent, by the probe among others."""
    calls: int = (await witness.info("commandstats"))["cmdstat_eval"]["calls"]
    return calls


async def test_a_server_that_takes_no_writes_is_down(tmp_path: Path) -> None:
    """As a replica is, or a full server: it would answer a PING."""
    async with (
        valkey_server(tmp_path) as server,
        _opened(server.url) as (store, seen),
        # The store abandons what its own connection is asked when a probe fails.
        Valkey(port=server.port) as witness,
    ):
        await witness.replicaof("127.0.0.1", "1")
        with pytest.raises(StoreDownError):
            await _added(store)
        asked = await _evals(witness)
        async with asyncio.timeout(15):
            while await _evals(witness) < asked + 2:  # noqa: ASYNC110 - the server tells nobody
                await asyncio.sleep(0.01)
        assert seen.states == ["up", "down"]
        await witness.replicaof("NO", "ONE")
        await seen.until("up", "down", "up")
        assert await _added(store) == 1


@pytest.mark.parametrize("user", ["", "wrong-user"])
async def test_a_wrong_password_is_down_and_never_shown(tmp_path: Path, user: str) -> None:
    async with valkey_server(tmp_path, "--requirepass", "right") as server:
        with structlog.testing.capture_logs() as lines:
            async with _opened(f"valkey://{user}:s3cret@127.0.0.1:{server.port}") as (store, _):
                assert not store.up
                assert "s3cret" not in repr(store.client)
        assert [(line["event"], line["reason"]) for line in lines] == [
            ("limits_store_down", "authentication")
        ]
        assert "s3cret" not in str(lines)
        async with _opened(f"valkey://:right@127.0.0.1:{server.port}/1") as (store, _):
            assert await _added(store) == 1


async def test_verifies_the_certificate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    certificate = certificate_for("localhost", tmp_path / "both.pem")
    server = ValkeyServer(tmp_path)
    files = ["--tls-cert-file", str(certificate), "--tls-key-file", str(certificate)]
    server._arguments = ["--port", "0", "--tls-port", str(server.port), "--tls-auth-clients", "no", *files]
    server._arguments += ["--tls-ca-cert-file", str(certificate)]
    try:
        await server.start()
        async with _opened(f"valkeys://localhost:{server.port}") as (store, _):
            assert not store.up
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        async with _opened(f"valkeys://127.0.0.1:{server.port}") as (store, _):
            assert not store.up
        async with _opened(f"rediss://localhost:{server.port}") as (store, _):
            assert await _added(store) == 1
    finally:
        server.stop()

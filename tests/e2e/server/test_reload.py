"""SIGHUP: settings are read again while the service runs, by all workers or none."""

import asyncio
import json
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.support.processes import DEADLINE, Program, program
from tests.support.servers import free_port
from tests.support.service import JWT_SECRET, token_for

from uploadsvc.domain.errors import UploadsvcError
from uploadsvc.tokens.jwts import UPLOAD, ServiceTokens

OLD = "the secret key before the rotation, of 32 bytes or more"
NEW = "the secret key after the rotation, of 32 bytes or more"
CLIENTS = 4


class Service:
    """The service with its secret keys in a file, and clients that use what other workers sign.

    Args:
        url: Its address.
        keys: The file.
        running: The process.
    """

    def __init__(self, url: str, keys: Path, running: Program) -> None:
        self.url = url
        self.keys = keys
        self.running = running
        self.calls = 0
        self.failures: list[str] = []

    def write(self, content: str) -> None:
        """Replace the file, as Kubernetes does."""
        new = self.keys.with_suffix(".new")
        new.write_text(content)
        new.replace(self.keys)

    async def reload(self, event: str) -> dict[str, Any]:
        """Send the signal, and return the line that the service then logs."""

        def told() -> list[str]:
            return [line for line in self.running.lines if event in line]

        before = len(told())
        self.running.process.send_signal(signal.SIGHUP)
        await self.running.until(lambda: len(told()) > before)
        found: dict[str, str] = json.loads(told()[-1])
        return found

    async def call(self, path: str, token: str, body: dict[str, object]) -> httpx.Response:
        """Send a request on a connection of its own, which any worker may accept."""
        async with httpx.AsyncClient(base_url=self.url, trust_env=False, timeout=DEADLINE) as client:
            return await client.post(path, json=body, headers={"Authorization": f"Bearer {token}"})

    async def token(self) -> str:
        """Return an upload token, signed with the first key."""
        minted = await self.call("/v1/tokens", token_for("ann"), {})
        assert minted.status_code == 201, minted.text
        return str(minted.json()["token"])

    async def signers(self) -> set[str]:
        """Return the keys that sign now, asked of many connections."""
        tokens = await asyncio.gather(*(self.token() for _ in range(16)))
        return {key for key in (OLD, NEW) for token in tokens if signed_with(key, token)}

    @asynccontextmanager
    async def under_load(self) -> AsyncIterator[None]:
        """Mint tokens, and use each at once; collect what fails."""
        stopped = asyncio.Event()

        async def work() -> None:
            while not stopped.is_set():
                made = await self.call("/v1/uploads", await self.token(), {"filename": "a.txt", "size": 1})
                self.calls += 1
                if made.status_code != 201:
                    self.failures.append(f"{made.status_code} {made.text}")

        async with asyncio.TaskGroup() as group:
            for _ in range(CLIENTS):
                group.create_task(work())
            await self.running.until(lambda: self.calls > CLIENTS)
            yield
            after = self.calls
            await self.running.until(lambda: self.calls > after + CLIENTS)
            stopped.set()


def signed_with(key: str, token: str) -> bool:
    """Tell whether an upload token is signed with a secret key."""
    tokens = ServiceTokens([key.encode()], kind=UPLOAD, clock=lambda: datetime.now(UTC))
    try:
        tokens.verify(token)
    except UploadsvcError:
        return False
    return True


@asynccontextmanager
async def serving(directory: Path, workers: int, **more: str) -> AsyncIterator[Service]:
    """Run the service."""
    keys, port = directory / "keys", free_port()
    keys.write_text(json.dumps([OLD]))
    environment = {
        "UPLOADSVC_SECRET_KEYS_FILE": str(keys),
        "UPLOADSVC_S3__BUCKET": "bucket",
        "UPLOADSVC_S3__ENDPOINT_URL": f"http://127.0.0.1:{free_port()}",
        "UPLOADSVC_S3__ACCESS_KEY_ID": "id",
        "UPLOADSVC_S3__SECRET_ACCESS_KEY": "secret",
        "UPLOADSVC_AUTH__JWT__SECRET": JWT_SECRET,
        **more,
    }
    arguments = ("serve", "--port", str(port), "--workers", str(workers))
    async with program(*arguments, directory=directory, environment=environment) as running:
        url = f"http://127.0.0.1:{port}"
        await running.answers(f"{url}/healthz")
        yield Service(url, keys, running)
        assert await running.ended(signal.SIGTERM, seconds=DEADLINE) == 0
        assert "Traceback" not in running.err


@pytest.mark.parametrize("workers", [1, 2])
async def test_keys_are_rotated_under_load(tmp_path: Path, workers: int) -> None:
    """No request fails, whichever workers sign and verify; the old key is good until it is removed."""
    async with serving(tmp_path, workers) as service:
        before = await service.token()
        assert await service.signers() == {OLD}
        async with service.under_load():
            service.write(json.dumps([NEW, OLD]))
            line = await service.reload("settings_reloaded")
            assert line["workers"] == workers
        assert not service.failures
        assert await service.signers() == {NEW}
        body = {"filename": "a.txt", "size": 1}
        assert (await service.call("/v1/uploads", before, body)).status_code == 201
        service.write(json.dumps([NEW]))
        await service.reload("settings_reloaded")
        refused = await asyncio.gather(*(service.call("/v1/uploads", before, body) for _ in range(8)))
        assert {response.status_code for response in refused} == {401}
        assert await service.signers() == {NEW}


@pytest.mark.parametrize("workers", [1, 2])
async def test_wrong_settings_change_nothing(tmp_path: Path, workers: int) -> None:
    """One line says why, whether the parent or a worker finds the mistake."""
    config = tmp_path / "config.toml"
    config.touch()
    async with serving(tmp_path, workers, UPLOADSVC_CONFIG_FILE=str(config)) as service:
        service.write(json.dumps(["short"]))
        line = await service.reload("settings_not_reloaded")
        assert line["reason"] == (
            f"UPLOADSVC_SECRET_KEYS: has 5 bytes; 32 or more are needed (read from {service.keys})"
        )
        service.write(json.dumps([NEW]))
        config.write_text("[receipts]\nprivate_key = 'no key'\n[metrics]\naddress = '127.0.0.1:1'\n")
        line = await service.reload("settings_not_reloaded")
        assert line["reason"].startswith("UPLOADSVC_RECEIPTS__PRIVATE_KEY: ")
        # It takes a restart, as another line tells.
        await service.running.until(lambda: "UPLOADSVC_METRICS" in service.running.err)
        assert await service.signers() == {OLD}
        config.write_text("")
        await service.reload("settings_reloaded")
        assert await service.signers() == {NEW}

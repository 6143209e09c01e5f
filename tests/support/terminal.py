"""The terminal client as a person runs it, against a service whose S3 is behind a bad line."""

import asyncio
import json
import os
import random
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from itertools import count
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

from tests.support.fault_proxy import FaultProxy, fault_proxy
from tests.support.processes import Program, program
from tests.support.servers import S3Server
from tests.support.service import settings_for, token_for
from tests.support.stories.serving import served

import uploadsvc
from uploadsvc.app import create_app
from uploadsvc.bootstrap.services import Clock, utc_now
from uploadsvc.settings import Settings

MIB: Final = 1024**2
PART_SIZE: Final = 5 * MIB
API_KEY: Final = "the key of a service that uploads, of 32 bytes or more"
POLICIES: Final[dict[str, dict[str, Any]]] = {
    "default": {"part_size": "5MiB", "multipart_threshold": "5MiB"},
    "forms": {"methods": ["post"]},
    "keys": {"client_keys": True, "overwrite": True, "part_size": "5MiB", "multipart_threshold": "5MiB"},
    "paths": {"key": "{uuid}/{path}{filename}", "part_size": "5MiB", "multipart_threshold": "5MiB"},
    "notes": {"metadata": {"note": None}, "content_types": ["text/plain"]},
    "small": {"max_size": "1KiB"},
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """How a command ended: its exit status and what it printed."""

    status: int
    out: str
    err: str

    @property
    def lines(self) -> list[dict[str, Any]]:
        """What it printed as JSON, line by line."""
        return [json.loads(line) for line in self.out.splitlines()]


@dataclass(frozen=True, slots=True, kw_only=True)
class Terminal:
    """Where commands are typed.

    Attributes:
        url: Of the service.
        server: The S3 behind it.
        proxy: What stands before that S3, for whoever sends bytes.
        line: What stands before the service.
        directory: The user's home, and where the files are.
        user: Who types; of whom the bucket holds nothing.
    """

    url: str
    server: S3Server
    proxy: FaultProxy
    line: FaultProxy
    directory: Path
    user: str = field(default_factory=lambda: f"user-{uuid4().hex}")
    _turns: "count[int]" = field(default_factory=count)

    @property
    def token(self) -> str:
        """Speaks for the user."""
        return token_for(self.user)

    @property
    def environment(self) -> dict[str, str]:
        """Variables of the user."""
        return {
            "UPLOADSVC_URL": self.url,
            "UPLOADSVC_TOKEN": self.token,
            "NO_PROXY": "127.0.0.1",
            "HOME": str(self.directory),
        }

    @property
    def states(self) -> Path:
        """Where the states of uploads are."""
        return self.directory / ".local" / "state" / "uploadsvc" / "uploads"

    def file(self, size: int, name: str = "film.mp4") -> Path:
        """Make a file of so many bytes, none of whose parts is like another."""
        path = self.directory / name
        path.write_bytes(random.Random(os.fsencode(name)).randbytes(size))  # noqa: S311 - only to tell parts apart
        return path

    @asynccontextmanager
    async def started(
        self, *arguments: object, command: str = "upload", **variables: str
    ) -> AsyncIterator[Program]:
        """Start a command with these arguments; ``variables`` are added to its environment."""
        directory = self.directory / f"turn-{next(self._turns)}"
        directory.mkdir()
        environment = {**self.environment, **variables}
        async with program(
            command, *map(str, arguments), directory=directory, environment=environment
        ) as running:
            yield running

    async def run(self, *arguments: object, command: str = "upload", **variables: str) -> Result:
        """Run a command to its end."""
        async with self.started(*arguments, command=command, **variables) as running:
            return await self.ended(running)

    async def piped(self, content: bytes, *arguments: object) -> tuple[int, bytes, str]:
        """Run ``uploadsvc`` with these bytes on standard input; return status, output and errors."""
        done = await asyncio.to_thread(
            subprocess.run,
            [sys.executable, "-m", "uploadsvc", *map(str, arguments)],
            input=content,
            capture_output=True,
            cwd=self.directory,
            env={
                "PATH": os.environ["PATH"],
                "PYTHONPATH": str(Path(uploadsvc.__file__).parents[1]),
                **self.environment,
            },
            check=False,
        )
        return done.returncode, done.stdout, done.stderr.decode()

    async def ended(self, running: Program, signal_number: int | None = None) -> Result:
        """Send a signal, if any, and wait for the end."""
        status = await running.ended(signal_number, seconds=60)
        assert "Traceback" not in running.err, running.err
        return Result(status=status, out=running.out, err=running.err)

    async def content(self, key: str) -> bytes:
        """Ask S3 itself what is stored under a key."""
        async with self.server.client() as witness:
            found = await witness.get_object(Bucket=self.server.bucket, Key=key)
            return await found["Body"].read()

    async def unfinished(self) -> int:
        """Ask S3 itself how many multipart uploads of the user are left over."""
        async with self.server.client() as witness:
            prefix = f"uploads/{self.user}/"
            found = await witness.list_multipart_uploads(Bucket=self.server.bucket, Prefix=prefix)
            return sum(upload["Key"].startswith(prefix) for upload in found.get("Uploads", ()))

    async def stored(self) -> list[str]:
        """Ask S3 itself for the keys of the user."""
        async with self.server.client() as witness:
            found = await witness.list_objects_v2(Bucket=self.server.bucket, Prefix=f"uploads/{self.user}/")
            return [one["Key"] for one in found.get("Contents", ())]


@asynccontextmanager
async def terminal(
    server: S3Server,
    directory: Path,
    *,
    clock: Clock = utc_now,
    delete: bool = True,
    **policies: Mapping[str, Any],
) -> AsyncIterator[Terminal]:
    """Run the service and the bad lines to it and to its S3."""
    async with fault_proxy(server.endpoint_url) as proxy:
        keys = [{"name": "second", "sha256": sha256(API_KEY.encode()).hexdigest(), "all_users": True}]
        settings = settings_for(
            server,
            s3={"public_endpoint_url": proxy.url},
            auth={"api_keys": keys},
            policies={**POLICIES, **policies},
            objects={"delete": delete},
        )
        app = create_app(Settings.model_validate(settings), clock=clock)
        async with served(app) as origin, fault_proxy(origin) as line:
            yield Terminal(url=line.url, server=server, proxy=proxy, line=line, directory=directory)


async def all_over(proxy: FaultProxy) -> None:
    """Wait until no request is under way."""
    async with asyncio.timeout(30):
        await proxy.until(lambda: all(one.over for one in proxy.exchanges))

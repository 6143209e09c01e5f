"""``uploadsvc serve`` as an operator runs it for other services, with a private key for receipts."""

import json
import signal
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

from tests.support.processes import Program, environment_for, program
from tests.support.receipt_keys import ED25519, private_pem
from tests.support.servers import S3Server, free_port

API_KEY: Final = "the second service's key, of 32 bytes or more"


@dataclass(frozen=True, slots=True, kw_only=True)
class Operated:
    """A running service.

    Attributes:
        base_url: Where it is.
        environment: What it was started with.
        program: Its process.
    """

    base_url: str
    environment: Mapping[str, str]
    program: Program


def environment(server: S3Server) -> dict[str, str]:
    """Return variables that let one service call, by its key, and nobody else."""
    variables = environment_for(
        server,
        UPLOADSVC_S3__PROVIDER=server.name,
        UPLOADSVC_AUTH__API_KEYS=json.dumps(
            [{"name": "second", "sha256": sha256(API_KEY.encode()).hexdigest()}]
        ),
        UPLOADSVC_RECEIPTS__PRIVATE_KEY=private_pem(ED25519),
    )
    del variables["UPLOADSVC_AUTH__JWT__SECRET"]
    return variables


@asynccontextmanager
async def operated(
    directory: Path, variables: Mapping[str, str], port: int | None = None
) -> AsyncIterator[Operated]:
    """Start the service, and stop it as an operator does.

    Args:
        directory: Where its logs go.
        variables: Its environment.
        port: Where it listens; a free one by default.
    """
    port = port or free_port()
    base_url = f"http://127.0.0.1:{port}"
    async with program("serve", "--port", str(port), directory=directory, environment=variables) as running:
        await running.answers(f"{base_url}/readyz")
        yield Operated(base_url=base_url, environment=variables, program=running)
        assert await running.ended(signal.SIGTERM) == 0


async def printed_keys(directory: Path, variables: Mapping[str, str]) -> dict[str, Any]:
    """Return what ``uploadsvc receipt-key`` prints, for an operator to hand to a backend."""
    async with program("receipt-key", directory=directory, environment=variables) as running:
        assert await running.ended() == 0, running.err
        found: dict[str, Any] = json.loads(running.out)
        return found

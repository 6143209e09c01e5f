"""Servers under test: each is a process on its own core and a free port of 127.0.0.1."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import uploadsvc
from benchmarks.machine import SERVER, on
from uploadsvc.domain.credentials import Credentials

BUCKET: Final = "bench"
REGION: Final = "us-east-1"
KEY: Final = Credentials(access_key_id="AKIABENCH0000000000", secret_access_key="s" * 40)
SECRET: Final = "the benchmark's own secret, of 32 bytes or more"  # noqa: S105 - made up

_ROOT: Final = Path(__file__).parents[1]
_START_SECONDS: Final = 60.0
_STOP_SECONDS: Final = 30.0

Environment = Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """A running server.

    Attributes:
        port: Its port on 127.0.0.1.
        pid: Process id.
        log: File with its output.
    """

    port: int
    pid: int
    log: Path

    @property
    def url(self) -> str:
        """Its origin."""
        return f"http://127.0.0.1:{self.port}"


def free_port() -> int:
    """Return a free port on 127.0.0.1."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def running(
    name: str,
    command: Sequence[str],
    environment: Environment,
    *,
    directory: Path,
    port: int,
    cores: frozenset[int] = SERVER,
) -> Iterator[Server]:
    """Run a server until the end of the block.

    Args:
        name: Name of its log.
        command: Command that starts it.
        environment: Environment variables besides PATH, HOME and PYTHONPATH.
        directory: Directory of the log.
        port: Port to listen on.
        cores: Cores to run on.

    Raises:
        SystemExit: It does not start; the message is its log.
    """
    log = directory / f"{name}.log"
    sources = os.pathsep.join([str(Path(uploadsvc.__file__).parents[1]), str(_ROOT)])
    every = {"PATH": os.environ["PATH"], "HOME": str(directory), "PYTHONPATH": sources}
    # Appended to, so that it can be emptied while it is written.
    with log.open("ab") as output, on(cores):
        process = subprocess.Popen(  # noqa: S603 - our own
            command,
            cwd=_ROOT,
            env={**every, **environment},
            stdout=output,
            stderr=output,
            # The node that PyPI has is a script that starts Node.js; both must end.
            start_new_session=True,
        )
    try:
        _wait(process, port, log)
        yield Server(port=port, pid=process.pid, log=log)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        process.wait(_STOP_SECONDS)


def _wait(process: "subprocess.Popen[bytes]", port: int, log: Path) -> None:
    ends = time.monotonic() + _START_SECONDS
    while process.poll() is None and time.monotonic() < ends:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    message = f"{log.stem} does not start:\n{log.read_text()}"
    raise SystemExit(message)


@contextmanager
def service(
    name: str,
    environment: Environment,
    *,
    directory: Path,
    workers: int = 1,
    cores: frozenset[int] = SERVER,
) -> Iterator[Server]:
    """Run ``uploadsvc serve``."""
    port = free_port()
    command = [sys.executable, "-m", "uploadsvc", "serve", "--port", str(port), "--workers", str(workers)]
    with running(name, command, environment, directory=directory, port=port, cores=cores) as server:
        yield server


@contextmanager
def python_peer(module: str, environment: Environment, *, directory: Path) -> Iterator[Server]:
    """Run the app of a module in ``benchmarks.peers`` as its users do, but without an access log."""
    port = free_port()
    command = [sys.executable, "-m", "uvicorn", f"benchmarks.peers.{module}:app", "--no-access-log"]
    command += ["--port", str(port)]
    with running(module, command, environment, directory=directory, port=port) as server:
        yield server


@contextmanager
def node_peer(script: str, environment: Environment, *, directory: Path) -> Iterator[Server]:
    """Run a script in ``benchmarks/peers`` with the Node.js of the PATH."""
    port = free_port()
    command = ["node", str(_ROOT / "benchmarks" / "peers" / f"{script}.js")]
    variables = {"NODE_ENV": "production", "PORT": str(port), **environment}
    with running(script, command, variables, directory=directory, port=port) as server:
        yield server


def s3_settings(endpoint_url: str) -> dict[str, str]:
    """Return the variables for uploadsvc to reach an embedded S3."""
    return {
        "UPLOADSVC_SECRET_KEY": SECRET,
        "UPLOADSVC_S3__BUCKET": BUCKET,
        "UPLOADSVC_S3__REGION": REGION,
        "UPLOADSVC_S3__ENDPOINT_URL": endpoint_url,
        "UPLOADSVC_S3__PROVIDER": "seaweedfs",
        "UPLOADSVC_S3__ACCESS_KEY_ID": KEY.access_key_id,
        "UPLOADSVC_S3__SECRET_ACCESS_KEY": KEY.secret_access_key,
    }

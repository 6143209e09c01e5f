"""LocalStack, run from its own environment."""

import asyncio
import os
import signal
import subprocess
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Final

import httpx
from tests.support.servers import ROOT, TEST_KEY, S3Server, free_port, server_at

LOCALSTACK_PYTHON: Final = ROOT / ".venv-localstack" / "bin" / "python"
_TIMEOUT: Final = 120.0


@asynccontextmanager
async def localstack_server(directory: Path) -> AsyncIterator[S3Server]:
    """Run LocalStack from its own environment; it writes into a directory, and nowhere else.

    Raises:
        RuntimeError: It ended or did not answer in time; the message has the end of its log.
    """
    port = free_port()
    endpoint_url = f"http://127.0.0.1:{port}"
    log_path = directory / "localstack.log"
    with _localstack_process(directory, port=port, log_path=log_path) as process:
        await _answers(f"{endpoint_url}/_localstack/health", process, log_path)
        server = server_at("localstack", endpoint_url, TEST_KEY, strict=False)
        await server.create_bucket(server.bucket)
        yield server


@contextmanager
def _localstack_process(directory: Path, *, port: int, log_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    with log_path.open("wb") as log:
        process = subprocess.Popen(  # noqa: S603 - our own program and arguments
            [str(LOCALSTACK_PYTHON), "-m", "localstack.runtime.main"],
            cwd=directory,
            env={
                "PATH": os.environ["PATH"],
                "HOME": str(directory),
                "TMPDIR": str(directory),
                "FILESYSTEM_ROOT": str(directory / "root"),
                # In a container it would take itself for its own image, and write to /var/lib.
                "OVERRIDE_IN_DOCKER": "0",
                "GATEWAY_LISTEN": f"127.0.0.1:{port}",
                "DNS_ADDRESS": "0",
                "SERVICES": "s3,sts,sqs,sns",
                # The older one needs moto.
                "PROVIDER_OVERRIDE_SNS": "v2",
                "STRICT_SERVICE_LOADING": "1",
                "DISABLE_EVENTS": "1",
                "SKIP_SSL_CERT_DOWNLOAD": "1",
                # Left out, it takes a presigned URL with any signature.
                "S3_SKIP_SIGNATURE_VALIDATION": "0",
            },
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


async def _answers(url: str, process: subprocess.Popen[bytes], log_path: Path) -> None:
    deadline = time.monotonic() + _TIMEOUT
    async with httpx.AsyncClient(trust_env=False) as client:
        while process.poll() is None and time.monotonic() < deadline:
            try:
                if (await client.get(url)).is_success:
                    return
            except httpx.TransportError:
                await asyncio.sleep(0.1)
    raise RuntimeError(_failure(process, log_path))


def _failure(process: subprocess.Popen[bytes], log_path: Path) -> str:
    return f"LocalStack did not start (status {process.poll()}):\n{log_path.read_text()[-2000:]}"

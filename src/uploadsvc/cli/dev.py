"""``uploadsvc dev``: the service in demo mode, with an embedded S3 as its child process."""

import asyncio
import secrets
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from uploadsvc.app import create_app
from uploadsvc.bootstrap.bucket import prepare_bucket
from uploadsvc.cli.messages import say, stop
from uploadsvc.dev.seaweedfs import SeaweedFS, SeaweedFSError, run_seaweedfs
from uploadsvc.dev.state import DevKeys, load_keys
from uploadsvc.dev.weed import Push
from uploadsvc.domain.credentials import Credentials
from uploadsvc.provisioning.models import ProvisioningError
from uploadsvc.server.listener import bind
from uploadsvc.server.logging import configure_logs
from uploadsvc.server.runner import serve
from uploadsvc.settings import Settings, load_settings

BUCKET = "uploadsvc-dev"
HTTP_PORT = 80
REGION = "us-east-1"
LOCALSTACK = Credentials(access_key_id="test", secret_access_key="test")  # noqa: S106 - LocalStack's own, public


def run_demo(*, host: str, port: int, s3_endpoint: str | None, directory: Path) -> None:
    """Run the service with its embedded S3 until SIGINT or SIGTERM. Same arguments as `develop`.

    Raises:
        SettingsError: The environment has invalid settings.
        BindError: The address is in use.
        SystemExit: The embedded S3 does not start, exits, or cannot be set up.
    """
    configure_logs(terminal=True)
    try:
        asyncio.run(develop(host=host, port=port, s3_endpoint=s3_endpoint, directory=directory))
    except asyncio.CancelledError:
        pass
    except (SeaweedFSError, ProvisioningError, OSError) as error:
        raise stop(str(error)) from None
    say("stopped")


async def develop(*, host: str, port: int, s3_endpoint: str | None, directory: Path) -> None:
    """Run until SIGINT or SIGTERM, which may arrive during the start.

    Args:
        host: Address to listen on.
        port: Port to listen on.
        s3_endpoint: Running S3 to use instead of the embedded one.
        directory: Directory for keys and objects.

    Raises:
        SettingsError: The environment has invalid settings.
        BindError: The address is in use.
        SeaweedFSError: The embedded S3 does not start, or exits.
        ProvisioningError: Bucket or CORS cannot be set up.
    """
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, task.cancel if task else sys.exit)
    listener = bind(host, port)
    try:
        keys = load_keys(directory)
        # Before anything is started, so the endpoint of an embedded S3 is not known yet.
        provider = "seaweedfs" if s3_endpoint is None else "generic"
        known = _settings(s3_endpoint or "http://127.0.0.1", keys, keys.credentials, provider=provider)
        known.check_demo_address(host)
        if s3_endpoint is not None:
            settings = _settings(s3_endpoint, keys, LOCALSTACK, provider="generic")
            await _run(settings, listener, host, port)
            return
        print("Starting the embedded S3 ...", file=sys.stderr)  # noqa: T201 - a person waits
        push = Push(
            url=f"{page_origin(_reachable(host, '127.0.0.1'), port)}/events/s3",
            secret=secrets.token_urlsafe(32),
            below=f"{BUCKET}/{known.key_prefix}/",
        )
        s3 = run_seaweedfs(directory=directory / "s3", credentials=keys.credentials, push=push)
        async with s3 as weed:
            settings = _settings(
                weed.endpoint_url, keys, keys.credentials, provider="seaweedfs", push_secret=push.secret
            )
            async with _watched(weed):
                await _run(settings, listener, host, port)
    finally:
        listener.close()


def _reachable(host: str, own: str) -> str:
    """Return the host, or ``own`` if it stands for all addresses, which browsers cannot open."""
    return own if host in {"0.0.0.0", "::"} else host  # noqa: S104 - nothing listens here


def _settings(
    endpoint_url: str,
    keys: DevKeys,
    credentials: Credentials,
    *,
    provider: str,
    push_secret: str | None = None,
) -> Settings:
    embedded = provider == "seaweedfs"
    s3: dict[str, Any] = {
        "bucket": BUCKET,
        "region": REGION,
        "access_key_id": credentials.access_key_id,
        "secret_access_key": credentials.secret_access_key,
        "provider": provider,
        "addressing_style": "path",
    }
    address = {"endpoint_url": endpoint_url, "public_endpoint_url": None}
    defaults = {"secret_key": keys.secret_key, "objects": {"delete": True}, "s3": {} if embedded else s3}
    overrides: dict[str, Any] = {"demo": True, "s3": {**s3, **address} if embedded else address}
    if push_secret is not None:
        overrides["events"] = {"push_secret": push_secret}
    settings = load_settings(overrides, defaults)
    if settings.receipts.private_key or settings.receipts.secret:
        return settings
    # The demo page checks receipts, and for that needs a key that is published.
    return load_settings(overrides, {**defaults, "receipts": {"private_key": keys.receipt_key}})


async def _run(settings: Settings, listener: Any, host: str, port: int) -> None:  # noqa: ANN401 - a socket
    names = dict.fromkeys([_reachable(host, "localhost"), "127.0.0.1", "localhost", *settings.demo_hosts])
    pages = [page_origin(name, port) for name in names]
    origins = [*pages, *settings.cors.allow_origins]
    await prepare_bucket(settings, origins=origins)
    app = create_app(settings)
    token = app.state.demo.token("alice")
    base = pages[0]

    def started() -> None:
        print(_banner(base, token, str(settings.s3.endpoint_url), settings.s3.bucket), flush=True)  # noqa: T201 - a person reads

    await serve(app, listener, on_started=started, announces=False)


def page_origin(host: str, port: int) -> str:
    """Return the origin of a page, as browsers send it: without the default port."""
    name = f"[{host}]" if ":" in host else host
    return f"http://{name}" if port == HTTP_PORT else f"http://{name}:{port}"


@asynccontextmanager
async def _watched(weed: SeaweedFS) -> AsyncIterator[None]:
    """Stop the service if the embedded S3 exits.

    Raises:
        SeaweedFSError: It has exited.
    """
    status: int | None = None

    async def watch() -> None:
        nonlocal status
        status = await weed.wait()
        # As Ctrl-C would: running requests and the lifespan end properly.
        signal.raise_signal(signal.SIGTERM)

    watcher = asyncio.create_task(watch())
    try:
        yield
    except asyncio.CancelledError:
        # During the start.
        if status is None:
            raise
    finally:
        watcher.cancel()
    if status is not None:
        message = f"the embedded S3 has ended (status {status}); see {weed.log_path}"
        raise SeaweedFSError(message)


def _banner(base: str, token: str, endpoint: str, bucket: str) -> str:
    ask = f"curl -s '{base}/uploads?filename=README.md' -H 'Authorization: Bearer {token}'"
    return f"""
  uploadsvc is running in demo mode. Never use it in production.

  Demo page   {base}/
  API docs    {base}/docs
  S3          {endpoint} (bucket {bucket})

  In another terminal, upload README.md as alice:

  curl -sS -w 'HTTP %{{http_code}}\\n' -T README.md "$({ask} | cut -d'"' -f4)"

  Ctrl-C ends it.
"""

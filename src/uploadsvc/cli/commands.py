"""The commands of ``uploadsvc``, and the app of its worker processes."""

import asyncio
import functools
import json
import re
import signal
import sys
from pathlib import Path
from typing import Annotated

import typer
from fastapi import FastAPI

from uploadsvc.app import create_app
from uploadsvc.bootstrap.bucket import prepare_bucket
from uploadsvc.bootstrap.secrets import build_receipts, secret_keys
from uploadsvc.cli import bucket as bucket_commands
from uploadsvc.cli.doctor import doctor
from uploadsvc.provisioning.models import ProvisioningError
from uploadsvc.server import runner
from uploadsvc.server.listener import BindError, bind
from uploadsvc.server.logging import configure_logs
from uploadsvc.server.workers import Workers
from uploadsvc.settings import Settings, SettingsError, load_settings
from uploadsvc.tokens.receipts import TYP

app = typer.Typer(
    help="Issue presigned S3 uploads under per-user key prefixes.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

app.add_typer(bucket_commands.app, name="bucket")
app.command()(bucket_commands.iam_policy)
app.command()(doctor)

Host = Annotated[str, typer.Option(help="Address to listen on.")]
Port = Annotated[int, typer.Option(min=1, max=65535, help="Port to listen on.")]


def _check_root_path(path: str) -> str:
    if not re.fullmatch(r"(/[A-Za-z0-9._~-]+)*", path):
        message = "must be a path such as /files, without a slash at its end"
        raise typer.BadParameter(message)
    return path


RootPath = Annotated[
    str,
    typer.Option(metavar="PATH", callback=_check_root_path, help="Path that a proxy strips, such as /files."),
]


@app.command()
def serve(
    host: Host = "127.0.0.1",
    port: Port = 8000,
    workers: Annotated[int, typer.Option(min=1, max=256, help="Processes.", envvar="WEB_CONCURRENCY")] = 1,
    root_path: RootPath = "",
) -> None:
    """Run the service with the UPLOADSVC_... settings."""
    for number in (signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2):
        # Other services reload or reopen their logs by these. Settings are read once.
        signal.signal(number, signal.SIG_IGN)
    configure_logs(terminal=False, waits=False)
    settings = load_settings()
    settings.check_demo_address(host)
    service = create_app(settings, check_bucket=True)
    listener = bind(host, port)
    if settings.demo:
        asyncio.run(prepare_bucket(settings, origins=settings.cors.allow_origins))
    if workers == 1:
        shown = f"[{host}]" if ":" in host else host

        def started() -> None:
            _say(f"http://{shown}:{port}")

        runner.run(runner.serve(service, listener, on_started=started, root_path=root_path))
        return
    factory = functools.partial(worker_app, settings)
    asyncio.run(Workers(factory, listener, workers, root_path=root_path).run())


@app.command()
def dev(
    host: Host = "127.0.0.1",
    port: Port = 8000,
    s3_endpoint: Annotated[
        str | None, typer.Option(help="Use this running S3 in place of the embedded one.")
    ] = None,
    directory: Annotated[Path, typer.Option(help="Directory for keys and objects.")] = Path(".uploadsvc"),
) -> None:
    """Run the service in demo mode with an embedded S3 and the demo page."""
    try:
        from uploadsvc.cli.dev import DevelopError, develop  # noqa: PLC0415 - needs an extra
    except ModuleNotFoundError as error:
        raise SystemExit(_line(f"{error.name} is missing: pip install 'uploadsvc[dev]'")) from None
    configure_logs(terminal=True)
    try:
        asyncio.run(develop(host=host, port=port, s3_endpoint=s3_endpoint, directory=directory))
    except asyncio.CancelledError:
        pass
    except (*DevelopError, OSError) as error:
        raise SystemExit("\n".join(map(_line, str(error).splitlines()))) from None
    _say("stopped")


@app.command(
    add_help_option=False, context_settings={"allow_extra_args": True, "ignore_unknown_options": True}
)
def upload(context: typer.Context) -> None:
    """Upload files to an uploadsvc. Repeat the command to resume."""
    from uploadsvc.client.command import run  # noqa: PLC0415 - not needed by the service

    run(context.args)


@app.command()
def openapi() -> None:
    """Print the OpenAPI document, which does not depend on the settings."""
    keys = {"access_key_id": "-", "secret_access_key": "-"}
    s3 = {"bucket": "example-bucket", "region": "eu-central-1", **keys}
    example = Settings.model_validate({"secret_key": "-" * 32, "s3": s3, "demo": True})
    sys.stdout.write(json.dumps(create_app(example).openapi(), indent=2, ensure_ascii=False) + "\n")


@app.command()
def receipt_key(
    *,
    pem: Annotated[bool, typer.Option("--pem", help="Print public keys as PEM, not as a JWK Set.")] = False,
) -> None:
    """Print the keys with which backends verify receipts. Without a private key they are secret."""
    settings = load_settings()
    # With its own receipt key, the command needs no secret key.
    own = settings.receipts.private_key or settings.receipts.secret
    receipts = build_receipts(settings, settings.secrets if own else secret_keys(settings))
    public = receipts.public_keys
    if pem and not public:
        message = "receipts are signed with a secret, which has no PEM; see UPLOADSVC_RECEIPTS__PRIVATE_KEY"
        raise SystemExit(_line(message))
    what = "public keys" if public else "SECRET keys: they also sign, so keep them like passwords"
    _say(f"{what}; verify typ {TYP!r}, iss {receipts.issuer!r}, aud {receipts.audience!r} and exp")
    key_set = {"keys": [key.jwk() for key in receipts.keys]}
    sys.stdout.write("".join(key.pem() for key in public) if pem else json.dumps(key_set, indent=2) + "\n")


def worker_app(settings: Settings) -> FastAPI:
    """Return the app of a worker process. All workers have the same settings, whenever they start."""
    configure_logs(terminal=False, waits=False)
    return create_app(settings, check_bucket=True)


def run() -> None:
    """Run a command. Each mistake in the settings is reported in one line.

    Raises:
        SystemExit: Always, with the command's status or these lines.
    """
    try:
        app()
    except (SettingsError, BindError, ProvisioningError) as error:
        raise SystemExit("\n".join(map(_line, str(error).splitlines()))) from None


def _line(message: str) -> str:
    return f"uploadsvc: {message}"


def _say(message: str) -> None:
    typer.echo(_line(message), err=True)

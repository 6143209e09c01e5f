"""The commands of ``uploadsvc`` and their options.

Each command does its imports when it runs, so that help does not load the service.
"""
# ruff: noqa: PLC0415 - see above

import errno
import re
import sys
from pathlib import Path
from typing import Annotated, Final, get_args

import typer

from uploadsvc.cli import objects
from uploadsvc.cli.examples import examples
from uploadsvc.cli.init import EXAMPLES as INIT_EXAMPLES
from uploadsvc.cli.init import init
from uploadsvc.cli.messages import cannot_write, stop
from uploadsvc.cli.upload import EXAMPLES as UPLOAD_EXAMPLES
from uploadsvc.cli.upload import upload
from uploadsvc.provisioning.models import Holder, Rule

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
_bucket = typer.Typer(
    help="Show or apply the configuration that the bucket needs.",
    no_args_is_help=True,
    epilog=examples("uploadsvc bucket plan", "uploadsvc bucket apply"),
)
app.add_typer(_bucket, name="bucket")
_events = typer.Typer(
    help="Deliver events from the queue that S3 notifies.",
    invoke_without_command=True,
    epilog=examples("uploadsvc events", "uploadsvc events test"),
)
app.add_typer(_events, name="events")

_UNWRITABLE: Final = {errno.EBADF, errno.ENOSPC}
_RULES: Final[tuple[Rule, ...]] = get_args(Rule)


def _check_root_path(path: str) -> str:
    if not re.fullmatch(r"(/[A-Za-z0-9._~-]+)*", path):
        message = "must be a path such as /files, without a trailing slash"
        raise typer.BadParameter(message)
    return path


def _check_rules(names: list[str]) -> list[str]:
    for name in names:
        if name not in _RULES:
            message = f"there is no rule {name!r}; there are {', '.join(_RULES)}"
            raise typer.BadParameter(message)
    return names


def _print_version(given: bool) -> None:  # noqa: FBT001 - typer's way
    if given:
        from importlib.metadata import version

        typer.echo(f"uploadsvc {version('uploadsvc')}")
        raise typer.Exit


_Version = Annotated[
    bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
]
_Host = Annotated[str, typer.Option(help="Address to listen on.")]
_Port = Annotated[int, typer.Option(min=1, max=65535, help="Port to listen on.")]
_Workers = Annotated[int, typer.Option(min=1, max=256, help="Processes.", envvar="WEB_CONCURRENCY")]
_RootPath = Annotated[
    str,
    typer.Option(metavar="PATH", callback=_check_root_path, help="Path that a proxy strips, such as /files."),
]
_S3Endpoint = Annotated[str | None, typer.Option(help="Use this running S3 instead of the embedded one.")]
_Directory = Annotated[Path, typer.Option(help="Directory for keys and objects.")]
_Pem = Annotated[bool, typer.Option("--pem", help="Print public keys as PEM, not as a JWK Set.")]
_User = Annotated[str, typer.Argument(metavar="USER", help="User id, which is in the key prefix.")]
_Policies = Annotated[
    list[str] | None, typer.Option(help="Policy that the token may use; repeatable. Default: all.")
]
_ExpiresIn = Annotated[int, typer.Option(min=1, max=86_400, metavar="SECONDS", help="Lifetime.")]
_Holder = Annotated[Holder, typer.Option("--for", help="What the policy is for.")]
_Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
_SkipRules = Annotated[
    list[str],
    typer.Option(metavar="RULE", callback=_check_rules, help=f"Skip a rule: {', '.join(_RULES)}."),
]
_Yes = Annotated[bool, typer.Option("--yes", help="Also make changes that remove something, without asking.")]
_OneJson = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]
_OnlyChecks = Annotated[
    list[str] | None,
    typer.Option(metavar="CHECK", help="Show only this check or kind of check (cors); repeatable."),
]
_SkipChecks = Annotated[
    list[str] | None,
    typer.Option(metavar="CHECK", help="Skip this check or kind of check; repeatable."),
]
_Strict = Annotated[bool, typer.Option("--strict", help="Treat warnings as failures.")]
_Deliver = Annotated[
    bool, typer.Option("--deliver", help="Send each receiver of events a sample, and time it.")
]
_Store = Annotated[
    bool, typer.Option("--store/--no-store", help="Store canaries for a moment, if they can be deleted.")
]

_CLIENT: Final = "Upload, download and delete"

app.command(epilog=INIT_EXAMPLES)(init)
app.command(rich_help_panel=_CLIENT, epilog=UPLOAD_EXAMPLES)(upload)
app.command(rich_help_panel=_CLIENT, epilog=objects.LS_EXAMPLES)(objects.ls)
app.command(rich_help_panel=_CLIENT, epilog=objects.GET_EXAMPLES)(objects.get)
app.command(rich_help_panel=_CLIENT, epilog=objects.RM_EXAMPLES)(objects.rm)


@app.callback()
def options(*, version: _Version = False) -> None:
    """Issue presigned S3 uploads under per-user key prefixes."""


@app.command(
    epilog=examples(
        "uploadsvc iam-policy > policy.json",
        "uploadsvc iam-policy --for bucket",
    )
)
def iam_policy(*, whom: _Holder = Holder.SERVICE) -> None:
    """Print the least-privilege IAM policy of the service, of `uploadsvc bucket` or `events`, or of a role.

    The service assumes the role to issue S3 credentials.
    """
    from uploadsvc.cli.bucket import print_iam_policy

    print_iam_policy(whom)


@app.command(
    epilog=examples(
        "uploadsvc doctor",
        "uploadsvc doctor --only cors --only endpoint",
        "uploadsvc doctor --strict --json > doctor.json",
    )
)
def doctor(
    *,
    as_json: _OneJson = False,
    only: _OnlyChecks = None,
    skip: _SkipChecks = None,
    strict: _Strict = False,
    store: _Store = True,
    deliver: _Deliver = False,
) -> None:
    """Check bucket, endpoints, CORS and policies with the UPLOADSVC_... settings. Leaves nothing behind.

    Exit status: 0 no failures, 1 a check failed, 2 invalid settings or options.
    """
    from uploadsvc.cli.doctor import examine

    examine(as_json=as_json, only=only or (), skip=skip or (), strict=strict, store=store, deliver=deliver)


@app.command(
    epilog=examples(
        "uploadsvc serve",
        "uploadsvc serve --host 0.0.0.0 --port 8000 --workers 4",
        "uploadsvc serve --root-path /files",
    )
)
def serve(
    host: _Host = "127.0.0.1", port: _Port = 8000, workers: _Workers = 1, root_path: _RootPath = ""
) -> None:
    """Run the service with the UPLOADSVC_... settings."""
    from uploadsvc.cli.serve import run_service

    run_service(host=host, port=port, workers=workers, root_path=root_path)


@app.command(
    epilog=examples(
        "uploadsvc dev",
        "uploadsvc dev --port 8080",
        "uploadsvc dev --s3-endpoint http://127.0.0.1:4566",
    )
)
def dev(
    host: _Host = "127.0.0.1",
    port: _Port = 8000,
    s3_endpoint: _S3Endpoint = None,
    directory: _Directory = Path(".uploadsvc"),
) -> None:
    """Run the service in demo mode with an embedded S3 and the demo page."""
    try:
        from uploadsvc.cli.dev import run_demo
    except ModuleNotFoundError as error:
        message = f"{error.name} is missing: pip install 'uploadsvc[dev]', or in a clone '.[dev]'"
        raise stop(message) from None

    run_demo(host=host, port=port, s3_endpoint=s3_endpoint, directory=directory)


@app.command(
    epilog=examples(
        "uploadsvc openapi > openapi.json",
    )
)
def openapi() -> None:
    """Print the OpenAPI document. It does not depend on the settings."""
    from uploadsvc.cli.documents import print_openapi

    print_openapi()


@app.command(
    epilog=examples(
        "uploadsvc receipt-key > keys.json",
        "uploadsvc receipt-key --pem",
    )
)
def receipt_key(*, pem: _Pem = False) -> None:
    """Print the keys that backends verify receipts with. They are secret unless a private key is set."""
    from uploadsvc.cli.documents import print_receipt_keys

    print_receipt_keys(pem=pem)


@app.command(
    epilog=examples(
        'curl -H "Authorization: Bearer $(uploadsvc token alice)" URL/v1/policies',
        "UPLOADSVC_TOKEN=$(uploadsvc token alice) uploadsvc upload film.mp4",
        "uploadsvc token alice --policy avatars --expires-in 600",
    )
)
def token(user: _User, *, policy: _Policies = None, expires_in: _ExpiresIn = 3600) -> None:
    """Print an upload token for a user, to test without a login."""
    from uploadsvc.cli.documents import print_token

    print_token(user, policies=policy or (), expires_in=expires_in)


@_bucket.command(
    "plan",
    epilog=examples(
        "uploadsvc bucket plan",
        "uploadsvc bucket plan --json --skip lifecycle",
    ),
)
def bucket_plan(*, as_json: _Json = False, skip: _SkipRules = []) -> None:  # noqa: B006 - typer's way; never changed
    """Show the bucket's configuration and the required changes, without making them.

    Exit status: 0 up to date, 2 changes required, 1 a rule cannot be read or conflicts.
    """
    from uploadsvc.cli.bucket import show_plan

    show_plan(skip, as_json=as_json)


@_bucket.command(
    "apply",
    epilog=examples(
        "uploadsvc bucket apply",
        "uploadsvc bucket apply --yes --skip public-access",
    ),
)
def bucket_apply(
    *,
    as_json: _Json = False,
    skip: _SkipRules = [],  # noqa: B006 - typer's way; never changed
    yes: _Yes = False,
) -> None:
    """Apply the changes that `bucket plan` shows. Other rules of the bucket are kept.

    Exit status: 0 up to date, 1 a change failed or was not confirmed.
    """
    from uploadsvc.cli.bucket import apply_plan

    apply_plan(skip, as_json=as_json, yes=yes)


@_events.callback()
def events(context: typer.Context) -> None:
    """Deliver events from the queue that S3 notifies, until SIGTERM or Ctrl-C."""
    if context.invoked_subcommand is None:
        from uploadsvc.cli.events import run_worker

        run_worker()


@_events.command(
    "redrive",
    epilog=examples(
        "uploadsvc events redrive",
    ),
)
def events_redrive() -> None:
    """Move messages from the dead-letter queue back to the queue, to deliver them again."""
    from uploadsvc.cli.events import move_dead_letters

    move_dead_letters()


@_events.command(
    "test",
    epilog=examples(
        "uploadsvc events test",
    ),
)
def events_test() -> None:
    """Send a sample event to every receiver, and show the results.

    Exit status: 0 all accepted it, 1 one did not.
    """
    from uploadsvc.cli.events import test_receivers

    test_receivers()


def run() -> None:
    """Run a command. Reports each mistake in the settings in one line.

    Raises:
        SystemExit: Always, with the command's exit status or these lines.
    """
    try:
        app(prog_name="uploadsvc")
    except Exception as error:
        if isinstance(error, ModuleNotFoundError) and not (error.name or "").startswith("uploadsvc"):
            message = (
                f"this command needs the service ({error.name} is missing): pip install 'uploadsvc[server]'"
            )
            raise stop(message) from None
        if isinstance(error, OSError) and error.filename is None and error.errno in _UNWRITABLE:
            raise stop(cannot_write(error)) from None
        if "uploadsvc.settings" not in sys.modules:
            # A command of the client, which may be installed without the service.
            raise
        from uploadsvc.provisioning.models import ProvisioningError
        from uploadsvc.server.listener import BindError
        from uploadsvc.server.workers import CannotStartError
        from uploadsvc.settings import SettingsError
        from uploadsvc.telemetry.export_settings import TracingError

        known = (SettingsError, TracingError, CannotStartError, BindError, ProvisioningError)
        if isinstance(error, known):
            raise stop(str(error)) from None
        raise

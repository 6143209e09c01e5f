"""``uploadsvc bucket plan``, ``bucket apply`` and ``iam-policy``, for operators of the bucket."""

import asyncio
import json
import sys
from collections.abc import Callable, Collection, Sequence
from dataclasses import asdict
from enum import StrEnum
from typing import Annotated, Final

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from uploadsvc.bootstrap.bucket import access_requirements, bucket_client, bucket_requirements
from uploadsvc.provisioning import iam
from uploadsvc.provisioning.models import AccessRequirements, Rule, State, Step
from uploadsvc.provisioning.plan import CHANGES, PROBLEMS, RULES, apply, plan
from uploadsvc.server.logging import silence_logs
from uploadsvc.settings import Settings, SettingsError, load_settings

app = typer.Typer(help="Show or apply the configuration that the bucket needs.", no_args_is_help=True)

_DONE: Final[frozenset[State]] = frozenset({"made", "changed"})
_STYLES: Final[dict[State, str]] = {
    **dict.fromkeys(CHANGES, "yellow"),
    **dict.fromkeys(PROBLEMS, "bold red"),
    **dict.fromkeys(_DONE, "bold green"),
    "in place": "green",
    "unsupported": "dim",
}
_WIDTH: Final = 160
"""Columns of the output, if it is not a terminal."""


class _For(StrEnum):
    SERVICE = "service"
    BUCKET = "bucket"
    ROLE = "role"


def _check_rules(names: list[str]) -> list[str]:
    for name in names:
        if name not in RULES:
            message = f"there is no rule {name!r}; there are {', '.join(RULES)}"
            raise typer.BadParameter(message)
    return names


_Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
_Skip = Annotated[
    list[str],
    typer.Option(metavar="RULE", callback=_check_rules, help=f"Skip a rule: {', '.join(RULES)}."),
]


_Yes = Annotated[bool, typer.Option("--yes", help="Also make changes that remove something, without asking.")]


def _agree(_: Step) -> bool:
    return True


def _decline(_: Step) -> bool:
    return False


def _ask(step: Step) -> bool:
    _say(f"{step.rule} is: {step.found}")
    _say(f"{step.rule} will be: {step.wanted}")
    return typer.confirm("uploadsvc: this removes something that the bucket has now. Change it?", err=True)


@app.command("plan")
def bucket_plan(*, as_json: _Json = False, skip: _Skip = []) -> None:  # noqa: B006 - typer's way; never changed
    """Show the bucket's configuration and the changes that it needs; change nothing.

    Exit status: 0 all is in place, 2 changes are needed, 1 a rule cannot be read or conflicts.
    """
    settings = load_settings()
    steps = asyncio.run(_plan(settings, _rules(skip)))
    _show(settings, steps, as_json=as_json)
    changes = _count(steps, CHANGES)
    _say(f"{changes} to make: uploadsvc bucket apply" if changes else "nothing to make")
    raise typer.Exit(_status(steps) or (2 if changes else 0))


@app.command("apply")
def bucket_apply(
    *,
    as_json: _Json = False,
    skip: _Skip = [],  # noqa: B006 - typer's way; never changed
    yes: _Yes = False,
) -> None:
    """Apply the changes that `bucket plan` shows. Rules that others have set are kept.

    Exit status: 0 all is in place, 1 a change failed or was not confirmed.
    """
    settings = load_settings()
    confirm = _agree if yes else _ask if sys.stdin.isatty() else _decline
    steps = asyncio.run(_apply(settings, _rules(skip), confirm))
    _show(settings, steps, as_json=as_json)
    _say(f"{done} made" if (done := _count(steps, _DONE)) else "nothing to make")
    raise typer.Exit(_status(steps))


def iam_policy(
    *, whom: Annotated[_For, typer.Option("--for", help="Holder of the policy.")] = _For.SERVICE
) -> None:
    """Print the least-privilege IAM policy of the service, of `uploadsvc bucket`, or of a role.

    The service assumes the role to issue S3 credentials.
    """
    settings = load_settings()
    # Needed in any case: it refuses stores without IAM policies.
    access = access_requirements(settings)
    if whom is _For.SERVICE:
        document = iam.service_policy(access)
    elif whom is _For.ROLE:
        _check_role(access)
        document = iam.role_policy(access)
    else:
        document = iam.provisioner_policy(bucket_requirements(settings))
    sys.stdout.write(json.dumps(document, indent=2) + "\n")


def _check_role(access: AccessRequirements) -> None:
    if not access.sessions:
        raise SettingsError(("uppy", "credentials"), "must be true, or no role is assumed")
    if access.role_arn is None:
        message = "missing; without a role, sessions have the rights of the service's own user"
        raise SettingsError(("uppy", "role_arn"), message)


async def _plan(settings: Settings, rules: Collection[Rule]) -> list[Step]:
    silence_logs()
    async with bucket_client(settings) as client:
        return await plan(client, bucket_requirements(settings), rules=rules)


async def _apply(settings: Settings, rules: Collection[Rule], confirm: Callable[[Step], bool]) -> list[Step]:
    silence_logs()
    async with bucket_client(settings) as client:
        return await apply(client, bucket_requirements(settings), rules=rules, confirm=confirm)


def _rules(skip: Collection[str]) -> list[Rule]:
    return [rule for rule in RULES if rule not in skip]


def _count(steps: Sequence[Step], states: frozenset[State]) -> int:
    return sum(step.state in states for step in steps)


def _status(steps: Sequence[Step]) -> int:
    if unconfirmed := [step.rule for step in steps if step.state == "not confirmed"]:
        _say(f"{', '.join(unconfirmed)}: this removes something that the bucket has now; --yes allows it")
    problems = _count(steps, PROBLEMS)
    if problems:
        _say(f"{problems} to look at, see above")
    return 1 if problems else 0


def _show(settings: Settings, steps: Sequence[Step], *, as_json: bool) -> None:
    if as_json:
        document = {"bucket": settings.s3.bucket, "steps": [asdict(step) for step in steps]}
        sys.stdout.write(json.dumps(document, indent=2) + "\n")
        return
    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=_WIDTH)
    table = Table(box=None, pad_edge=False)
    for name in ("rule", "state", "is (was)", "required"):
        table.add_column(name, overflow="fold")
    for step in steps:
        wanted = "" if step.state == "in place" else step.wanted
        state = Text(step.state, style=_STYLES[step.state])
        table.add_row(Text(step.rule), state, Text(step.found), Text(wanted))
    console.print(table)


def _say(message: str) -> None:
    typer.echo(f"uploadsvc: {message}", err=True)

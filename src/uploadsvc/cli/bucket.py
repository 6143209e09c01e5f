"""``uploadsvc bucket plan``, ``bucket apply`` and ``iam-policy``: for whoever looks after the bucket."""

import asyncio
import json
import sys
from collections.abc import Collection, Sequence
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

app = typer.Typer(help="Show what the bucket needs, and make it so.", no_args_is_help=True)

_DONE: Final[frozenset[State]] = frozenset({"made", "changed"})
_STYLES: Final[dict[State, str]] = {
    **dict.fromkeys(CHANGES, "yellow"),
    **dict.fromkeys(PROBLEMS, "bold red"),
    **dict.fromkeys(_DONE, "bold green"),
    "in place": "green",
    "unsupported": "dim",
}
_WIDTH: Final = 160
"""Columns where nobody's terminal says how many there are."""


class _For(StrEnum):
    SERVICE = "service"
    BUCKET = "bucket"
    ROLE = "role"


def _skipped(names: list[str]) -> list[str]:
    for name in names:
        if name not in RULES:
            message = f"there is no rule {name!r}; there are {', '.join(RULES)}"
            raise typer.BadParameter(message)
    return names


_Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
_Skip = Annotated[
    list[str],
    typer.Option(metavar="RULE", callback=_skipped, help=f"Leave a rule alone: {', '.join(RULES)}."),
]


@app.command("plan")
def bucket_plan(*, as_json: _Json = False, skip: _Skip = []) -> None:  # noqa: B006 - typer's way; never changed
    """Show what is there and what has to be; change nothing.

    Ends with 0 where all is in place, 2 where there is something to make, 1 where something could not be
    read or stands against it.
    """
    settings = load_settings()
    steps = asyncio.run(_planned(settings, _rules(skip)))
    _show(settings, steps, as_json=as_json)
    changes = _count(steps, CHANGES)
    _say(f"{changes} to make: uploadsvc bucket apply" if changes else "nothing to make")
    raise typer.Exit(_status(steps) or (2 if changes else 0))


@app.command("apply")
def bucket_apply(*, as_json: _Json = False, skip: _Skip = []) -> None:  # noqa: B006 - typer's way; never changed
    """Make what is missing, change what differs; what others have set is kept.

    Ends with 0 where all is in place now, 1 where something could not be made.
    """
    settings = load_settings()
    steps = asyncio.run(_applied(settings, _rules(skip)))
    _show(settings, steps, as_json=as_json)
    _say(f"{done} made" if (done := _count(steps, _DONE)) else "nothing to make")
    raise typer.Exit(_status(steps))


def iam_policy(*, whom: Annotated[_For, typer.Option("--for", help="Whose policy.")] = _For.SERVICE) -> None:
    """Print the least IAM policy: of the service, of whoever runs `uploadsvc bucket`, or of a role.

    The role is the one that the service assumes to hand out S3 credentials.
    """
    settings = load_settings()
    # Asked for in any case: it refuses a store without IAM policies.
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


async def _planned(settings: Settings, rules: Collection[Rule]) -> list[Step]:
    silence_logs()
    async with bucket_client(settings) as client:
        return await plan(client, bucket_requirements(settings), rules=rules)


async def _applied(settings: Settings, rules: Collection[Rule]) -> list[Step]:
    silence_logs()
    async with bucket_client(settings) as client:
        return await apply(client, bucket_requirements(settings), rules=rules)


def _rules(skip: Collection[str]) -> list[Rule]:
    return [rule for rule in RULES if rule not in skip]


def _count(steps: Sequence[Step], states: frozenset[State]) -> int:
    return sum(step.state in states for step in steps)


def _status(steps: Sequence[Step]) -> int:
    problems = _count(steps, PROBLEMS)
    if problems:
        _say(f"{problems} that somebody has to look at, see above")
    return 1 if problems else 0


def _show(settings: Settings, steps: Sequence[Step], *, as_json: bool) -> None:
    if as_json:
        listed = {"bucket": settings.s3.bucket, "steps": [asdict(step) for step in steps]}
        sys.stdout.write(json.dumps(listed, indent=2) + "\n")
        return
    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=_WIDTH)
    table = Table(box=None, pad_edge=False)
    for name in ("rule", "state", "is (was)", "has to be"):
        table.add_column(name, overflow="fold")
    for step in steps:
        wanted = "" if step.state == "in place" else step.wanted
        state = Text(step.state, style=_STYLES[step.state])
        table.add_row(Text(step.rule), state, Text(step.found), Text(wanted))
    console.print(table)


def _say(message: str) -> None:
    typer.echo(f"uploadsvc: {message}", err=True)

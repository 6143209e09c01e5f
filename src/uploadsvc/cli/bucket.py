"""``uploadsvc bucket plan``, ``bucket apply`` and ``iam-policy``, for operators of the bucket."""

import asyncio
import json
import sys
from collections.abc import Callable, Collection, Sequence
from dataclasses import asdict
from typing import Final

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from uploadsvc.bootstrap.bucket import access_requirements, bucket_requirements, provisioning_clients
from uploadsvc.cli.messages import say
from uploadsvc.provisioning import iam
from uploadsvc.provisioning.models import AccessRequirements, Holder, Rule, State, Step
from uploadsvc.provisioning.plan import CHANGES, PROBLEMS, RULES, apply, plan
from uploadsvc.server.logging import silence_logs
from uploadsvc.settings import Settings, SettingsError, load_settings

_DONE: Final[frozenset[State]] = frozenset({"made", "changed"})
_STYLES: Final[dict[State, str]] = {
    **dict.fromkeys(CHANGES, "yellow"),
    **dict.fromkeys(PROBLEMS, "bold red"),
    **dict.fromkeys(_DONE, "bold green"),
    "in place": "green",
    "unsupported": "dim",
}
_WIDTH: Final = 160
"""Width of the output if it is not a terminal."""


def _agree(_: Step) -> bool:
    return True


def _decline(_: Step) -> bool:
    return False


def _ask(step: Step) -> bool:
    say(f"{step.rule} is: {step.found}")
    say(f"{step.rule} will be: {step.wanted}")
    return typer.confirm("uploadsvc: this removes something that the bucket has now. Change it?", err=True)


def show_plan(skip: Collection[str], *, as_json: bool) -> None:
    """Show the bucket's configuration and the changes that it needs.

    Raises:
        SettingsError: A setting is wrong.
        Exit: Always, with the status.
    """
    settings = load_settings()
    steps = asyncio.run(_plan(settings, _rules(skip)))
    _show(settings, steps, as_json=as_json)
    changes = _count(steps, CHANGES)
    say(f"{changes} to make: uploadsvc bucket apply" if changes else "nothing to make")
    raise typer.Exit(_status(steps) or (2 if changes else 0))


def apply_plan(skip: Collection[str], *, as_json: bool, yes: bool) -> None:
    """Apply the changes. Asks before those that remove something, unless confirmed in advance.

    Raises:
        SettingsError: A setting is wrong.
        Exit: Always, with the status.
    """
    settings = load_settings()
    terminal = sys.stdin is not None and sys.stdin.isatty()
    confirm = _agree if yes else _ask if terminal else _decline
    steps = asyncio.run(_apply(settings, _rules(skip), confirm))
    _show(settings, steps, as_json=as_json)
    say(f"{done} made" if (done := _count(steps, _DONE)) else "nothing to make")
    raise typer.Exit(_status(steps))


def print_iam_policy(holder: Holder) -> None:
    """Print an IAM policy.

    Raises:
        SettingsError: A setting is wrong, or no such policy is needed.
    """
    settings = load_settings()
    # Called in any case: it rejects stores without IAM policies.
    access = access_requirements(settings)
    if holder is Holder.SERVICE:
        document = iam.service_policy(access)
    elif holder is Holder.ROLE:
        _check_role(access)
        document = iam.role_policy(access)
    elif holder is Holder.EVENTS:
        _check_queue(access)
        document = iam.events_policy(access)
    else:
        document = iam.provisioner_policy(bucket_requirements(settings))
    sys.stdout.write(json.dumps(document, indent=2) + "\n")


def _check_role(access: AccessRequirements) -> None:
    if not access.sessions:
        raise SettingsError(("uppy", "credentials"), "must be true, or no role is assumed")
    if access.role_arn is None:
        message = "missing; without a role, sessions have the rights of the service's own user"
        raise SettingsError(("uppy", "role_arn"), message)


def _check_queue(access: AccessRequirements) -> None:
    if access.queue is None:
        message = "missing; without a queue, the service sends events, and its own policy has the rights"
        raise SettingsError(("events", "queue_url"), message)


async def _plan(settings: Settings, rules: Collection[Rule]) -> list[Step]:
    silence_logs()
    requirements = bucket_requirements(settings)
    async with provisioning_clients(settings) as (client, queues):
        return await plan(client, requirements, rules=rules, queues=queues)


async def _apply(settings: Settings, rules: Collection[Rule], confirm: Callable[[Step], bool]) -> list[Step]:
    silence_logs()
    requirements = bucket_requirements(settings)
    async with provisioning_clients(settings) as (client, queues):
        return await apply(client, requirements, rules=rules, confirm=confirm, queues=queues)


def _rules(skip: Collection[str]) -> list[Rule]:
    return [rule for rule in RULES if rule not in skip]


def _count(steps: Sequence[Step], states: frozenset[State]) -> int:
    return sum(step.state in states for step in steps)


def _status(steps: Sequence[Step]) -> int:
    if unconfirmed := [step.rule for step in steps if step.state == "not confirmed"]:
        say(f"{', '.join(unconfirmed)}: this removes something that the bucket has now; --yes allows it")
    problems = _count(steps, PROBLEMS)
    if problems:
        say(f"{problems} to look at, see above")
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

"""What the pages tell people to type exists: commands of ``uploadsvc``, their options, targets of make."""

import re
import shlex
from collections.abc import Iterator
from typing import Final

import pytest
import typer
from click import Context, Group, UsageError
from tests.support.pages import PAGES, examples, name_of, text_of
from tests.support.servers import ROOT

from uploadsvc.cli.commands import app

_PROGRAM: Final = typer.main.get_command(app)
_CALL: Final = re.compile(
    r"(?:^|[|(;&]|\s(?:&&|do|exec)\s|=\S*\s)\s*(?:\w+=(?:\"[^\"]*\"|\S+)\s+)*uploadsvc\s([^|;&)#>\n]*)"
)
_MAKE: Final = re.compile(r"^\s*make ([a-z][a-z-]*)", re.MULTILINE)


def calls() -> Iterator[tuple[str, str]]:
    """Yield each call in an example, with its page."""
    for page in PAGES:
        for script in examples(page.read_text(encoding="utf-8"), "sh"):
            for line in script.replace("\\\n", " ").splitlines():
                yield from ((name_of(page), call.strip()) for call in _CALL.findall(line))


@pytest.mark.parametrize(("page", "call"), sorted(set(calls())))
def test_a_pages_commands_are_understood(page: str, call: str) -> None:
    """Parsed as the program parses them, and not run."""
    arguments = shlex.split(call)
    command, context = _PROGRAM, Context(_PROGRAM, info_name="uploadsvc")
    try:
        while isinstance(command, Group) and arguments and not arguments[0].startswith("-"):
            name = arguments.pop(0)
            found = command.get_command(context, name)
            assert found is not None, f"{page}: there is no command {name}"
            command = found
            context = Context(command, info_name=name, parent=context)
        # Not resilient: an option that does not exist, or a value that it does not take, is an error.
        command.make_parser(context).parse_args(arguments)
    except UsageError as error:
        pytest.fail(f"{page}: uploadsvc {call}: {error.format_message()}")


def test_the_pages_name_many_commands() -> None:
    """The pattern above finds them."""
    assert len(set(calls())) > 25
    assert ("README.md", "token alice") in set(calls())


def test_targets_of_make_exist() -> None:
    """Those in examples."""
    targets = set(re.findall(r"^([a-z-]+):", text_of("Makefile"), re.MULTILINE))
    for page in PAGES:
        for script in examples(page.read_text(encoding="utf-8"), "sh"):
            assert set(_MAKE.findall(script)) <= targets, name_of(page)
    assert (ROOT / "Makefile").exists()

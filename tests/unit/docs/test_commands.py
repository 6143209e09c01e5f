"""What the pages tell people to type exists: commands of ``uploadsvc``, their options, targets of make."""

import re
import shlex
from collections.abc import Iterator
from typing import Final

import pytest
import typer
from tests.support.pages import PAGES, examples, name_of, text_of
from tests.support.servers import ROOT
from typer.core import TyperGroup

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


@pytest.fixture(autouse=True)
def _service(monkeypatch: pytest.MonkeyPatch) -> None:
    """Say where the service is, as the pages do before they call it."""
    monkeypatch.setenv("UPLOADSVC_URL", "https://uploads.example.com")


def parse(arguments: list[str]) -> None:
    """Parse a call as the program does, and run nothing; what is wrong is raised."""
    command, context = _PROGRAM, _PROGRAM.make_context("uploadsvc", list(arguments))
    while isinstance(command, TyperGroup) and arguments and not arguments[0].startswith("-"):
        name, *arguments = arguments
        found = command.get_command(context, name)
        assert found is not None, f"there is no command {name}"
        command, context = found, found.make_context(name, list(arguments), parent=context)


@pytest.mark.parametrize(("page", "call"), sorted(set(calls())))
def test_a_pages_commands_are_understood(page: str, call: str) -> None:
    """With values that their options take."""
    assert page
    parse(shlex.split(call))


@pytest.mark.parametrize("call", ["uplaod a", "bucket aply", "serve --prot 1", "serve --port x", "token"])
def test_a_command_that_does_not_exist_is_found(call: str) -> None:
    """Or an option, a value, an argument."""
    with pytest.raises(Exception, match=r"no command|No such|not a valid|Missing|valid integer"):
        parse(shlex.split(call))


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

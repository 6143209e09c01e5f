"""The README's trial works as printed."""

import re
from pathlib import Path

import pytest
from tools.readme_figures import RESULTS, figures, rewritten
from typer.testing import CliRunner

from uploadsvc.app import load_settings
from uploadsvc.bootstrap.secrets import secret_keys
from uploadsvc.bootstrap.services import utc_now
from uploadsvc.cli.commands import app as commands
from uploadsvc.tokens.jwts import UPLOAD, ServiceTokens

README = Path(__file__).parents[3] / "README.md"


def test_the_token_for_a_trial_is_accepted(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the README's own settings."""
    text = README.read_text()
    for line in re.findall(r"^export (.*)$", text, re.MULTILINE):
        for name, quoted, plain in re.findall(r'(\w+)=(?:"([^"]*)"|(\S+))', line):
            monkeypatch.setenv(name, (quoted or plain).replace("$(openssl rand -base64 32)", "k" * 44))
    command = re.search(r"JWT=\$\(uploadsvc (.*?)\)", text)
    assert command is not None
    printed = CliRunner().invoke(commands, command[1].split(), catch_exceptions=False)
    tokens = ServiceTokens(secret_keys(load_settings()), kind=UPLOAD, clock=utc_now)
    assert tokens.verify(printed.stdout.strip()).principal.user == "alice"


def test_the_figures_are_those_of_the_benchmarks() -> None:
    """`make docs` and `make bench` write them; a figure changed by hand, or results measured anew, differ."""
    readme, results = README.read_text(encoding="utf-8"), RESULTS.read_text(encoding="utf-8")
    assert rewritten(readme, results) == readme
    faster = results.replace("| uploadsvc, PUT | ", "| uploadsvc, PUT | 9")
    assert figures(faster) != figures(results)
    with pytest.raises(ValueError, match="Companion"):
        figures(results.replace("| Uppy Companion, POST form |", "| Another |"))

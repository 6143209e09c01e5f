"""The README's trial works as printed."""

import re
from pathlib import Path

import pytest

from uploadsvc.app import load_settings
from uploadsvc.bootstrap.auth import build_jwt_verifier
from uploadsvc.bootstrap.services import utc_now

README = Path(__file__).parents[3] / "README.md"


async def test_the_token_for_a_trial_is_accepted(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """With the README's own settings."""
    text = README.read_text()
    for line in re.findall(r"^export (.*)$", text, re.MULTILINE):
        for name, quoted, plain in re.findall(r'(\w+)=(?:"([^"]*)"|(\S+))', line):
            monkeypatch.setenv(name, (quoted or plain).replace("$(openssl rand -base64 32)", "k" * 44))
    program = re.search(r"JWT=\$\(python -c '(.*?)'\)", text, re.DOTALL)
    assert program is not None
    exec(program[1], {})  # noqa: S102 - the README's own program
    jwts, _ = build_jwt_verifier(load_settings().auth, clock=utc_now, required=True)
    assert jwts is not None
    assert (await jwts.verify(capsys.readouterr().out.strip())).user == "alice"

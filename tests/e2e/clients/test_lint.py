"""Redocly's linter, with all of its recommended rules as errors."""

from typing import Final

import pytest
from tests.support.clients.tools import CLIENTS, DOCUMENT, NODE_MODULES, run

# Operations without a credential and without a parameter have no 4XX.
RULES: Final = ("--extends", "recommended-strict", "--skip-rule", "operation-4xx-response")
QUIET: Final = {"REDOCLY_TELEMETRY": "off", "REDOCLY_SUPPRESS_UPDATE_NOTICE": "true"}


@pytest.mark.usefixtures("_tools")
async def test_the_linter_finds_nothing() -> None:
    redocly = NODE_MODULES / ".bin" / "redocly"
    done = await run(redocly, "lint", *RULES, DOCUMENT, directory=CLIENTS, environment=QUIET)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Your API description is valid" in done.stdout + done.stderr

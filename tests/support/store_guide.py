"""The sections of `docs/stores.md`, each with the environment that it sets."""

import re
import shlex
from typing import Final

from tests.support.pages import examples, text_of

PAGE: Final = text_of("docs/stores.md")
INTRODUCTION, *_REST = re.split(r"^## (.*)\n", PAGE, flags=re.MULTILINE)
SECTIONS: Final = dict(zip(_REST[::2], _REST[1::2], strict=True))
SETTINGS, COMMANDS = examples(INTRODUCTION, "sh")


def environment_of(name: str) -> dict[str, str]:
    """Return what the page sets for a store, with values where it leaves them out."""
    script = SETTINGS.replace("$(openssl rand -base64 32)", "k" * 44) + examples(SECTIONS[name], "sh")[0]
    script = script.replace("…", "a-key-of-someone")
    words = [word for line in script.splitlines() for word in shlex.split(line.removeprefix("export "))]
    return dict(word.split("=", 1) for word in words)

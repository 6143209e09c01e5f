"""What `docs/clients.md` tells: for each generator, the command that runs it and a program that uploads."""

import re
from dataclasses import dataclass
from typing import Final

from tests.support.servers import ROOT

GUIDE: Final = (ROOT / "docs" / "clients.md").read_text(encoding="utf-8")


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """One section of the page.

    Attributes:
        command: What a shell runs, beside ``openapi.json``.
        program: What stands beside the generated client, and has a function ``upload``.
    """

    command: str
    program: str


def _recipe(heading: str) -> Recipe:
    """Return the section under a heading."""
    (section,) = re.findall(rf"^## {re.escape(heading)}\n(.*?)(?=^## |\Z)", GUIDE, re.DOTALL | re.MULTILINE)
    (command,) = re.findall(r"^```sh\n(.*?)^```", section, re.DOTALL | re.MULTILINE)
    (program,) = re.findall(r"^```(?:ts|python|java|go)\n(.*?)^```", section, re.DOTALL | re.MULTILINE)
    return Recipe(command=command, program=program)


OPENAPI_TYPESCRIPT: Final = _recipe("openapi-typescript and openapi-fetch")
HEY_API: Final = _recipe("Hey API")
OPENAPI_GENERATOR: Final = _recipe("OpenAPI Generator")
OPENAPI_GENERATOR_JAVA: Final = _recipe("OpenAPI Generator for Java")
OPENAPI_GENERATOR_GO: Final = _recipe("OpenAPI Generator for Go")
OPENAPI_PYTHON_CLIENT: Final = _recipe("openapi-python-client")

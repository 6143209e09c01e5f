"""Code samples of the operations, for the document: ``samples.md`` has them, beside this module."""

import re
from collections.abc import Mapping, Sequence
from typing import Final

from uploadsvc.api.static import read_file

LABELS: Final[Mapping[str, str]] = {"sh": "curl", "python": "Python", "ts": "TypeScript"}
"""Names of the languages for people, by those of their code blocks."""

_SECTION: Final = re.compile(r"^## (\w+)\n(.*?)(?=^## |\Z)", re.DOTALL | re.MULTILINE)
_BLOCK: Final = re.compile(r"^```(\w+)\n(.*?)^```", re.DOTALL | re.MULTILINE)


def code_samples() -> Mapping[str, Sequence[Mapping[str, str]]]:
    """Return the samples by ``operationId``, in the form of the extension ``x-codeSamples``.

    https://redocly.com/docs-legacy/api-reference-docs/specification-extensions/x-code-samples
    """
    text = read_file("samples.md", package="uploadsvc.api").decode()
    return {
        operation: [
            {"lang": LABELS[language], "label": LABELS[language], "source": source.rstrip()}
            for language, source in _BLOCK.findall(section)
        ]
        for operation, section in _SECTION.findall(text)
    }

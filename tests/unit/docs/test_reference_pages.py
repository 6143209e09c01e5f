"""The pages of the API, its problems and its events are those of the code."""

import json
from typing import Final

import pytest
from tests.support.pages import text_of
from tools.api_reference import generated

from uploadsvc.api.problem_help import HELP
from uploadsvc.api.problems import ALL_TITLES

DOCUMENT: Final = json.loads(text_of("openapi.json"))


@pytest.mark.parametrize("name", generated(DOCUMENT))
def test_a_page_is_the_codes(name: str) -> None:
    """`make docs` writes it anew."""
    assert generated(DOCUMENT)[name] == text_of(f"docs/{name}")


def test_every_code_has_a_cause_and_a_fix() -> None:
    """And none is explained that does not exist."""
    assert HELP.keys() == ALL_TITLES.keys()


def test_every_operation_type_and_event_has_its_heading() -> None:
    """What the document gains, the pages gain."""
    api = text_of("docs/api.md")
    operations = [one["operationId"] for item in DOCUMENT["paths"].values() for one in item.values()]
    assert [name for name in operations if f"### `{name}`\n" not in api] == []
    assert [name for name in DOCUMENT["components"]["schemas"] if f"### {name} (type)\n" not in api] == []
    events = text_of("docs/events-reference.md")
    assert [name for name in DOCUMENT["webhooks"] if f"## `{name}`\n" not in events] == []

"""Settings in the pages match the model: every name, example and table."""

import functools
import re
import shlex
from dataclasses import fields, replace
from pathlib import Path
from typing import Any, Final

import pytest
from tests.support.pages import PAGES, examples, name_of, text_of
from tools.provider_tables import store_tables
from tools.settings_reference import ITEM, MARK, NAME, generated, groups, rewritten

from uploadsvc.domain.providers import PROVIDERS, Provider
from uploadsvc.settings import load_settings

OTHERS: Final = frozenset({("config_file",), ("url",), ("token",), ("api_key",)})
"""Variables that are no settings of the service: where its file is, and those of ``uploadsvc upload``."""

PATHS: Final = {setting.path for group in groups() for setting in group.settings} | OTHERS

# A name and, in code after it, those that differ in what ends them: `UPLOADSVC_S3__BUCKET`, `__REGION`.
_NAMES: Final = re.compile(r"UPLOADSVC_([A-Z0-9_]*[A-Z0-9])|`(?=__[A-Z])([A-Z0-9_]+)")


def exists(path: tuple[str, ...]) -> bool:
    """Tell whether a path is that of a setting, or of a section; or of the file with its value."""
    path = path if path in OTHERS else (*path[:-1], path[-1].removesuffix("_file"))
    return any(
        len(known) >= len(path)
        and all(one in {part, NAME, ITEM} for part, one in zip(path, known, strict=False))
        for known in PATHS
    )


def named(text: str) -> list[tuple[str, ...]]:
    """Return the paths that a text names."""
    found: list[tuple[str, ...]] = []
    for whole, tail in _NAMES.findall(text):
        parts = tuple((whole or tail.removeprefix("__")).lower().split("__"))
        found.append(parts if whole else (*found[-1][: -len(parts)], *parts))
    return found


def test_every_setting_is_described() -> None:
    """A field, or a section, without a docstring would be an empty cell of the reference."""
    assert [setting.path for group in groups() for setting in group.settings if not setting.description] == []
    assert [group.path for group in groups() if not group.description] == []


@pytest.mark.parametrize("name", generated())
def test_the_reference_is_the_models(name: str) -> None:
    """That of the settings, and that of the stores; ``make docs`` writes them anew."""
    page = text_of(f"docs/{name}")
    assert rewritten(page, generated()[name]) == page


@pytest.mark.parametrize("field", [one.name for one in fields(Provider) if one.name != "name"])
def test_the_reference_has_every_capability(field: str) -> None:
    """A store that lacked, or had, one more would be another column."""
    aws = PROVIDERS["aws"]
    other = {str: "auto", int: 1, frozenset: frozenset[str]()}
    value = getattr(aws, field)
    changed: Any = not value if isinstance(value, bool) else other[type(value)]
    assert store_tables([replace(aws, **{field: changed})]) != store_tables([aws])


def test_the_reference_knows_every_level() -> None:
    """The whole, a section, a section in a section, the items of a list, and what operators name."""
    levels = {
        ("secret_key",),
        ("s3", "bucket"),
        ("auth", "jwt", "secret"),
        ("auth", "api_keys", ITEM, "sha256"),
    }
    assert levels | {("policies", NAME, "max_size")} <= PATHS


def test_a_page_without_a_place_is_not_written() -> None:
    """Else its text would be lost, or doubled."""
    with pytest.raises(ValueError, match="lacks the line"):
        rewritten("# Settings\n", "new")
    assert rewritten(f"# Mine\n{MARK}old", "new") == f"# Mine\n{MARK}\nnew"


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_a_page_names_settings_that_exist(page: Path) -> None:
    """One that is misspelt, or gone, stops the start of whoever copies it."""
    unknown = [path for path in named(page.read_text(encoding="utf-8")) if not exists(path)]
    assert unknown == []


def test_a_misspelt_name_is_found() -> None:
    """What the test above goes by tells right from wrong, abbreviations too."""
    good = "`UPLOADSVC_TOKENS__EXPIRES_IN`, `__MAX_EXPIRES_IN`; UPLOADSVC_POLICIES__A__MAX_SIZE; UPLOADSVC_…"
    bad = "`UPLOADSVC_TOKENS__EXPIRES_IN`, `__EXPIRES`, UPLOADSVC_S3__BUCKETS, UPLOADSVC_SECRETKEY"
    assert all(exists(path) for path in named(good))
    assert [exists(path) for path in named(bad)] == [True, False, False, False]


def assignments(script: str) -> dict[str, str]:
    """Return the settings that lines of a shell set; output of ``$(…)`` is made up."""
    script = re.sub(r"\$\(.*?\)|=…", lambda found: found[0][: found[0] == "=…"] + "x" * 44, script)
    words = shlex.split(script, comments=True)
    pairs = (word.partition("=") for word in words if re.match(r"UPLOADSVC_[A-Z0-9_]+=", word))
    # A page leaves secrets out as an ellipsis, which is too short to be one.
    secrets = {
        "$WEBHOOK_SECRET": "whsec_…",
        "$HASH": "0" * 64,
        "whsec_…": "whsec_" + "x" * 44,
        '"sha256": "…"': f'"sha256": "{"0" * 64}"',
        "…": "…" * 32,
    }
    return {
        name: functools.reduce(lambda text, one: text.replace(*one), secrets.items(), value)
        for name, _, value in pairs
        # The files of an example are not on this machine.
        if name == "UPLOADSVC_CONFIG_FILE" or not name.endswith("_FILE")
    }


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_the_examples_load(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As variables and as a file, with a bucket and a region where an example leaves them out."""
    text = page.read_text(encoding="utf-8")
    for script in examples(text, "sh"):
        with monkeypatch.context() as patch:
            for name, value in assignments(script).items():
                patch.setenv(name, value)
            patch.delenv("UPLOADSVC_CONFIG_FILE", raising=False)
            load_settings(defaults={"s3": {"bucket": "media", "region": "eu-central-1"}})
    for number, file in enumerate(examples(text, "toml")):
        path = tmp_path / f"{number}.toml"
        path.write_text(file, encoding="utf-8")
        monkeypatch.setenv("UPLOADSVC_CONFIG_FILE", str(path))
        load_settings(defaults={"s3": {"bucket": "media", "region": "eu-central-1"}})


def test_a_file_and_variables_say_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The two examples of the page are one configuration, but for the secret."""
    page = text_of("docs/settings.md")
    path = tmp_path / "uploadsvc.toml"
    path.write_text(examples(page, "toml")[0], encoding="utf-8")
    with monkeypatch.context() as patch:
        patch.setenv("UPLOADSVC_CONFIG_FILE", str(path))
        by_file = load_settings()
    variables = assignments(examples(page, "sh")[0])
    for name in variables.keys() - {"UPLOADSVC_CONFIG_FILE", "UPLOADSVC_SECRET_KEY"}:
        monkeypatch.setenv(name, variables[name])
    assert load_settings() == by_file

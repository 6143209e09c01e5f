"""Errors say in plain words what is allowed, and which name was meant."""

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError
from pydantic_core._pydantic_core import list_all_errors
from tools.settings_reference import ITEM, NAME, groups

from uploadsvc.settings import Settings, SettingsError, load_settings
from uploadsvc.settings.messages import errors_of

SECRET = "hunter2-hunter2-hunter2-hunter2-hunter2"
WRONG: tuple[Any, ...] = (
    *(None, True, 7, -1, 10**30, 1.5, "", "hunter2", "\udcff", "x" * 300, "-1", "1.5"),
    *([], ["hunter2"], [7], [[]], [None], [{}], {}, {"hunter2": 7}, {"a": {"b": "c"}}),
)


@pytest.fixture(autouse=True)
def env(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Set the variables that have no default."""
    monkeypatch.setenv("UPLOADSVC_S3__BUCKET", "media")
    monkeypatch.setenv("UPLOADSVC_S3__REGION", "eu-central-1")
    return monkeypatch


def _paths() -> Iterator[tuple[str, ...]]:
    for group in groups():
        if group.path:
            yield group.path
        yield from (setting.path for setting in group.settings)


def _settings(path: tuple[str, ...], value: object) -> Mapping[str, Any]:
    for part in reversed(path):
        value = [value] if part == ITEM else {"a" if part == NAME else part: value}
    assert isinstance(value, dict)
    s3 = value.get("s3", {})
    return {**value, "s3": {"bucket": "media", "region": "eu-1", **s3}} if isinstance(s3, dict) else value


def _pydantics() -> re.Pattern[str]:
    """Return a pattern of pydantic's own messages."""
    own = [each["message_template_python"] for each in list_all_errors() if each["type"] != "value_error"]
    patterns = [re.sub(r"\\\{\w+\\\}", ".*", re.escape(each)) for each in own if each != "{error}"]
    return re.compile("|".join(patterns))


@pytest.mark.parametrize("path", list(_paths()), ids="__".join)
def test_no_value_gets_a_message_of_pydantic(path: tuple[str, ...]) -> None:
    """Whatever is wrong with it: none is left without words."""
    pydantics = _pydantics()
    for value in WRONG:
        try:
            Settings.model_validate(_settings(path, value))
        except ValidationError as error:
            for one in errors_of(error):
                assert not pydantics.fullmatch(one.message), one.message
                assert not one.message.startswith(("Input", "Value"))
                assert "another form" not in one.message


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("AUTH__JWT__ISUER", "x", "did you mean UPLOADSVC_AUTH__JWT__ISSUER?"),
        ("S3_BUCKET", "x", "did you mean UPLOADSVC_S3__BUCKET?"),
        ("AUHT__JWT__SECRET", SECRET, "did you mean UPLOADSVC_AUTH__JWT__SECRET?"),
        ("JWT__SECRET", SECRET, "did you mean UPLOADSVC_AUTH__JWT__SECRET?"),
        ("SECRET_KEYFILE", "/x", "did you mean UPLOADSVC_SECRET_KEY_FILE?"),
        ("S3__SECRET_ACCESS_KEY_FIL", "/x", "did you mean UPLOADSVC_S3__SECRET_ACCESS_KEY_FILE?"),
        ("POLICIES__A__MAXSIZE", "1", "did you mean UPLOADSVC_POLICIES__A__MAX_SIZE?"),
        ("POLICIES", '{"a": {"maxsize": 1}}', "did you mean UPLOADSVC_POLICIES__A__MAX_SIZE?"),
        ("EVENTS__WEBHOOKS", '[{"uri": "https://a.example"}]', "did you mean url?"),
        ("AUTH__API_KEYS", '[{"name": "b", "sha265": "x", "sha256": "%s"}]' % ("a" * 64), "mean sha256?"),
        ("S3__XYZZY", "x", "known are access_key_id, "),
        ("S3__PROVIDER", "amazon", "must be 'aws', 'generic', 'r2'"),
        ("POLICIES__A__MAX_SIZE", "[]", "5MiB"),
        ("TOKENS__EXPIRES_IN", "soon", "must be a whole number, 1 to 86400"),
        ("AUTH__API_KEYS", json.dumps([{"name": "n" * 129, "sha256": "a" * 64}]), "at most 128 characters"),
    ],
)
def test_a_mistake_is_explained(env: pytest.MonkeyPatch, name: str, value: str, message: str) -> None:
    env.setenv(f"UPLOADSVC_{name}", value)
    with pytest.raises(SettingsError) as caught:
        load_settings()
    assert message in str(caught.value)
    assert "hunter2" not in str(caught.value)


def test_a_misspelt_name_in_toml_is_explained(env: pytest.MonkeyPatch, tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text(f"secretkey = {json.dumps(SECRET)}\n[auth.jwt]\nisuer = 'x'\n")
    env.setenv("UPLOADSVC_CONFIG_FILE", str(path))
    with pytest.raises(SettingsError) as caught:
        load_settings()
    assert sorted(str(caught.value).splitlines()) == [
        "UPLOADSVC_AUTH__JWT__ISUER: there is no such setting; did you mean UPLOADSVC_AUTH__JWT__ISSUER?",
        "UPLOADSVC_SECRETKEY: there is no such setting; did you mean UPLOADSVC_SECRET_KEY?",
    ]

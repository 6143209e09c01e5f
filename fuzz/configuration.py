"""Settings, as operators write them."""

import os
import tomllib
from unittest import mock

from pydantic import ValidationError

from fuzz.inputs import fields
from uploadsvc.settings import Settings, SettingsError, load_settings
from uploadsvc.settings.messages import errors_of
from uploadsvc.settings.types import ENV_PREFIX

_SECRET = "hunter2-hunter2-hunter2-hunter2"  # noqa: S105 - made up


def variables(data: bytes) -> None:
    """Variables are settings, or each mistake has one line, without the secrets."""
    given = {f"{ENV_PREFIX}S3__BUCKET": "media", f"{ENV_PREFIX}S3__REGION": "eu-central-1"}
    given[f"{ENV_PREFIX}RECEIPTS__SECRET"] = _SECRET
    for line in data.decode("utf-8", "replace").split("\n"):
        name, _, value = line.partition("=")
        # Files of this machine are not read.
        if name.isidentifier() and not name.upper().endswith("FILE") and "\0" not in value:
            given[ENV_PREFIX + name] = value.replace("\\n", "\n")
    with mock.patch.dict(os.environ, given, clear=True):
        try:
            load_settings()
        except SettingsError as error:
            _check_lines(str(error))


def toml(data: bytes) -> None:
    """The same in TOML."""
    text, _ = fields(data, 2)
    try:
        found = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError):
        return
    try:
        Settings.model_validate(found)
    except ValidationError as error:
        for one in errors_of(error):
            assert one.message
            assert "Input should" not in one.message


def _check_lines(text: str) -> None:
    assert _SECRET not in text
    assert all(line for line in text.split("\n")), text

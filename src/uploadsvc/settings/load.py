"""Read the settings from the environment and a TOML file; report each mistake in one line."""

import difflib
import functools
import json
import os
import re
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from pydantic import ValidationError
from pydantic.fields import FieldInfo
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    SettingsConfigDict,
)

from uploadsvc.settings.model import Settings
from uploadsvc.settings.types import ENV_DELIMITER, ENV_PREFIX, SettingsError

CONFIG_FILE = f"{ENV_PREFIX}CONFIG_FILE"

# Kubernetes sets these if a Service of the namespace is called "uploadsvc".
_KUBERNETES = re.compile(rf"{ENV_PREFIX}(SERVICE_(HOST|PORT)(_.*)?|PORT(_\d+_.*)?)")

# Variables of `uploadsvc upload`, which may be set on the same machine.
_CLIENT = frozenset(f"{ENV_PREFIX}{name}" for name in ("URL", "TOKEN", "API_KEY"))


class _Sources(BaseSettings, Settings):
    """The names of `Settings` in the environment. No instance is made."""

    model_config = SettingsConfigDict(
        env_prefix=ENV_PREFIX,
        env_nested_delimiter=ENV_DELIMITER,
        env_ignore_empty=True,
        extra="forbid",
        frozen=True,
    )


class _NotJson(str):
    """The text of a variable that is not JSON, such as ``a, b``, which some settings take for a list.

    Attributes:
        where: Where the JSON ends, and why.
    """

    __slots__ = ("where",)

    where: str


class _Environment(EnvSettingsSource):
    """The environment, in which a list may also be written as ``a, b``."""

    def decode_complex_value(self, field_name: str, field: FieldInfo, value: Any) -> Any:  # noqa: ANN401 - as in the base class
        """Return the value parsed as JSON, or as text for the model to validate."""
        try:
            decoded = super().decode_complex_value(field_name, field, value)
        except (ValueError, RecursionError) as error:
            text = _NotJson(value)
            text.where = _where(error)
            return text
        # A single item of a list, such as a client id that has only digits.
        return decoded if isinstance(decoded, list | dict | str) else value


def load_settings(
    overrides: Mapping[str, Any] | None = None, defaults: Mapping[str, Any] | None = None
) -> Settings:
    """Load the settings from the environment and the TOML file; the environment wins.

    Args:
        overrides: Nested dictionaries of values that win over both.
        defaults: Nested dictionaries of values that both win over.

    Raises:
        SettingsError: A setting is missing, invalid or unknown.
    """
    errors = list(_unknown(os.environ))
    config = _read_config(os.environ.get(CONFIG_FILE))
    layers: list[Mapping[str, Any]] = [defaults or {}, config, _Environment(_Sources)(), overrides or {}]
    try:
        settings = Settings.model_validate(functools.reduce(_merged, layers))
    except ValidationError as error:
        errors += _errors(error)
    if errors:
        raise SettingsError.together(errors)
    return settings


def _merged(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(below)
    for name, value in above.items():
        nested = isinstance(value, dict) and isinstance(merged.get(name), dict)
        merged[name] = _merged(merged[name], value) if nested else value
    return merged


def _read_config(name: str | None) -> dict[str, Any]:
    if not name:
        return {}
    try:
        return tomllib.loads(Path(name).read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingsError(("config_file",), f"cannot read {name!r}: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(("config_file",), f"{name!r} is not TOML: {error}") from None


def _unknown(environment: Mapping[str, str]) -> Iterator[SettingsError]:
    """Yield an error for each unknown top-level name, which pydantic ignores in the environment."""
    known = {f"{ENV_PREFIX}{field.upper()}" for field in Settings.model_fields} | {CONFIG_FILE}
    for name in environment:
        upper = name.upper()
        if not upper.startswith(ENV_PREFIX) or upper in _CLIENT or _KUBERNETES.fullmatch(upper):
            continue
        head = ENV_PREFIX + upper.removeprefix(ENV_PREFIX).split(ENV_DELIMITER)[0]
        if head not in known:
            # Without the prefix, which makes any two names look alike.
            tails = sorted(name.removeprefix(ENV_PREFIX) for name in known)
            close = difflib.get_close_matches(head.removeprefix(ENV_PREFIX), tails, n=1)
            hint = (
                f"did you mean {ENV_PREFIX}{close[0]}?" if close else f"known are {', '.join(sorted(known))}"
            )
            yield SettingsError((upper.removeprefix(ENV_PREFIX),), f"there is no such setting; {hint}")


def _errors(error: ValidationError) -> Iterator[SettingsError]:
    for problem in error.errors(include_url=False):
        path = tuple(str(part) for part in problem["loc"])
        cause = problem.get("ctx", {}).get("error")
        match problem["type"]:
            case "missing":
                path = ("s3", "bucket") if path == ("s3",) else path
                yield SettingsError(path, "missing; it has to be set")
            case "bool_parsing" | "bool_type":
                yield SettingsError(path, "must be true or false")
            case "dict_type" | "model_type" | "tuple_type" | "frozen_set_type":
                yield SettingsError(path, _shape_message(path, problem["type"], problem["input"]))
            case "extra_forbidden":
                yield SettingsError(path, "there is no such setting")
            case _ if isinstance(cause, SettingsError):
                yield from cause.errors
            case _:
                yield SettingsError(path, problem["msg"].removeprefix("Value error, "))


_SHAPES: Final[Mapping[tuple[str, ...], str]] = {
    ("policies",): """a JSON object by name, such as {"default": {"max_size": "1GiB"}}""",
    ("auth", "api_keys"): """a JSON list of objects, such as [{"name": "billing", "sha256": "..."}]""",
    ("secret_keys",): """a JSON list of strings, ["...", "..."]""",
    ("receipts", "public_keys"): """a JSON list of PEM texts, ["...", "..."]""",
}


def _shape_message(path: tuple[str, ...], kind: str, given: object) -> str:
    """Say what a setting must be, without its value, which may be a secret."""
    default = "a JSON list" if kind in {"tuple_type", "frozen_set_type"} else "a JSON object"
    shape = _SHAPES.get(path, default)
    if isinstance(given, _NotJson):
        return f"not JSON ({given.where}); must be {shape}"
    return f"must be {shape}"


def _where(error: Exception) -> str:
    if isinstance(error, json.JSONDecodeError):
        # After a colon, the message may show a character of the value.
        return f"line {error.lineno}, column {error.colno}: {error.msg.partition(': ')[0]}"
    return "it is nested too deeply, or holds a number that is too long"

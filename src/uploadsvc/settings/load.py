"""Load the settings from the environment and a TOML file. Each mistake is reported in one line."""

import functools
import os
import re
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from pydantic.fields import FieldInfo
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    SettingsConfigDict,
)

from uploadsvc.settings.files import Files
from uploadsvc.settings.messages import decoded, errors_of
from uploadsvc.settings.model import Settings
from uploadsvc.settings.names import in_file, meant_by_variable
from uploadsvc.settings.types import ENV_DELIMITER, ENV_PREFIX, SettingsError, variable

CONFIG_FILE = f"{ENV_PREFIX}CONFIG_FILE"

# Kubernetes sets these for a Service named "uploadsvc" or "uploadsvc-…" in the namespace:
# https://kubernetes.io/docs/concepts/services-networking/service/#environment-variables
_KUBERNETES = re.compile(
    rf"(?!.*__){ENV_PREFIX}(PORT|([A-Z0-9_]+_)?"
    r"(SERVICE_HOST|SERVICE_PORT(_[A-Z0-9_]+)?|PORT_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?))"
)
# The address of a Service, recognized by its value, a URL, which no setting of this name has.
_KUBERNETES_ADDRESS = re.compile(rf"(?!.*__){ENV_PREFIX}[A-Z0-9_]+_PORT")
_ADDRESS_VALUE = re.compile(r"(tcp|udp|sctp)://.*", re.IGNORECASE)

# Variables of `uploadsvc upload`, which may run on the same machine.
_CLIENT = frozenset(f"{ENV_PREFIX}{name}" for name in ("URL", "TOKEN", "API_KEY"))


class _Sources(BaseSettings, Settings):
    """`Settings`, to list its names in the environment. Never instantiated."""

    model_config = SettingsConfigDict(
        env_prefix=ENV_PREFIX,
        env_nested_delimiter=ENV_DELIMITER,
        env_ignore_empty=True,
        extra="forbid",
        frozen=True,
    )


class _Environment(EnvSettingsSource):
    """Reads the environment, where a list may also be written as ``a, b``."""

    def decode_complex_value(self, field_name: str, field: FieldInfo, value: Any) -> Any:  # noqa: ANN401 - as in the base class
        """Parse the value as JSON, or return text for the model to validate."""
        return decoded(value, functools.partial(super().decode_complex_value, field_name, field))


def load_settings(
    overrides: Mapping[str, Any] | None = None, defaults: Mapping[str, Any] | None = None
) -> Settings:
    """Load the settings from the environment and the TOML file; the environment wins.

    Args:
        overrides: Nested dictionaries of values that take precedence over both.
        defaults: Nested dictionaries of values that both override.

    Raises:
        SettingsError: A setting is missing, invalid or unknown.
    """
    files = Files()
    config = files.filled(_read_config(os.environ.get(CONFIG_FILE)), Settings)
    environment = {**_Environment(_Sources)(), **_files_of(os.environ)}
    layers = [defaults or {}, config, files.filled(environment, Settings), overrides or {}]
    errors = [*_unknown(os.environ), *files.errors]
    try:
        settings = Settings.model_validate(functools.reduce(_merged, layers))
    except ValidationError as error:
        explained = (files.explained(one) for one in errors_of(error))
        errors += [one for one in explained if one is not None]
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
    except (ValueError, RecursionError):
        message = f"{name!r} is nested too deeply, or holds a number that is too long"
        raise SettingsError(("config_file",), message) from None


def _files_of(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the top-level ``_file`` names, which pydantic ignores in the environment."""
    written = {name.upper().removeprefix(ENV_PREFIX).lower(): value for name, value in _own(environment)}
    fields = Settings.model_fields
    return {name: value for name, value in written.items() if value and in_file(name, fields)}


def _own(environment: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    for name, value in environment.items():
        upper = name.upper()
        if upper.startswith(ENV_PREFIX) and upper not in _CLIENT and not _is_of_kubernetes(upper, value):
            yield name, value


def _is_of_kubernetes(name: str, value: str) -> bool:
    if _KUBERNETES.fullmatch(name):
        return True
    return bool(_KUBERNETES_ADDRESS.fullmatch(name) and _ADDRESS_VALUE.fullmatch(value))


def _unknown(environment: Mapping[str, str]) -> Iterator[SettingsError]:
    """Yield an error for each unknown top-level name, which pydantic ignores in the environment."""
    fields = Settings.model_fields
    for name, _ in _own(environment):
        path = tuple(name.upper().removeprefix(ENV_PREFIX).lower().split(ENV_DELIMITER))
        if path[0] in fields or name.upper() == CONFIG_FILE or (in_file(path[0], fields) and len(path) == 1):
            continue
        close = meant_by_variable(path)
        known = sorted(variable(field) for field in fields)
        hint = f"did you mean {close}?" if close else f"known are {', '.join([*known, CONFIG_FILE])}"
        yield SettingsError(path, f"there is no such setting; {hint}")

"""Read OpenTelemetry's own environment variables for the export of traces.

https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/ and
https://opentelemetry.io/docs/specs/otel/protocol/exporter/
"""

from collections.abc import Mapping
from importlib.util import find_spec
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from uploadsvc.telemetry.exporting import Export

_PROTOCOL: Final = "http/protobuf"
_ENDPOINTS: Final = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
_PROTOCOLS: Final = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")


class TracingError(Exception):
    """The variables ask for an export that is not possible. The message is one line, without their values."""


def exports_traces(environment: Mapping[str, str]) -> bool:
    """Return whether the environment asks for an export of traces.

    Args:
        environment: Names and values of its variables.

    Raises:
        TracingError: It asks for an export that this service does not support.
    """

    def value(name: str) -> str:
        return environment.get(name, "").strip()

    if value("OTEL_SDK_DISABLED").lower() == "true":
        return False
    exporter = value("OTEL_TRACES_EXPORTER").lower()
    if exporter == "none":
        return False
    if exporter not in {"", "otlp"}:
        message = "OTEL_TRACES_EXPORTER: must be otlp or none; no other exporter is known"
        raise TracingError(message)
    asked = next((name for name in _ENDPOINTS if value(name)), None)
    asked = "OTEL_TRACES_EXPORTER" if exporter else asked
    if asked is None:
        return False
    for name in _PROTOCOLS:
        if value(name) not in {"", _PROTOCOL}:
            message = f"{name}: must be {_PROTOCOL}; no other protocol is known"
            raise TracingError(message)
        if value(name):
            break
    if not _is_installed():
        message = (
            f"{asked}: traces need the extra otel, which is not installed: pip install 'uploadsvc[otel]'"
        )
        raise TracingError(message)
    return True


def begin_export(environment: Mapping[str, str]) -> "Export | None":
    """Start exporting the traces of this process, if the environment asks for it.

    Spans then come from OpenTelemetry's global provider.

    Returns:
        The export; ``None`` if there is none, or one was started before.

    Raises:
        TracingError: It asks for an export that this service does not support.
    """
    if not exports_traces(environment):
        return None
    from opentelemetry import trace  # noqa: PLC0415 - an extra
    from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415 - an extra

    from uploadsvc.telemetry.exporting import Export  # noqa: PLC0415 - an extra

    if isinstance(trace.get_tracer_provider(), TracerProvider):
        return None
    export = Export()
    trace.set_tracer_provider(export.provider)
    return export


def _is_installed() -> bool:
    try:
        return all(find_spec(f"opentelemetry.{name}") for name in ("sdk", "exporter.otlp.proto.http"))
    except ModuleNotFoundError:
        return False

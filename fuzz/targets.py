"""All targets by name."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from fuzz import configuration, credentials, messages, names, requests

CORPUS: Final = Path(__file__).parent / "corpus"
"""Inputs to begin with, and those that once failed: a folder for each target."""

TARGETS: Final[Mapping[str, Callable[[bytes], None]]] = {
    "better_upload": requests.better_upload,
    "better_upload_xml": requests.better_upload_xml,
    "content_types": names.content_types,
    "deliveries": credentials.deliveries,
    "dispositions": names.dispositions,
    "file_formats": messages.file_formats,
    "filenames": names.filenames,
    "headers": credentials.headers,
    "ids": credentials.ids,
    "key_templates": names.key_templates,
    "notifications": messages.notifications,
    "object_keys": names.object_keys,
    "s3_xml": messages.s3_xml,
    "tokens": credentials.tokens,
    "toml": configuration.toml,
    "uploads": requests.uploads,
    "uppy": requests.uppy,
    "variables": configuration.variables,
}
"""Each takes any bytes, and raises only if something is wrong."""


def inputs(target: str) -> list[Path]:
    """Return the corpus of a target."""
    return sorted((CORPUS / target).iterdir())

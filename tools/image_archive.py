"""Write a container image into a reproducible file.

Engines write the build time into layers and configuration. Here, timestamps later than the commit are set to
the time of the commit. BuildKit's ``rewrite-timestamp`` does the same, but not every engine has it
(https://github.com/moby/buildkit/blob/master/docs/build-repro.md). Layers of the base image are older: they
stay unchanged, so registries share them.

The file is an OCI image layout that ``docker load`` reads too
(https://github.com/opencontainers/image-spec/blob/main/image-layout.md).
"""

import gzip
import hashlib
import io
import json
import tarfile
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any, Final

_MANIFEST: Final = "application/vnd.oci.image.manifest.v1+json"
_CONFIG: Final = "application/vnd.oci.image.config.v1+json"
_LAYER: Final = "application/vnd.oci.image.layer.v1.tar+gzip"

_OF_THE_BUILD: Final = frozenset(
    {"Image", "Hostname", "Domainname", "AttachStdin", "AttachStdout", "AttachStderr"}
)
"""Fields in which Docker's own builder names the container that it built in."""

_TIMES: Final = frozenset({"mtime", "atime", "ctime"})


def write_archive(saved: Path, target: Path, *, tag: str, time: int) -> str:
    """Convert the output of ``docker save`` to an OCI image layout.

    Args:
        saved: The file of ``docker save``, with one image.
        target: The file to write.
        tag: Name and tag, such as ``uploadsvc:1.0.0``.
        time: Latest time in the image, in seconds since 1970.

    Returns:
        The digest of the image's manifest, which is the same in a registry.
    """
    blobs: dict[str, bytes] = {}

    def stored(content: bytes, media_type: str) -> dict[str, Any]:
        digest = _sha256(content)
        blobs[f"blobs/{digest.replace(':', '/')}"] = content
        return {"mediaType": media_type, "digest": digest, "size": len(content)}

    with tarfile.open(saved) as archive:
        (found,) = json.load(_member(archive, "manifest.json"))
        config = json.load(_member(archive, found["Config"]))
        layers, contents = [], []
        for name in found["Layers"]:
            layer = _clamped(_unpacked(_member(archive, name).read()), time)
            contents.append(_sha256(layer))
            layers.append(stored(gzip.compress(layer, mtime=0), _LAYER))
    described = stored(_json(_plain(config, contents, time)), _CONFIG)
    manifest = stored(
        _json({"schemaVersion": 2, "mediaType": _MANIFEST, "config": described, "layers": layers}), _MANIFEST
    )
    names = {"io.containerd.image.name": f"docker.io/library/{tag}", "org.opencontainers.image.ref.name": tag}
    index = {"schemaVersion": 2, "manifests": [{**manifest, "annotations": names}]}
    docker = [
        {
            "Config": _path(described),
            "RepoTags": [tag],
            "Layers": [_path(layer) for layer in layers],
        }
    ]
    files = {
        **blobs,
        "index.json": _json(index),
        "manifest.json": _json(docker),
        "oci-layout": _json({"imageLayoutVersion": "1.0.0"}),
    }
    with tarfile.open(target, "w", format=tarfile.USTAR_FORMAT) as written:
        for name in sorted(files):
            member = tarfile.TarInfo(name)
            member.size, member.mtime, member.mode = len(files[name]), time, 0o644
            written.addfile(member, io.BytesIO(files[name]))
    digest: str = manifest["digest"]
    return digest


def _member(archive: tarfile.TarFile, name: str) -> IO[bytes]:
    opened = archive.extractfile(name)
    if opened is None:
        message = f"{name} of the saved image is no file"
        raise ValueError(message)
    return opened


def _unpacked(layer: bytes) -> bytes:
    """Return a layer as a tar archive. Some engines save it compressed, as registries do."""
    return gzip.decompress(layer) if layer.startswith(b"\x1f\x8b") else layer


def _clamped(layer: bytes, time: int) -> bytes:
    """Return a layer in which nothing is newer than ``time``."""
    with tarfile.open(fileobj=io.BytesIO(layer)) as read:
        members = list(read)
        if all(member.mtime < time for member in members):
            return layer
        written = io.BytesIO()
        with tarfile.open(fileobj=written, mode="w", format=tarfile.PAX_FORMAT) as archive:
            for member in members:
                member.mtime = min(int(member.mtime), time)
                # Users have numbers in an image, and names only by its own /etc/passwd.
                member.uname = member.gname = ""
                kept = {name: value for name, value in member.pax_headers.items() if name not in _TIMES}
                member.pax_headers = dict(sorted(kept.items()))
                archive.addfile(member, read.extractfile(member) if member.isreg() else None)
    return written.getvalue()


def _plain(config: Mapping[str, Any], layers: list[str], time: int) -> dict[str, Any]:
    """Return the image's configuration without the details of its build."""
    kept = {name: config[name] for name in ("architecture", "os", "variant") if config.get(name)}
    run = {name: value for name, value in config["config"].items() if name not in _OF_THE_BUILD and value}
    return {
        **kept,
        "created": _iso(time),
        "config": run,
        "history": list(_history(config.get("history", ()), time)),
        "rootfs": {"type": "layers", "diff_ids": layers},
    }


def _history(steps: list[Mapping[str, Any]], time: int) -> Iterator[dict[str, Any]]:
    limit = _iso(time)
    for step in steps:
        created = step.get("created", limit)
        # Times are in UTC, and may have a fraction: to the second, they sort as text.
        yield {**step, "created": created if created[:19] < limit[:19] else limit}


def _iso(time: int) -> str:
    return datetime.fromtimestamp(time, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _json(value: object) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()


def _sha256(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def _path(descriptor: Mapping[str, Any]) -> str:
    digest: str = descriptor["digest"]
    return f"blobs/{digest.replace(':', '/')}"

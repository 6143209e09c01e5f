"""The image's file is the same whenever, and by whichever engine, its layers were made."""

import gzip
import hashlib
import io
import json
import tarfile
from collections.abc import Sequence
from pathlib import Path

import pytest
from tools.image_archive import write_archive

COMMIT = 1_700_000_000
OLD = COMMIT - 5_000_000


def tar(members: Sequence[tuple[str, bytes | str, float]], **fields: object) -> bytes:
    """Return an archive of files, or of hard links where the content is a text."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for name, content, mtime in members:
            member = tarfile.TarInfo(name)
            member.mtime = mtime
            member.uid, member.mode = 10001, 0o755
            for field, value in fields.items():
                setattr(member, field, value)
            if isinstance(content, str):
                member.type, member.linkname = tarfile.LNKTYPE, content
                archive.addfile(member)
            else:
                member.size = len(content)
                archive.addfile(member, io.BytesIO(content))
    return packed.getvalue()


BASE = tar([("bin/sh", b"shell", OLD)], uname="root")


def saved(path: Path, *, built: float, container: str, uname: str, compressed: bool) -> Path:
    """Write what `docker save` would write of a build at a time."""
    attributes = {"SCHILY.xattr.user.note": "kept", "atime": str(built + 1)}
    layer = tar(
        [("app", b"bytes", built), ("link", "app", built), (".wh.pip", b"", built), ("old", b"", OLD)],
        pax_headers=attributes,
        uname=uname,
    )
    layers = [gzip.compress(one) if compressed else one for one in (BASE, layer)]
    config = {
        "architecture": "amd64",
        "os": "linux",
        "container": container,
        "created": f"2026-11-29T03:00:{container[:2]}Z",
        "config": {"User": "10001:10001", "Hostname": container, "Image": container, "Volumes": None},
        "history": [
            {"created": "2023-01-01T00:00:00.5Z", "created_by": "base"},
            {"created": f"2026-11-29T03:00:{container[:2]}.123Z", "created_by": "COPY app"},
        ],
        "rootfs": {"type": "layers", "diff_ids": ["sha256:0", "sha256:1"]},
    }
    manifest = [{"Config": "c.json", "RepoTags": ["x:y"], "Layers": ["0/layer.tar", "1/layer.tar"]}]
    files = {"c.json": json.dumps(config).encode(), "manifest.json": json.dumps(manifest).encode()}
    files |= {f"{number}/layer.tar": content for number, content in enumerate(layers)}
    path.write_bytes(tar([(name, content, built) for name, content in files.items()]))
    return path


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    """Write one build twice, by different engines at different times, and return the one file."""
    files = [tmp_path / "first.tar", tmp_path / "second.tar"]
    builds = [
        saved(tmp_path / "a", built=COMMIT + 7.25, container="11aa", uname="", compressed=False),
        saved(tmp_path / "b", built=COMMIT + 99.5, container="22bb", uname="root", compressed=True),
    ]
    digests = {
        write_archive(build, file, tag="uploadsvc:1.0.0", time=COMMIT)
        for build, file in zip(builds, files, strict=True)
    }
    assert len(digests) == 1
    assert files[0].read_bytes() == files[1].read_bytes()
    return files[0]


def path(digest: str) -> str:
    """Return the name of a blob's file."""
    return f"blobs/{digest.replace(':', '/')}"


def blob(archive: tarfile.TarFile, digest: str) -> bytes:
    """Return a blob, whose name is its hash."""
    opened = archive.extractfile(path(digest))
    assert opened is not None
    content = opened.read()
    assert digest == f"sha256:{hashlib.sha256(content).hexdigest()}"
    return content


def test_the_layout_says_what_the_image_is(archive: Path) -> None:
    """And `docker load` finds the same configuration and layers."""
    with tarfile.open(archive) as opened:
        files = {name: opened.extractfile(name) for name in ("index.json", "manifest.json", "oci-layout")}
        index, docker, layout = (json.load(file) for file in files.values() if file)
        manifest = json.loads(blob(opened, index["manifests"][0]["digest"]))
        config = json.loads(blob(opened, manifest["config"]["digest"]))
        packed = [blob(opened, layer["digest"]) for layer in manifest["layers"]]
    # The time in gzip's header (RFC 1952): two builds within a second would not show it.
    assert {one[4:8] for one in packed} == {bytes(4)}
    layers = [gzip.decompress(one) for one in packed]
    assert layout == {"imageLayoutVersion": "1.0.0"}
    assert config["rootfs"]["diff_ids"] == [f"sha256:{hashlib.sha256(one).hexdigest()}" for one in layers]
    assert config["config"] == {"User": "10001:10001"}
    assert config["created"] == "2023-11-14T22:13:20Z"
    assert [step["created"] for step in config["history"]] == ["2023-01-01T00:00:00.5Z", config["created"]]
    assert docker[0]["RepoTags"] == ["uploadsvc:1.0.0"]
    assert [f"blobs/{layer['digest'].replace(':', '/')}" for layer in manifest["layers"]] == docker[0][
        "Layers"
    ]
    assert docker[0]["Config"] == f"blobs/{manifest['config']['digest'].replace(':', '/')}"


def test_only_times_and_names_of_users_change(archive: Path) -> None:
    """The base's layer is byte for byte what it was, so registries need not keep it twice."""
    with tarfile.open(archive) as opened:
        (file,) = (opened.extractfile(name) for name in opened.getnames() if name == "manifest.json")
        assert file is not None
        first, second = (
            gzip.decompress(blob(opened, name.removeprefix("blobs/").replace("/", ":")))
            for name in json.load(file)[0]["Layers"]
        )
    assert first == BASE
    with tarfile.open(fileobj=io.BytesIO(second)) as layer:
        members = {member.name: member for member in layer}
        app = layer.extractfile("app")
        assert app is not None
        assert app.read() == b"bytes"
    assert [member.mtime for member in members.values()] == [COMMIT, COMMIT, COMMIT, OLD]
    assert members["link"].linkname == "app"
    assert (members["app"].uid, members["app"].mode, members["app"].uname) == (10001, 0o755, "")
    assert members["app"].pax_headers == {"SCHILY.xattr.user.note": "kept"}

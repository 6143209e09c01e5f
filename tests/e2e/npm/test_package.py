"""What is in the npm package, its sizes, and that a server can import it."""

import asyncio
import re
import tarfile
from pathlib import Path
from typing import Final

import pytest
from tests.support.npm_package import GUIDE, Apps, compressed, pack
from tests.support.servers import ROOT

WEB: Final = ROOT / "src" / "uploadsvc" / "web"
REACT: Final = ROOT / "packages" / "browser" / "src"
SIZES: Final = {
    name: int(limit)
    for name, limit in re.findall(r"^\| `(uploadsvc\S*)` \|.*\| at most (\d+) kB \|$", GUIDE, re.MULTILINE)
}


async def test_packing_again_gives_the_same_bytes(archive: Path, tmp_path: Path) -> None:
    """So that anyone can check a published archive."""
    again = await pack(tmp_path)
    first, second = [await asyncio.to_thread(each.read_bytes) for each in (archive, again)]
    assert first == second


def test_the_archive_holds_the_served_files(archive: Path) -> None:
    """Byte for byte: what the service serves at ``/web/``, and the hook."""
    expected = {
        f"dist/{name}{end}": (folder / f"{name}{end}").read_bytes()
        for folder, names in ((WEB, ("uploadsvc", "queue", "dropzone")), (REACT, ("react",)))
        for name in names
        for end in (".js", ".d.ts")
    }
    expected["LICENSE"] = (ROOT / "LICENSE").read_bytes()
    expected["README.md"] = (REACT.parent / "README.md").read_bytes()
    with tarfile.open(archive) as packed:
        held = {each.name.removeprefix("package/"): packed.extractfile(each) for each in packed.getmembers()}
        contents = {name: file.read() for name, file in held.items() if file}
    del contents["package.json"]
    assert contents == expected


async def test_node_imports_every_entry(apps: Apps) -> None:
    """Nothing of a browser is needed until something is uploaded; a list can be made, too."""
    exports = await apps.node("""
        const found = {};
        for (const name of ["uploadsvc", "uploadsvc/queue", "uploadsvc/react", "uploadsvc/dropzone"]) {
          found[name] = Object.keys(await import(name));
        }
        const { createQueue } = await import("uploadsvc/queue");
        console.log(JSON.stringify({ ...found, items: createQueue().snapshot().items }));
    """)
    assert exports == {
        "uploadsvc": ["UploadError", "UploadTask", "createClient"],
        "uploadsvc/queue": ["UploadQueue", "createQueue", "isActive", "isOver"],
        "uploadsvc/react": ["useUpload"],
        "uploadsvc/dropzone": ["ENGLISH", "UploadsvcDropzone", "droppedFiles"],
        "items": [],
    }


async def test_a_bug_of_the_page_does_not_stop_the_other_files(apps: Apps) -> None:
    """Every function that the page passes may throw. A file that was added as refused is never sent."""
    found = await apps.node("""
        const { createQueue } = await import("uploadsvc/queue");
        const { UploadError } = await import("uploadsvc");
        const sent = [], reported = [];
        globalThis.reportError = (error) => reported.push(error.message);
        const task = (key) => Object.assign(Promise.resolve({ object: { key } }), { cancel: async () => {} });
        const bug = (name) => () => { throw new Error(name); };
        const queue = createQueue({
          client: { upload: (file, { filename }) => (sent.push(filename), task(filename)) },
          onDone: bug("onDone"), onError: bug("onError"), onIdle: bug("onIdle"),
        });
        queue.subscribe(bug("listener"));
        const file = new Blob(["x"]);
        const refused = new UploadError("not_allowed", "no");
        const [first] = queue.add([{ file, path: "a", refused }, { file, path: "b" }, { file, path: "c" }]);
        await new Promise((done) => setTimeout(done));
        queue.retry(first);
        await new Promise((done) => setTimeout(done));
        const states = queue.snapshot().items.map(({ state }) => state);
        console.log(JSON.stringify({ sent, states, reported: [...new Set(reported)].sort() }));
    """)
    assert found == {
        "sent": ["b", "c"],
        "states": ["failed", "stored", "stored"],
        "reported": ["listener", "onDone", "onError", "onIdle"],
    }


@pytest.mark.parametrize("entry", list(SIZES))
async def test_entries_are_as_small_as_the_guide_says(apps: Apps, entry: str) -> None:
    """Minified and gzipped, without React; and the limit is not far above."""
    source = apps.directory / f"{entry.replace('/', '-')}.js"
    source.write_text(f'export * from "{entry}";', encoding="utf-8")
    options = ("--minify", "--format", "esm", "--external", "react", "--platform", "browser")
    written = source.with_suffix(".min.js")
    await apps.tool("rolldown", str(source), *options, "--file", str(written), app=".")
    size = compressed(written.read_bytes())
    assert SIZES[entry] * 1000 - 1500 < size <= SIZES[entry] * 1000


async def test_bundlers_drop_what_is_not_used(apps: Apps) -> None:
    """An app that imports but does not use the client has nothing of it; the element is kept."""
    codes = {
        "uploadsvc": 'import { createClient } from "uploadsvc";',
        "dropzone": 'import "uploadsvc/dropzone";',
    }
    kept = {}
    for entry, code in codes.items():
        source = apps.directory / f"unused-{entry}.js"
        source.write_text(f"{code}\nconsole.log(1);", encoding="utf-8")
        written = source.with_suffix(".min.js")
        options = ("--minify", "--format", "esm", "--file", str(written))
        await apps.tool("rolldown", str(source), *options, app=".")
        kept[entry] = written.stat().st_size
    assert kept["uploadsvc"] < 100
    assert kept["dropzone"] > 10_000

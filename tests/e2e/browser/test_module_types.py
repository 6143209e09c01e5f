"""The browser module and its declarations pass tsc's strict checks, and so does code that uses them."""

import json
import re
import shutil
from pathlib import Path
from typing import Final

import pytest
from tests.support.browser.module_stage import MODULE
from tests.support.clients.tools import NODE_MODULES, STAMP, run
from tests.support.servers import ROOT

PROJECT: Final = MODULE.with_name("tsconfig.json")
DECLARATIONS: Final = MODULE.with_name("uploadsvc.d.ts")
PACKAGE: Final = '{"type": "module"}'

USAGE: Final = """
import { createClient, UploadError, UploadTask } from "./uploadsvc.js";

export async function use(file: File): Promise<string> {
  const client = createClient({ baseUrl: "/", getToken: async ({ refresh }) => (refresh ? null : "token") });
  const task: UploadTask = client.upload(file, {
    checksum: "crc32",
    onProgress: ({ loaded, total, remaining }) => console.log(loaded / total, remaining?.toFixed()),
    onState: (state) => console.log(state === "paused"),
  });
  task.pause();
  try {
    const { object, receipt } = await task;
    return object.key + receipt;
  } catch (error) {
    if (error instanceof UploadError) return error.code;
    throw error;
  }
}
"""

WRONG: Final = {
    "no_such_algorithm": ('"crc32"', '"md5"', "TS2322"),
    "no_such_state": ('"paused"', '"sleeping"', "TS2367"),
    "remaining_may_be_unknown": ("remaining?.", "remaining.", "TS18047"),
    "no_such_field": ("object.key", "object.url", "TS2339"),
    "no_such_option": ("onState:", "onstate:", "TS2561"),
}


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """Make a TypeScript project with the options that the module itself is compiled with."""
    if not STAMP.exists():
        pytest.skip(f"tsc is not installed: make {STAMP.relative_to(ROOT)}")
    options = json.loads(PROJECT.read_text(encoding="utf-8"))["compilerOptions"]
    options |= {"declaration": False, "emitDeclarationOnly": False, "noEmit": True}
    config = {"compilerOptions": options, "include": ["*.js", "*.ts"]}
    (tmp_path / "tsconfig.json").write_text(json.dumps(config), encoding="utf-8")
    (tmp_path / "package.json").write_text(PACKAGE, encoding="utf-8")
    (tmp_path / "node_modules").symlink_to(NODE_MODULES)
    return tmp_path


async def tsc(directory: Path, *arguments: str | Path) -> list[str]:
    """Run the compiler and return its messages."""
    command = directory / "node_modules" / ".bin" / "tsc"
    done = await run(command, "--pretty", "false", *arguments, directory=directory)
    return (done.stdout + done.stderr).splitlines()


@pytest.mark.parametrize("source", [MODULE, DECLARATIONS], ids=["module", "declarations"])
async def test_only_correct_use_compiles(directory: Path, source: Path) -> None:
    """The module itself compiles too, with nothing unused; a copy with a wrong return value does not."""
    shutil.copy(source, directory)
    (directory / "usage.ts").write_text(USAGE, encoding="utf-8")
    expected = {f"{name}.ts": code for name, (_, _, code) in WRONG.items()}
    for name, (right, wrong, _) in WRONG.items():
        assert USAGE.count(right) == 1
        (directory / f"{name}.ts").write_text(USAGE.replace(right, wrong), encoding="utf-8")
    if source == MODULE:
        right = "return { algorithm, value }"
        text = MODULE.read_text(encoding="utf-8")
        assert text.count(right) == 1
        (directory / "broken.js").write_text(text.replace(right, f"{right[:-2]}: 1 }}"), encoding="utf-8")
        expected["broken.js"] = "TS2322"
    found = await tsc(directory)
    for name, code in expected.items():
        assert any(line.startswith(name) and f"error {code}:" in line for line in found), found
    assert [line for line in found if not line.startswith((*expected, " "))] == []


async def test_the_declarations_are_up_to_date(directory: Path) -> None:
    """`make web` writes them from the module; nobody edits them."""
    assert await tsc(directory, "--project", PROJECT, "--outDir", directory / "written") == []
    written = (directory / "written" / DECLARATIONS.name).read_text(encoding="utf-8")
    assert written == DECLARATIONS.read_text(encoding="utf-8"), "uploadsvc.d.ts is out of date: make web"


def test_the_module_depends_on_nothing() -> None:
    """It imports nothing, so a page may load it from the service or from a copy."""
    source = MODULE.read_text(encoding="utf-8")
    assert re.findall(r"^\s*(?:import\b|export .* from\b).*$", source, re.MULTILINE) == []
    assert "import(" not in source

"""The browser module's types hold, as strictly as tsc can look, for itself and for those who use it."""

import json
import re
import shutil
from pathlib import Path
from typing import Any, Final

import pytest
from tests.support.browser.module_stage import MODULE
from tests.support.clients.tools import NODE_MODULES, STAMP, run

CONFIG: Final[dict[str, Any]] = {
    "compilerOptions": {
        "allowJs": True,
        "checkJs": True,
        "strict": True,
        "noEmit": True,
        "noImplicitReturns": True,
        "noUncheckedIndexedAccess": True,
        "noUnusedLocals": True,
        "target": "es2022",
        "lib": ["es2023", "dom", "dom.iterable"],
        "module": "nodenext",
        "types": [],
    },
    "include": ["*.js", "*.ts"],
}
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
    """Put the module where tsc can be run over it."""
    if not STAMP.exists():
        pytest.skip("tsc is not installed: make tests/clients/node_modules/.ready")
    shutil.copy(MODULE, tmp_path)
    (tmp_path / "tsconfig.json").write_text(json.dumps(CONFIG), encoding="utf-8")
    (tmp_path / "package.json").write_text(PACKAGE, encoding="utf-8")
    (tmp_path / "node_modules").symlink_to(NODE_MODULES)
    return tmp_path


async def errors(directory: Path) -> list[str]:
    """Return what tsc has to say."""
    done = await run(directory / "node_modules" / ".bin" / "tsc", "--pretty", "false", directory=directory)
    return (done.stdout + done.stderr).splitlines()


async def test_the_module_and_its_use_are_sound(directory: Path) -> None:
    """Not one error, nor anything that is not used."""
    (directory / "usage.ts").write_text(USAGE, encoding="utf-8")
    assert await errors(directory) == []


async def test_the_types_refuse_what_is_wrong(directory: Path) -> None:
    """Were they loose, soundness would prove nothing; in a use of the module, and in itself."""
    for name, (right, wrong, _) in WRONG.items():
        assert USAGE.count(right) == 1
        (directory / f"{name}.ts").write_text(USAGE.replace(right, wrong), encoding="utf-8")
    source = MODULE.read_text(encoding="utf-8")
    assert "{ algorithm, value }" in source
    broken = source.replace("return { algorithm, value }", "return { algorithm, value: 1 }", 1)
    (directory / "broken.js").write_text(broken, encoding="utf-8")
    found = await errors(directory)
    for name, (_, _, code) in WRONG.items():
        assert any(line.startswith(f"{name}.ts") and f"error {code}:" in line for line in found), found
    assert any(line.startswith("broken.js") and "error TS2322:" in line for line in found), found


def test_the_module_depends_on_nothing() -> None:
    """One file, that any page may load from here or from a copy."""
    source = MODULE.read_text(encoding="utf-8")
    assert re.findall(r"^\s*(?:import\b|export .* from\b).*$", source, re.MULTILINE) == []
    assert "import(" not in source

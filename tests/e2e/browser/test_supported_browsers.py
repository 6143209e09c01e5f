"""The browser module and the demo page use nothing that the supported browsers lack."""

from pathlib import Path
from typing import Final

import pytest
from tests.support.browser.module_stage import MODULE
from tests.support.clients.tools import CLIENTS, STAMP, run
from tests.support.servers import ROOT

# One line each, in the order of what is expected of it; None for what all of these browsers have.
LATER: Final = {
    "const a = AbortSignal.any([]);": "AbortSignal.any is not in",
    "const b = Promise.withResolvers();": "Promise.withResolvers is not in",
    "const c = AbortSignal.timeout(1);": "AbortSignal.timeout is not in",
    "const d = new Set([1]).union(new Set([2]));": "Set.union is not in",
    "const e = URL.canParse('x');": "URL.canParse is not in",
    "const f = globalThis.requestIdleCallback(() => {});": "requestIdleCallback is not in safari 16.4",
    "requestIdleCallback(() => {});": "requestIdleCallback is not in safari 16.4, safari_ios 16.4",
    "const g = new Blob([]).stream().values();": "ReadableStream.values is not in",
    "const h = [1].at(-1) ?? structuredClone({}) ?? AbortSignal.abort();": None,
    "class A { static #x = 1; static { this.#x ??= 2; } }": None,
}
NEWER_SYNTAX: Final = "export const k = /[a--b]/v;"


@pytest.fixture(autouse=True)
def _tools() -> None:
    if not STAMP.exists():
        pytest.skip(f"TypeScript is not installed: make {STAMP.relative_to(ROOT)}")


async def lacking(*files: Path) -> list[str]:
    """Return what the browsers of `tests/e2e/clients/package.json` lack."""
    done = await run("node", CLIENTS / "browsers.mjs", *files, directory=CLIENTS)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.splitlines()


async def test_supported_browsers_have_every_api_in_use() -> None:
    """Three years of Chrome, Firefox and Safari, also on phones; the module and the guide name them."""
    web = MODULE.parent
    modules = [web / "queue.js", web / "dropzone.js", web / "demo.js", *sorted((web / "demo").glob("*.js"))]
    assert await lacking(MODULE, *modules) == []
    named = "Chrome and Edge 111, Firefox 115, Safari 16.4"
    assert named in MODULE.read_text(encoding="utf-8")
    assert named in (ROOT / "docs" / "browser.md").read_text(encoding="utf-8")


async def test_newer_apis_are_found(tmp_path: Path) -> None:
    """APIs of the web and of JavaScript, and syntax."""
    apis, syntax = tmp_path / "apis.js", tmp_path / "syntax.js"
    apis.write_text("\n".join([*LATER, "export {};"]), encoding="utf-8")
    syntax.write_text(NEWER_SYNTAX, encoding="utf-8")
    found = await lacking(apis, syntax)
    for line, said in enumerate(LATER.values(), start=1):
        told = [each for each in found if each.startswith(f"{apis}:{line}: ")]
        assert told[0].startswith(f"{apis}:{line}: {said}") if said else told == [], line
    assert [each for each in found if each.startswith(f"{syntax}:1: syntax newer than ECMAScript 2022")]

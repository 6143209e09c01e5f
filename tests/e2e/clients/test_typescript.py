"""openapi-typescript accepts the document unchanged, and its types pass tsc's strictest checks."""

import json
import re
from typing import Final

import pytest
from tests.support.clients.programs import (
    OPENAPI,
    OPERATIONS,
    WEBHOOKS,
    Compiled,
    assert_guide_uploads,
    assert_refused,
    assert_uploads,
    compiled_with_faults,
)
from tests.support.clients.tools import CLIENTS, Generated
from tests.support.servers import S3Server

PROBLEM: Final = "application/problem+json"

# Written beside usage.ts: a Record names each key, and an object literal may have no other.
NAMES: Final = """
import type { components, operations } from "./api.ts";
type Problem = components["schemas"]["Problem"];
export const named: [Record<keyof operations, 1>, Record<keyof components["schemas"], 1>] = [%s, %s];
export const told = (problem: Problem): Problem[] => [problem%s];
"""

# What is right in usage.ts, what is wrong instead, and the compiler's code for it.
WRONG: Final = {
    "not_narrowed_by_method": ('upload.method === "put"', "upload.key", "TS2339"),
    "an_answer_as_a_problem": ("told(created.error)", "told(created.data)", "TS2345"),
    "no_such_path": ('"/v1/uploads/{id}/complete"', '"/v1/uploads/{id}/finish"', "TS2345"),
    "no_field_at_fault": ("first === undefined", "false", "TS18048"),
}


def named_in_typescript() -> str:
    """Write down every operation, every schema, and every problem that an operation can answer with."""
    problems = [
        f', problem satisfies operations["{name}"]["responses"][{status}]["content"]["{PROBLEM}"]'
        for name, operation in OPERATIONS.items()
        for status, response in operation["responses"].items()
        if PROBLEM in response.get("content", {})
    ]
    names = dict.fromkeys([*OPERATIONS, *WEBHOOKS], 1), dict.fromkeys(OPENAPI["components"]["schemas"], 1)
    return NAMES % (json.dumps(names[0]), json.dumps(names[1]), "".join(problems))


@pytest.fixture(scope="module")
async def compiled(typescript: Generated) -> Compiled:
    """Compile the client and its programs."""
    (typescript.directory / "names.ts").write_text(named_in_typescript(), encoding="utf-8")
    return await compiled_with_faults(typescript, WRONG)


def test_the_lock_holds_hashes_and_names_no_registry() -> None:
    """Where packages come from is for each machine to say; what they are is not."""
    packages = json.loads((CLIENTS / "package-lock.json").read_text(encoding="utf-8"))["packages"]
    root = packages.pop("")
    assert all(re.fullmatch(r"\d+\.\d+\.\d+", version) for version in root["devDependencies"].values())
    for name, package in packages.items():
        assert package["integrity"].startswith("sha512-"), name
        assert "resolved" not in package, name


def test_types_are_made_without_a_warning(typescript: Generated) -> None:
    """It says its name and what it wrote, and no more."""
    done = typescript.generator
    assert (done.returncode, done.stderr) == (0, "")
    banner, written = done.stdout.splitlines()
    assert "openapi-typescript 7" in banner
    assert "openapi.json → api.ts" in written


def test_what_is_made_is_sound(compiled: Compiled) -> None:
    """Types, programs that use them, and each operation, schema and problem by its name."""
    assert compiled.errors == []


def test_the_types_refuse_what_is_wrong(compiled: Compiled) -> None:
    """Were they loose, the programs above would prove nothing. Each fault is in a copy of one."""
    assert_refused(compiled, WRONG)


@pytest.mark.parametrize("method", ["put", "post", "multipart"])
async def test_the_program_uploads(
    compiled: Compiled, base_url: str, seaweedfs: S3Server, method: str
) -> None:
    """What was type-checked also works: the bytes arrive, and problems are read, in a batch too."""
    await assert_uploads(compiled.client, base_url, seaweedfs, method, program="usage.ts")


async def test_the_guide_uploads(compiled: Compiled, base_url: str, seaweedfs: S3Server) -> None:
    """The page's program does what the page says."""
    await assert_guide_uploads(compiled.client, base_url, seaweedfs, program="upload.ts")

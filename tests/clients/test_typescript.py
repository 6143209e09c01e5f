"""openapi-typescript takes the document as it is, and tsc takes what it makes, as strictly as tsc can."""

import json
import re
import shutil
from pathlib import Path
from typing import Any, Final

import pytest
from tests.clients.conftest import Generated
from tests.clients.tools import CLIENTS, DOCUMENT, run
from tests.servers import S3Server
from tests.service import token_for

OPENAPI: Final[dict[str, Any]] = json.loads(DOCUMENT.read_text(encoding="utf-8"))
PROBLEM: Final = "application/problem+json"

# Written beside usage.ts: a Record names each key, and an object literal may have no other.
NAMES: Final = """
import type { components, operations } from "./api.ts";
type Problem = components["schemas"]["Problem"];
export const named: [Record<keyof operations, 1>, Record<keyof components["schemas"], 1>] = [%s, %s];
export const told = (problem: Problem): Problem[] => [problem%s];
"""

CALL: Final = """
import { batch, refusal, upload } from "./usage.ts";
const [baseUrl, token, method, text] = process.argv.slice(1);
const object = await upload(baseUrl, token, method, text);
const [refused, several] = [await refusal(baseUrl, token), await batch(baseUrl, token)];
console.log(JSON.stringify({ object, refusal: refused, batch: several }));
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
    operations = {
        operation["operationId"]: operation
        for methods in OPENAPI["paths"].values()
        for operation in methods.values()
    }
    problems = [
        f', problem satisfies operations["{name}"]["responses"][{status}]["content"]["{PROBLEM}"]'
        for name, operation in operations.items()
        for status, response in operation["responses"].items()
        if PROBLEM in response.get("content", {})
    ]
    names = dict.fromkeys(operations, 1), dict.fromkeys(OPENAPI["components"]["schemas"], 1)
    return NAMES % (json.dumps(names[0]), json.dumps(names[1]), "".join(problems))


async def compile_errors(directory: Path) -> list[str]:
    """Run the TypeScript compiler in a directory; return what it has to say."""
    done = await run(directory / "node_modules" / ".bin" / "tsc", "--pretty", "false", directory=directory)
    errors = (done.stdout + done.stderr).splitlines()
    assert bool(errors) is (done.returncode != 0)
    return errors


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


async def test_what_is_made_is_sound(typescript: Generated) -> None:
    """Types, a program that uses them, and each operation, schema and problem by its name."""
    (typescript.directory / "names.ts").write_text(named_in_typescript(), encoding="utf-8")
    assert await compile_errors(typescript.directory) == []


async def test_the_types_refuse_what_is_wrong(typescript: Generated, tmp_path: Path) -> None:
    """Were they loose, the program above would prove nothing. Each fault is put into a copy of it."""
    shutil.copytree(typescript.directory, tmp_path, symlinks=True, dirs_exist_ok=True)
    source = (tmp_path / "usage.ts").read_text(encoding="utf-8")
    for name, (right, wrong, _) in WRONG.items():
        assert right in source
        (tmp_path / f"{name}.ts").write_text(source.replace(right, wrong, 1), encoding="utf-8")
    errors = await compile_errors(tmp_path)
    for name, (_, _, code) in WRONG.items():
        assert any(line.startswith(f"{name}.ts") and f"error {code}:" in line for line in errors), errors


@pytest.mark.parametrize("method", ["put", "post", "multipart"])
async def test_the_program_uploads(
    typescript: Generated, base_url: str, seaweedfs: S3Server, method: str
) -> None:
    """What was type-checked also works: the bytes arrive, and problems are read, in a batch too."""
    text = f"by {method}, naïvely"
    arguments = (base_url, token_for("alice"), method, text)
    call = ("node", "--input-type=module", "--eval", CALL, *arguments)
    done = await run(*call, directory=typescript.directory)
    assert (done.returncode, done.stderr) == (0, "")
    printed = json.loads(done.stdout)
    assert printed["refusal"] == "validation_error: size"
    assert printed["batch"] == ["put", "size_required: size", "post"]
    assert printed["object"]["size"] == len(text.encode())
    async with seaweedfs.client() as s3:
        stored = await s3.get_object(Bucket=seaweedfs.bucket, Key=printed["object"]["key"])
        assert await stored["Body"].read() == text.encode()

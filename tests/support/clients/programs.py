"""What programs with a TypeScript client are put through: the compiler, and uploads by Node.js."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from tests.support.clients.tools import DOCUMENT, Generated, run
from tests.support.servers import S3Server
from tests.support.service import token_for

OPENAPI: Final[dict[str, Any]] = json.loads(DOCUMENT.read_text(encoding="utf-8"))
OPERATIONS: Final[dict[str, dict[str, Any]]] = {
    operation["operationId"]: operation
    for methods in OPENAPI["paths"].values()
    for operation in methods.values()
}
WEBHOOKS: Final = frozenset(webhook["post"]["operationId"] for webhook in OPENAPI["webhooks"].values())

# From the program that stands in a client's directory.
_CALL: Final = """
import { batch, refusal, upload } from "./%s";
const [baseUrl, token, method, text] = process.argv.slice(1);
const object = await upload(baseUrl, token, method, text);
const [refused, several] = [await refusal(baseUrl, token), await batch(baseUrl, token)];
console.log(JSON.stringify({ object, refusal: refused, batch: several }));
"""

_CALL_GUIDE: Final = """
import { upload } from "./%s";
const [baseUrl, token, text] = process.argv.slice(1);
const file = new File([text], "note.txt");
await upload(baseUrl, token, file).then(
  (completed) => console.log(JSON.stringify(completed)),
  (error) => console.log(JSON.stringify({ error: error.message })),
);
"""

MALFORMED: Final = "The token is malformed, or its signature is wrong."
"""What the service says of a made-up token."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Compiled:
    """A client and its programs as the compiler left them.

    Attributes:
        client: The client; where its settings say so, with JavaScript in ``dist``.
        errors: What the compiler said of them.
        refusals: What it said of the copies of ``usage.ts`` that have a fault each.
    """

    client: Generated
    errors: list[str]
    refusals: list[str]


async def compiled_with_faults(client: Generated, wrong: Mapping[str, tuple[str, str, str]]) -> Compiled:
    """Compile a client, its programs, and wrong copies of one of them.

    Args:
        client: The client.
        wrong: By the copy's name, what is right in ``usage.ts``, what is wrong instead, and the compiler's
            code for it.
    """
    source = (client.directory / "usage.ts").read_text(encoding="utf-8")
    for name, (right, instead, _) in wrong.items():
        assert right in source
        (client.directory / f"{name}.ts").write_text(source.replace(right, instead, 1), encoding="utf-8")
    command = client.directory / "node_modules" / ".bin" / "tsc"
    done = await run(command, "--project", client.project, "--pretty", "false", directory=client.directory)
    said = (done.stdout + done.stderr).splitlines()
    copies = tuple(f"{name}.ts" for name in wrong)
    refusals = [line for line in said if line.startswith(copies)]
    # What goes on about an error is indented.
    errors = [line for line in said if line not in refusals and not line.startswith(" ")]
    return Compiled(client=client, errors=errors, refusals=refusals)


def assert_refused(compiled: Compiled, wrong: Mapping[str, tuple[str, str, str]]) -> None:
    """See that the compiler found the fault in each copy."""
    for name, (_, _, code) in wrong.items():
        found = [line for line in compiled.refusals if line.startswith(f"{name}.ts")]
        assert any(f"error {code}:" in line for line in found), (name, found)


async def assert_uploads(
    client: Generated, base_url: str, seaweedfs: S3Server, method: str, *, program: str
) -> None:
    """Let the program upload, be refused, and create a batch: the bytes arrive, and problems are read."""
    text = f"by {method}, naïvely"
    printed = await _printed(client, _CALL % program, base_url, token_for("alice"), method, text)
    assert printed["refusal"] == "validation_error: size"
    assert printed["batch"] == ["put", "size_required: size", "post"]
    await assert_stored(seaweedfs, printed["object"], text)


async def assert_guide_uploads(
    client: Generated, base_url: str, seaweedfs: S3Server, *, program: str
) -> None:
    """Let the page's program upload, and say why it may not without a good token."""
    text = "as the page says"
    completed = await _printed(client, _CALL_GUIDE % program, base_url, token_for("alice"), text)
    assert completed["receipt"].count(".") == 2
    await assert_stored(seaweedfs, completed["object"], text)
    refused = await _printed(client, _CALL_GUIDE % program, base_url, "made.up.token", text)
    assert refused == {"error": MALFORMED}


async def assert_stored(seaweedfs: S3Server, described: Mapping[str, Any], text: str) -> None:
    """Look for an object of which an answer tells; it must hold the text."""
    assert described["size"] == len(text.encode())
    async with seaweedfs.client() as s3:
        stored = await s3.get_object(Bucket=seaweedfs.bucket, Key=described["key"])
        assert await stored["Body"].read() == text.encode()


async def assert_generated_program(
    client: Generated, base_url: str, seaweedfs: S3Server, *command: str | Path
) -> None:
    """Let a compiled program upload as the page says, be refused, create a batch, and read a policy."""
    text = "as the page says"
    (client.directory / "note.txt").write_text(text, encoding="utf-8")
    arguments = (base_url, token_for("alice"), "note.txt")
    done = await run(*command, *arguments, directory=client.directory)
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    printed = json.loads(done.stdout)
    completed = printed.pop("completed")
    assert completed["receipt"].count(".") == 2
    await assert_stored(seaweedfs, completed["object"], text)
    assert printed == {
        "refusal": MALFORMED,
        "batch": ["PutUpload", "PostUpload", "MultipartUpload", "size_required"],
        # More than 32 bits hold.
        "max_size": 5 * 1024**3,
    }


def exported_types(source: Path) -> set[str]:
    """Return the names of the types that a generated file exports."""
    return set(re.findall(r"^export type (\w+)", source.read_text(encoding="utf-8"), re.MULTILINE))


async def _printed(client: Generated, script: str, *arguments: str) -> dict[str, Any]:
    call = ("node", "--input-type=module", "--eval", script, *arguments)
    done = await run(*call, directory=client.directory)
    assert (done.returncode, done.stderr) == (0, "")
    printed: dict[str, Any] = json.loads(done.stdout)
    return printed

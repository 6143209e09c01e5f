"""Hey API accepts the document unchanged. Its client passes tsc, reads well, and uploads."""

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
    exported_types,
)
from tests.support.clients.tools import Generated, run
from tests.support.servers import S3Server

# What the sdk exports when it runs: one function for each operation.
LIST_FUNCTIONS: Final = """
import * as sdk from "./dist/client/sdk.gen.js";
console.log(JSON.stringify(Object.keys(sdk)));
"""

# What the client sends by way of a credential, told to a server that there is not.
SENT: Final = """
import { upload } from "./dist/upload.js";
globalThis.fetch = async (request) => {
  console.log(JSON.stringify([...request.headers]));
  throw new Error("no network");
};
await upload("http://127.0.0.1:1", "a.b.c", new File([], "note.txt")).catch(() => {});
"""

# What is right in the program, what is wrong instead, and the compiler's code for it.
WRONG: Final = {
    "not_narrowed_by_method": ('upload.method === "put"', "upload.key", "TS2339"),
    "an_answer_as_a_problem": ("told(created.error)", "told(created.data)", "TS2345"),
    "no_id": ("path: { id: created.data.id }", "path: {}", "TS2741"),
    "no_field_at_fault": ("first === undefined", "false", "TS18048"),
}


@pytest.fixture(scope="module")
async def compiled(hey_api: Generated) -> Compiled:
    """Compile the client and its programs."""
    return await compiled_with_faults(hey_api, WRONG)


def test_the_client_is_made_without_a_warning(hey_api: Generated) -> None:
    """It says its name, what it reads and what it wrote, and no more."""
    done = hey_api.generator
    assert (done.returncode, done.stderr) == (0, "")
    said = [line for line in re.sub(r"\x1b\[\d+m", "", done.stdout).splitlines() if line]
    assert re.fullmatch(r"@hey-api/openapi-ts v[\d.]+", said[0])
    assert [re.sub(r"\s*\[Job 1\]\s*", "", line).split(" · ")[0] for line in said[1:]] == [
        "~ Generating...",
        "[1] openapi.json",
        "✓ ./client",
    ]


async def test_every_operation_is_a_function(compiled: Compiled) -> None:
    """By its own name, and nothing else is there."""
    call = ("node", "--input-type=module", "--eval", LIST_FUNCTIONS)
    done = await run(*call, directory=compiled.client.directory)
    assert set(json.loads(done.stdout)) == OPERATIONS.keys()


def test_every_schema_is_a_type(hey_api: Generated) -> None:
    """By its own name; besides, what goes into and comes out of each operation, and into each webhook."""
    types = exported_types(hey_api.directory / "client" / "types.gen.ts")
    of_operations = {
        f"{name[0].upper()}{name[1:]}{what}"
        for name in OPERATIONS
        for what in ("Data", "Error", "Errors", "Response", "Responses")
    }
    of_webhooks = {
        f"{name[0].upper()}{name[1:]}Webhook{what}" for name in WEBHOOKS for what in ("Request", "Payload")
    }
    assert of_webhooks <= types
    others = of_operations | of_webhooks | {"ClientOptions", "Webhooks"}
    assert types - others == OPENAPI["components"]["schemas"].keys()


def test_what_is_made_is_sound(compiled: Compiled) -> None:
    """The client, and the programs that use it."""
    assert compiled.errors == []


def test_the_types_refuse_what_is_wrong(compiled: Compiled) -> None:
    """Were they loose, the programs above would prove nothing. Each fault is in a copy of one."""
    assert_refused(compiled, WRONG)


@pytest.mark.parametrize("method", ["put", "post", "multipart"])
async def test_the_program_uploads(
    compiled: Compiled, base_url: str, seaweedfs: S3Server, method: str
) -> None:
    """What was type-checked also works: the bytes arrive, and problems are read, in a batch too."""
    await assert_uploads(compiled.client, base_url, seaweedfs, method, program="dist/usage.js")


async def test_the_guide_uploads(compiled: Compiled, base_url: str, seaweedfs: S3Server) -> None:
    """The page's program does what the page says."""
    await assert_guide_uploads(compiled.client, base_url, seaweedfs, program="dist/upload.js")


async def test_the_guide_sends_the_token_once(compiled: Compiled) -> None:
    """As a bearer token; not as an API key too, and not as a user's name."""
    done = await run("node", "--input-type=module", "--eval", SENT, directory=compiled.client.directory)
    headers = dict(json.loads(done.stdout))
    assert headers == {"authorization": "Bearer a.b.c", "content-type": "application/json"}

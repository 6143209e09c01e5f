"""OpenAPI Generator accepts the document unchanged. Its TypeScript passes tsc, reads well, and uploads."""

import json
import re
from typing import Final

import pytest
from tests.support.clients.programs import (
    OPENAPI,
    OPERATIONS,
    Compiled,
    assert_guide_uploads,
    assert_refused,
    assert_uploads,
    compiled_with_faults,
)
from tests.support.clients.tools import Generated, run
from tests.support.servers import S3Server

# What the client exports when it runs: a class for each tag, with its methods.
LIST_METHODS: Final = """
import * as client from "./dist/client/apis/index.js";
const apis = Object.entries(client).map(([name, api]) => [name, Object.getOwnPropertyNames(api.prototype)]);
console.log(JSON.stringify(Object.fromEntries(apis)));
"""

# It says the one of every document of 3.1, the other of one in whose schemas others are written out.
WARNINGS: Final = {
    "OpenAPI 3.1 support is still in beta",
    "Failed to get the schema name: null",
}

# What is right in the program, what is wrong instead, and the compiler's code for it.
WRONG: Final = {
    "not_narrowed_by_method": ('upload.method === "put"', "upload.key", "TS2339"),
    "an_answer_as_a_problem": ("told(await problemIn(error))", "told(await problemIn)", "TS2345"),
    "a_batch_not_narrowed": ("problem ? told(problem)", "true ? told(problem)", "TS2345"),
    "no_id": ("{ id: created.id }", "{}", "TS2345"),
}


@pytest.fixture(scope="module")
async def compiled(openapi_generator: Generated) -> Compiled:
    """Compile the client and its programs."""
    return await compiled_with_faults(openapi_generator, WRONG)


def test_the_client_is_made_with_the_warnings_that_the_guide_tells_of(openapi_generator: Generated) -> None:
    """Those two, once or twice, and no error."""
    done = openapi_generator.generator
    assert (done.returncode, done.stderr) == (0, "")
    said = re.findall(r"^\[\w+\] +(?!INFO )\w+ +\S+ - (.*)", done.stdout, re.MULTILINE)
    assert {line.partition(". ")[0] for line in said} == WARNINGS


async def test_every_operation_is_a_method(compiled: Compiled) -> None:
    """Of its tag's class, by its own name; beside it, its request and the answer as it is."""
    call = ("node", "--input-type=module", "--eval", LIST_METHODS)
    done = await run(*call, directory=compiled.client.directory)
    expected: dict[str, set[str]] = {}
    for name, operation in OPERATIONS.items():
        (tag,) = operation["tags"]
        of_tag = expected.setdefault(f"{tag.capitalize()}Api", {"constructor"})
        of_tag |= {name, f"{name}Raw", f"{name}RequestOpts"}
    assert {name: set(methods) for name, methods in json.loads(done.stdout).items()} == expected


def test_every_schema_is_a_model(openapi_generator: Generated) -> None:
    """By its own name, and no other model is made up; a free dictionary needs none."""
    models = {path.stem for path in (openapi_generator.directory / "client" / "models").glob("*.ts")}
    schemas = OPENAPI["components"]["schemas"]
    dictionaries = {name for name, schema in schemas.items() if schema.get("additionalProperties")}
    assert models - {"index"} == schemas.keys() - dictionaries


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

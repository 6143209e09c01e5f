"""openapi-python-client accepts the document unchanged. Its client passes mypy, reads well, and uploads."""

import json
import re
from typing import Final

import pytest
from tests.support.clients.programs import MALFORMED, OPENAPI, OPERATIONS, assert_stored
from tests.support.clients.tools import PYTHON, Generated, run, type_check
from tests.support.servers import S3Server
from tests.support.service import token_for

IMPORT_ALL: Final = """
import importlib, json, pkgutil, uploadsvc_client
found = [module.name for module in pkgutil.walk_packages(uploadsvc_client.__path__, "uploadsvc_client.")]
for name in found:
    importlib.import_module(name)
print(json.dumps([found, uploadsvc_client.models.__all__]))
"""

CALL_GUIDE: Final = """
import json, pathlib, sys, upload
completed = upload.upload(sys.argv[1], sys.argv[2], pathlib.Path("note.txt"))
print(json.dumps(completed.to_dict()))
"""

# What the generator calls a schema that has no name of its own, and what only our own code says.
UGLY: Final = re.compile(r"Type\d|Item$|AdditionalProperty|Response\d|\d$|Model$|Body$")

# What is right in usage.py, what is wrong instead, and mypy's code for it.
WRONG: Final = {
    "not_narrowed.py": ("isinstance(upload, PutUpload)", "upload.key", "union-attr"),
    "a_size_of_bytes.py": ("size=len(content)", "size=content", "arg-type"),
    "an_answer_as_a_problem.py": ("failure(completed)", "failure(created)", "arg-type"),
}


def snake_case(name: str) -> str:
    """Return ``createUpload`` as ``create_upload``."""
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()


async def imported(python: Generated) -> tuple[set[str], set[str]]:
    """Import the whole package, warnings being errors; return its modules and its models."""
    done = await run(PYTHON, "-W", "error", "-c", IMPORT_ALL, directory=python.directory)
    assert (done.returncode, done.stderr) == (0, "")
    modules, models = json.loads(done.stdout)
    return set(modules), set(models)


def test_the_client_is_made_without_a_warning(python: Generated) -> None:
    """It warns of what it leaves out; it has nothing to say."""
    done = python.generator
    assert (done.returncode, done.stderr, done.stdout) == (0, "", f"Generating {python.directory}\n")


async def test_every_operation_is_a_module(python: Generated) -> None:
    """Under its tag, by its name, and nothing else is there."""
    modules, _ = await imported(python)
    operations = {
        f"uploadsvc_client.api.{operation['tags'][0]}.{snake_case(operation['operationId'])}"
        for operation in OPERATIONS.values()
    }
    assert {name for name in modules if name.count(".") == 3} == operations


async def test_the_models_read_well(python: Generated) -> None:
    """Each schema is a class of its own name; a union is its variants; no name is made up from a position."""
    _, models = await imported(python)
    schemas = {name for name, schema in OPENAPI["components"]["schemas"].items() if "type" in schema}
    assert (
        {"CreateUpload", "PutUpload", "PostUpload", "MultipartUpload", "StoredObject", "Problem"}
        <= schemas
        <= models
    )
    assert [name for name in models if UGLY.search(name)] == []


async def test_what_is_made_is_sound(python: Generated) -> None:
    """The package, and the programs that use it."""
    done = await type_check("uploadsvc_client", "usage.py", "upload.py", directory=python.directory)
    assert done.returncode == 0, done.stdout + done.stderr


async def test_the_types_refuse_what_is_wrong(python: Generated) -> None:
    """Were they loose, the program above would prove nothing. Each fault is put into a copy of it."""
    source = (python.directory / "usage.py").read_text(encoding="utf-8")
    for name, (right, wrong, _) in WRONG.items():
        assert right in source
        (python.directory / name).write_text(source.replace(right, wrong, 1), encoding="utf-8")
    done = await type_check(*WRONG, directory=python.directory)
    errors = done.stdout.splitlines()
    for name, (_, _, code) in WRONG.items():
        assert any(line.startswith(name) and f"[{code}]" in line for line in errors), errors


@pytest.mark.parametrize("method", ["put", "post", "multipart"])
async def test_the_program_uploads(
    python: Generated, base_url: str, seaweedfs: S3Server, method: str
) -> None:
    """What was type-checked also works: the bytes arrive, and problems are read, in a batch too."""
    text = f"by {method}, naïvely"
    arguments = (base_url, token_for("alice"), method, text)
    done = await run(PYTHON, "-W", "error", "usage.py", *arguments, directory=python.directory)
    assert (done.returncode, done.stderr) == (0, "")
    printed = json.loads(done.stdout)
    assert printed["refusal"] == "422 validation_error: size"
    assert printed["batch"] == ["put", "size_required: size", "post"]
    await assert_stored(seaweedfs, printed["object"], text)


async def test_the_guide_uploads(python: Generated, base_url: str, seaweedfs: S3Server) -> None:
    """The page's program does what the page says, and says why it may not without a good token."""
    text = "as the page says"
    (python.directory / "note.txt").write_text(text, encoding="utf-8")
    call = (PYTHON, "-W", "error", "-c", CALL_GUIDE, base_url)
    done = await run(*call, token_for("alice"), directory=python.directory)
    assert (done.returncode, done.stderr) == (0, "")
    completed = json.loads(done.stdout)
    assert completed["receipt"].count(".") == 2
    await assert_stored(seaweedfs, completed["object"], text)
    done = await run(*call, "made.up.token", directory=python.directory)
    assert done.stderr.endswith(f"RuntimeError: {MALFORMED}\n")

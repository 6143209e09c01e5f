"""OpenAPI Generator accepts the document unchanged. Its Go client compiles without modules, and uploads."""

import shutil

import pytest
from tests.support.clients.guide import OPENAPI_GENERATOR_GO
from tests.support.clients.programs import assert_generated_program
from tests.support.clients.tools import CLIENTS, Generated, generate, run
from tests.support.servers import S3Server


@pytest.fixture(scope="module")
async def go(_tools: None, tmp_path_factory: pytest.TempPathFactory) -> Generated:
    """Let OpenAPI Generator make a client; compile it with the page's program and one more."""
    if shutil.which("go") is None:
        pytest.skip("no Go: apt-get install golang-go")
    directory = tmp_path_factory.mktemp("go")
    generator = await generate(OPENAPI_GENERATOR_GO, directory)
    shutil.copy(CLIENTS / "usage.go", directory)
    (directory / "upload.go").write_text(OPENAPI_GENERATOR_GO.program, encoding="utf-8")
    (directory / "go.mod").write_text("module example.com/app\n\ngo 1.19\n", encoding="utf-8")
    offline = {"GOPROXY": "off", "GOFLAGS": "-mod=mod", "GOTOOLCHAIN": "local"}
    done = await run("go", "build", "-o", "app", ".", directory=directory, environment=offline)
    assert done.returncode == 0, done.stderr
    return Generated(directory=directory, generator=generator)


async def test_the_programs_upload(go: Generated, base_url: str, seaweedfs: S3Server) -> None:
    await assert_generated_program(go, base_url, seaweedfs, go.directory / "app")

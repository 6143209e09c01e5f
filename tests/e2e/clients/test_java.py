"""OpenAPI Generator accepts the document unchanged. Its Java client compiles and uploads."""

import os
import shutil
from pathlib import Path

import pytest
from tests.support.clients.guide import OPENAPI_GENERATOR_JAVA
from tests.support.clients.programs import assert_generated_program
from tests.support.clients.tools import CLIENTS, GENERATOR_JAR, Generated, generate, run
from tests.support.servers import S3Server

ANNOTATIONS = Path("/usr/share/java/jakarta-annotation-api.jar")

# The generator is a Java program that has Jackson in its own archive, so that no other is needed.
CLASSPATH = os.pathsep.join([str(GENERATOR_JAR), str(ANNOTATIONS), "classes"])


@pytest.fixture(scope="module")
def _jdk() -> None:
    if shutil.which("javac") is None or not ANNOTATIONS.exists():
        pytest.skip("no Java: apt-get install openjdk-17-jdk-headless libjakarta-annotation-api-java")


@pytest.fixture(scope="module")
async def java(_tools: None, _jdk: None, tmp_path_factory: pytest.TempPathFactory) -> Generated:
    """Let OpenAPI Generator make a client; compile it with the page's program and one more."""
    directory = tmp_path_factory.mktemp("java")
    generator = await generate(OPENAPI_GENERATOR_JAVA, directory)
    shutil.copy(CLIENTS / "Usage.java", directory)
    (directory / "Uploader.java").write_text(OPENAPI_GENERATOR_JAVA.program, encoding="utf-8")
    sources = [*(directory / "client" / "src" / "main").rglob("*.java"), *directory.glob("*.java")]
    options = ("-nowarn", "-proc:none", "-d", "classes", "-classpath", CLASSPATH)
    done = await run("javac", *options, *sources, directory=directory)
    assert done.returncode == 0, done.stderr
    return Generated(directory=directory, generator=generator)


async def test_the_programs_upload(java: Generated, base_url: str, seaweedfs: S3Server) -> None:
    await assert_generated_program(java, base_url, seaweedfs, "java", "-classpath", CLASSPATH, "Usage")

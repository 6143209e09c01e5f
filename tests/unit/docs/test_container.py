"""The container files, as far as they can be checked without an engine."""

import json
import re
import tomllib
from typing import Any, Final

import httpx
import pytest
import yaml  # type: ignore[import-untyped]  # its stubs are not among the tests' packages
from tests.support.servers import ROOT

from uploadsvc.app import create_app
from uploadsvc.server.stopping import GRACE_SECONDS
from uploadsvc.settings import load_settings
from uploadsvc.settings.model import DEMO_SECRET

COMPOSE: Final[dict[str, Any]] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
PROJECT: Final[dict[str, Any]] = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
PAGE_ORIGINS: Final = ("http://localhost:8000", "http://127.0.0.1:8000")


def instructions(text: str) -> list[tuple[str, str]]:
    """Return a Dockerfile's instructions with what follows them."""
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    joined = re.sub(r"\s*\\\n\s*", " ", "\n".join(lines))
    return [(line.split(" ", 1)[0], line.split(" ", 1)[1]) for line in joined.splitlines()]


def stages() -> list[list[tuple[str, str]]]:
    """Return the stages of the image, the last one being what is shipped."""
    found: list[list[tuple[str, str]]] = []
    for name, rest in instructions((ROOT / "Dockerfile").read_text()):
        if name == "FROM":
            found.append([])
        if found:
            found[-1].append((name, rest))
    return found


def only(stage: list[tuple[str, str]], name: str) -> str:
    """Return what follows the one instruction of this name."""
    (rest,) = [rest for found, rest in stage if found == name]
    return rest


def test_the_base_can_be_pinned() -> None:
    """All stages that do not build on another are of one base, so that an image can be built again."""
    first, *_ = instructions((ROOT / "Dockerfile").read_text())
    assert first == ("ARG", "BASE=python:3.13-slim")
    bases = [only(stage, "FROM").partition(" AS ")[0] for stage in stages()]
    assert bases == ["${BASE}", "dependencies", "${BASE}"]


def test_the_image_runs_without_root_or_shell() -> None:
    """The user is a number, which Kubernetes' runAsNonRoot can check, and what is run is in exec form."""
    last = stages()[-1]
    user, group = only(last, "USER").split(":")
    assert int(user) >= 1000
    assert int(group) >= 1000
    names = [name for name, _ in last]
    assert "RUN" not in names[names.index("USER") :]
    assert json.loads(only(last, "ENTRYPOINT")) == ["uploadsvc"]
    # A server in a container that listens on its loopback alone is reached by nobody.
    assert json.loads(only(last, "CMD")) == ["serve", "--host", "0.0.0.0", "--port", "8000"]  # noqa: S104 - the container's
    assert only(last, "EXPOSE") == "8000"


def test_the_health_check_is_the_program_that_it_says() -> None:
    """In exec form, without curl; it asks this port, and no proxy."""
    options, _, command = only(stages()[-1], "HEALTHCHECK").partition(" CMD ")
    assert "--timeout=" in options
    program, *_, code = json.loads(command)
    assert program == "python"
    compile(code, "HEALTHCHECK", "exec")
    assert "8000" in code
    assert "/healthz" in code
    assert "urllib" not in code, "it would ask the proxy that the environment names"


def test_a_change_of_the_source_installs_nothing_again() -> None:
    """Locks come first, then what they install, by hash; the source is not there before."""
    dependencies, package, last = stages()
    for stage, lock in ((dependencies, "locks/runtime.txt"), (package, "locks/build.txt")):
        copied = next(at for at, (name, rest) in enumerate(stage) if name == "COPY" and lock in rest)
        installed = next(at for at, (name, rest) in enumerate(stage) if name == "RUN" and lock in rest)
        assert copied < installed
        assert "--require-hashes" in stage[installed][1]
        sources = [at for at, (name, rest) in enumerate(stage) if name == "COPY" and rest.startswith("src")]
        assert all(installed < at for at in sources)
    assert not [rest for name, rest in dependencies if name == "COPY" and "src" in rest]
    copies = [rest.split()[0] for name, rest in last if name == "COPY"]
    assert copies == ["--from=dependencies", "--from=package"]


def test_the_build_takes_releases_that_the_tests_take() -> None:
    """Both locks of the image name releases that the tests' lock names, and all that builds the package."""
    pins = {
        name: set(re.findall(r"^(\S+==\S+)", read_lock(name), re.MULTILINE))
        for name in ("build", "runtime", "test")
    }
    assert pins["build"] | pins["runtime"] <= pins["test"]
    assert any(pin.startswith("hatchling==") for pin in pins["build"])


def read_lock(name: str) -> str:
    """Return a lock file's text."""
    return (ROOT / "locks" / f"{name}.txt").read_text()


def test_the_labels_are_the_project_s() -> None:
    """What the image says of itself is what the package says."""
    labels = dict(re.findall(r'org\.opencontainers\.image\.(\w+)="([^"]*)"', only(stages()[-1], "LABEL")))
    assert labels == {
        "title": PROJECT["name"],
        "description": PROJECT["description"],
        "licenses": PROJECT["license"],
    }


def test_no_index_is_named() -> None:
    """Where pip takes packages from is said by whoever builds; an address could hold a password."""
    for name in ("Dockerfile", "docker-compose.yml", ".dockerignore"):
        text = (ROOT / name).read_text()
        assert not re.search(r"index-url|pypi|PIP_(EXTRA_)?INDEX_URL\s*[:=]\s*[^…\s]", text), name


def test_the_builder_is_sent_what_it_needs_and_no_more() -> None:
    """All is ignored but a list, which holds what the Dockerfile copies."""
    lines = [
        line
        for line in (ROOT / ".dockerignore").read_text().splitlines()
        if line and not line.startswith("#")
    ]
    assert lines[0] == "*", "so .git, .venv, .env and whatever comes"
    copied = {
        source
        for stage in stages()
        for name, rest in stage
        if name == "COPY" and not rest.startswith("--from")
        for source in rest.split()[:-1]
    }
    assert {line[1:] for line in lines if line.startswith("!")} == copied
    assert lines[-2:] == ["**/__pycache__", "**/*.pyc"], "after what they are exceptions from"


def test_compose_runs_the_localstack_of_the_tests() -> None:
    """The release that the tests prove, and one that checks presigned URLs."""
    (version,) = re.findall(r"^localstack-core(?:\[[^]]*\])?==(\S+)", read_lock("localstack"), re.MULTILINE)
    assert COMPOSE["localstack"]["image"] == f"localstack/localstack:{version}"
    assert COMPOSE["localstack"]["environment"]["S3_SKIP_SIGNATURE_VALIDATION"] == "0"


@pytest.mark.parametrize("name", list(COMPOSE))
def test_compose_publishes_to_this_machine_alone(name: str) -> None:
    """Demo users need no password, and LocalStack's keys are public."""
    assert COMPOSE[name]["ports"]
    assert all(port.startswith("127.0.0.1:") for port in COMPOSE[name]["ports"])


def test_compose_confines_the_service() -> None:
    """Nothing to write, no capability, none to gain; time enough to finish what is under way."""
    service = COMPOSE["uploadsvc"]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert int(service["stop_grace_period"].removesuffix("s")) > GRACE_SECONDS
    assert service["depends_on"] == {"localstack": {"condition": "service_healthy"}}


async def test_compose_s_settings_make_the_demo(monkeypatch: pytest.MonkeyPatch) -> None:
    """They load, the page is there for its origins, and browsers are sent to the published port."""
    for name, value in COMPOSE["uploadsvc"]["environment"].items():
        assert isinstance(value, str), f"{name} has to be quoted: docker-compose refuses YAML's own true"
        monkeypatch.setenv(name, value)
    settings = load_settings()
    assert settings.cors.allow_origins == PAGE_ORIGINS
    settings.check_demo_address("0.0.0.0")  # noqa: S104 - the image's own command
    # The container's peer is the engine's gateway.
    transport = httpx.ASGITransport(app=create_app(settings), client=("172.18.0.1", 40_000))
    async with httpx.AsyncClient(transport=transport, base_url=PAGE_ORIGINS[0], trust_env=False) as client:
        for origin in PAGE_ORIGINS:
            page = await client.get(f"{origin}/")
            assert page.status_code == 200
        assert "connect-src 'self' http://localhost:4566;" in page.headers["Content-Security-Policy"]
        token = (await client.get("/demo/users")).json()["users"][0]["token"]
        asked = {"filename": "a.txt", "size": 1}
        bearer = {"Authorization": f"Bearer {token}"}
        upload = (await client.post("/v1/uploads", json=asked, headers=bearer)).json()
    assert upload["url"].startswith("http://localhost:4566/uploadsvc-demo/uploads/alice/")
    assert "127.0.0.1:4566:4566" in COMPOSE["localstack"]["ports"]


def test_the_public_secret_key_is_known_to_the_service() -> None:
    """It refuses that key outside demo mode."""
    assert COMPOSE["uploadsvc"]["environment"]["UPLOADSVC_SECRET_KEY"] == DEMO_SECRET

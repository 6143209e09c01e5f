"""The Compose file for production, as far as it can be checked without an engine."""

import re
from typing import Any, Final

import pytest
import yaml  # type: ignore[import-untyped]  # its stubs are not among the tests' packages
from tests.support.servers import ROOT

from uploadsvc.server.stopping import DRAIN_SECONDS, EXIT_SECONDS
from uploadsvc.settings import load_settings

FOLDER: Final = ROOT / "deploy" / "compose"
COMPOSE: Final[dict[str, Any]] = yaml.safe_load((FOLDER / "docker-compose.yml").read_text(encoding="utf-8"))
SERVICES: Final[dict[str, dict[str, Any]]] = COMPOSE["services"]
OURS: Final = ("uploadsvc", "events")


@pytest.mark.parametrize("name", SERVICES)
def test_services_are_confined(name: str) -> None:
    """Nothing to write but volumes, no capability, none to gain, and limits."""
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["mem_limit"]
    assert service["cpus"]
    assert all(port.startswith("127.0.0.1:") for port in service.get("ports", []))


@pytest.mark.parametrize("name", OURS)
def test_secrets_are_files(name: str) -> None:
    """Each is named by a variable, mounted, and kept out of the repository."""
    environment = SERVICES[name]["environment"]
    named = {value.rpartition("/")[2] for key, value in environment.items() if key.endswith("_FILE")}
    assert named == set(SERVICES[name]["secrets"])
    ignored = (FOLDER / ".gitignore").read_text(encoding="utf-8").splitlines()
    assert all(COMPOSE["secrets"][secret]["file"].startswith("./secrets/") for secret in named)
    assert {"/secrets/", "/uploadsvc.env"} <= set(ignored)


@pytest.mark.parametrize("name", OURS)
def test_it_has_the_time_that_it_needs_to_stop(name: str) -> None:
    """Nothing is killed that the service would have finished."""
    assert int(SERVICES[name]["stop_grace_period"].removesuffix("s")) > DRAIN_SECONDS + EXIT_SECONDS


def test_metrics_stay_inside_and_prometheus_finds_them() -> None:
    """The port is published by no service, and its targets are the services' names."""
    scraped = (ROOT / "deploy" / "prometheus" / "prometheus.yml").read_text(encoding="utf-8")
    for name in OURS:
        port = SERVICES[name]["environment"]["UPLOADSVC_METRICS__ADDRESS"].rpartition(":")[2]
        assert f"names: [{name}], type: A, port: {port}" in scraped
        assert all(port not in published for published in SERVICES[name].get("ports", []))


def test_what_is_mounted_exists() -> None:
    """The configuration of Prometheus and Grafana."""
    for service in SERVICES.values():
        for volume in service.get("volumes", []):
            source = volume.partition(":")[0]
            assert source in COMPOSE["volumes"] or (FOLDER / source).exists()


def test_the_example_s_settings_load(monkeypatch: pytest.MonkeyPatch) -> None:
    """With a secret key, which is in a file of its own."""
    text = (FOLDER / "uploadsvc.env.example").read_text(encoding="utf-8")
    for name, value in re.findall(r"^(\w+)=(.+)$", text, re.MULTILINE):
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("UPLOADSVC_SECRET_KEY", "k" * 32)
    assert load_settings().s3.bucket == "my-bucket"

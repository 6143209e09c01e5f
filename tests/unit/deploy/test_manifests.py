"""The plain manifests: Kubernetes takes them, the service takes their settings, and the pods are confined."""

import json
from typing import Any, Final

import kubernetes_validate
import pytest
from tests.support.manifests import Manifest, check, of_kind, parsed
from tests.support.servers import ROOT

from uploadsvc.server.stopping import DRAIN_SECONDS, EXIT_SECONDS
from uploadsvc.settings import load_settings
from uploadsvc.settings.model import Settings

CHART: Final = ROOT / "deploy" / "helm" / "uploadsvc"
FILES: Final = sorted((ROOT / "deploy" / "manifests").glob("*.yaml"))
MANIFESTS: Final = parsed(path.read_text(encoding="utf-8") for path in FILES)
DEPLOYMENTS: Final = of_kind(MANIFESTS, "Deployment")


def named(manifest: Manifest) -> str:
    """Name a manifest in a test's id."""
    return f"{manifest['kind']}-{manifest['metadata']['name']}"


def container(deployment: Manifest) -> dict[str, Any]:
    """Return the one container of a Deployment."""
    (found,) = deployment["spec"]["template"]["spec"]["containers"]
    return dict(found)


@pytest.mark.parametrize("manifest", MANIFESTS, ids=named)
def test_kubernetes_takes_it(manifest: Manifest) -> None:
    """The oldest release that the chart allows, and the newest."""
    check(manifest)


def test_a_misspelt_field_is_found() -> None:
    """What the test above goes by tells right from wrong."""
    wrong = json.loads(json.dumps(DEPLOYMENTS[0]))
    wrong["spec"]["template"]["spec"]["terminationGracePeriod"] = 35
    with pytest.raises(kubernetes_validate.ValidationError):
        check(wrong)


@pytest.mark.parametrize("deployment", DEPLOYMENTS, ids=named)
def test_pods_are_confined(deployment: Manifest) -> None:
    """As the restricted Pod Security Standard asks, and with nothing to write."""
    pod = deployment["spec"]["template"]["spec"]
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert f"USER {pod['securityContext']['runAsUser']}:" in (ROOT / "Dockerfile").read_text()
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert pod["automountServiceAccountToken"] is False
    assert pod["enableServiceLinks"] is False
    assert container(deployment)["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert [volume["name"] for volume in pod["volumes"]] == ["secrets"]
    assert "memory" in container(deployment)["resources"]["limits"]


@pytest.mark.parametrize("deployment", DEPLOYMENTS, ids=named)
def test_a_pod_has_the_time_that_it_needs_to_stop(deployment: Manifest) -> None:
    """Nothing is killed that the service would have finished."""
    (*_, pause) = (
        container(deployment).get("lifecycle", {}).get("preStop", {}).get("exec", {}).get("command", ["0"])
    )
    grace = deployment["spec"]["template"]["spec"]["terminationGracePeriodSeconds"]
    assert grace >= int(pause) + DRAIN_SECONDS + EXIT_SECONDS


@pytest.mark.parametrize("deployment", DEPLOYMENTS, ids=named)
def test_secrets_are_files(deployment: Manifest) -> None:
    """Each is named by a variable, and mounted where this says."""
    pod = container(deployment)
    (mount,) = [mount["mountPath"] for mount in pod["volumeMounts"] if mount["name"] == "secrets"]
    files = {entry["name"]: entry["value"] for entry in pod["env"] if entry["name"].endswith("_FILE")}
    assert files == {
        f"{name}_FILE": f"{mount}/{name}" for name in ("UPLOADSVC_EVENTS__WEBHOOKS", "UPLOADSVC_SECRET_KEY")
    }


def test_the_settings_load(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the secrets, which are in no manifest."""
    (configmap,) = of_kind(MANIFESTS, "ConfigMap")
    for name, value in configmap["data"].items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("UPLOADSVC_SECRET_KEY", "k" * 32)
    assert load_settings().s3.bucket == "my-bucket"


def test_labels_lead_where_they_should() -> None:
    """Each Service, budget and spread selects the pods of the Deployments that it is for."""
    pods = {
        deployment["metadata"]["name"]: deployment["spec"]["template"]["metadata"]["labels"].items()
        for deployment in DEPLOYMENTS
    }

    def selected(selector: dict[str, str]) -> set[str]:
        return {name for name, labels in pods.items() if selector.items() <= labels}

    services = {found["metadata"]["name"]: found for found in of_kind(MANIFESTS, "Service")}
    assert selected(services["uploadsvc"]["spec"]["selector"]) == {"uploadsvc"}
    assert selected(services["uploadsvc-metrics"]["spec"]["selector"]) == {"uploadsvc", "uploadsvc-events"}
    for budget in of_kind(MANIFESTS, "PodDisruptionBudget"):
        assert selected(budget["spec"]["selector"]["matchLabels"]) == {budget["metadata"]["name"]}
    (monitor,) = of_kind(MANIFESTS, "ServiceMonitor")
    asked = monitor["spec"]["selector"]["matchLabels"].items()
    monitored = [name for name, found in services.items() if asked <= found["metadata"]["labels"].items()]
    assert monitored == ["uploadsvc-metrics"]


def test_the_chart_takes_no_secret_for_a_plain_setting() -> None:
    """Its schema lists every variable that holds a secret, whatever the depth."""
    schema = json.loads((CHART / "values.schema.json").read_text(encoding="utf-8"))
    refused = set(schema["properties"]["settings"]["propertyNames"]["not"]["enum"])
    assert secret_variables() <= refused | {"UPLOADSVC_LIMITS__STORE_URL"}


def secret_variables() -> set[str]:
    """Return the variables of settings that are secrets, or lists with secrets in them."""
    model = Settings.model_json_schema()

    def found(schema: Any, path: tuple[str, ...]) -> set[str]:  # noqa: ANN401 - JSON
        if isinstance(schema, list):
            return {name for item in schema for name in found(item, path)}
        if not isinstance(schema, dict):
            return set()
        if schema.get("writeOnly"):
            return {"UPLOADSVC_" + "__".join(path).upper()}
        if reference := schema.get("$ref"):
            return found(model["$defs"][reference.rpartition("/")[2]], path)
        inner = {
            name for field, sub in schema.get("properties", {}).items() for name in found(sub, (*path, field))
        }
        return (
            inner
            | {
                "__".join(name.split("__")[: len(path)])
                for word in ("items", "additionalProperties", "prefixItems")
                for name in found(schema.get(word), path)
            }
            | {name for word in ("anyOf", "allOf", "oneOf") for name in found(schema.get(word), path)}
        )

    return found(model, ())


def test_the_walk_finds_secrets() -> None:
    """At the top, in a section, in a list, and in a list of tables."""
    assert {
        "UPLOADSVC_SECRET_KEY",
        "UPLOADSVC_SECRET_KEYS",
        "UPLOADSVC_AUTH__JWT__SECRET",
        "UPLOADSVC_EVENTS__WEBHOOKS",
    } <= secret_variables()

"""The Helm chart, rendered and linted by Helm's own library."""

from typing import Any, Final

import pytest
from tests.support.manifests import Manifest, check, of_kind, parsed
from tools.manifests import HELM_PYTHON, MANIFESTS, from_helm, manifests

pytestmark = pytest.mark.skipif(
    not HELM_PYTHON.exists() or not any(HELM_PYTHON.parent.parent.glob("lib/*/site-packages/helm_python")),
    reason="Helm is not installed: make .venv-deploy/.ready",
)

IMAGE: Final = {"repository": "registry.example.com/uploadsvc"}
LEAST: Final[dict[str, Any]] = {"image": IMAGE, "secrets": {"existingSecret": "mine"}}
EVENTS: Final = {"UPLOADSVC_EVENTS__QUEUE_URL": "https://sqs.eu-central-1.amazonaws.com/1/q"}

TAKEN: Final[dict[str, dict[str, Any]]] = {
    "least": LEAST,
    "off": {
        **LEAST,
        "autoscaling": {"enabled": False},
        "metrics": {"enabled": False},
        "networkPolicy": {"enabled": False},
        "podDisruptionBudget": {"enabled": False},
        "serviceAccount": {"create": False},
        "topologySpread": False,
    },
    "all": {
        "image": {**IMAGE, "digest": "sha256:" + "0" * 64},
        "imagePullSecrets": [{"name": "registry"}],
        "settings": EVENTS,
        "config": '[policies.avatars]\nmax_size = "2MB"\n\n[policies.avatars.tags]\nkind = "avatar"\n',
        "secrets": {"values": {"UPLOADSVC_SECRET_KEY": "k" * 32}},
        "host": "::",
        "workers": 2,
        "events": {"enabled": True},
        "ingress": {
            "enabled": True,
            "className": "nginx",
            "annotations": {"example.com/a": "b"},
            "hosts": ["uploads.example.com"],
            "tls": [{"secretName": "tls", "hosts": ["uploads.example.com"]}],
        },
        "metrics": {"serviceMonitor": {"enabled": True, "labels": {"release": "prometheus"}}},
        "networkPolicy": {
            "from": [{"namespaceSelector": {}}],
            "extraEgress": [{"to": [{"ipBlock": {"cidr": "10.0.0.1/32"}}], "ports": [{"port": 6379}]}],
        },
        "extraEnv": [{"name": "HTTPS_PROXY", "value": "http://proxy:3128"}],
        "podAnnotations": {"example.com/a": "b"},
        "podLabels": {"team": "web"},
        "nodeSelector": {"kubernetes.io/arch": "amd64"},
        "tolerations": [{"operator": "Exists"}],
        "affinity": {"nodeAffinity": {}},
        "priorityClassName": "high",
        "service": {"type": "LoadBalancer", "annotations": {"example.com/a": "b"}},
        "serviceAccount": {"annotations": {"eks.amazonaws.com/role-arn": "arn:aws:iam::1:role/r"}},
    },
}

REFUSED: Final[dict[str, tuple[dict[str, Any], str]]] = {
    "no image": ({}, "/image/repository"),
    "no secrets": ({"image": IMAGE}, "secrets: set existingSecret"),
    "both secrets": (
        {"image": IMAGE, "secrets": {"existingSecret": "a", "values": {"UPLOADSVC_SECRET_KEY": "b"}}},
        "not both",
    ),
    "a secret among the settings": (
        {**LEAST, "settings": {"UPLOADSVC_AUTH__JWT__SECRET": "s"}},
        "invalid propertyName 'UPLOADSVC_AUTH__JWT__SECRET'",
    ),
    "a password in an address": (
        {**LEAST, "settings": {"UPLOADSVC_LIMITS__STORE_URL": "redis://:secret@valkey"}},
        "UPLOADSVC_LIMITS__STORE_URL",
    ),
    "a number for a setting": ({**LEAST, "settings": {"UPLOADSVC_S3__BUCKET": 1}}, "UPLOADSVC_S3__BUCKET"),
    "a setting in two places": (
        {
            "image": IMAGE,
            "settings": {"UPLOADSVC_S3__BUCKET": "a"},
            "secrets": {"values": {"UPLOADSVC_S3__BUCKET": "b"}},
        },
        "settings.UPLOADSVC_S3__BUCKET",
    ),
    "too little time": ({**LEAST, "preStopSeconds": 10}, "at least preStopSeconds + 26, which is 36"),
    "events without a queue": ({**LEAST, "events": {"enabled": True}}, "UPLOADSVC_EVENTS__QUEUE_URL"),
    "an Ingress without a host": ({**LEAST, "ingress": {"enabled": True}}, "/ingress/hosts"),
    "a misspelt value": ({**LEAST, "replica": 3}, "replica"),
}


@pytest.fixture(scope="module")
def results() -> dict[str, dict[str, Any]]:
    """Ask Helm once for all cases."""
    cases = {**TAKEN, **{name: values for name, (values, _) in REFUSED.items()}}
    return dict(zip(cases, from_helm(list(cases.values())), strict=True))


def rendered(result: dict[str, Any]) -> list[Manifest]:
    """Return the objects that Helm rendered."""
    return parsed(text for name, text in result["rendered"].items() if name.endswith(".yaml"))


def test_the_manifests_are_what_the_chart_makes() -> None:
    """To update them: make manifests."""
    committed = {path.name: path.read_text(encoding="utf-8") for path in MANIFESTS.glob("*.yaml")}
    assert manifests() == committed


@pytest.mark.parametrize("name", TAKEN)
def test_kubernetes_takes_what_helm_makes(results: dict[str, dict[str, Any]], name: str) -> None:
    """And Helm finds nothing to say but that there is no icon."""
    report = results[name]["lint"]
    assert report["errors"] == []
    assert [message["error"] for message in report["messages"]] == ["icon is recommended"]
    for manifest in rendered(results[name]):
        check(manifest)


@pytest.mark.parametrize("name", REFUSED)
def test_a_mistake_is_named(results: dict[str, dict[str, Any]], name: str) -> None:
    """The message says which value it is."""
    assert REFUSED[name][1] in results[name]["error"]


def test_what_is_off_is_not_there(results: dict[str, dict[str, Any]]) -> None:
    """And the number of replicas is set where no autoscaler sets it."""
    made = rendered(results["off"])
    assert sorted(manifest["kind"] for manifest in made) == ["ConfigMap", "Deployment", "Service"]
    (deployment,) = of_kind(made, "Deployment")
    assert deployment["spec"]["replicas"] == 2
    assert deployment["spec"]["template"]["spec"]["serviceAccountName"] == "default"
    (autoscaled,) = of_kind(rendered(results["least"]), "Deployment")
    assert "replicas" not in autoscaled["spec"]


def test_new_settings_make_new_pods(results: dict[str, dict[str, Any]]) -> None:
    """Variables, the TOML file and secrets that the chart makes are in the pods' annotations, as hashes."""
    annotations = [
        deployment["spec"]["template"]["metadata"]["annotations"]
        for name in ("least", "all")
        for deployment in of_kind(rendered(results[name]), "Deployment")
    ]
    assert annotations[0]["checksum/settings"] != annotations[1]["checksum/settings"]
    assert annotations[0]["checksum/secrets"] != annotations[1]["checksum/secrets"]
    assert annotations[1] == annotations[2]


def test_ipv6_reaches_the_metrics_too(results: dict[str, dict[str, Any]]) -> None:
    """An address with colons is bracketed where a port follows."""
    for deployment in of_kind(rendered(results["all"]), "Deployment"):
        (container,) = deployment["spec"]["template"]["spec"]["containers"]
        assert {"name": "UPLOADSVC_METRICS__ADDRESS", "value": "[::]:9464"} in container["env"]

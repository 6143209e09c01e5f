"""Checks of Kubernetes objects: by Kubernetes' own schemas, and by what the pods promise."""

import warnings
from collections.abc import Iterable, Mapping
from typing import Any, Final

import yaml  # type: ignore[import-untyped]  # its stubs are not among the tests' packages

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import kubernetes_validate

RELEASES: Final = ("1.27.0", "1.37.0")
"""The oldest that Chart.yaml allows, and the newest whose schemas there are."""

Manifest = Mapping[str, Any]


def parsed(texts: Iterable[str]) -> list[Manifest]:
    """Return the objects of some files."""
    return [found for text in texts for found in yaml.safe_load_all(text) if found]


def check(manifest: Manifest) -> None:
    """Raise if Kubernetes would refuse this object, or knows a field by no such name.

    Raises:
        kubernetes_validate.ValidationError: It would be refused.
        AssertionError: A ServiceMonitor that the Prometheus Operator would refuse.
    """
    if manifest["kind"] == "ServiceMonitor":
        _check_service_monitor(manifest)
        return
    for release in RELEASES:
        kubernetes_validate.validate(manifest, release, strict=True)


def _check_service_monitor(manifest: Manifest) -> None:
    """Check what we use of monitoring.coreos.com/v1, whose schema no package carries."""
    assert manifest["apiVersion"] == "monitoring.coreos.com/v1"
    assert set(manifest["spec"]) == {"selector", "endpoints"}
    assert set(manifest["spec"]["selector"]) == {"matchLabels"}
    for endpoint in manifest["spec"]["endpoints"]:
        assert set(endpoint) <= {"port", "path", "interval", "scrapeTimeout", "relabelings"}
        for relabeling in endpoint["relabelings"]:
            assert set(relabeling) <= {"sourceLabels", "regex", "targetLabel", "replacement"}


def of_kind(manifests: Iterable[Manifest], kind: str) -> list[Manifest]:
    """Return the objects of a kind."""
    return [manifest for manifest in manifests if manifest["kind"] == kind]

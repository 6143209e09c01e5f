"""Alert rules and the dashboard ask for metrics that exist, and every alert says what to do."""

import json
import re
from collections.abc import Iterator
from typing import Any, Final

import promql_parser
import pytest
import yaml  # type: ignore[import-untyped]  # its stubs are not among the tests' packages
from tests.support.pages import text_of
from tests.support.servers import ROOT
from tools.grafana_dashboard import DASHBOARD, dashboard, expressions, rendered

from uploadsvc.telemetry.metrics import Metrics
from uploadsvc.telemetry.processes import DEFINITIONS

PAGE: Final = "docs/operations.md"

OF_PROMETHEUS: Final = frozenset({"up", "ALERTS"})
OF_TARGETS: Final = frozenset({"job", "instance"})
"""Labels that Prometheus adds."""


def rules(name: str) -> list[dict[str, Any]]:
    """Return the rules of a file."""
    groups = yaml.safe_load((ROOT / "deploy" / "prometheus" / name).read_text(encoding="utf-8"))["groups"]
    return [rule for group in groups for rule in group["rules"]]


RECORDED: Final = {rule["record"]: rule["expr"] for rule in rules("recording.yml")}
ALERTS: Final = {rule["alert"]: rule for rule in rules("alerts.yml")}


def known() -> dict[str, frozenset[str]]:
    """Return the labels of every series, besides those of its target."""
    found = dict.fromkeys(OF_PROMETHEUS, frozenset({"alertname", "alertstate"}))
    definitions = [*(family.definition for family in Metrics().families.values()), *DEFINITIONS.values()]
    for definition in definitions:
        labels = frozenset(definition.labels)
        if definition.kind == "histogram":
            found[f"{definition.name}_bucket"] = labels | {"le"}
            found[f"{definition.name}_count"] = found[f"{definition.name}_sum"] = labels
        else:
            found[definition.name] = labels
    # The name of a recorded series begins with its labels.
    found |= {name: frozenset(name.split(":", 1)[0].split("_")) for name in RECORDED}
    return found


def selectors(expression: str) -> Iterator[tuple[str, frozenset[str]]]:
    """Yield each series that an expression asks for, with the labels by which it chooses."""
    found: list[tuple[str, frozenset[str]]] = []

    def note(node: object) -> None:
        if isinstance(node, promql_parser.VectorSelector):
            found.append((str(node.name), frozenset(one.name for one in node.matchers.matchers)))

    promql_parser.walk(promql_parser.parse(expression), note)
    yield from found


def missing(expression: str) -> list[str]:
    """Return what an expression asks for that nothing exposes."""
    series, wrong = known(), []
    for name, labels in selectors(expression):
        if name not in series:
            wrong.append(name)
        elif extra := labels - series[name] - OF_TARGETS:
            wrong.append(f"{name}{sorted(extra)}")
    return wrong


def test_rules_ask_for_metrics_that_exist() -> None:
    """By name and by label: a misspelt one gives no error, and its alert never fires."""
    every = {**RECORDED, **{name: rule["expr"] for name, rule in ALERTS.items()}}
    assert {name: found for name, rule in every.items() if (found := missing(rule))} == {}


def test_panels_ask_for_metrics_that_exist() -> None:
    """The same for the dashboard, whose panel would be empty."""
    assert {query: found for query in expressions() if (found := missing(query))} == {}


def test_a_misspelt_metric_is_found() -> None:
    """What the tests above go by tells right from wrong."""
    good = 'sum by (job) (rate(uploadsvc_uploads_created_total{policy="a", job="b"}[5m]))'
    assert missing(good) == []
    assert missing(good.replace("created", "made")) == ["uploadsvc_uploads_made_total"]
    assert missing(good.replace("policy=", "user=")) == ["uploadsvc_uploads_created_total['user']"]
    assert missing("uploadsvc_s3_call_duration_seconds") == ["uploadsvc_s3_call_duration_seconds"]


@pytest.mark.parametrize("name", ALERTS)
def test_an_alert_leads_to_its_section(name: str) -> None:
    """Whoever is woken up opens the page there."""
    rule = ALERTS[name]
    assert rule["annotations"]["runbook"] == f"{PAGE}#{name.lower()}"
    assert rule["labels"]["severity"] in {"page", "ticket"}


def test_the_page_describes_the_alerts_that_exist() -> None:
    """All of them, in the order of the rules, and no other."""
    assert re.findall(r"^#+ (Uploadsvc\w+)$", text_of(PAGE), re.MULTILINE) == list(ALERTS)


def test_the_page_asks_for_metrics_that_exist() -> None:
    """Its expressions are pasted at night."""
    queries = re.findall(r"^ *```promql\n(.*?)^ *```", text_of(PAGE), re.DOTALL | re.MULTILINE)
    lines = [line for query in queries for line in query.splitlines() if line.strip()]
    assert lines
    assert {line: found for line in lines if (found := missing(line))} == {}


def test_the_dashboard_is_the_one_of_the_tool() -> None:
    """``python -m tools.grafana_dashboard`` writes it anew."""
    assert DASHBOARD.read_text(encoding="utf-8") == rendered()


def test_the_dashboard_can_be_imported() -> None:
    """Ids are unique, panels do not overlap, and every query goes to the chosen Prometheus."""
    board = dashboard()
    panels = board["panels"]
    ids = [panel["id"] for panel in panels]
    places = [
        (panel["gridPos"]["x"] + x, panel["gridPos"]["y"] + y)
        for panel in panels
        for x in range(panel["gridPos"]["w"])
        for y in range(panel["gridPos"]["h"])
    ]
    assert len(set(ids)) == len(ids)
    assert len(set(places)) == len(places)
    assert {variable["name"] for variable in board["templating"]["list"]} == {"datasource", "job"}
    targets = [target for panel in panels for target in panel.get("targets", [])]
    assert {target["datasource"]["uid"] for target in targets} == {"${datasource}"}
    assert json.loads(rendered()) == board

"""Write deploy/grafana/uploadsvc.json: ``python -m tools.grafana_dashboard``.

Grafana's JSON is long and repetitive; the differences between panels are here.
https://grafana.com/docs/grafana/latest/dashboards/build-dashboards/view-dashboard-json-model/
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

DASHBOARD: Final = Path(__file__).parents[1] / "deploy" / "grafana" / "uploadsvc.json"

_SOURCE: Final = {"type": "prometheus", "uid": "${datasource}"}
_COLUMNS: Final = 24
_PANEL_HEIGHT: Final = 8
_PER_LINE: Final = 3
_WHICH: Final = 'job=~"$job"'
_CALLERS: Final = f'{_WHICH}, route!~"/healthz|/readyz"'


@dataclass(frozen=True, slots=True)
class Panel:
    """A graph.

    Attributes:
        title: Title.
        unit: Unit of Grafana: ``reqps``, ``s``, ``percentunit``, ``bytes``, ``short``.
        queries: Expressions by the legend of their series.
        text: What the graph shows, and when to act.
    """

    title: str
    unit: str
    queries: Mapping[str, str]
    text: str


def _rate(metric: str, by: str, labels: str = _WHICH) -> str:
    return f"sum by ({by}) (rate({metric}{{{labels}}}[$__rate_interval]))"


def _increase(metric: str, by: str) -> str:
    return f"sum by ({by}) (increase({metric}{{{_WHICH}}}[10m]))"


def _quantile(share: float, metric: str, by: str, labels: str = _WHICH) -> str:
    grouped = ", ".join(name for name in (by, "le") if name)
    return f"histogram_quantile({share}, {_rate(f'{metric}_bucket', grouped, labels)})"


_HTTP: Final = "uploadsvc_http_request_duration_seconds"
_S3: Final = "uploadsvc_s3_call_duration_seconds"

ROWS: Final[Mapping[str, Sequence[Panel]]] = {
    "Traffic": (
        Panel(
            "Requests by route",
            "reqps",
            {"{{method}} {{route}}": _rate(f"{_HTTP}_count", "method, route", _CALLERS)},
            "Without probes.",
        ),
        Panel(
            "Uploads",
            "ops",
            {
                "created {{policy}} {{method}}": _rate("uploadsvc_uploads_created_total", "policy, method"),
                "completed {{policy}} {{method}}": _rate(
                    "uploadsvc_uploads_completed_total", "policy, method"
                ),
            },
            "If uploads are created but not completed, callers cannot reach S3, or it refuses the bytes.",
        ),
        Panel(
            "Bytes",
            "Bps",
            {
                "promised {{policy}}": _rate("uploadsvc_bytes_promised_total", "policy"),
                "verified {{policy}}": _rate("uploadsvc_bytes_verified_total", "policy"),
            },
            "The most that created uploads can store, and the bytes of completed uploads.",
        ),
        Panel(
            "Duration of creating an upload",
            "s",
            {
                "p50": _quantile(0.5, _HTTP, "", f'{_WHICH}, method="POST", route="/v1/uploads"'),
                "p99": _quantile(0.99, _HTTP, "", f'{_WHICH}, method="POST", route="/v1/uploads"'),
            },
            "Milliseconds, except for multipart uploads, which start with a call to S3.",
        ),
        Panel(
            "Duration by route, p99",
            "s",
            {"{{method}} {{route}}": _quantile(0.99, _HTTP, "method, route", _CALLERS)},
            "Requests that call S3 are as slow as S3.",
        ),
        Panel(
            "In progress",
            "short",
            {
                "requests": f"sum(uploadsvc_http_requests_in_progress{{{_WHICH}}})",
                "connections": f"sum(uploadsvc_http_connections{{{_WHICH}}})",
            },
            "Compare with max_concurrency and max_connections, which apply to each worker.",
        ),
    ),
    "Errors": (
        Panel(
            "Requests by status",
            "reqps",
            {"{{status}}": _rate(f"{_HTTP}_count", "status", _CALLERS)},
            "4xx are callers' errors, 5xx ours or S3's.",
        ),
        Panel(
            "Failing requests",
            "percentunit",
            {
                "5 minutes": f"job:uploadsvc_http_errors:ratio_rate5m{{{_WHICH}}}",
                "1 hour": f"job:uploadsvc_http_errors:ratio_rate1h{{{_WHICH}}}",
                "6 hours": f"job:uploadsvc_http_errors:ratio_rate6h{{{_WHICH}}}",
            },
            "Share of 5xx. The objective is 0.1% in a month.",
        ),
        Panel(
            "Refused uploads",
            "ops",
            {"{{code}} {{policy}}": _rate("uploadsvc_uploads_refused_total", "code, policy")},
            "By problem code. A jump after a front end release comes from the front end.",
        ),
        Panel(
            "Refused before a handler ran",
            "ops",
            {"{{reason}}": _rate("uploadsvc_http_refused_total", "reason")},
            "slow and idle are bad lines or an attack; connections and concurrency are overload.",
        ),
    ),
    "S3": (
        Panel(
            "Calls by outcome",
            "ops",
            {"{{outcome}}": _rate(f"{_S3}_count", "outcome")},
            "denied: rights or clock. unavailable and timeout: S3 or the network.",
        ),
        Panel(
            "Calls that failed, by operation",
            "ops",
            {
                "{{job}} {{operation}} {{outcome}}": _rate(
                    f"{_S3}_count", "job, operation, outcome", f'{_WHICH}, outcome!="ok"'
                )
            },
            "One operation: a missing permission. All of them: credentials, bucket, network.",
        ),
        Panel(
            "Duration by operation, p90",
            "s",
            {"{{operation}}": _quantile(0.9, _S3, "operation")},
            "complete_multipart_upload may take minutes. The others should stay far below a second.",
        ),
        Panel(
            "Credentials, time left",
            "s",
            {"{{instance}}": f"min by (instance) (uploadsvc_credentials_remaining_seconds{{{_WHICH}}})"},
            "Empty if they do not expire. They are renewed 15 minutes before they expire.",
        ),
        Panel(
            "Clock",
            "s",
            {"{{instance}}": f"uploadsvc_clock_skew_seconds{{{_WHICH}}}"},
            "This machine's clock minus S3's. S3 refuses signatures from 15 minutes on.",
        ),
    ),
    "Authentication": (
        Panel(
            "Refused credentials",
            "ops",
            {"{{reason}}": _rate("uploadsvc_auth_failures_total", "reason")},
            "signature, unknown_key: a key. not_yet_valid, expired: a clock. api_key: a guess.",
        ),
        Panel(
            "Keys of the identity provider",
            "s",
            {"age {{instance}}": f"max by (instance) (uploadsvc_jwks_age_seconds{{{_WHICH}}})"},
            "Fetched every 10 minutes while there are callers. Above KEYS_MAX_AGE, every call gets a 503.",
        ),
        Panel(
            "Fetches of the keys",
            "short",
            {"{{outcome}}": _increase("uploadsvc_jwks_fetches_total", "outcome")},
            "In 10 minutes.",
        ),
        Panel(
            "Cached tokens",
            "short",
            {"{{instance}}": f"sum by (instance) (uploadsvc_known_tokens{{{_WHICH}}})"},
            "Tokens whose signature has been verified.",
        ),
    ),
    "Events": (
        Panel(
            "Deliveries",
            "ops",
            {"{{receiver}} {{outcome}}": _rate("uploadsvc_event_deliveries_total", "receiver, outcome")},
            "By receiver, in the order of the settings.",
        ),
        Panel(
            "Queue",
            "short",
            {"{{queue}}": f"max by (queue) (uploadsvc_event_queue_depth{{{_WHICH}}})"},
            "Including deliveries to be retried. main should return to zero, dead_letters should be zero.",
        ),
        Panel(
            "Lag",
            "s",
            {"{{instance}}": f"max by (instance) (uploadsvc_event_lag_seconds{{{_WHICH}}})"},
            "Time that the events being delivered have waited.",
        ),
    ),
    "Limits": (
        Panel(
            "Limits hit",
            "ops",
            {"{{limit}} {{policy}}": _rate("uploadsvc_limits_hit_total", "limit, policy")},
            "Users are not labels: find them in the log.",
        ),
        Panel(
            "Valkey",
            "short",
            {
                "up {{instance}}": f"min by (instance) (uploadsvc_limits_store_up{{{_WHICH}}})",
                "failures a second": _rate("uploadsvc_limits_store_failures_total", "job"),
            },
            "While it is down, each process counts alone.",
        ),
    ),
    "Process": (
        Panel(
            "Memory",
            "bytes",
            {"{{instance}} {{worker}}": f"process_resident_memory_bytes{{{_WHICH}}}"},
            "Grows for the first minutes, then stays flat.",
        ),
        Panel(
            "File descriptors",
            "percentunit",
            {"{{instance}} {{worker}}": f"process_open_fds{{{_WHICH}}} / process_max_fds{{{_WHICH}}}"},
            "Share of those that the process can open.",
        ),
        Panel(
            "CPU",
            "percentunit",
            {"{{instance}} {{worker}}": f"rate(process_cpu_seconds_total{{{_WHICH}}}[$__rate_interval])"},
            "Share of one core, which a worker cannot exceed.",
        ),
        Panel(
            "Workers that ended",
            "short",
            {"{{instance}}": _increase("uploadsvc_worker_restarts_total", "instance")},
            "In 10 minutes.",
        ),
        Panel(
            "Log lines dropped",
            "short",
            {"{{instance}}": _increase("uploadsvc_log_lines_dropped_total", "instance")},
            "In 10 minutes. The log is read too slowly.",
        ),
        Panel(
            "Versions",
            "short",
            {"{{version}}": f"sum by (version) (uploadsvc_build_info{{{_WHICH}}})"},
            "Instances by version.",
        ),
    ),
}


def dashboard() -> dict[str, Any]:
    """Return the dashboard as Grafana imports it."""
    return {
        "title": "uploadsvc",
        "uid": "uploadsvc",
        "description": "docs/operations.md says what to do about it.",
        "tags": ["uploadsvc"],
        "schemaVersion": 39,
        "editable": True,
        "graphTooltip": 1,
        "refresh": "30s",
        "time": {"from": "now-3h", "to": "now"},
        "timezone": "browser",
        "templating": {"list": [_datasource_variable(), _job_variable()]},
        "annotations": {"list": [_alerts()]},
        "panels": list(_panels()),
    }


def expressions() -> Iterator[str]:
    """Yield every expression, with variables replaced as Grafana replaces them."""
    for panels in ROWS.values():
        for panel in panels:
            for query in panel.queries.values():
                yield query.replace("$__rate_interval", "5m").replace("$job", ".+")


def _panels() -> Iterator[dict[str, Any]]:
    number, height = 0, 0
    for name, panels in ROWS.items():
        number += 1
        yield {
            "id": number,
            "type": "row",
            "title": name,
            "collapsed": False,
            "gridPos": {"h": 1, "w": _COLUMNS, "x": 0, "y": height},
            "panels": [],
        }
        height += 1
        for place, panel in enumerate(panels):
            number += 1
            width = _COLUMNS // _PER_LINE
            line, column = divmod(place, _PER_LINE)
            at = {"h": _PANEL_HEIGHT, "w": width, "x": column * width, "y": height + line * _PANEL_HEIGHT}
            yield _graph(panel, number, at)
        height += -(-len(panels) // _PER_LINE) * _PANEL_HEIGHT


def _graph(panel: Panel, number: int, place: Mapping[str, int]) -> dict[str, Any]:
    return {
        "id": number,
        "type": "timeseries",
        "title": panel.title,
        "description": panel.text,
        "datasource": _SOURCE,
        "gridPos": place,
        "fieldConfig": {
            "defaults": {"unit": panel.unit, "min": None if panel.title == "Clock" else 0},
            "overrides": [],
        },
        "options": {
            "legend": {"displayMode": "list", "placement": "bottom", "showLegend": True},
            "tooltip": {"mode": "multi", "sort": "desc"},
        },
        "targets": [
            {"datasource": _SOURCE, "refId": chr(ord("A") + index), "expr": query, "legendFormat": legend}
            for index, (legend, query) in enumerate(panel.queries.items())
        ],
    }


def _datasource_variable() -> dict[str, Any]:
    return {"name": "datasource", "label": "Prometheus", "type": "datasource", "query": "prometheus"}


def _job_variable() -> dict[str, Any]:
    query = "label_values(uploadsvc_build_info, job)"
    return {
        "name": "job",
        "label": "Job",
        "type": "query",
        "datasource": _SOURCE,
        "query": {"query": query, "refId": "jobs"},
        "definition": query,
        "refresh": 2,
        "multi": True,
        "includeAll": True,
        "allValue": ".+",
        "current": {"text": "All", "value": "$__all"},
    }


def _alerts() -> dict[str, Any]:
    return {
        "name": "Alerts",
        "datasource": _SOURCE,
        "enable": True,
        "iconColor": "red",
        "expr": 'ALERTS{alertname=~"Uploadsvc.+", alertstate="firing"}',
        "titleFormat": "{{alertname}}",
        "textFormat": "{{instance}} {{operation}} {{receiver}} {{reason}}",
    }


def rendered() -> str:
    """Return the file's text."""
    return json.dumps(dashboard(), indent=2) + "\n"


if __name__ == "__main__":
    DASHBOARD.write_text(rendered(), encoding="utf-8")

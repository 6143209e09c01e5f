"""The access log: the same fields on both paths, an upload's reference, its client."""

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

import httpx
import pytest
from structlog.testing import capture_logs
from tests.support.api import API_KEY, AUTH, created, s3_that_is_down
from tests.support.servers import S3Server
from tests.support.service import authorization, service_client, settings_for, token_for

ORIGIN = "https://app.example.com"
MB = 1024 * 1024
POLICIES = {"small": {"max_size": 5}, "parts": {"methods": ["multipart"]}}
SETTINGS = {"policies": POLICIES, "cors": {"allow_origins": [ORIGIN]}, "auth": AUTH}
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


@pytest.fixture
async def api(moto_server: S3Server) -> AsyncIterator[httpx.AsyncClient]:
    async with service_client(settings_for(moto_server, **SETTINGS)) as client:
        yield client


async def lines_of(client: httpx.AsyncClient, *calls: Any, event: str = "request") -> list[dict[str, Any]]:  # noqa: ANN401 - of httpx
    """Make calls, and return their lines."""
    with capture_logs() as logs:
        for method, path, options in calls:
            await client.request(method, path, **options)
    return [dict(line) for line in logs if line["event"] == event]


def some(lines: Sequence[Mapping[str, Any]], *names: str) -> list[tuple[Any, ...]]:
    return [tuple(line.get(name) for name in names) for line in lines]


async def test_an_upload_has_one_reference_from_create_to_complete(api: httpx.AsyncClient) -> None:
    """It is the UUID that its events name, no credential; S3's id is that of the last call."""
    with capture_logs() as logs:
        upload = created(
            await api.post("/v1/uploads", json={"policy": "parts", "size": 6 * MB, "filename": "a.bin"})
        )
        path = f"/v1/uploads/{upload['id']}"
        await api.get(path)
        await api.post(f"{path}/parts", json={"part_numbers": [1]})
        await api.post(f"{path}/complete")
        await api.delete(path)
    (reference,) = {line["upload_id"] for line in logs}
    assert len(reference) == 32
    assert upload["id"] not in repr(logs)
    assert (await api.get(f"/v1/uploads/{reference}")).status_code == 404
    assert some(logs, "route", "policy", "upload_method", "user") == [
        (route, "parts", "multipart", "alice")
        for route in (
            "/v1/uploads",
            "/v1/uploads/{id}",
            "/v1/uploads/{id}/parts",
            "/v1/uploads/{id}/complete",
            "/v1/uploads/{id}",
        )
    ]
    asked_s3 = [bool(line.get("s3_request_id")) for line in logs]
    assert asked_s3 == [True, True, False, True, True]


async def test_each_refusal_names_its_code(api: httpx.AsyncClient) -> None:
    """On the hot path, on FastAPI's, and where no route is found."""
    lines = await lines_of(
        api,
        ("POST", "/v1/uploads", {"json": {"policy": "small", "size": 9}}),
        ("POST", "/v1/uploads", {"json": {"policy": "parts"}}),
        ("POST", "/v1/uploads", {"json": {"size": -1}}),
        ("POST", "/v1/uploads", {"content": b"{"}),
        ("POST", "/v1/uploads", {"json": {"policy": "none"}}),
        ("GET", "/v1/uploads/forged", {}),
        ("GET", "/v1/objects", {"params": {"limit": "x"}}),
        ("GET", "/nowhere", {}),
        ("PUT", "/v1/uploads", {}),
        ("GET", "/v1/objects", {"headers": {"Authorization": "Bearer x"}}),
        ("POST", "/better-upload", {"json": {}}),
    )
    assert some(lines, "status", "code", "policy") == [
        (413, "file_too_large", "small"),
        (422, "method_not_available", "parts"),
        (422, "validation_error", None),
        (422, "validation_error", None),
        (404, "policy_not_found", None),
        (404, "not_found", None),
        (422, "validation_error", None),
        (404, "not_found", None),
        (405, "method_not_allowed", None),
        (401, "unauthenticated", None),
        (422, "validation_error", None),
    ]


async def test_both_paths_log_the_same_fields(api: httpx.AsyncClient) -> None:
    """FastAPI serves a body whose type the hot path does not know."""
    body = b'{"size": 5, "policy": "small"}'
    trace = f"00-{TRACE}-00f067aa0ba902b7-01"
    headers = {"X-API-Key": API_KEY, "X-On-Behalf-Of": "bob", "traceparent": trace}
    calls = [
        ("POST", "/v1/uploads", {"content": body, "headers": headers | {"Content-Type": kind}})
        for kind in ("application/json", "application/vnd.api+json")
    ]
    del api.headers["authorization"]
    hot, slow = await lines_of(api, *calls)
    assert hot.keys() == slow.keys()
    names = ("status", "user", "service", "policy", "upload_method", "client", "route", "trace_id")
    assert (
        some([hot, slow], *names)
        == [(201, "bob", "wide", "small", "put", "127.0.0.1", "/v1/uploads", TRACE)] * 2
    )


async def test_each_upload_of_a_batch_has_a_line(api: httpx.AsyncClient) -> None:
    wanted: list[dict[str, Any]] = [
        {"size": 5, "policy": "small"},
        {"size": 9, "policy": "small"},
        {"size": 7},
    ]
    with capture_logs() as logs:
        await api.post("/v1/uploads/batch", json={"uploads": wanted})
    *items, line = logs
    assert (line["event"], line["uploads"], line["route"]) == ("request", 3, "/v1/uploads/batch")
    assert "upload_id" not in line
    assert {item["event"] for item in items} == {"upload"}
    assert sorted(some(items, "policy", "upload_method", "code", "user"), key=repr) == [
        ("default", "put", None, "alice"),
        ("small", "put", None, "alice"),
        ("small", None, "file_too_large", "alice"),
    ]
    assert {item["request_id"] for item in items} == {line["request_id"]}
    assert len({item["upload_id"] for item in items if "upload_id" in item}) == 2


async def test_preflights_are_logged(api: httpx.AsyncClient) -> None:
    """Once, with what is refused."""
    asked = {"Access-Control-Request-Method": "POST"}
    lines = await lines_of(
        api,
        ("OPTIONS", "/v1/uploads", {"headers": {"Origin": ORIGIN, **asked}}),
        ("OPTIONS", "/v1/uploads", {"headers": {"Origin": "https://evil.example", **asked}}),
        ("OPTIONS", "/v1/uploads", {"headers": {"Origin": ORIGIN}}),
    )
    assert some(lines, "method", "status", "reason") == [
        ("OPTIONS", 200, None),
        ("OPTIONS", 400, "Disallowed CORS origin"),
        ("OPTIONS", 405, None),
    ]
    answer = await api.options("/v1/uploads", headers={"Origin": ORIGIN, **asked, "X-Request-ID": "one"})
    assert answer.headers["x-request-id"] == "one"


async def test_probes_are_quiet_unless_they_fail(api: httpx.AsyncClient) -> None:
    with capture_logs() as logs:
        await api.get("/healthz")
        await api.get("/readyz")
        async with service_client(settings_for(s3_that_is_down())) as down:
            await down.get("/healthz")
            await down.get("/readyz")
    lines = [line for line in logs if line["event"] == "request"]
    assert some(lines, "route", "status", "log_level", "code") == [
        ("/healthz", 200, "debug", None),
        ("/readyz", 200, "debug", None),
        ("/healthz", 200, "debug", None),
        ("/readyz", 503, "info", "storage_unavailable"),
    ]


@pytest.mark.parametrize(
    ("proxies", "client"),
    [([], "127.0.0.1"), (["192.0.2.0/24"], "127.0.0.1"), (["127.0.0.1"], "198.51.100.7")],
)
async def test_the_client_is_named_by_trusted_proxies_alone(proxies: list[str], client: str) -> None:
    """Though nobody signs in by them. From elsewhere the header is ignored."""
    settings = settings_for(s3_that_is_down(), auth={"trusted_proxies": proxies})
    headers = {"X-Forwarded-For": "192.0.2.66, 198.51.100.7"}
    async with service_client(settings) as api:
        lines = await lines_of(
            api,
            ("POST", "/v1/uploads", {"json": {"size": 1}, "headers": headers}),
            ("GET", "/nowhere", {"headers": headers}),
        )
    assert some(lines, "client") == [(client,), (client,)]


async def test_a_request_leaves_nothing_to_the_next(api: httpx.AsyncClient) -> None:
    """Of a request that the hot path began and FastAPI ended, too."""
    lines = await lines_of(
        api,
        ("POST", "/v1/uploads", {"json": {"policy": "small", "size": 9}}),
        ("POST", "/v1/uploads", {"content": b"{"}),
        ("GET", "/v1/policies", {}),
    )
    assert [line.get("code") for line in lines] == ["file_too_large", "validation_error", None]
    assert len({line["request_id"] for line in lines}) == 3


@pytest.mark.parametrize(
    "traceparent",
    [
        "",
        "x",
        f"00-{TRACE}-00f067aa0ba902b7-01junk",
        f"00-{'0' * 32}-00f067aa0ba902b7-01",
        f"00-{TRACE.upper()}-00f067aa0ba902b7-01",
    ],
)
async def test_a_malformed_trace_is_ignored(api: httpx.AsyncClient, traceparent: str) -> None:
    (line,) = await lines_of(api, ("GET", "/v1/policies", {"headers": {"traceparent": traceparent}}))
    assert "trace_id" not in line


async def test_upload_tokens_log_user_and_reason(api: httpx.AsyncClient) -> None:
    token = created(await api.post("/v1/tokens", json={}, headers=authorization("bob")))["token"]
    lines = await lines_of(
        api,
        ("GET", f"/uppy/{token}/s3/params", {"params": {"filename": "a.txt", "type": "text/plain"}}),
        ("GET", f"/uppy/{token_for(secret='x' * 32)}/s3/params", {}),
    )
    assert some(lines, "route", "user", "upload_method", "reason") == [
        ("/uppy/{token}/s3/params", "bob", "post", None),
        ("/uppy/{token}/s3/params", None, None, "service_token"),
    ]
    assert token not in repr(lines)

"""The demo page is served in demo mode only; the browser module always."""

import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from urllib.parse import urljoin

import httpx
import pytest
from structlog.testing import capture_logs
from tests.support.api import assert_problem, created, s3_that_is_down
from tests.support.servers import ROOT
from tests.support.service import service_client, settings_for

from uploadsvc.app import Settings, SettingsError, create_app

S3 = s3_that_is_down()
MODULE = "/web/uploadsvc.js"
DEMO = {"demo": True, "auth": {"jwt": {}}}
"""Settings of demo mode, which cannot be on beside real authentication."""


@asynccontextmanager
async def demo_client(*, peer: str = "127.0.0.1", **sections: object) -> AsyncIterator[httpx.AsyncClient]:
    """Call an app in demo mode from an address, without a credential."""
    app = create_app(Settings.model_validate(settings_for(S3, **DEMO, **sections)))
    # Responses with events end, as they do when the server stops.
    app.state.on_stop()
    transport = httpx.ASGITransport(app, client=(peer, 50_000))
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost:8000") as client:
        yield client


@pytest.fixture(scope="module")
async def demo() -> AsyncIterator[httpx.AsyncClient]:
    """Serve an app in demo mode, without a credential."""
    async with demo_client() as client:
        yield client


@pytest.fixture(scope="module")
async def plain() -> AsyncIterator[httpx.AsyncClient]:
    """Serve an app without demo mode, without a credential."""
    async with service_client(settings_for(S3), user=None) as client:
        yield client


async def test_the_browser_module_is_always_served(demo: httpx.AsyncClient, plain: httpx.AsyncClient) -> None:
    """As a JavaScript module. Its URL names no version, so browsers revalidate it."""
    for client in (demo, plain):
        answer = await client.get(MODULE)
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith("text/javascript")
        assert answer.headers["cache-control"] == "no-cache"
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert "export" in answer.text


async def test_the_browser_module_is_immutable_under_its_hash(plain: httpx.AsyncClient) -> None:
    """The hash is also the ETag. With an old hash, the current module is served, but not as immutable."""
    answer = await plain.get(MODULE, headers={"Accept-Encoding": "identity"})
    digest = answer.headers["etag"].strip('"')
    assert sha256(answer.content).hexdigest().startswith(digest)
    named = await plain.get(MODULE, params={"v": digest})
    assert named.content == answer.content
    assert named.headers["cache-control"] == "public, max-age=31536000, immutable"
    old = await plain.get(MODULE, params={"v": "0" * len(digest)})
    assert (old.content, old.headers["cache-control"]) == (answer.content, "no-cache")


@pytest.mark.parametrize("known", ["{}", "W/{}", '"other", {}', '"other",W/{}'])
async def test_a_matching_etag_gets_304(plain: httpx.AsyncClient, known: str) -> None:
    as_is = {"Accept-Encoding": "identity"}
    etag = (await plain.get(MODULE, headers=as_is)).headers["etag"]
    for query, kept in (("", "no-cache"), (f"?v={etag.strip(chr(34))}", "immutable")):
        answer = await plain.get(MODULE + query, headers={**as_is, "If-None-Match": known.format(etag)})
        assert (answer.status_code, answer.content) == (304, b"")
        assert answer.headers["etag"] == etag
        assert kept in answer.headers["cache-control"]
    other = await plain.get(MODULE, headers={"If-None-Match": '"other"'})
    assert other.status_code == 200


@pytest.mark.parametrize("accepted", ["gzip", "br, GZIP;q=0.5", "*", "x-gzip", "deflate, *;q=0.1"])
async def test_the_browser_module_is_compressed(plain: httpx.AsyncClient, accepted: str) -> None:
    """Under an ETag of its own, since its bytes are others; caches keep the two apart."""
    whole = await plain.get(MODULE, headers={"Accept-Encoding": "identity"})
    answer = await plain.get(MODULE, headers={"Accept-Encoding": accepted})
    assert (answer.headers["content-encoding"], answer.content) == ("gzip", whole.content)
    assert int(answer.headers["content-length"]) < len(whole.content) / 3
    assert answer.headers["etag"] == f'{whole.headers["etag"][:-1]}-gzip"'
    for each in (whole, answer):
        assert each.headers["vary"] == "Accept-Encoding"
    headers = {"Accept-Encoding": accepted, "If-None-Match": answer.headers["etag"]}
    known = await plain.get(MODULE, headers=headers)
    assert (known.status_code, known.headers["etag"]) == (304, answer.headers["etag"])
    assert known.headers["vary"] == "Accept-Encoding"
    assert (await plain.get(MODULE, headers={**headers, "Accept-Encoding": "br"})).status_code == 200


@pytest.mark.parametrize("accepted", ["", "identity", "gzip;q=0", "*;q=0.0", "*, gzip; q=0", "br, deflate"])
async def test_the_browser_module_is_sent_as_it_is(plain: httpx.AsyncClient, accepted: str) -> None:
    """To clients that do not take gzip."""
    answer = await plain.get(MODULE, headers={"Accept-Encoding": accepted})
    assert "content-encoding" not in answer.headers
    assert answer.headers["vary"] == "Accept-Encoding"


@pytest.mark.parametrize("accepted", ["gzip", "identity"])
@pytest.mark.parametrize("path", ["/", MODULE, "/web/demo.css"])
async def test_head_answers_as_get(demo: httpx.AsyncClient, path: str, accepted: str) -> None:
    """With the same headers and no body."""
    headers = {"Accept-Encoding": accepted}
    got, asked = await demo.get(path, headers=headers), await demo.head(path, headers=headers)
    assert (asked.status_code, asked.content) == (200, b"")
    assert got.content != b""
    assert {**asked.headers, "x-request-id": ""} == {**got.headers, "x-request-id": ""}
    assert (await demo.head("/web/none.js")).status_code == 404


async def test_only_allowed_origins_may_load_the_browser_module() -> None:
    settings = settings_for(S3, cors={"allow_origins": ["https://app.example.com"]})
    async with service_client(settings, user=None) as client:
        for origin, allowed in (("https://app.example.com", True), ("https://other.example.com", False)):
            headers = {"Origin": origin}
            etag = (await client.get(MODULE, headers=headers)).headers["etag"]
            for answer in (
                await client.get(MODULE, headers=headers),
                await client.get(MODULE, headers={**headers, "If-None-Match": etag}),
            ):
                assert (answer.headers.get("access-control-allow-origin") == origin) is allowed
                assert "origin" in answer.headers["vary"].lower()


async def test_the_page_may_reach_only_the_service_and_the_store(demo: httpx.AsyncClient) -> None:
    """Its content security policy forbids inline scripts and framing."""
    answer = await demo.get("/")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/html")
    rules = dict(rule.strip().split(" ", 1) for rule in answer.headers["content-security-policy"].split(";"))
    assert rules == {
        "default-src": "'none'",
        "script-src": "'self'",
        "worker-src": "blob:",
        "style-src": "'self'",
        "img-src": "'self' data: blob:",
        "connect-src": f"'self' {S3.endpoint_url}",
        "base-uri": "'none'",
        "form-action": "'none'",
        "frame-ancestors": "'none'",
    }
    for name, media_type in (("demo.js", "text/javascript"), ("demo.css", "text/css")):
        assert f'"web/{name}"' in answer.text
        assert (await demo.get(f"/web/{name}")).headers["content-type"].startswith(media_type)


async def test_all_that_the_page_imports_is_served(demo: httpx.AsyncClient) -> None:
    """And nothing else is kept in the folder of its modules."""
    waiting, seen = ["/web/demo.js"], set[str]()
    while waiting:
        path = waiting.pop()
        answer = await demo.get(path)
        assert (path, answer.status_code) == (path, 200)
        assert answer.headers["content-type"].startswith("text/javascript")
        seen.add(path)
        imported = re.findall(r'^(?:import|\}) ?(?:.* from )?"(\..*)";$', answer.text, re.MULTILINE)
        waiting += {urljoin(path, each) for each in imported} - seen
    folder = ROOT / "src" / "uploadsvc" / "web" / "demo"
    assert {path for path in seen if "/demo/" in path} == {
        f"/web/demo/{file.name}" for file in folder.iterdir()
    }


async def test_each_demo_user_gets_a_token(demo: httpx.AsyncClient) -> None:
    """It works for that user's prefix and expires within a day."""
    answer = await demo.get("/demo/users")
    assert answer.headers["cache-control"] == "no-store"
    users = answer.json()["users"]
    assert [user["user"] for user in users] == ["alice", "bob"]
    for user in users:
        headers = {"Authorization": f"Bearer {user['token']}"}
        upload = created(await demo.post("/v1/uploads", json={}, headers=headers))
        assert upload["key"].startswith(f"uploads/{user['user']}/")
        ends = datetime.fromisoformat(user["expires_at"])
        assert timedelta() < ends - datetime.now(UTC) <= timedelta(days=1)


@pytest.mark.parametrize(
    "path",
    [
        "/demo/users",
        "/demo/events?user=alice",
        "/web/demo.js",
        "/web/demo.css",
        "/web/demo/users.js",
        "/web/index.html",
    ],
)
async def test_the_demo_is_served_in_demo_mode_only(plain: httpx.AsyncClient, path: str) -> None:
    assert_problem(await plain.get(path), "not_found")


async def test_the_page_at_the_root_is_the_demo_in_demo_mode_only(
    plain: httpx.AsyncClient, demo: httpx.AsyncClient
) -> None:
    assert "demo.js" in (await demo.get("/")).text
    assert "demo" not in (await plain.get("/")).text


async def test_a_demo_token_is_refused_outside_demo_mode(
    demo: httpx.AsyncClient, plain: httpx.AsyncClient
) -> None:
    """Even by a service with the same secret key."""
    token = (await demo.get("/demo/users")).json()["users"][0]["token"]
    headers = {"Authorization": f"Bearer {token}"}
    answer = await plain.post("/v1/uploads", json={}, headers=headers)
    assert_problem(answer, "unauthenticated")
    assert answer.headers["www-authenticate"] == "Bearer"


GOOD_HOSTS = [
    *("localhost", "localhost:8000", "LOCALHOST:8000", "localhost.", "localhost.:8000", "app.localhost"),
    *("127.0.0.1", "127.0.0.1:8000", "127.8.8.8", "[::1]", "[::1]:8000", "[0:0:0:0:0:0:0:1]:8000"),
    "[::ffff:127.0.0.1]",
]
BAD_HOSTS = [
    *(
        "evil.example",
        "evil.example:8000",
        "localhost.evil.example",
        "evil.example.",
        "127.0.0.1.evil.example",
    ),
    *("0.0.0.0:8000", "10.0.0.7", "[::]", "[2001:db8::1]:8000", "", "::1", "localhost:8000:8000"),
    *("user@localhost", "localhost evil.example", "evil.example#localhost"),
]
EVENTS = "/demo/events?user=alice"
DEMO_PATHS = ["/", "/demo/users", EVENTS]


@pytest.mark.parametrize("host", GOOD_HOSTS)
async def test_the_demo_answers_at_every_name_of_this_machine(demo: httpx.AsyncClient, host: str) -> None:
    for path in DEMO_PATHS:
        assert (await demo.get(path, headers={"Host": host})).status_code == 200


@pytest.mark.parametrize("host", BAD_HOSTS)
async def test_a_rebound_name_gets_no_token(demo: httpx.AsyncClient, host: str) -> None:
    """A page on the internet can point its own name at this machine, but its ``Host`` shows that."""
    for path in DEMO_PATHS:
        answer = await demo.get(path, headers={"Host": host})
        assert_problem(answer, "forbidden", "Host")
        assert "UPLOADSVC_DEMO_HOSTS" in answer.text
        assert answer.headers["cache-control"] == "no-store"


@pytest.mark.parametrize("hosts", [[], ["localhost", "evil.example"], ["evil.example", "localhost"]])
async def test_a_missing_or_repeated_host_gets_no_token(demo: httpx.AsyncClient, hosts: list[str]) -> None:
    request = demo.build_request("GET", "/demo/users")
    others = [(name, value) for name, value in request.headers.raw if name.lower() != b"host"]
    request.headers = httpx.Headers([*others, *((b"Host", host.encode()) for host in hosts)])
    assert_problem(await demo.send(request), "forbidden", "Host")


@pytest.mark.parametrize(
    "header",
    [
        *({"X-Forwarded-For": "203.0.113.9"}, {"X-Forwarded-Host": "demo.example.com"}),
        *({"Forwarded": "for=203.0.113.9"}, {"X-Real-IP": "203.0.113.9"}, {"Via": "1.1 proxy"}),
    ],
    ids=str,
)
async def test_a_proxy_on_this_machine_gets_no_token(demo: httpx.AsyncClient, header: dict[str, str]) -> None:
    """It may set ``Host`` itself, and forward requests from anyone on the internet."""
    for path in DEMO_PATHS:
        assert_problem(await demo.get(path, headers=header), "forbidden")
    async with demo_client(demo_hosts="demo.example.com") as client:
        answer = await client.get("/demo/users", headers={**header, "Host": "demo.example.com"})
        assert answer.status_code == 200


@pytest.mark.parametrize("peer", ["10.0.0.7", "2001:db8::1", "::ffff:10.0.0.7"])
async def test_another_machine_gets_no_token(peer: str) -> None:
    """Whatever ``Host`` it sends, unless the settings name hosts for other machines."""
    async with demo_client(peer=peer) as client:
        assert_problem(await client.get("/demo/users"), "forbidden")
    async with demo_client(peer=peer, demo_hosts="demo.example.com") as client:
        assert_problem(await client.get("/demo/users", headers={"Host": "evil.example"}), "forbidden", "Host")
        for host in ("demo.example.com", "Demo.Example.com.:443", "localhost:8000"):
            assert (await client.get("/demo/users", headers={"Host": host})).status_code == 200


@pytest.mark.parametrize("path", ["/demo/users", EVENTS])
async def test_pages_of_other_origins_get_no_token(path: str) -> None:
    """Even if they may call the API. A browser says where the request comes from."""
    own = {"Origin": "http://localhost:8000", "Sec-Fetch-Site": "same-origin"}
    async with demo_client(cors={"allow_origins": "*"}) as client:
        answer = await client.get(path, headers=own)
        assert answer.status_code == 200
        assert answer.headers["cross-origin-resource-policy"] == "same-origin"
        assert answer.headers["cache-control"] == "no-store"
        for headers in (
            {"Origin": "https://evil.example"},
            {"Origin": "http://localhost:3000"},
            {"Origin": "null"},
            {"Sec-Fetch-Site": "cross-site"},
            {"Sec-Fetch-Site": "same-site"},
        ):
            assert_problem(await client.get(path, headers=headers), "forbidden")


async def test_each_demo_user_sees_their_own_events() -> None:
    """As server-sent events, after the last one that the browser has seen."""
    app = create_app(Settings.model_validate(settings_for(S3, **DEMO)))
    for number, user in enumerate(["alice", "bob", "alice"]):
        body = {"type": "upload.completed", "data": {"user": user, "object": {"key": "a\n\nb"}}}
        await app.state.demo.events.send(f"evt_{number}", json.dumps(body).encode())
    app.state.on_stop()
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost:8000") as client:
        answer = await client.get("/demo/events?user=alice")
        assert answer.headers["content-type"] == "text/event-stream; charset=utf-8"
        assert answer.headers["cache-control"] == "no-store"
        start, *messages, end = answer.text.split("\n\n")
        assert (start, end) == (":", "")
        assert [message.partition("\n")[0] for message in messages] == ["id: evt_0", "id: evt_2"]
        _, data = messages[0].split("\n")
        assert json.loads(data.removeprefix("data: ")) == {
            "id": "evt_0",
            "type": "upload.completed",
            "data": {"user": "alice", "object": {"key": "a\n\nb"}},
        }
        later = await client.get("/demo/events?user=alice", headers={"Last-Event-ID": "evt_0"})
        assert "evt_2" in later.text
        assert "evt_0" not in later.text
        assert "evt_1" in (await client.get("/demo/events?user=bob")).text
        assert_problem(await client.get("/demo/events?user=eve"), "validation_error", "user")


async def test_a_host_does_not_matter_outside_the_demo(demo: httpx.AsyncClient) -> None:
    """Health checks of an orchestrator name any."""
    assert (await demo.get("/healthz", headers={"Host": "10.0.0.7:8000"})).status_code == 200


@pytest.mark.parametrize(
    "auth",
    [
        {"jwt": {"secret": "x" * 32}},
        {"jwt": {}, "api_keys": [{"name": "billing", "sha256": "0" * 64}]},
        {"jwt": {}, "trusted_header": "X-User", "trusted_proxies": "10.0.0.0/8"},
    ],
)
def test_the_demo_is_refused_beside_real_authentication(auth: dict[str, object]) -> None:
    """Its users could be those of the real login."""
    with pytest.raises(ValueError, match=r"UPLOADSVC_DEMO: .* cannot be on beside UPLOADSVC_AUTH__"):
        Settings.model_validate(settings_for(S3, demo=True, auth=auth))


def test_demo_hosts_are_names_without_a_port() -> None:
    hosts = "Demo.Example.com., 10.0.0.7, ::1, [2001:DB8::1]"
    settings = Settings.model_validate(settings_for(S3, **DEMO, demo_hosts=hosts))
    assert settings.demo_hosts == ("demo.example.com", "10.0.0.7", "::1", "2001:db8::1")
    for wrong in ("*", "*.example.com", "http://a.example", "a.example:8000", "[::1]:8000", "a b"):
        with pytest.raises(ValueError, match="is not a host; write names or addresses"):
            Settings.model_validate(settings_for(S3, **DEMO, demo_hosts=wrong))
    with pytest.raises(ValueError, match="UPLOADSVC_DEMO_HOSTS: requires UPLOADSVC_DEMO"):
        Settings.model_validate(settings_for(S3, demo_hosts="demo.example.com"))


def test_a_demo_for_the_network_names_its_hosts() -> None:
    """Otherwise it listens on this machine's own addresses only."""
    closed = Settings.model_validate(settings_for(S3, **DEMO))
    for host in ("127.0.0.1", "localhost", "::1"):
        closed.check_demo_address(host)
    for host in ("0.0.0.0", "::", "10.0.0.7", "demo.example.com"):  # noqa: S104 - nothing listens
        with pytest.raises(SettingsError, match="UPLOADSVC_DEMO_HOSTS: missing"):
            closed.check_demo_address(host)
        Settings.model_validate(settings_for(S3, **DEMO, demo_hosts="localhost")).check_demo_address(host)
        Settings.model_validate(settings_for(S3)).check_demo_address(host)


async def test_demo_mode_logs_a_warning_at_startup() -> None:
    for sections in (DEMO, {}):
        with capture_logs() as logs:
            async with service_client(settings_for(S3, **sections)):
                pass
        warned = [line for line in logs if line["log_level"] == "warning"]
        assert [line["event"] for line in warned] == (["demo_mode"] if sections else [])

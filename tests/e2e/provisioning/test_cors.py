"""The CORS rule allows exactly the named origins and headers; other rules stay."""

from dataclasses import replace
from typing import TYPE_CHECKING, Final

import httpx
import pytest
from tests.support.bucket_rules import ORIGIN, recorded, required, the
from tests.support.buckets import set_up
from tests.support.servers import S3Server
from tests.support.service import settings_for

from uploadsvc.provisioning.plan import apply, plan
from uploadsvc.provisioning.rules.cors import RULE_ID

if TYPE_CHECKING:
    from types_aiobotocore_s3.type_defs import CORSRuleTypeDef

EXPOSED: Final = ["Accept-Ranges", "Content-Length", "Content-Range", "ETag"]
FOREIGN: "list[CORSRuleTypeDef]" = [
    {"ID": "theirs", "AllowedOrigins": ["https://other.example.com"], "AllowedMethods": ["GET"]},
    {"AllowedOrigins": ["https://*.example.org"], "AllowedMethods": ["PUT"], "AllowedHeaders": ["x-*"]},
]
OLD: "CORSRuleTypeDef" = {
    "ID": RULE_ID,
    "AllowedOrigins": [ORIGIN],
    "AllowedMethods": ["GET", "HEAD", "PUT", "POST"],
    "AllowedHeaders": ["*"],
    "ExposeHeaders": ["ETag"],
    "MaxAgeSeconds": 3600,
}


async def put_rules(server: S3Server, rules: "list[CORSRuleTypeDef]") -> None:
    """Set a bucket's rules."""
    async with server.client() as client:
        await client.put_bucket_cors(Bucket=server.bucket, CORSConfiguration={"CORSRules": rules})


async def rules_of(server: S3Server) -> list[dict[str, object]]:
    """Return a bucket's rules."""
    async with server.client() as client:
        return [dict(rule) for rule in (await client.get_bucket_cors(Bucket=server.bucket))["CORSRules"]]


async def preflight(
    server: S3Server, *, origin: str = ORIGIN, method: str = "PUT", headers: str = "content-type"
) -> httpx.Response:
    """Ask as a browser asks before it uploads."""
    asked = {
        "Origin": origin,
        "Access-Control-Request-Method": method,
        "Access-Control-Request-Headers": headers,
    }
    async with httpx.AsyncClient(trust_env=False) as client:
        return await client.options(
            f"{server.endpoint_url}/{server.bucket}/uploads/alice/photo.jpg", headers=asked
        )


async def test_only_the_named_origins_may_upload(s3: S3Server) -> None:
    """By exactly the named methods; without the rule, none may."""
    server = replace(s3, bucket=await s3.create_bucket())
    assert (await preflight(server)).status_code == 403
    async with server.client() as client:
        await apply(client, required(server), rules=["cors"])
    for method in ("PUT", "GET", "HEAD"):
        allowed = await preflight(server, method=method)
        assert allowed.status_code == 200
        assert allowed.headers["access-control-allow-origin"] == ORIGIN
        assert method in allowed.headers["access-control-allow-methods"]
    assert set(allowed.headers["access-control-expose-headers"].split(", ")) == set(EXPOSED)
    refused = await preflight(server, origin="https://evil.example.com")
    assert "access-control-allow-origin" not in refused.headers
    if s3.name == "localstack":
        # SeaweedFS goes by the origin alone.
        assert (await preflight(server, method="DELETE")).status_code == 403
        assert (await preflight(server, headers="content-type,if-none-match")).status_code == 200
        assert (await preflight(server, headers="content-type,x-amz-acl")).status_code == 403


async def test_a_page_reads_a_range_and_traces_its_requests(s3: S3Server) -> None:
    """As PDF viewers, players and tracing libraries do; pages match a pattern, or are an app's."""
    server = replace(s3, bucket=await s3.create_bucket())
    # SeaweedFS knows a * for the whole name only.
    name = "my-app-*" if s3.name == "localstack" else "*"
    pattern = f"https://{name}.vercel.app"
    cors = {"allow_origins": [pattern, "capacitor://localhost"], "allow_headers": "X-Own"}
    await set_up(server, settings_for(server, cors=cors))
    async with server.client() as client:
        await client.put_object(Bucket=server.bucket, Key="film", Body=b"0123456789")
        params = {"Bucket": server.bucket, "Key": "film"}
        url = await client.generate_presigned_url("get_object", Params=params)
    for origin in ("https://my-app-git-main.vercel.app", "capacitor://localhost"):
        for method, headers in (("GET", "if-range,range"), ("PUT", "content-type,traceparent,x-own")):
            asked = await preflight(server, origin=origin, method=method, headers=headers)
            assert asked.status_code == 200, (origin, method)
            assert asked.headers["access-control-allow-origin"] == origin
        async with httpx.AsyncClient(trust_env=False) as http:
            answer = await http.get(url, headers={"Origin": origin, "Range": "bytes=2-4"})
        assert (answer.status_code, answer.content) == (206, b"234")
        assert answer.headers["content-range"] == "bytes 2-4/10"
        exposed = {name.strip() for name in answer.headers["access-control-expose-headers"].split(",")}
        assert set(EXPOSED) <= exposed
    for origin in ("https://my-app-a.vercel.com", "https://my-app-a.vercel.app.evil.example"):
        refused = await preflight(server, origin=origin)
        assert "access-control-allow-origin" not in refused.headers


@pytest.mark.parametrize("place", [0, 1, 2])
async def test_our_rule_keeps_its_place(moto_server: S3Server, place: int) -> None:
    """Even one of an older version; other rules stay, in their order."""
    await put_rules(moto_server, [*FOREIGN[:place], OLD, *FOREIGN[place:]])
    async with moto_server.client() as client:
        planned = the("cors", await plan(client, required(moto_server)))
        assert planned.state == "differs"
        assert "headers *" in planned.found
        assert "headers content-type, if-none-match" in planned.wanted
        assert the("cors", await apply(client, required(moto_server), rules=["cors"])).state == "changed"
    rules = await rules_of(moto_server)
    ours = rules.pop(place)
    assert rules == FOREIGN
    assert ours == {
        "ID": "uploadsvc",
        "AllowedOrigins": [ORIGIN],
        "AllowedMethods": ["GET", "HEAD", "PUT"],
        "AllowedHeaders": ["content-type", "if-none-match", "range", "traceparent"],
        "ExposeHeaders": EXPOSED,
        "MaxAgeSeconds": 3600,
    }


async def test_a_new_rule_is_appended(s3: S3Server) -> None:
    """S3 applies the first rule that matches."""
    server = replace(s3, bucket=await s3.create_bucket())
    await put_rules(server, FOREIGN)
    async with server.client() as client:
        done = the("cors", await apply(client, required(server), rules=["cors"]))
    assert (done.state, done.found) == ("made", "2 other rules")
    rules = await rules_of(server)
    assert [rule.get("ID") for rule in rules] == ["theirs", None, RULE_ID]
    assert [rule["AllowedOrigins"] for rule in rules[:2]] == [rule["AllowedOrigins"] for rule in FOREIGN]


async def test_without_origins_our_rule_is_removed(s3: S3Server) -> None:
    """Other rules stay; a second time there is nothing to do."""
    for others in (FOREIGN, []):
        server = replace(s3, bucket=await s3.create_bucket())
        await put_rules(server, [*others, OLD])
        async with recorded(server) as client:
            requirements = required(server, origins=())
            done = the("cors", await apply(client.client, requirements, rules=["cors"]))
            assert (done.state, done.wanted) == ("changed", "no rule: no origins are set")
            client.writes.clear()
            assert the("cors", await apply(client.client, requirements, rules=["cors"])).state == "in place"
            assert client.writes == []
        if others:
            assert [rule.get("ID") for rule in await rules_of(server)] == ["theirs", None]
        else:
            assert (await preflight(server)).status_code == 403


async def test_our_rule_is_recognised_without_its_id(moto_server: S3Server) -> None:
    """And in another order or case."""
    ours: CORSRuleTypeDef = {
        "AllowedOrigins": [ORIGIN],
        "AllowedMethods": ["PUT", "HEAD", "GET"],
        "AllowedHeaders": ["If-None-Match", "Content-Type", "Range", "Traceparent"],
        "ExposeHeaders": [name.lower() for name in reversed(EXPOSED)],
        "MaxAgeSeconds": 3600,
    }
    await put_rules(moto_server, [*FOREIGN, ours])
    async with recorded(moto_server) as s3:
        assert the("cors", await apply(s3.client, required(moto_server), rules=["cors"])).state == "in place"
    assert s3.writes == []


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("origins", ("https://a.example", ORIGIN)),
        ("cors_methods", frozenset({"GET", "HEAD", "POST"})),
        ("cors_headers", frozenset({"content-type"})),
        ("cors_extra_headers", frozenset({"range"})),
    ],
)
async def test_any_difference_is_changed(moto_server: S3Server, name: str, value: object) -> None:
    """Origins, methods or headers, more or fewer."""
    async with moto_server.client() as client:
        await apply(client, required(moto_server), rules=["cors"])
        other = required(moto_server, **{name: value})
        assert the("cors", await plan(client, other)).state == "differs"
        await apply(client, other, rules=["cors"])
        assert the("cors", await plan(client, other)).state == "in place"


@pytest.mark.parametrize(("name", "value"), [("ExposeHeaders", []), ("MaxAgeSeconds", 5)])
async def test_a_changed_rule_is_restored(moto_server: S3Server, name: str, value: object) -> None:
    """Some clients complete multipart uploads with the exposed ETag."""
    async with moto_server.client() as client:
        await apply(client, required(moto_server), rules=["cors"])
        (rule,) = await rules_of(moto_server)
        await put_rules(moto_server, [{**rule, name: value}])  # type: ignore[typeddict-item] # one is other
        assert the("cors", await apply(client, required(moto_server), rules=["cors"])).state == "changed"
    assert await rules_of(moto_server) == [rule]

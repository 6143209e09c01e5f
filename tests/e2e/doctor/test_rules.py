"""The doctor names exactly the rule that is missing."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from html import escape
from typing import TYPE_CHECKING, Any, Final

import pytest
from tests.support.doctor import ORIGIN, OTHER_ORIGIN, examine, of_status, prepare, settings_of, traces
from tests.support.fault_proxy import Answer, Exchange, Fault, fault_proxy, s3_error
from tests.support.servers import S3Server

from uploadsvc.doctor.findings import Status

if TYPE_CHECKING:
    from types_aiobotocore_s3 import S3Client

Removal = Callable[["S3Client", str], Awaitable[Any]]

POLICIES: Final[dict[str, dict[str, Any]]] = {"default": {}, "notes": {"metadata": {"note": None}}}
PAGES: Final = {f"cors:{ORIGIN}", f"cors:{OTHER_ORIGIN}"}


async def change_cors(client: "S3Client", bucket: str, **changed: Any) -> None:  # noqa: ANN401 - parts of a rule
    """Change our CORS rule."""
    (rule,) = (await client.get_bucket_cors(Bucket=bucket))["CORSRules"]
    changed_rule: Any = {**rule, **changed}
    await client.put_bucket_cors(Bucket=bucket, CORSConfiguration={"CORSRules": [changed_rule]})


def without_header(forbidden: str) -> Removal:
    """Return what forbids a header."""

    async def remove(client: "S3Client", bucket: str) -> None:
        (rule,) = (await client.get_bucket_cors(Bucket=bucket))["CORSRules"]
        headers = [name for name in rule["AllowedHeaders"] if name != forbidden]
        assert len(headers) == len(rule["AllowedHeaders"]) - 1
        await change_cors(client, bucket, AllowedHeaders=headers)

    return remove


CORS: Final[dict[str, tuple[Removal, set[str], str]]] = {
    "cors": (lambda client, bucket: client.delete_bucket_cors(Bucket=bucket), PAGES, "may send nothing"),
    "one origin": (
        lambda client, bucket: change_cors(client, bucket, AllowedOrigins=[ORIGIN]),
        {f"cors:{OTHER_ORIGIN}"},
        "may send nothing",
    ),
    "one method": (
        lambda client, bucket: change_cors(client, bucket, AllowedMethods=["GET", "HEAD", "POST"]),
        PAGES,
        "PUT is not allowed, other methods are",
    ),
    "one header": (
        without_header("x-amz-meta-note"),
        PAGES,
        "PUT with the header x-amz-meta-note is not allowed",
    ),
    "tracing": (
        without_header("traceparent"),
        PAGES,
        "pages that trace requests fail: PUT with the header traceparent",
    ),
    "ranges": (
        without_header("range"),
        PAGES,
        "as PDF viewers and players do, fail: GET with the header range",
    ),
    "etag": (
        lambda client, bucket: change_cors(client, bucket, ExposeHeaders=["x-amz-request-id", "Location"]),
        {"etag"},
        "may not read ETag",
    ),
}

OTHERS: Final[dict[str, tuple[Removal, str]]] = {
    "lifecycle": (lambda client, bucket: client.delete_bucket_lifecycle(Bucket=bucket), "no rules"),
    "public-access": (lambda client, bucket: client.delete_public_access_block(Bucket=bucket), ""),
    "ownership": (lambda client, bucket: client.delete_bucket_ownership_controls(Bucket=bucket), ""),
    "bucket-policy": (lambda client, bucket: client.delete_bucket_policy(Bucket=bucket), "no policy"),
}


async def own_bucket(server: S3Server, settings: dict[str, Any] | None = None) -> S3Server:
    """Give a bucket of one's own, with all rules."""
    own = replace(server, bucket=await server.create_bucket())
    await prepare(settings_of(own, policies=POLICIES, **(settings or {})))
    return own


async def newly_bad(server: S3Server, remove: Removal, **settings: Any) -> dict[str, str]:  # noqa: ANN401 - sections
    """Give what fails, or is odd, once a rule is gone, and was not before; and what is said of it."""
    asked = settings_of(server, policies=POLICIES, **settings)
    before = of_status(await examine(asked), "failed", "warning")
    async with server.client() as client:
        await remove(client, server.bucket)
    after = await examine(asked)
    assert await traces(server) == []
    bad = of_status(after, "failed", "warning") - before
    assert all("uploadsvc bucket apply" in after[check].mend for check in bad)
    return {check: after[check].found for check in bad}


@pytest.mark.parametrize("rule", CORS)
async def test_a_missing_part_of_cors_is_named(s3: S3Server, rule: str) -> None:
    """The origin, method or header that S3 refuses."""
    remove, expected, said = CORS[rule]
    bad = await newly_bad(await own_bucket(s3), remove)
    assert bad.keys() == expected
    assert all(said in found for found in bad.values())


@pytest.mark.parametrize("rule", OTHERS)
async def test_a_missing_rule_is_named(localstack: S3Server, rule: str) -> None:
    """And no other."""
    remove, said = OTHERS[rule]
    bad = await newly_bad(await own_bucket(localstack), remove)
    assert bad.keys() == {rule}
    assert said in bad[rule]
    assert "wanted: " in bad[rule]


@pytest.mark.parametrize("rule", ["lifecycle", "public-access", "ownership"])
async def test_a_missing_rule_is_named_on_moto(moto_server: S3Server, rule: str) -> None:
    await prepare(settings_of(moto_server, policies=POLICIES))
    assert (await newly_bad(moto_server, OTHERS[rule][0])).keys() == {rule}


async def test_a_missing_lifecycle_is_named_on_seaweedfs(seaweedfs: S3Server) -> None:
    bad = await newly_bad(await own_bucket(seaweedfs), OTHERS["lifecycle"][0])
    assert bad.keys() == {"lifecycle"}


async def test_headers_of_the_settings_are_checked_for_a_preview(s3: S3Server) -> None:
    """With an example of the pattern. Uploads of its pages fail without them."""
    own = replace(s3, bucket=await s3.create_bucket())
    # SeaweedFS knows a * for the whole name only.
    pattern = "https://my-app-*.vercel.app" if s3.name == "localstack" else "https://*.example.com"
    settings = settings_of(own, cors={"allow_origins": [pattern], "allow_headers": "x-own"})
    await prepare(settings)
    assert (await examine(settings))[f"cors:{pattern}"].status == "ok"
    async with own.client() as client:
        await without_header("x-own")(client, own.bucket)
    finding = (await examine(settings))[f"cors:{pattern}"]
    assert (finding.status, finding.found.partition(";")[0]) == (
        "failed",
        "PUT with the header x-own is not allowed",
    )


async def checked(settings: dict[str, Any], status: Status) -> set[str]:
    """Return the checks of CORS that end so."""
    return of_status(await examine(settings, only=list(PAGES)), status)


async def test_methods_of_browsers_with_credentials_are_checked(s3: S3Server) -> None:
    """With `unsized_multipart` browsers also abort uploads."""
    own = replace(s3, bucket=await s3.create_bucket())
    settings = settings_of(own, policies={"default": {"unsized_multipart": True}})
    await prepare(settings)
    assert await checked(settings, "ok") == PAGES
    async with own.client() as client:
        await change_cors(client, own.bucket, AllowedMethods=["GET", "HEAD", "PUT", "POST"])
    assert await checked(settings, "failed") == PAGES


async def test_another_sufficient_rule_passes(s3: S3Server) -> None:
    """The check sees what a browser sees."""
    own = await own_bucket(s3)

    async def anothers(client: "S3Client", bucket: str) -> None:
        await change_cors(client, bucket, ID="theirs", AllowedHeaders=["*"], MaxAgeSeconds=5)

    assert await newly_bad(own, anothers) == {}


async def test_a_rule_for_all_origins_is_a_warning(s3: S3Server) -> None:
    """Uploads work, from any site."""
    own = await own_bucket(s3)
    async with own.client() as client:
        await change_cors(client, own.bucket, AllowedOrigins=["*"])
    found = await examine(settings_of(own, policies=POLICIES))
    assert found["cors-others"].status == "warning"
    assert of_status(found, "ok") >= PAGES


async def test_unreadable_rules_are_skipped(localstack: S3Server) -> None:
    """The service's own credentials need not read them."""
    own = await own_bucket(localstack)
    subresources = ("?cors", "?lifecycle", "?publicAccessBlock", "?ownershipControls", "?policy")

    def rule(exchange: Exchange) -> Fault | None:
        asked = exchange.method == "GET" and any(name in exchange.target for name in subresources)
        return s3_error(403, "AccessDenied", "Access Denied") if asked else None

    async with fault_proxy(own.endpoint_url) as proxy:
        proxy.rule = rule
        behind = replace(own, endpoint_url=proxy.url)
        found = await examine(settings_of(behind, policies=POLICIES))
    assert of_status(found, "skipped") == {"public-access", "ownership", "bucket-policy", "lifecycle"}
    assert "no access with these credentials" in found["lifecycle"].found
    assert of_status(found, "failed") == set()


@pytest.mark.parametrize(
    ("body", "error"),
    [
        (b"<html><body>Log in", "NotS3Error"),
        (b"<html><body>Log in</body></html>", "NotS3Error"),
        (b"", "JSONDecodeError"),
    ],
)
async def test_an_answer_that_is_not_s3s_fails_the_rule(
    localstack: S3Server, body: bytes, error: str
) -> None:
    """Such as a login page."""
    own = await own_bucket(localstack)
    page = Answer(status=200, body=body, headers={"Content-Type": "text/html"})
    async with fault_proxy(own.endpoint_url) as proxy:
        proxy.rule = lambda exchange: page if exchange.target.endswith("?policy") else None
        found = await examine(settings_of(replace(own, endpoint_url=proxy.url)), only=["bucket-policy"])
    (finding,) = found.values()
    assert finding.status == "failed"
    assert finding.found == f"the response is not from S3, or not for this request ({error})"


@pytest.mark.parametrize("check", ["credentials", "lifecycle", "canary:put", "canary:multipart"])
async def test_a_repeated_request_reveals_no_secret(session_s3: S3Server, check: str) -> None:
    """Neither a signed URL nor the session token, in any finding."""
    own = replace(session_s3, bucket=await session_s3.create_bucket())

    def reflect(exchange: Exchange) -> Fault | None:
        kinds = {
            "credentials": exchange.method == "GET",
            "lifecycle": "lifecycle" in exchange.target,
            "canary:put": exchange.method == "PUT" and "uploadId" not in exchange.target,
            "canary:multipart": exchange.method == "POST" and "uploads" in exchange.target,
        }
        shown = " ".join(exchange.headers.get(name, "") for name in ("x-amz-security-token", "authorization"))
        if check == "credentials" and exchange.method == "HEAD":
            return Answer(status=400)
        code = "InvalidAccessKeyId" if check == "credentials" else "Odd"
        words = f"{exchange.target.partition('?')[2]} {shown}"
        return s3_error(400, code, escape(words)) if kinds[check] else None

    async with fault_proxy(own.endpoint_url) as proxy:
        proxy.rule = reflect
        policies = {"default": {"methods": ["put", "multipart"]}}
        found = await examine(settings_of(replace(own, endpoint_url=proxy.url), policies=policies))
    told = str([finding.found for finding in found.values()])
    assert "[redacted]" in told
    assert own.session_token is not None
    assert own.session_token[:20] not in told
    assert own.session_token[-20:] not in told
    assert max(len(finding.found) for finding in found.values()) < 500

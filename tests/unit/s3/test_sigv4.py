"""Signatures equal AWS's published examples, and botocore's for thousands of other inputs."""

import hmac
import itertools
from base64 import b64decode
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta, timezone
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any, Literal, cast, get_args
from unittest import mock
from urllib.parse import parse_qsl, quote, unquote, urlsplit
from zoneinfo import ZoneInfo

import botocore.session
import pytest
from botocore.auth import S3SigV4PostAuth, S3SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials as BotocoreCredentials
from hypothesis import given
from hypothesis import strategies as st
from tests.support.properties import examples

from uploadsvc.domain.credentials import Credentials
from uploadsvc.domain.endpoints import AddressingStyle, BucketEndpoint, aws_endpoint_url, bucket_endpoint
from uploadsvc.domain.policy import MAX_EXPIRES_IN
from uploadsvc.s3 import sigv4
from uploadsvc.s3.sigv4 import Condition, Method, presign, sign_post_policy

DIRECT = examples(4)
THROUGH_CLIENT = examples(2)

KEYS = Credentials(
    access_key_id="AKIAIOSFODNN7EXAMPLE", secret_access_key="wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
)
SESSION = Credentials(
    access_key_id="ASIAIOSFODNN7EXAMPLE",
    secret_access_key="wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
    session_token="FwoGZXIvYXdzEBYaDH/+kz==" * 60,
)
NOW = datetime(2026, 11, 23, 9, 30, 15, tzinfo=UTC)


def an_endpoint(style: AddressingStyle = "virtual") -> BucketEndpoint:
    """Address a bucket on AWS."""
    return bucket_endpoint(endpoint_url="https://s3.eu-central-1.amazonaws.com", bucket="media", style=style)


def a_url(**changes: Any) -> str:  # noqa: ANN401 - any argument of presign
    """Presign a PUT that differs from the usual one by ``changes``."""
    arguments: dict[str, Any] = {
        "method": "PUT",
        "endpoint": an_endpoint(),
        "key": "uploads/ann/photo.jpg",
        "credentials": KEYS,
        "region": "eu-central-1",
        "now": NOW,
        "expires_in": 900,
        "headers": {"Content-Type": "image/jpeg", "Content-Length": "123456", "If-None-Match": "*"},
    }
    return presign(**arguments | changes)


def a_form(**changes: Any) -> dict[str, str]:  # noqa: ANN401 - any argument of sign_post_policy
    """Sign a POST policy that differs from the usual one by ``changes``."""
    arguments: dict[str, Any] = {
        "conditions": [{"bucket": "media"}, {"key": "uploads/ann/photo.jpg"}, ["content-length-range", 1, 5]],
        "credentials": KEYS,
        "region": "eu-central-1",
        "now": NOW,
        "expires_at": NOW + timedelta(minutes=15),
    }
    return sign_post_policy(**arguments | changes)


def signature_of(url: str) -> str:
    """Read a URL's signature."""
    return dict(parse_qsl(urlsplit(url).query))["X-Amz-Signature"]


@contextmanager
def botocore_at(now: datetime) -> Iterator[None]:
    """Stop botocore's clock."""

    def stopped() -> datetime:
        return now.replace(tzinfo=None)

    with (
        mock.patch("botocore.auth.get_current_datetime", stopped),
        mock.patch("botocore.signers.get_current_datetime", stopped),
    ):
        yield


# AWS's published examples.


def test_the_s3_reference_example_of_a_presigned_get() -> None:
    """S3 API reference, "Authenticating Requests: Using Query Parameters"."""
    url = presign(
        method="GET",
        endpoint=BucketEndpoint(scheme="https", host="examplebucket.s3.amazonaws.com", path=""),
        key="test.txt",
        credentials=KEYS,
        region="us-east-1",
        now=datetime(2013, 5, 24, tzinfo=UTC),
        expires_in=86400,
    )
    assert url == (
        "https://examplebucket.s3.amazonaws.com/test.txt?X-Amz-Algorithm=AWS4-HMAC-SHA256"
        "&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1%2Fs3%2Faws4_request"
        "&X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400&X-Amz-SignedHeaders=host"
        "&X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404"
    )


def test_the_s3_reference_example_step_by_step() -> None:
    """The same example prints the hash of its canonical request."""
    header_lines, signed_headers = sigv4.canonical_headers(host="examplebucket.s3.amazonaws.com", headers={})
    request = sigv4.canonical_request(
        method="GET",
        path="/test.txt",
        query=(
            "X-Amz-Algorithm=AWS4-HMAC-SHA256"
            "&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1%2Fs3%2Faws4_request"
            "&X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400&X-Amz-SignedHeaders=host"
        ),
        header_lines=header_lines,
        signed_headers=signed_headers,
        payload_hash=sigv4.UNSIGNED_PAYLOAD,
    )
    request_hash = "3bfa292879f6447bbcda7001decf97f4a54dc650c8942174ae0a9121cf58ad04"
    scope = sigv4.credential_scope(date="20130524", region="us-east-1", service="s3")
    to_sign = sigv4.string_to_sign(amz_date="20130524T000000Z", scope=scope, canonical_request=request)
    assert sha256(request.encode()).hexdigest() == request_hash
    assert to_sign == (
        f"AWS4-HMAC-SHA256\n20130524T000000Z\n20130524/us-east-1/s3/aws4_request\n{request_hash}"
    )


def test_the_s3_reference_example_of_a_post_policy() -> None:
    """S3 API reference, "Example: Browser-Based Upload using HTTP POST": the policy as printed is signed."""
    policy = (Path(__file__).parent / "data" / "post-policy-example.b64").read_text()
    assert b64decode(policy).startswith(b'{ "expiration": "2015-12-30T12:00:00.000Z"')
    key = sigv4.signing_key(
        secret_access_key=KEYS.secret_access_key, date="20151229", region="us-east-1", service="s3"
    )
    assert sigv4.signature(hmac.new(key, digestmod="sha256"), policy) == (
        "8afdbf4008c03f22c2cd3cdb72e4afbb1f6a588f3255ac628749a66d7f09699e"
    )


@pytest.mark.parametrize(
    ("session_token", "expected"),
    [
        (None, "e93c787ed7f371d5c6b165c1b38ede9550f4dce4144713e844b25b7192d3865d"),
        (
            "6e86291e8372ff2a2260956d9b8aae1d763fbf315fa00fa31553b73ebf194267",
            "7ff2b50b376cb4d151970630573d6291dc128cc5c2a12ffb237f73cc53f67b6c",
        ),
    ],
)
def test_the_aws_c_auth_example_get_vanilla(session_token: str | None, expected: str) -> None:
    """It is of another service than S3: such sign the hash of the empty body."""
    credential = "AKIDEXAMPLE%2F20150830%2Fus-east-1%2Fservice%2Faws4_request"
    query = (
        f"X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential={credential}"
        "&X-Amz-Date=20150830T123600Z&X-Amz-Expires=3600&X-Amz-SignedHeaders=host"
    )
    if session_token:
        query += f"&X-Amz-Security-Token={session_token}"
    header_lines, signed_headers = sigv4.canonical_headers(host="example.amazonaws.com", headers={})
    request = sigv4.canonical_request(
        method="GET",
        path="/",
        query=sigv4.canonical_query(query),
        header_lines=header_lines,
        signed_headers=signed_headers,
        payload_hash=sha256(b"").hexdigest(),
    )
    key = sigv4.signing_key(
        secret_access_key="wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
        date="20150830",
        region="us-east-1",
        service="service",
    )
    scope = sigv4.credential_scope(date="20150830", region="us-east-1", service="service")
    to_sign = sigv4.string_to_sign(amz_date="20150830T123600Z", scope=scope, canonical_request=request)
    assert sigv4.signature(hmac.new(key, digestmod="sha256"), to_sign) == expected


# Equal to botocore's signers, on anything that they can sign.

UNICODE = st.characters(exclude_categories=["Cs"])
PRINTABLE = st.characters(exclude_categories=["Cs", "Cc"])
TOKEN_CHARACTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789!#$%&'*+-.^_`|~"
# botocore never signs these, whatever it is given.
UNSIGNED_BY_BOTOCORE = {"expect", "transfer-encoding", "user-agent", "x-amzn-trace-id"}
OUR_PARAMETERS = {
    "x-amz-algorithm",
    "x-amz-credential",
    "x-amz-date",
    "x-amz-expires",
    "x-amz-security-token",
    "x-amz-signature",
    "x-amz-signedheaders",
}

methods = st.sampled_from(get_args(Method))
object_keys = st.text(UNICODE, max_size=60) | st.text("aB0 /.%+~*'()&=?#:;,@$!é漢🎉\n", max_size=60)
regions = st.sampled_from(["us-east-1", "eu-central-1", "cn-north-1", "auto", "garage"]) | st.text(
    "abcdefghijklmnopqrstuvwxyz0123456789-", min_size=1, max_size=20
)
services = st.sampled_from(["s3", "s3", "s3express", "s3-outposts"])
times = st.datetimes(datetime(1970, 1, 1), datetime(2199, 12, 31), timezones=st.just(UTC))  # noqa: DTZ001 - bounds are naive by contract
lifetimes = st.integers(1, MAX_EXPIRES_IN)
secrets = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=40)
credentials = st.builds(
    Credentials,
    access_key_id=st.text("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_/+", min_size=1, max_size=20),
    secret_access_key=secrets,
    session_token=st.none() | st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=80),
)
header_names = st.sampled_from(
    [
        "Content-Type",
        "Content-Length",
        "If-None-Match",
        "cache-control",
        "x-amz-meta-a",
        "x-amz-meta-a-b",
        "x-amz-content-sha256",
        "X-Amz-Content-SHA256",
        "x-amz-content-sha256-not",
        "gzip",
        "Hosts",
    ]
) | st.text(TOKEN_CHARACTERS, min_size=1, max_size=12)
headers_to_sign = st.lists(
    st.tuples(
        header_names.filter(lambda name: name.lower() not in UNSIGNED_BY_BOTOCORE | {"host"}),
        st.text(PRINTABLE, max_size=20) | st.text(" a*,;=\xa0", max_size=10),
    ),
    max_size=6,
    unique_by=lambda header: header[0].lower(),
).map(dict)
query_names = st.sampled_from(
    [
        "partNumber",
        "uploadId",
        "response-content-disposition",
        "versionId",
        "uploads",
        "a",
        "a-b",
        "a.b",
        "a1",
        "X-Amz-E",
    ]
) | st.text(UNICODE, min_size=1, max_size=10)
queries = st.dictionaries(
    query_names.filter(lambda name: name.lower() not in OUR_PARAMETERS),
    st.text(UNICODE, max_size=20),
    max_size=5,
)
dns_labels = st.builds(
    "{}{}{}".format,
    st.sampled_from("am09"),
    st.text("abcdefghijklmnopqrstuvwxyz0123456789-", min_size=1, max_size=10),
    st.sampled_from("bz5"),
)


hosts = st.sampled_from(["s3.eu-central-1.amazonaws.com", "minio"]) | dns_labels.map("s3.{}.example".format)
addresses = st.sampled_from(["[::1]", "[2001:db8::7]", "127.0.0.1"])


def base_urls(of: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    """Any base URL on these hosts."""
    ports = st.sampled_from([80, 443, 9000]) | st.integers(1, 65535)
    return st.builds(
        "{}://{}{}{}".format,
        st.sampled_from(["http", "https"]),
        of,
        st.just("") | ports.map(":{}".format),
        st.sampled_from(["", "", "/", "/store", "/store/%C3%BC/"]),
    )


endpoints = st.builds(
    bucket_endpoint,
    endpoint_url=base_urls(hosts),
    bucket=dns_labels,
    style=st.sampled_from(["path", "virtual"]),
) | st.builds(
    bucket_endpoint, endpoint_url=base_urls(addresses | hosts), bucket=dns_labels, style=st.just("path")
)
"""Any bucket, anywhere."""


def botocore_credentials(signer: Credentials) -> BotocoreCredentials:
    """Give botocore the same credentials."""
    return BotocoreCredentials(signer.access_key_id, signer.secret_access_key, signer.session_token)


@given(
    method=methods,
    endpoint=endpoints,
    key=object_keys,
    signer=credentials,
    region=regions,
    now=times,
    expires_in=lifetimes,
    headers=headers_to_sign,
    query=queries,
    service=services,
)
@DIRECT
def test_a_url_equals_botocores(
    *,
    method: Method,
    endpoint: BucketEndpoint,
    key: str,
    signer: Credentials,
    region: str,
    now: datetime,
    expires_in: int,
    headers: dict[str, str],
    query: dict[str, str],
    service: str,
) -> None:
    """Byte for byte, whatever is signed."""
    path = f"{endpoint.path}/{quote(key, safe='/~')}" if key else endpoint.path or "/"
    request = AWSRequest(
        method=method, url=f"{endpoint.scheme}://{endpoint.host}{path}", headers=headers, params=query
    )
    with botocore_at(now):
        S3SigV4QueryAuth(botocore_credentials(signer), service, region, expires=expires_in).add_auth(request)
    assert request.url == presign(
        method=method,
        endpoint=endpoint,
        key=key,
        credentials=signer,
        region=region,
        now=now,
        expires_in=expires_in,
        headers=headers,
        query=query,
        service=service,
    )


field_names = st.sampled_from(["bucket", "key", "Content-Type", "acl", "x-amz-meta-a"]) | st.text(
    UNICODE, max_size=10
)
conditions_of_a_form = st.lists(
    st.dictionaries(field_names, st.text(UNICODE, max_size=20), min_size=1, max_size=1)
    | st.tuples(st.just("content-length-range"), st.integers(0, 2**43), st.integers(0, 2**43))
    | st.lists(st.text(UNICODE, max_size=20), min_size=3, max_size=3),
    max_size=8,
)


@given(conditions=conditions_of_a_form, signer=credentials, region=regions, now=times, expires_in=lifetimes)
@DIRECT
def test_a_post_policy_equals_botocores(
    *, conditions: list[Condition], signer: Credentials, region: str, now: datetime, expires_in: int
) -> None:
    """The policy's bytes, so the signature, and the order of the fields."""
    expires_at = now + timedelta(seconds=expires_in)
    request = AWSRequest(method="POST", url="https://media.s3.amazonaws.com/")
    request.context["s3-presign-post-policy"] = {
        "expiration": expires_at.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "conditions": list(conditions),
    }
    with botocore_at(now):
        S3SigV4PostAuth(botocore_credentials(signer), "s3", region).add_auth(request)
    fields = sign_post_policy(
        conditions=conditions, credentials=signer, region=region, now=now, expires_at=expires_at
    )
    assert list(fields.items()) == list(request.context["s3-presign-post-fields"].items())


# Equal to a real client's answers: it finds the endpoint, and makes a request of an operation's parameters.


@cache
def botocore_session() -> botocore.session.Session:
    """Share what botocore reads from disk."""
    return botocore.session.Session()


@cache
def botocore_client(
    *, region: str, endpoint_url: str | None, style: Literal["path", "virtual"], signer: Credentials
) -> Any:  # noqa: ANN401 - botocore makes its clients at run time
    """Make an S3 client with nothing of this machine's configuration."""
    return botocore_session().create_client(
        "s3",
        region_name=region,
        endpoint_url=endpoint_url,
        aws_access_key_id=signer.access_key_id,
        aws_secret_access_key=signer.secret_access_key,
        aws_session_token=signer.session_token,
        config=Config(
            signature_version="s3v4",
            s3={"addressing_style": style, "us_east_1_regional_endpoint": "regional"},
            request_checksum_calculation="when_required",
        ),
    )


places = st.sampled_from(
    [
        ("us-east-1", None, "virtual"),
        ("us-east-1", None, "path"),
        ("eu-central-1", None, "virtual"),
        ("cn-north-1", None, "virtual"),
        ("us-east-1", "http://127.0.0.1:8333", "path"),
        ("us-east-1", "http://[::1]:8333", "path"),
        ("auto", "https://s3.example.com", "virtual"),
        ("auto", "https://s3.example.com:9000/store", "path"),
    ]
)
signers = st.sampled_from([KEYS, SESSION])
ascii_values = st.text(st.characters(min_codepoint=32, max_codepoint=126), min_size=1, max_size=20)
buckets = st.sampled_from(["media", "my-media-2"])

# The parameters of botocore's operations, and the headers or query parameters that they become.
PUT_HEADERS = {
    "ContentType": "Content-Type",
    "ContentDisposition": "Content-Disposition",
    "CacheControl": "Cache-Control",
    "IfNoneMatch": "If-None-Match",
    "ChecksumSHA256": "x-amz-checksum-sha256",
    "Tagging": "x-amz-tagging",
    "SSEKMSKeyId": "x-amz-server-side-encryption-aws-kms-key-id",
}
GET_QUERY = {
    "ResponseContentDisposition": "response-content-disposition",
    "ResponseContentType": "response-content-type",
    "ResponseCacheControl": "response-cache-control",
    "VersionId": "versionId",
}


def renamed(names: Mapping[str, str], parameters: Mapping[str, str]) -> dict[str, str]:
    """Turn an operation's parameters into what they become in the request."""
    return {names[name]: value for name, value in parameters.items()}


@st.composite
def operations(draw: st.DrawFn) -> tuple[str, dict[str, Any], Method, dict[str, str], dict[str, str]]:
    """One of the operations that the service presigns: name, parameters, method, headers, query."""
    operation = draw(
        st.sampled_from(["put_object", "get_object", "head_object", "delete_object", "upload_part"])
    )
    chosen = draw(st.dictionaries(st.sampled_from(sorted(PUT_HEADERS)), ascii_values, max_size=5))
    size = draw(st.integers(0, 2**40))
    if operation == "put_object":
        metadata = draw(st.dictionaries(st.sampled_from(["a", "a-b", "b"]), ascii_values, max_size=3))
        headers = renamed(PUT_HEADERS, chosen) | {"Content-Length": str(size)}
        headers |= {f"x-amz-meta-{name}": value for name, value in metadata.items()}
        return operation, chosen | {"ContentLength": size, "Metadata": metadata}, "PUT", headers, {}
    if operation == "upload_part":
        part_number, upload_id = draw(st.integers(1, 10_000)), draw(st.text(UNICODE, min_size=1, max_size=30))
        parameters = {"PartNumber": part_number, "UploadId": upload_id, "ContentLength": size}
        query = {"partNumber": str(part_number), "uploadId": upload_id}
        return operation, parameters, "PUT", {"Content-Length": str(size)}, query
    if operation == "delete_object":
        version = draw(st.text(UNICODE, min_size=1, max_size=30))
        return operation, {"VersionId": version}, "DELETE", {}, {"versionId": version}
    response = draw(
        st.dictionaries(st.sampled_from(sorted(GET_QUERY)), st.text(UNICODE, min_size=1), max_size=4)
    )
    method: Method = "HEAD" if operation == "head_object" else "GET"
    return operation, dict(response), method, {}, renamed(GET_QUERY, response)


@given(
    operation=operations(),
    place=places,
    bucket=buckets,
    key=object_keys.filter(bool),
    signer=signers,
    now=times,
    expires_in=lifetimes,
)
@THROUGH_CLIENT
def test_a_url_equals_that_of_a_botocore_client(
    *,
    operation: tuple[str, dict[str, Any], Method, dict[str, str], dict[str, str]],
    place: tuple[str, str | None, Literal["path", "virtual"]],
    bucket: str,
    key: str,
    signer: Credentials,
    now: datetime,
    expires_in: int,
) -> None:
    """``generate_presigned_url`` of put_object, get_object, head_object, delete_object and upload_part."""
    name, parameters, method, headers, query = operation
    region, endpoint_url, style = place
    client = botocore_client(region=region, endpoint_url=endpoint_url, style=style, signer=signer)
    with botocore_at(now):
        expected = client.generate_presigned_url(
            name, Params={"Bucket": bucket, "Key": key, **parameters}, ExpiresIn=expires_in
        )
    assert expected == presign(
        method=method,
        endpoint=bucket_endpoint(
            endpoint_url=endpoint_url or aws_endpoint_url(region), bucket=bucket, style=style
        ),
        key=key,
        credentials=signer,
        region=region,
        now=now,
        expires_in=expires_in,
        headers=headers,
        query=query,
    )


@given(
    conditions=conditions_of_a_form,
    place=places,
    bucket=buckets,
    key=object_keys.filter(bool),
    signer=signers,
    now=times,
    expires_in=lifetimes,
)
@THROUGH_CLIENT
def test_a_form_equals_that_of_a_botocore_client(
    *,
    conditions: list[Condition],
    place: tuple[str, str | None, Literal["path", "virtual"]],
    bucket: str,
    key: str,
    signer: Credentials,
    now: datetime,
    expires_in: int,
) -> None:
    """``generate_presigned_post``: where to send it, and every field."""
    region, endpoint_url, style = place
    key = key.replace("${filename}", "")  # Of which botocore would make a condition of another kind.
    endpoint = bucket_endpoint(
        endpoint_url=endpoint_url or aws_endpoint_url(region), bucket=bucket, style=style
    )
    client = botocore_client(region=region, endpoint_url=endpoint_url, style=style, signer=signer)
    with botocore_at(now):
        expected = client.generate_presigned_post(
            bucket, key, Conditions=list(conditions), ExpiresIn=expires_in
        )
    signed = sign_post_policy(
        conditions=[*conditions, {"bucket": bucket}, {"key": key}],
        credentials=signer,
        region=region,
        now=now,
        expires_at=now + timedelta(seconds=expires_in),
    )
    assert {"url": endpoint.base_url, "fields": {"key": key, **signed}} == expected


# What makes a signature another one.


@pytest.mark.parametrize(
    "change",
    [
        {"method": "GET"},
        {"key": "uploads/ann/photo.jpeg"},
        {"endpoint": an_endpoint("path")},
        {"region": "us-east-1"},
        {"service": "s3express"},
        {"now": NOW + timedelta(seconds=1)},
        {"now": NOW + timedelta(days=1)},
        {"expires_in": 901},
        {"credentials": SESSION},
        {"headers": {"Content-Type": "image/jpeg", "Content-Length": "123457", "If-None-Match": "*"}},
        {"headers": {"Content-Type": "image/jpeg", "Content-Length": "123456"}},
        {"query": {"partNumber": "1"}},
    ],
    ids=str,
)
def test_whatever_differs_changes_the_signature(change: dict[str, Any]) -> None:
    """Nothing that is passed in stays unsigned."""
    assert signature_of(a_url(**change)) != signature_of(a_url())


@pytest.mark.parametrize(
    "change",
    [
        {"conditions": []},
        {"region": "us-east-1"},
        {"now": NOW + timedelta(seconds=1)},
        {"expires_at": NOW + timedelta(minutes=16)},
        {"credentials": SESSION},
    ],
    ids=str,
)
def test_whatever_differs_changes_the_signature_of_a_form(change: dict[str, Any]) -> None:
    """Nothing that is passed in stays unsigned."""
    assert a_form(**change)["x-amz-signature"] != a_form()["x-amz-signature"]


def test_every_header_given_is_signed_even_one_that_sdks_leave_out() -> None:
    """A caller that asks for a header to be signed relies on it."""
    url = a_url(
        headers={"User-Agent": "x", "Content-Type": "application/x-www-form-urlencoded; charset=utf-8"}
    )
    assert dict(parse_qsl(urlsplit(url).query))["X-Amz-SignedHeaders"] == "content-type;host;user-agent"


def test_the_order_and_case_of_header_names_do_not_matter() -> None:
    """One request has one signature."""
    headers = {"Content-Type": "image/jpeg", "Content-Length": "1", "x-amz-meta-a": "b"}
    urls = {
        a_url(headers={spell(name): headers[name] for name in order})
        for order in itertools.permutations(headers)
        for spell in (str.lower, str.upper, str.title)
    }
    assert len(urls) == 1


def test_the_same_moment_in_any_time_zone_signs_the_same() -> None:
    """Also the hour that a clock shows twice when summer time ends."""
    berlin = ZoneInfo("Europe/Berlin")
    first = datetime(2026, 10, 25, 2, 30, tzinfo=berlin)
    second = first.replace(fold=1)
    assert a_url(now=first) == a_url(now=datetime(2026, 10, 25, 0, 30, tzinfo=UTC))
    assert a_url(now=second) == a_url(now=datetime(2026, 10, 25, 1, 30, tzinfo=UTC))
    assert a_url(now=NOW.astimezone(timezone(timedelta(hours=-11)))) == a_url()


def test_parts_of_a_second_are_dropped() -> None:
    """S3 knows whole seconds."""
    assert a_url(now=NOW.replace(microsecond=999_999)) == a_url()


def test_any_key_comes_back_from_its_url() -> None:
    """Neither a slash too many nor a dot segment is tidied away: S3 takes keys as they are."""
    for key in ("/a", "a//b", "a/../b", "./a", "a/", "a b+c", "a%2Fb", "ü/漢字/🎉", "a?b#c&d=e", "a\x00\n"):
        assert unquote(urlsplit(a_url(key=key)).path) == f"/{key}"


def test_an_empty_key_is_the_bucket() -> None:
    """The URL has no slash too many in either style."""
    assert urlsplit(a_url(key="")).path == "/"
    assert urlsplit(a_url(key="", endpoint=an_endpoint("path"))).path == "/media"


# The signing key is kept, and never mistaken.


def test_two_secrets_of_one_access_key_sign_differently() -> None:
    """A key id alone does not name a signing key."""
    other = Credentials(access_key_id=KEYS.access_key_id, secret_access_key="another")
    mine, theirs, mine_again = a_url(), a_url(credentials=other), a_url()
    assert signature_of(mine) != signature_of(theirs)
    assert mine == mine_again


@pytest.mark.parametrize(
    "change", [{"date": "20261124"}, {"region": "us-east-1"}, {"service": "s3express"}], ids=str
)
def test_each_scope_has_its_own_signing_key(change: dict[str, str]) -> None:
    """A key that was derived before is not taken for another day, region or service."""
    scope = {"date": "20261123", "region": "eu-central-1", "service": "s3"}
    first = sigv4.signing_key(secret_access_key="secret", **scope)
    assert sigv4.signing_key(secret_access_key="secret", **scope | change) != first
    assert sigv4.signing_key(secret_access_key="secret", **scope) == first


def test_a_signing_key_is_derived_once_a_day() -> None:
    """A thousand URLs of a day need one key."""
    sigv4.signing_key.cache_clear()
    for second in range(1000):
        a_url(now=NOW + timedelta(seconds=second))
    a_url(now=NOW + timedelta(days=1))
    assert sigv4.signing_key.cache_info().misses == 2


# What is refused.


@pytest.mark.parametrize("expires_in", [0, -1, MAX_EXPIRES_IN + 1, 10**12])
def test_an_expiry_that_s3_refuses_is_refused(expires_in: int) -> None:
    """One second to seven days."""
    with pytest.raises(ValueError, match="must be 1 to 604800 seconds"):
        a_url(expires_in=expires_in)


@pytest.mark.parametrize("expires_in", [1, MAX_EXPIRES_IN])
def test_the_ends_of_the_range_are_in_it(expires_in: int) -> None:
    """Both for URLs and for forms."""
    assert f"&X-Amz-Expires={expires_in}&" in a_url(expires_in=expires_in)
    assert a_form(expires_at=NOW + timedelta(seconds=expires_in))


@pytest.mark.parametrize("seconds", [-1, 0, MAX_EXPIRES_IN + 1])
def test_a_form_that_is_dead_or_outlives_its_key_is_refused(seconds: int) -> None:
    """The signing key lives for seven days."""
    with pytest.raises(ValueError, match="seconds after"):
        a_form(expires_at=NOW + timedelta(seconds=seconds))


def test_a_form_that_would_end_in_its_own_second_is_refused() -> None:
    """S3 knows whole seconds, and would call it expired."""
    with pytest.raises(ValueError, match="seconds after"):
        a_form(now=NOW.replace(microsecond=100), expires_at=NOW.replace(microsecond=900))


def test_a_time_without_a_zone_is_refused() -> None:
    """It would be read as local time somewhere."""
    naive = NOW.replace(tzinfo=None)
    for sign in (lambda: a_url(now=naive), lambda: a_form(now=naive), lambda: a_form(expires_at=naive)):
        with pytest.raises(ValueError, match="must have a time zone"):
            cast("Any", sign)()


@pytest.mark.parametrize(
    "character", [*map(chr, range(32)), *map(chr, range(0x7F, 0xA0)), chr(0xD800), chr(0xDFFF)], ids=ascii
)
def test_a_header_value_that_could_end_its_line_is_refused(character: str) -> None:
    """No control character, and nothing that cannot be sent."""
    with pytest.raises(ValueError, match="header x-amz-meta-a holds"):
        a_url(headers={"x-amz-meta-a": f"a{character}b"})


@pytest.mark.parametrize("name", ["", "a b", "a:b", "a\r\nb", "é", "a\x00", "\ud800", "a;b"], ids=ascii)
def test_a_header_name_that_is_none_is_refused(name: str) -> None:
    """A name is a token."""
    with pytest.raises(ValueError, match="must be a token"):
        a_url(headers={name: "value"})


@pytest.mark.parametrize("headers", [{"Host": "evil.example"}, {"host": "x"}, {"a": "1", "A": "2"}], ids=str)
def test_a_header_named_twice_is_refused(headers: dict[str, str]) -> None:
    """Host is the endpoint's."""
    with pytest.raises(ValueError, match="each header once"):
        a_url(headers=headers)


@pytest.mark.parametrize("name", ["X-Amz-Expires", "x-amz-signature", "X-Amz-Security-Token", "X-AMZ-DATE"])
def test_a_parameter_of_the_signature_itself_is_refused(name: str) -> None:
    """S3 would find it twice."""
    with pytest.raises(ValueError, match="is the signature's own"):
        a_url(query={name: "1"})


@pytest.mark.parametrize(
    "change", [{"key": "a\ud800"}, {"query": {"a": "\udfff"}}, {"query": {"\udfff": "a"}}], ids=ascii
)
def test_text_that_is_not_unicode_is_refused(change: dict[str, Any]) -> None:
    """A lone surrogate has no UTF-8."""
    with pytest.raises(ValueError, match="surrogates not allowed"):
        a_url(**change)


def test_a_form_refuses_text_that_is_not_unicode() -> None:
    """And takes what only looks like it."""
    for text in ("\ud800", "a\udfffb"):
        with pytest.raises(ValueError, match="surrogates not allowed"):
            a_form(conditions=[{"key": text}])
    assert a_form(conditions=[{"key": "🎉"}, {"key": "\\ud800"}])

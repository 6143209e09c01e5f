"""Endpoint URLs and addresses of buckets."""

from typing import Literal

import pytest

from uploadsvc.domain.endpoints import (
    AddressingStyle,
    addressing_style,
    aws_endpoint_url,
    bucket_endpoint,
    public_addressing_style,
)


@pytest.mark.parametrize(
    ("endpoint_url", "style", "scheme", "host", "path", "base_url"),
    [
        (
            "https://s3.eu-central-1.amazonaws.com",
            "virtual",
            "https",
            "media.s3.eu-central-1.amazonaws.com",
            "",
            "https://media.s3.eu-central-1.amazonaws.com/",
        ),
        (
            "https://s3.eu-central-1.amazonaws.com/",
            "path",
            "https",
            "s3.eu-central-1.amazonaws.com",
            "/media",
            "https://s3.eu-central-1.amazonaws.com/media",
        ),
        ("http://minio:9000", "path", "http", "minio:9000", "/media", "http://minio:9000/media"),
        ("http://minio:80", "path", "http", "minio", "/media", "http://minio/media"),
        ("https://minio:80", "path", "https", "minio:80", "/media", "https://minio:80/media"),
        ("https://minio:443", "virtual", "https", "media.minio", "", "https://media.minio/"),
        ("https://minio:", "path", "https", "minio", "/media", "https://minio/media"),
        (
            "HTTPS://S3.Example.COM",
            "path",
            "https",
            "s3.example.com",
            "/media",
            "https://s3.example.com/media",
        ),
        ("http://[::1]:8333", "path", "http", "[::1]:8333", "/media", "http://[::1]:8333/media"),
        ("http://[2001:DB8::1]", "path", "http", "[2001:db8::1]", "/media", "http://[2001:db8::1]/media"),
        ("http://127.0.0.1:8333", "path", "http", "127.0.0.1:8333", "/media", "http://127.0.0.1:8333/media"),
        (
            "https://x.org/store/s3/",
            "path",
            "https",
            "x.org",
            "/store/s3/media",
            "https://x.org/store/s3/media",
        ),
        ("https://x.org/store", "virtual", "https", "media.x.org", "/store", "https://media.x.org/store"),
        (
            "https://media.s3.lan:8333",
            "bucket_endpoint",
            "https",
            "media.s3.lan:8333",
            "",
            "https://media.s3.lan:8333/",
        ),
        ("http://127.0.0.1:81/", "bucket_endpoint", "http", "127.0.0.1:81", "", "http://127.0.0.1:81/"),
        ("https://x.org/s3", "bucket_endpoint", "https", "x.org", "/s3", "https://x.org/s3"),
        ("https://x.org/a%20b", "path", "https", "x.org", "/a%20b/media", "https://x.org/a%20b/media"),
    ],
)
def test_a_bucket_is_addressed_in_either_style(
    *, endpoint_url: str, style: AddressingStyle, scheme: str, host: str, path: str, base_url: str
) -> None:
    """The base path of the endpoint is kept."""
    endpoint = bucket_endpoint(endpoint_url=endpoint_url, bucket="media", style=style)
    assert (endpoint.scheme, endpoint.host, endpoint.path) == (scheme, host, path)
    assert endpoint.base_url == base_url


@pytest.mark.parametrize(
    "endpoint_url",
    [
        "",
        "s3.example.com",
        "//s3.example.com",
        "ftp://s3.example.com",
        "file:///etc/passwd",
        "https://",
        "https:///bucket",
        "https://:9000",
        "https://user@s3.example.com",
        "https://user:secret@s3.example.com",
        "https://@s3.example.com",
        "https://s3.example.com?",
        "https://s3.example.com?a=b",
        "https://s3.example.com#",
        "https://s3.example.com/#top",
        "https://s3.example.com:0",
        "https://s3.example.com:65536",
        "https://s3.example.com:port",
        "https://s3 .example.com",
        " https://s3.example.com",
        "https://s3.example.com\n",
        "https://s3.exa\tmple.com",
        "https://s3..example.com",
        "https://bücher.example",
        "https://[::1",
        "https://[::zz]",
        "https://[fe80::1%25eth0]",
        "https://s3.example.com\\@evil.example",
        "https://s3.example.com/a b",
        "https://s3.example.com/ü",
        "https://s3.example.com/a//b",
        "https://s3.example.com/%zz",
    ],
)
def test_an_unusable_endpoint_url_is_refused(endpoint_url: str) -> None:
    """The message quotes it unless it may hold a password."""
    with pytest.raises(ValueError, match="must be http:// or https://") as caught:
        bucket_endpoint(endpoint_url=endpoint_url, bucket="media", style="path")
    assert (repr(endpoint_url) in str(caught.value)) == ("@" not in endpoint_url)
    assert ("Punycode" in str(caught.value)) == (not endpoint_url.isascii())


@pytest.mark.parametrize("bucket", ["", ".", "..", "a/b", "a b", "a?b", "a%2Fb", "bücher", "a\n", "a" * 256])
def test_a_bucket_name_that_needs_encoding_is_refused(bucket: str) -> None:
    with pytest.raises(ValueError, match="must be 1 to 255 of"):
        bucket_endpoint(endpoint_url="https://s3.example.com", bucket=bucket, style="path")


@pytest.mark.parametrize(
    "bucket", ["Media", "a_b", "ab", "a" * 64, "-media", "media-", ".media", "media.", "me..dia", "me.-dia"]
)
def test_a_bucket_that_is_not_a_dns_name_needs_path_style(bucket: str) -> None:
    url = "https://s3.example.com"
    with pytest.raises(ValueError, match="is not a DNS name"):
        bucket_endpoint(endpoint_url=url, bucket=bucket, style="virtual")
    assert bucket_endpoint(endpoint_url=url, bucket=bucket, style="path").path == f"/{bucket}"


@pytest.mark.parametrize("endpoint_url", ["http://127.0.0.1:9000", "http://[::1]:9000"])
def test_an_ip_address_needs_path_style(endpoint_url: str) -> None:
    """``media.127.0.0.1`` is not a host."""
    with pytest.raises(ValueError, match="is an IP address"):
        bucket_endpoint(endpoint_url=endpoint_url, bucket="media", style="virtual")


@pytest.mark.parametrize(
    ("region", "url"),
    [
        ("us-east-1", "https://s3.us-east-1.amazonaws.com"),
        ("eu-central-1", "https://s3.eu-central-1.amazonaws.com"),
        ("us-gov-west-1", "https://s3.us-gov-west-1.amazonaws.com"),
        ("cn-north-1", "https://s3.cn-north-1.amazonaws.com.cn"),
    ],
)
def test_each_region_of_aws_has_its_endpoint(region: str, url: str) -> None:
    assert aws_endpoint_url(region) == url


@pytest.mark.parametrize(
    "region", ["", "EU-Central-1", "eu central 1", "eu.central.1", "a/b", "-eu", "eu--1", "eu\n"]
)
def test_a_region_that_could_change_the_host_is_refused(region: str) -> None:
    with pytest.raises(ValueError, match="must be lower-case letters"):
        aws_endpoint_url(region)


@pytest.mark.parametrize(
    ("configured", "endpoint_url", "bucket", "style"),
    [
        ("auto", None, "media", "virtual"),
        ("auto", None, "media.example.com", "path"),
        ("auto", None, "Media", "path"),
        ("auto", None, "old_media", "path"),
        ("auto", "http://minio:9000", "media", "path"),
        ("virtual", "http://minio:9000", "media", "virtual"),
        ("virtual", None, "media.example.com", "virtual"),
        ("path", None, "media", "path"),
    ],
)
def test_auto_is_virtual_only_if_tls_and_dns_allow_it(
    *,
    configured: Literal["auto", "path", "virtual"],
    endpoint_url: str | None,
    bucket: str,
    style: AddressingStyle,
) -> None:
    """Custom endpoints may not resolve bucket names."""
    assert addressing_style(configured=configured, endpoint_url=endpoint_url, bucket=bucket) == style


def test_a_password_in_the_endpoint_url_is_not_repeated() -> None:
    """The message goes to logs and terminals."""
    with pytest.raises(ValueError, match="with a user") as refused:
        bucket_endpoint(endpoint_url="https://me:hunter2@s3.example.com", bucket="bucket", style="path")
    assert "hunter2" not in str(refused.value)


@pytest.mark.parametrize(
    ("host", "bucket", "inner", "style"),
    [
        ("media.s3-accelerate.amazonaws.com", "media", "virtual", "bucket_endpoint"),
        ("media.s3-accelerate.dualstack.amazonaws.com", "media", "path", "bucket_endpoint"),
        ("media.s3.eu-central-1.amazonaws.com", "media", "path", "bucket_endpoint"),
        ("media.s3.cn-north-1.amazonaws.com.cn", "media", "path", "bucket_endpoint"),
        ("a.b.s3.amazonaws.com", "a.b", "path", "bucket_endpoint"),
        ("s3-accelerate.amazonaws.com", "media", "path", "virtual"),
        ("s3.eu-central-1.amazonaws.com", "s3", "path", "path"),
        ("other.s3.amazonaws.com", "media", "virtual", "virtual"),
        ("media.example.com", "media", "path", "path"),
        ("media.s3.lan", "media", "virtual", "virtual"),
    ],
)
def test_the_style_of_a_public_endpoint_is_read_from_a_host_of_aws_only(
    host: str, bucket: str, inner: AddressingStyle, style: AddressingStyle
) -> None:
    """Elsewhere a bucket ``media`` may well be at ``media.example.com/media``."""
    found = public_addressing_style(
        configured="auto", endpoint_url=f"https://{host}", bucket=bucket, inner=inner
    )
    assert found == style


def test_a_configured_style_of_a_public_endpoint_is_kept() -> None:
    url = "https://media.s3-accelerate.amazonaws.com"
    kept = public_addressing_style(configured="path", endpoint_url=url, bucket="media", inner="virtual")
    assert kept == "path"

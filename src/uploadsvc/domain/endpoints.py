"""Addresses of buckets: scheme, host and path."""

import re
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Literal, TypeAlias
from urllib.parse import SplitResult, urlsplit

AddressingStyle: TypeAlias = Literal["path", "virtual", "bucket_endpoint"]

_DEFAULT_PORTS = {"http": 80, "https": 443}
_HOST = re.compile(r"[a-z0-9_-]+(\.[a-z0-9_-]+)*\.?")
# A base path is copied into the canonical request, so it must already be percent-encoded.
_BASE_PATH = re.compile(r"(/([A-Za-z0-9._~-]|%[0-9A-F]{2})+)*/?")
_REGION = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
# What SDKs accept: more than AWS allows for new buckets, for old buckets and other stores.
_BUCKET = re.compile(r"(?!\.{1,2}$)[A-Za-z0-9._-]{1,255}")
_ACCELERATED = frozenset({"s3-accelerate.amazonaws.com", "s3-accelerate.dualstack.amazonaws.com"})
"""https://docs.aws.amazon.com/AmazonS3/latest/userguide/transfer-acceleration-getting-started.html"""

_AWS_HOST = re.compile(r"s3[.-].*\.amazonaws\.com(\.cn)?|s3\.amazonaws\.com")
# https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html
_DNS_BUCKET = re.compile(r"(?=.{3,63}$)[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*")


@dataclass(frozen=True, slots=True, kw_only=True)
class BucketEndpoint:
    """Address of a bucket. An object's URL is ``{scheme}://{host}{path}/{encoded key}``.

    Attributes:
        scheme: ``http`` or ``https``.
        host: As sent in ``Host``: lower case, with the port unless it is the scheme's default.
        path: Path before an object's key, percent-encoded, without a trailing slash: the base path of the
            endpoint URL, then ``/bucket`` in path style.
    """

    scheme: str
    host: str
    path: str

    @property
    def base_url(self) -> str:
        """URL of the bucket, and target of POST forms."""
        return f"{self.scheme}://{self.host}{self.path or '/'}"


def bucket_endpoint(*, endpoint_url: str, bucket: str, style: AddressingStyle) -> BucketEndpoint:
    """Return the address of a bucket of the store at ``endpoint_url``.

    Args:
        endpoint_url: The store's URL; may have a port and a base path.
        bucket: The bucket's name.
        style: ``path`` puts the bucket into the path, ``virtual`` in front of the host
            (https://docs.aws.amazon.com/AmazonS3/latest/userguide/VirtualHosting.html). ``bucket_endpoint``
            leaves it out: the URL already leads to the bucket, as a custom domain does.

    Raises:
        ValueError: The URL or the bucket's name is not of the allowed form, or the bucket cannot be part of
            the host name.
    """
    if not _BUCKET.fullmatch(bucket):
        message = f"bucket {bucket!r} must be 1 to 255 of A-Z a-z 0-9 . - _"
        raise ValueError(message)
    url = _split(endpoint_url)
    address = _ip_address(url.hostname or "")
    host = f"[{url.hostname}]" if isinstance(address, IPv6Address) else str(url.hostname)
    if url.port not in (None, _DEFAULT_PORTS[url.scheme]):
        host = f"{host}:{url.port}"
    base_path = url.path.rstrip("/")
    if style == "path":
        return BucketEndpoint(scheme=url.scheme, host=host, path=f"{base_path}/{bucket}")
    if style == "bucket_endpoint":
        return BucketEndpoint(scheme=url.scheme, host=host, path=base_path)
    if address is not None:
        message = f"endpoint URL {endpoint_url!r} is an IP address: the addressing style cannot be virtual"
        raise ValueError(message)
    if not _DNS_BUCKET.fullmatch(bucket):
        message = f"bucket {bucket!r} is not a DNS name: the addressing style cannot be virtual"
        raise ValueError(message)
    return BucketEndpoint(scheme=url.scheme, host=f"{bucket}.{host}", path=base_path)


def base_url(url: str, *, name: str) -> str:
    """Return the URL of a service without a trailing slash, so that paths can be appended.

    Args:
        url: URL of the service; may have a port and a base path.
        name: Name of the URL in the message.

    Raises:
        ValueError: The URL does not have the allowed form.
    """
    _split(url, name=name, example="https://uploads.example.com")
    return url.rstrip("/")


def origin_of(url: str) -> str:
    """Return the origin of a URL that `base_url` has accepted, as browsers send it in ``Origin``.

    https://html.spec.whatwg.org/#ascii-serialisation-of-an-origin
    """
    parts = urlsplit(url)
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
    default = _DEFAULT_PORTS[parts.scheme]
    return f"{parts.scheme}://{host}" + ("" if parts.port in {None, default} else f":{parts.port}")


def aws_endpoint_url(region: str) -> str:
    """Return the regional S3 endpoint of AWS. Regions in China have another domain.

    The names are from https://docs.aws.amazon.com/general/latest/gr/s3.html.

    Raises:
        ValueError: ``region`` does not look like one.
    """
    if not _REGION.fullmatch(region):
        message = (
            f"region {region!r} must be lower-case letters, digits and single hyphens, as in eu-central-1"
        )
        raise ValueError(message)
    suffix = "amazonaws.com.cn" if region.startswith("cn-") else "amazonaws.com"
    return f"https://s3.{region}.{suffix}"


def addressing_style(
    *, configured: Literal["auto", "path", "virtual"], endpoint_url: str | None, bucket: str
) -> AddressingStyle:
    """Return the addressing style. ``auto`` is ``virtual`` on AWS where TLS allows it, else ``path``.

    Args:
        configured: The setting; anything but ``auto`` is returned unchanged.
        endpoint_url: The configured endpoint; ``None`` for AWS.
        bucket: The bucket's name.
    """
    if configured != "auto":
        return configured
    # AWS's certificate is for *.s3.<region>.amazonaws.com, and a wildcard matches one label only.
    if endpoint_url is None and "." not in bucket and _DNS_BUCKET.fullmatch(bucket):
        return "virtual"
    return "path"


def public_addressing_style(
    *,
    configured: Literal["auto"] | AddressingStyle,
    endpoint_url: str,
    bucket: str,
    inner: AddressingStyle,
) -> AddressingStyle:
    """Return the addressing style of the public endpoint.

    For AWS hosts, ``auto`` detects it: a host that starts with the bucket is ``bucket_endpoint``, and
    Transfer Acceleration does not support paths. For other hosts, it is that of the service's own endpoint,
    because a host that starts with the bucket's name need not lead to the bucket.

    Args:
        configured: The setting; anything but ``auto`` is returned unchanged.
        endpoint_url: The public endpoint.
        bucket: The bucket's name.
        inner: Addressing style of the service's own endpoint.

    Raises:
        ValueError: The URL does not have the allowed form.
    """
    if configured != "auto":
        return configured
    host = (_split(endpoint_url).hostname or "").rstrip(".")
    if host in _ACCELERATED:
        return "virtual"
    bound = host.startswith(f"{bucket}.") and _AWS_HOST.fullmatch(host.removeprefix(f"{bucket}."))
    return "bucket_endpoint" if bound else inner


def _split(
    endpoint_url: str, *, name: str = "endpoint URL", example: str = "https://s3.example.com:9000"
) -> SplitResult:
    """Split a URL, or raise an error that describes the allowed form."""
    # urlsplit silently drops some of these, and ignores a "?" or "#" at the end.
    if endpoint_url.isprintable() and not any(mark in endpoint_url for mark in " ?#@\\"):
        try:
            url = urlsplit(endpoint_url)
            port_is_usable = url.port != 0  # Raises if it is not a port.
        except ValueError:
            port_is_usable = False
        if (
            port_is_usable
            and url.scheme in _DEFAULT_PORTS
            and url.hostname
            and (_HOST.fullmatch(url.hostname) or _ip_address(url.hostname))
            and _BASE_PATH.fullmatch(url.path)
        ):
            return url
    # A user part contains a password, which no message may quote.
    shown = "(with a user)" if "@" in endpoint_url else repr(endpoint_url)
    message = (
        f"{name} {shown} must be http:// or https://, a host, and at most a port and a base"
        f" path (no user, query or fragment), as in {example}"
    )
    if not endpoint_url.isascii():
        message += "; write a host with other letters in Punycode (xn--…)"
    raise ValueError(message)


def _ip_address(host: str) -> IPv4Address | IPv6Address | None:
    """Parse a literal address. A zone (``%eth0``) is only valid on one machine."""
    try:
        return None if "%" in host else ip_address(host)
    except ValueError:
        return None

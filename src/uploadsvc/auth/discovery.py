"""Fetch the keys that an identity provider publishes, by JWKS URL or OpenID Connect discovery."""

import json
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final

import httpx

MAX_ANSWER_BYTES: Final = 512 * 1024
"""Enough for a hundred keys with certificates."""

_WELL_KNOWN: Final = "/.well-known/openid-configuration"

_MAX_PORT: Final = 65_535

# A DNS name or an IP address: httpx percent-encodes anything else.
_HOST: Final = re.compile(rb"[A-Za-z0-9._:-]+")

ReadJson = Callable[[httpx.URL], Awaitable[dict[str, Any]]]


class UnusableAnswerError(ValueError):
    """The provider's response contains no usable keys. The message may be logged."""


@dataclass(frozen=True, slots=True)
class JwksUrl:
    """The URL of a JWK Set.

    Attributes:
        url: Absolute, http or https.

    Raises:
        ValueError: The URL has another form.
    """

    url: str

    def __post_init__(self) -> None:
        http_url(self.url)

    async def jwk_set(self, read: ReadJson) -> dict[str, Any]:
        """Fetch the JWK Set.

        Args:
            read: Fetches a JSON object from a URL.
        """
        return await read(http_url(self.url))


@dataclass(frozen=True, slots=True)
class OidcIssuer:
    """An OpenID provider, with the URL of its keys in its metadata.

    Attributes:
        issuer: The issuer as in its tokens: absolute, http or https, without query and fragment (OpenID
            Connect Discovery 1.0 section 3).

    Raises:
        ValueError: The URL has another form.
    """

    issuer: str

    def __post_init__(self) -> None:
        http_url(self.issuer)
        if "?" in self.issuer:
            message = "an issuer must not have a query"
            raise ValueError(message)

    async def jwk_set(self, read: ReadJson) -> dict[str, Any]:
        """Discover and fetch the JWK Set (OpenID Connect Discovery 1.0 section 4).

        Args:
            read: Fetches a JSON object from a URL.

        Raises:
            UnusableAnswerError: The metadata are another issuer's, or have no usable ``jwks_uri``.
        """
        # Section 4.1: a trailing slash of the issuer is removed first.
        metadata = await read(http_url(self.issuer.removesuffix("/") + _WELL_KNOWN))
        # Section 4.3: must be identical, so that no provider can impersonate another.
        if metadata.get("issuer") != self.issuer:
            reason = "the metadata is that of another issuer"
            raise UnusableAnswerError(reason)
        try:
            url = http_url(metadata.get("jwks_uri"))
        except ValueError:
            reason = "the metadata has no usable jwks_uri"
            raise UnusableAnswerError(reason) from None
        if url.scheme != "https" and http_url(self.issuer).scheme == "https":
            reason = "jwks_uri must use https, like the issuer"
            raise UnusableAnswerError(reason)
        return await read(url)


def http_url(text: object) -> httpx.URL:
    """Parse a URL to fetch keys from.

    Raises:
        ValueError: It is not an absolute http or https URL, or has a user, a password or a fragment.
    """
    message = "not an absolute http(s) URL without user and fragment"
    if not isinstance(text, str):
        raise ValueError(message)  # noqa: TRY004 - callers handle one error for every bad URL
    try:
        url = httpx.URL(text)
    except (httpx.InvalidURL, UnicodeError):
        raise ValueError(message) from None
    if (
        url.scheme not in {"http", "https"}
        or not url.host
        or not _HOST.fullmatch(url.raw_host)
        or url.userinfo
        or url.fragment
        or (url.port or 0) > _MAX_PORT
    ):
        raise ValueError(message)
    return url


async def read_json(client: httpx.AsyncClient, url: httpx.URL) -> dict[str, Any]:
    """Fetch a JSON object of at most `MAX_ANSWER_BYTES`.

    Args:
        client: A client that follows no redirects.
        url: The URL.

    Raises:
        UnusableAnswerError: The status is not 200, the body is too large, or not a JSON object.
        httpx.HTTPError: There was no answer.
    """
    # A small compressed response could expand to a large one within one read.
    headers = {"Accept": "application/json, application/jwk-set+json", "Accept-Encoding": "identity"}
    body = bytearray()
    async with client.stream("GET", url, headers=headers) as answer:
        if answer.status_code != HTTPStatus.OK:
            reason = f"status {answer.status_code}"
            raise UnusableAnswerError(reason)
        if answer.headers.get("content-encoding", "identity").lower() != "identity":
            reason = "compressed, although the request did not allow that"
            raise UnusableAnswerError(reason)
        async for chunk in answer.aiter_bytes():
            body += chunk
            if len(body) > MAX_ANSWER_BYTES:
                reason = f"more than {MAX_ANSWER_BYTES} bytes"
                raise UnusableAnswerError(reason)
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        document = None
    if not isinstance(document, dict):
        reason = "no JSON object"
        raise UnusableAnswerError(reason)
    return document

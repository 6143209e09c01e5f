"""Where an identity provider publishes its keys, and how they are read from there."""

import json
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final

import httpx

MAX_ANSWER_BYTES: Final = 512 * 1024
"""A set of a hundred keys, certificates and all, is smaller."""

_WELL_KNOWN: Final = "/.well-known/openid-configuration"

# A name as it stands in the DNS, or an address: httpx would write anything else in percent signs.
_HOST: Final = re.compile(rb"[A-Za-z0-9._:-]+")

ReadJson = Callable[[httpx.URL], Awaitable[dict[str, Any]]]


class UnusableAnswerError(ValueError):
    """The provider answers, but not with what is asked for; the text is fit for a log."""


@dataclass(frozen=True, slots=True)
class JwksUrl:
    """The address of a JWK Set.

    Attributes:
        url: Absolute, http or https.

    Raises:
        ValueError: It is no such URL.
    """

    url: str

    def __post_init__(self) -> None:
        http_url(self.url)

    async def key_set(self, read: ReadJson) -> dict[str, Any]:
        """Return the JWK Set.

        Args:
            read: Asks a URL for its JSON object.
        """
        return await read(http_url(self.url))


@dataclass(frozen=True, slots=True)
class OidcIssuer:
    """An OpenID provider, whose metadata say where its keys are.

    Attributes:
        issuer: As its tokens name it: absolute, http or https, without query and fragment (OpenID Connect
            Discovery 1.0 section 3).

    Raises:
        ValueError: It is no such URL.
    """

    issuer: str

    def __post_init__(self) -> None:
        http_url(self.issuer)
        if "?" in self.issuer:
            message = "an issuer has no query"
            raise ValueError(message)

    async def key_set(self, read: ReadJson) -> dict[str, Any]:
        """Discover where the JWK Set is, and return it (OpenID Connect Discovery 1.0 section 4).

        Args:
            read: Asks a URL for its JSON object.

        Raises:
            UnusableAnswerError: The metadata are another issuer's, or name no good ``jwks_uri``.
        """
        # Section 4.1: a terminating slash of the issuer is not doubled.
        metadata = await read(http_url(self.issuer.removesuffix("/") + _WELL_KNOWN))
        # Section 4.3: the very same text. Else one provider could speak in another's name.
        if metadata.get("issuer") != self.issuer:
            reason = "the metadata are of another issuer"
            raise UnusableAnswerError(reason)
        try:
            url = http_url(metadata.get("jwks_uri"))
        except ValueError:
            reason = "the metadata have no good jwks_uri"
            raise UnusableAnswerError(reason) from None
        if url.scheme != "https" and http_url(self.issuer).scheme == "https":
            reason = "jwks_uri is not https as the issuer is"
            raise UnusableAnswerError(reason)
        return await read(url)


def http_url(text: object) -> httpx.URL:
    """Return a URL that can be asked.

    Raises:
        ValueError: Not an absolute http or https URL, or one with a user, a password or a fragment.
    """
    message = "not an absolute http(s) URL without user and fragment"
    if not isinstance(text, str):
        raise ValueError(message)  # noqa: TRY004 - all that is wrong with a URL is one error
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
        or (url.port or 0) > 65535  # noqa: PLR2004 - the highest port there is
    ):
        raise ValueError(message)
    return url


async def read_json(client: httpx.AsyncClient, url: httpx.URL) -> dict[str, Any]:
    """Ask for a JSON object, and read no more than `MAX_ANSWER_BYTES` of it.

    Args:
        client: One that follows no redirects.
        url: What to ask.

    Raises:
        UnusableAnswerError: Another status than 200, too much, or no JSON object.
        httpx.HTTPError: No answer.
    """
    # Packed, a small answer could become a large one within one read.
    headers = {"Accept": "application/json, application/jwk-set+json", "Accept-Encoding": "identity"}
    body = bytearray()
    async with client.stream("GET", url, headers=headers) as answer:
        if answer.status_code != httpx.codes.OK:
            reason = f"status {answer.status_code}"
            raise UnusableAnswerError(reason)
        if answer.headers.get("content-encoding", "identity").lower() != "identity":
            reason = "packed though it was not to be"
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

"""Parse and check responses: any server may answer at the given address."""

import re
from typing import Any, Final

import httpx

_UNRESERVED: Final = re.compile(r"[A-Za-z0-9._~-]+")
# RFC 9110 sections 5.1 and 5.5, without obsolete forms.
_HEADER_NAME: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_HEADER_VALUE: Final = re.compile(r"[\t\x20-\x7e]*")


def json_object(answer: httpx.Response) -> dict[str, Any]:
    """Parse the JSON object in a response.

    Raises:
        ValueError: The body is anything else.
    """
    try:
        body = answer.json()
    except RecursionError:
        body = None
    if not isinstance(body, dict):
        message = "not a JSON object"
        raise ValueError(message)  # noqa: TRY004 - callers handle one error for every bad answer
    return body


def text(value: object) -> str:
    """Return a string.

    Raises:
        ValueError: It is not a string, or not valid Unicode.
    """
    if not isinstance(value, str):
        message = "not a string"
        raise ValueError(message)  # noqa: TRY004 - as above
    value.encode()
    return value


def texts(value: object) -> dict[str, str]:
    """Return strings by name.

    Raises:
        ValueError: It is not an object, or holds anything else.
    """
    if not isinstance(value, dict):
        message = "not an object"
        raise ValueError(message)  # noqa: TRY004 - as above
    return {text(name): text(one) for name, one in value.items()}


def number(value: object) -> int:
    """Return a whole number from 0 to 2^63 - 1, far more than any size.

    Raises:
        ValueError: It is anything else.
    """
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 2**63:
        message = "not a number"
        raise ValueError(message)
    return value


def path_segment(value: object) -> str:
    """Return a string that needs no encoding in a path (RFC 3986, section 2.3).

    Raises:
        ValueError: It is anything else.
    """
    if not _UNRESERVED.fullmatch(text(value)):
        message = "not one segment of a path"
        raise ValueError(message)
    return text(value)


def headers(value: object) -> dict[str, str]:
    """Return headers by name.

    Raises:
        ValueError: One of them cannot be sent.
    """
    named = texts(value)
    if not all(_HEADER_NAME.fullmatch(n) and _HEADER_VALUE.fullmatch(one) for n, one in named.items()):
        message = "not a header"
        raise ValueError(message)
    return named


def web_url(value: object) -> str:
    """Return an absolute URL of http or https.

    Raises:
        ValueError: It is anything else. The message does not quote it.
    """
    try:
        url = httpx.URL(text(value))
    except httpx.InvalidURL:
        url = httpx.URL("")
    if url.scheme not in {"http", "https"} or not url.host:
        message = "not a URL of http or https"
        raise ValueError(message) from None
    return text(value)

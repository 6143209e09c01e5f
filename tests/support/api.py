"""Shared by tests of the HTTP API: an S3 that is down, API keys, problems."""

import re
from collections.abc import Mapping
from hashlib import sha256
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

import httpx
from tests.support.servers import S3Server
from tests.support.service import JWT_SECRET, token_for

from uploadsvc.api.problems import STATUS_TITLES
from uploadsvc.domain.rates import Rate, Standing

API_KEY: Final = "the tests' own API key"
NARROW_API_KEY: Final = "the tests' own API key for one policy"
AUTH: Final = {
    "jwt": {"secret": JWT_SECRET},
    "api_keys": [
        {"name": "wide", "sha256": sha256(API_KEY.encode()).hexdigest()},
        {"name": "narrow", "sha256": sha256(NARROW_API_KEY.encode()).hexdigest(), "policies": ["small"]},
    ],
}


ARGUMENTS: Final[dict[str, dict[str, Any]]] = {
    "unauthenticated": {"reason": "expired"},
    "quota_exceeded": {"quota": "bytes_per_day", "limit": 9, "left": 2, "frees_at": None},
    "rate_limited": {"standing": Standing("user", Rate(600, "minute"), free=0, wait=12)},
}
"""What errors need besides their detail, by code."""


def s3_that_is_down() -> S3Server:
    """Return a server at whose port nothing listens."""
    return S3Server(
        name="down",
        endpoint_url="http://127.0.0.1:9",
        access_key_id="AKIDEXAMPLE",
        secret_access_key="wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
        bucket="example-bucket",
        strict=False,
    )


def assert_problem(answer: httpx.Response, code: str, *fields: str) -> None:
    """Assert that a response is this problem (RFC 9457) and names these fields."""
    body = answer.json()
    status, title = STATUS_TITLES[code]
    assert (body.get("code"), answer.status_code) == (code, status), body
    assert answer.headers["content-type"] == "application/problem+json"
    members = {"quota"} if code == "quota_exceeded" else set()
    assert body.keys() == {"type", "title", "status", "detail", "code", "errors", *members}
    # Below the path of the service; test_problem_pages.py checks which one that is.
    root = body["type"].removesuffix(f"/problems/{code}")
    assert root != body["type"]
    assert answer.request.url.path.startswith(f"{root}/")
    assert (body["status"], body["title"]) == (status, title)
    assert [error["field"] for error in body["errors"]] == list(fields)
    assert re.fullmatch(r"[^\n]+\.", body["detail"])


def query(url: str) -> Mapping[str, str]:
    """Return the query of a URL in which no name is repeated."""
    parsed = parse_qs(urlsplit(url).query, strict_parsing=True)
    return {name: value for name, (value,) in parsed.items()}


def created(answer: httpx.Response) -> dict[str, Any]:
    assert answer.status_code == 201, answer.text
    body: dict[str, Any] = answer.json()
    return body


async def send_bare(client: httpx.AsyncClient, method: str, path: str, **kwargs: Any) -> httpx.Response:  # noqa: ANN401 - httpx's own
    """Send a request without the client's bearer token."""
    request = client.build_request(method, path, **kwargs)
    if "authorization" not in {name.lower() for name in kwargs.get("headers") or {}}:
        request.headers.pop("authorization", None)
    return await client.send(request)


def bearer(token: str) -> dict[str, str]:
    """Return the header that carries a token."""
    return {"Authorization": f"Bearer {token}"}


async def issued(client: httpx.AsyncClient, headers: dict[str, str] | None = None, **body: Any) -> str:  # noqa: ANN401 - any JSON
    """Return a new upload token."""
    answer = await send_bare(client, "POST", "/v1/tokens", json=body, headers=headers or bearer(token_for()))
    token: str = created(answer)["token"]
    assert answer.headers["cache-control"] == "no-store"
    return token

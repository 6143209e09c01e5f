"""Preflights are sent and judged by the Fetch standard."""

import httpx
import pytest

from uploadsvc.doctor.checks.cors import Preflight, closed_to, exposes, headers_to_allow

ORIGIN = "https://app.example.com"
PUT = Preflight(origin=ORIGIN, method="PUT", headers=frozenset({"x-amz-meta-note", "content-type"}))
ALLOWED = {
    "Access-Control-Allow-Origin": ORIGIN,
    "Access-Control-Allow-Methods": "GET, PUT",
    "Access-Control-Allow-Headers": "Content-Type, X-Amz-Meta-Note",
}


def test_a_preflight_is_sent_as_browsers_send_it() -> None:
    """Sorted lower-case names, commas without spaces; no header without names."""
    assert PUT.request_headers == {
        "Accept": "*/*",
        "Origin": ORIGIN,
        "Access-Control-Request-Method": "PUT",
        "Access-Control-Request-Headers": "content-type,x-amz-meta-note",
    }
    assert "Access-Control-Request-Headers" not in Preflight(origin=ORIGIN, method="POST").request_headers


@pytest.mark.parametrize(
    "changed",
    [
        {},
        {"Access-Control-Allow-Origin": "*"},
        {"Access-Control-Allow-Methods": "*"},
        {"Access-Control-Allow-Headers": "*"},
        {"Access-Control-Allow-Headers": "CONTENT-TYPE,x-amz-meta-note"},
    ],
)
def test_a_browser_accepts(changed: dict[str, str]) -> None:
    """The origin or ``*``, and method and headers by name in any case or ``*``."""
    assert PUT.refusal(204, httpx.Headers({**ALLOWED, **changed})) is None


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"Access-Control-Allow-Origin": None}, "no Access-Control-Allow-Origin"),
        ({"Access-Control-Allow-Origin": "https://app.example.com:443"}, "https://app.example.com:443"),
        ({"Access-Control-Allow-Origin": f"{ORIGIN}, {ORIGIN}"}, f"{ORIGIN}, {ORIGIN}"),
        ({"Access-Control-Allow-Methods": None}, "lacks PUT"),
        ({"Access-Control-Allow-Methods": "put"}, "lacks PUT"),
        ({"Access-Control-Allow-Headers": None}, "lacks content-type, x-amz-meta-note"),
        ({"Access-Control-Allow-Headers": "content-type"}, "lacks x-amz-meta-note"),
        ({"Access-Control-Allow-Headers": "x-amz-meta-*,content-type"}, "lacks x-amz-meta-note"),
    ],
)
def test_a_browser_refuses(changed: dict[str, str | None], named: str) -> None:
    """Methods are case-sensitive, headers are not; ``*`` is no pattern."""
    headers = {name: value for name, value in {**ALLOWED, **changed}.items() if value is not None}
    assert named in (PUT.refusal(200, httpx.Headers(headers)) or "")


def test_a_failure_status_refuses() -> None:
    """Even with the right headers."""
    assert PUT.refusal(403, httpx.Headers(ALLOWED)) == "the status is 403"


def test_post_is_always_allowed() -> None:
    """Only the origin matters."""
    post = Preflight(origin=ORIGIN, method="POST")
    assert post.refusal(200, httpx.Headers({"Access-Control-Allow-Origin": "*"})) is None


def test_repeated_headers_are_joined() -> None:
    lines = [
        ("Access-Control-Allow-Origin", ORIGIN),
        ("Access-Control-Allow-Methods", "GET"),
        ("Access-Control-Allow-Methods", "PUT"),
        ("Access-Control-Allow-Headers", "content-type"),
        ("Access-Control-Allow-Headers", "x-amz-meta-note"),
    ]
    assert PUT.refusal(200, httpx.Headers(lines)) is None


def test_an_allowed_origin_reads_exposed_headers() -> None:
    assert closed_to(ORIGIN, httpx.Headers({"Access-Control-Allow-Origin": ORIGIN})) is None
    assert closed_to(ORIGIN, httpx.Headers({"Access-Control-Allow-Origin": "null"})) is not None
    assert exposes("etag", httpx.Headers({"Access-Control-Expose-Headers": "x-amz-id-2, ETag"}))
    assert exposes("etag", httpx.Headers({"Access-Control-Expose-Headers": "*"}))
    assert not exposes("etag", httpx.Headers({"Access-Control-Expose-Headers": "x-etag"}))


@pytest.mark.parametrize(
    ("types", "asked"),
    [
        ({"text/plain"}, False),
        ({"text/plain", "multipart/form-data"}, False),
        ({"text/*"}, True),
        ({"text/plain", "image/png"}, True),
    ],
)
def test_safe_types_need_no_preflight(types: set[str], *, asked: bool) -> None:
    """Only if every type of the policy is one."""
    names = headers_to_allow({"content-type", "if-none-match"}, content_types=types)
    assert names == ({"content-type", "if-none-match"} if asked else {"if-none-match"})

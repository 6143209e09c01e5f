"""Preflights are asked and judged as the Fetch standard says."""

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


def test_it_is_sent_as_a_browser_sends_it() -> None:
    """Names in lower case and order, between commas alone; no list where there is nothing to ask."""
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
def test_a_browser_goes_on(changed: dict[str, str]) -> None:
    """The origin or a star, and method and headers named in any case or by a star."""
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
def test_a_browser_stops(changed: dict[str, str | None], named: str) -> None:
    """Methods count by case, headers do not; a star stands alone."""
    headers = {name: value for name, value in {**ALLOWED, **changed}.items() if value is not None}
    assert named in (PUT.refusal(200, httpx.Headers(headers)) or "")


def test_the_status_counts_too() -> None:
    """Right headers on a refusal are no permission."""
    assert PUT.refusal(403, httpx.Headers(ALLOWED)) == "the status is 403"


def test_a_post_needs_no_name() -> None:
    """POST is a method that every browser may send; only the origin has to be let in."""
    post = Preflight(origin=ORIGIN, method="POST")
    assert post.refusal(200, httpx.Headers({"Access-Control-Allow-Origin": "*"})) is None


def test_headers_in_several_lines_count_together() -> None:
    """As they do for a browser."""
    lines = [
        ("Access-Control-Allow-Origin", ORIGIN),
        ("Access-Control-Allow-Methods", "GET"),
        ("Access-Control-Allow-Methods", "PUT"),
        ("Access-Control-Allow-Headers", "content-type"),
        ("Access-Control-Allow-Headers", "x-amz-meta-note"),
    ]
    assert PUT.refusal(200, httpx.Headers(lines)) is None


def test_a_page_may_read_an_answer() -> None:
    """By its origin or a star; and of its headers those that are exposed."""
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
def test_a_type_that_needs_no_question(types: set[str], *, asked: bool) -> None:
    """Content-Type is asked about unless every type that the policy allows goes without."""
    names = headers_to_allow({"content-type", "if-none-match"}, content_types=types)
    assert names == ({"content-type", "if-none-match"} if asked else {"if-none-match"})

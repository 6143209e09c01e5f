"""Allowed origins: those that browsers send, and patterns that other people's pages do not match."""

import pytest

from uploadsvc.domain.origins import check_origin, named_origins, shared_domain

GOOD = [
    "*",
    "https://app.example.com",
    "http://localhost:5173",
    "http://[::1]:3000",
    "http://[::ffff:7f00:1]:3000",
    "https://app.example.com:80",
    "http://app.example.com:443",
    "https://xn--mnchen-3ya.example",
    "capacitor://localhost",
    "ionic://localhost",
    "tauri://localhost",
    "app://.",
    "app://obsidian.md",
    "chrome-extension://abcdefghijklmnopabcdefghijklmnop",
    "moz-extension://1f2e3d4c-0000-4000-8000-0123456789ab",
    "safari-web-extension://1F2E3D4C-0000-4000-8000-0123456789AB",
    "https://*.example.com",
    "https://*.vercel.app",
    "https://my-app-*.vercel.app",
    "https://my-app-*-team.vercel.app",
    "https://*.pr.example.com:8443",
    "http://*.localhost:3000",
]
BAD = [
    ("https://app.example.com:443", "write https://app.example.com"),
    ("http://app.example.com:80", "write http://app.example.com"),
    ("https://[::1]:443", "write https://[::1]"),
    ("https://münchen.example", "write https://xn--mnchen-3ya.example"),
    ("https://straße.example", "write https://xn--strae-oqa.example"),
    ("https://Bücher.example:8443", "write https://xn--bcher-kva.example:8443"),
    ("app.example.com", "scheme://host"),
    ("https://app.example.com/", "without a path"),
    ("https://App.example.com", "lower case"),
    ("https://user@app.example.com", "not an origin"),
    ("https://app.example.com:0443", "not an origin"),
    ("https://app.example.com:65536", "not an origin"),
    ("http://[0:0:0:0:0:0:0:1]", "not an origin"),
    ("http://[::ffff:127.0.0.1]", "not an origin"),
    ("https://[::1", "not an origin"),
    ("null", "not an origin"),
    ("file://localhost", "not an origin"),
    ("wss://app.example.com", "not an origin"),
    ("https://*", "not a pattern"),
    ("*://app.example.com", "not an origin"),
    ("https://app.*.com", "not a pattern"),
    ("https://app.example.*", "not a pattern"),
    ("https://*.*.example.com", "not a pattern"),
    ("https://*-*.example.com", "not a pattern"),
    ("https://app.example.com:*", "not an origin"),
    ("chrome-extension://*", "not a pattern"),
    ("app://*.example.com", "not a pattern"),
    ("https://*.com", "other people"),
    ("https://*.com.", "other people"),
    ("https://app-*.example", "other people"),
    ("https://*.co.uk", "other people"),
    ("https://*.0.0.1", "other people"),
]


@pytest.mark.parametrize("origin", GOOD)
def test_origins_of_pages_and_apps_are_taken(origin: str) -> None:
    check_origin(origin)


@pytest.mark.parametrize(("origin", "words"), BAD)
def test_origins_that_never_match_or_match_anyone_are_refused(origin: str, words: str) -> None:
    """The message says what to write."""
    with pytest.raises(ValueError, match=r"origin|pattern|never") as caught:
        check_origin(origin)
    assert words in str(caught.value)
    assert repr(origin) in str(caught.value)


@pytest.mark.parametrize(
    ("origin", "found"),
    [
        ("https://app.example.com", True),
        ("capacitor://localhost", True),
        ("https://my-app-git-main.vercel.app", True),
        ("https://my-app-7.vercel.app", True),
        ("https://shop.example.com:8443", True),
        ("https://my-app-.vercel.app", False),
        ("https://other.vercel.app", False),
        ("https://my-app-a.b.vercel.app", False),
        ("https://my-app-a.vercel.app.evil.example", False),
        ("https://my-app-a.vercel.app:8443", False),
        ("http://my-app-a.vercel.app", False),
        ("https://evil.example/#https://my-app-a.vercel.app", False),
        ("https://my-app-aXvercel.app", False),
        ("https://my-app-a.vercel.app\n", False),
        ("https://evil.my-app-a.vercel.app", False),
        ("https://my-app-*.vercel.app", False),
        ("https://example.com:8443", False),
        ("*", False),
        ("null", False),
        (None, False),
    ],
)
def test_a_pattern_matches_one_label(origin: str | None, *, found: bool) -> None:
    """The whole origin is compared. The ``*`` alone has no meaning for writes by cookie."""
    allowed = ["*", "https://app.example.com", "capacitor://localhost"]
    patterns = ["https://my-app-*.vercel.app", "https://*.example.com:8443"]
    assert (origin in named_origins([*allowed, *patterns])) is found


def test_shared_domains_are_known() -> None:
    """A part of the name that is one's own makes the pattern one's own."""
    assert shared_domain("https://*.vercel.app") == "vercel.app"
    assert shared_domain("https://*.netlify.app:8443") == "netlify.app"
    assert shared_domain("https://my-app-*.vercel.app") is None
    assert shared_domain("https://*.example.com") is None

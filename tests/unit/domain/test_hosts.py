"""Hosts that mean this machine, in every spelling, and those that only look so."""

import pytest

from uploadsvc.domain.hosts import host_name, is_loopback


@pytest.mark.parametrize(
    ("header", "name"),
    [
        ("localhost", "localhost"),
        ("LocalHost:8000", "localhost"),
        ("localhost.", "localhost"),
        ("localhost.:8000", "localhost"),
        ("localhost:", "localhost"),
        ("127.0.0.1:8000", "127.0.0.1"),
        ("[::1]:8000", "::1"),
        ("[0:0:0:0:0:0:0:1]", "::1"),
        ("[::FFFF:127.0.0.1]", "::ffff:7f00:1"),
        ("", None),
        ("::1", None),
        ("[::1", None),
        ("[localhost]", None),
        ("localhost..", None),
        (".localhost", None),
        ("localhost:80:80", None),
        ("localhost:http", None),
        ("localhost,evil.example", None),
        ("localhost evil.example", None),
        ("user@localhost", None),
        ("localhost/", None),
        ("localhost\n", None),
    ],
)
def test_a_host_header_is_read_in_one_form(header: str, name: str | None) -> None:
    """Without port, brackets and final dot, in lower case."""
    assert host_name(header) == name


@pytest.mark.parametrize(
    "host", ["localhost", "app.localhost", "127.0.0.1", "127.1.2.3", "::1", "::ffff:127.0.0.1"]
)
def test_loopback_names(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize(
    "host",
    [
        *("evil.example", "localhost.evil.example", "notlocalhost", "127.0.0.1.evil.example"),
        *("0.0.0.0", "::", "127.1", "0177.0.0.1", "2130706433", "10.0.0.1", "::ffff:10.0.0.1"),  # noqa: S104 - nothing listens
    ],
)
def test_other_names(host: str) -> None:
    """Some reach this machine too, but a page on the internet can have them."""
    assert not is_loopback(host)

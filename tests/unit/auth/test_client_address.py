"""The address of a client behind proxies."""

import pytest

from uploadsvc.auth.client_address import MAX_FORWARDED, ClientAddresses, forwarded_for
from uploadsvc.auth.trusted_header import trusted_networks

BEHIND = ClientAddresses(trusted_networks(["10.0.0.0/8", "fd00::/8"]))


@pytest.mark.parametrize(
    ("peer", "forwarded", "client"),
    [
        ("203.0.113.9", "", "203.0.113.9"),
        # Anyone can send the header.
        ("203.0.113.9", "198.51.100.1", "203.0.113.9"),
        ("10.0.0.1", "", "10.0.0.1"),
        ("10.0.0.1", "198.51.100.1", "198.51.100.1"),
        # What the client sent itself stands before what the proxies added.
        ("10.0.0.1", "192.0.2.66, 198.51.100.1", "198.51.100.1"),
        ("10.0.0.1", "192.0.2.66,198.51.100.1,10.9.9.9 , 10.0.0.2", "198.51.100.1"),
        ("10.0.0.1", "10.0.0.3, 10.0.0.2", "10.0.0.3"),
        ("fd00::1", "2001:DB8::1", "2001:db8::1"),
        ("::ffff:10.0.0.1", "::ffff:198.51.100.1", "198.51.100.1"),
        # With ports, as some proxies write them.
        ("10.0.0.1", "198.51.100.1:4711", "198.51.100.1"),
        ("10.0.0.1", "[2001:db8::1]:4711", "2001:db8::1"),
        # What is no address ends the search at the proxy that passed it on.
        ("10.0.0.1", "192.0.2.66, unknown", "10.0.0.1"),
        ("10.0.0.1", "192.0.2.66, evil\n, 10.0.0.2", "10.0.0.2"),
        ("10.0.0.1", "fe80::1%a\nb, 10.0.0.2", "fe80::1"),
        # Of a Unix socket.
        (None, "198.51.100.1", None),
        ("", "198.51.100.1", ""),
    ],
)
def test_only_proxies_name_the_client(peer: str | None, forwarded: str, client: str | None) -> None:
    assert BEHIND.of(peer, forwarded) == client


def test_without_proxies_the_peer_is_the_client() -> None:
    assert ClientAddresses().of("10.0.0.1", "198.51.100.1") == "10.0.0.1"
    assert not ClientAddresses().behind_proxies


def test_the_end_of_a_repeated_header_counts() -> None:
    """Proxies may add a line of their own. A client cannot make a long one expensive."""
    headers = [
        (b"x-forwarded-for", b"192.0.2.66, " * 5000),
        (b"x-forwarded", b"no"),
        (b"x-forwarded-for", b"198.51.100.1"),
    ]
    found = forwarded_for(headers)
    assert len(found) == MAX_FORWARDED
    assert BEHIND.of("10.0.0.1", found) == "198.51.100.1"

"""URLs of the store, and names of its keys."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from uploadsvc.limiting.store import StoreAddress, StoreKeys, parse_store_url

_SECRET = "pa/ss#w?rd@"


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("valkey://cache", StoreAddress(host="cache")),
        ("redis://10.0.0.7:6380", StoreAddress(host="10.0.0.7", port=6380)),
        ("valkeys://cache:6379/3", StoreAddress(host="cache", database=3, tls=True)),
        ("rediss://:s3cret@cache/", StoreAddress(host="cache", tls=True, password="s3cret")),
        (
            "VALKEY://me:pa%2Fss%23w%3Frd%40@[::1]:7000/0",
            StoreAddress(host="::1", port=7000, username="me", password=_SECRET),
        ),
    ],
)
def test_reads_a_url(url: str, address: StoreAddress) -> None:
    assert parse_store_url(url) == address


@pytest.mark.parametrize(
    "url",
    [
        "",
        "cache:6379",
        "http://me:s3cret@cache:6379",
        "unix:///run/s3cret.sock",
        "valkey://",
        "valkey://:s3cret@:6379",
        "valkey://me:s3cret@cache:0",
        "valkey://me:s3cret@cache:70000",
        "valkey://me:s3cret@cache:port",
        "valkey://me:s3cret@[::1",
        "valkey://me:s3c/ret@cache:6379",
        "valkey://me:s3c#ret@cache:6379",
        "valkey://me:s3c?ret@cache:6379",
        "valkey://me:s3cret@cache/0?ssl_cert_reqs=none",
        "valkey://me:s3cret@cache/zero",
        "valkey://me:s3cret@cache/-1",
        "valkey://me:s3cret@cache/99999999",
        "valkey://me:s3cret@cache/²",
    ],
)
def test_refuses_what_is_no_url_without_showing_it(url: str) -> None:
    with pytest.raises(ValueError, match="valkey://") as caught:
        parse_store_url(url)

    assert "s3c" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_an_address_shows_no_password() -> None:
    address = parse_store_url("valkey://me:s3cret@cache:6379/0")

    assert "s3cret" not in repr(address)
    assert "me" not in repr(address).replace("username", "")
    assert address.shown == "cache:6379"


@given(st.lists(st.text(), max_size=3), st.lists(st.text(), max_size=3))
def test_names_are_plain_and_differ(some: list[str], others: list[str]) -> None:
    keys = StoreKeys(b"k" * 32)

    assert (keys.name(*some) == keys.name(*others)) == (some == others)
    assert len(keys.name(*some)) == 32
    assert set(keys.name(*some)) <= set("0123456789abcdef")


def test_names_depend_on_the_secret_and_take_any_text() -> None:
    assert StoreKeys(b"a" * 32).name("alice") != StoreKeys(b"b" * 32).name("alice")
    assert StoreKeys(b"a" * 32).name("\ud800") != StoreKeys(b"a" * 32).name("\udfff")

"""Messages while a server cannot be reached."""

import asyncio
import socket

import httpx
import pytest

from uploadsvc.client import contact as module
from uploadsvc.client.contact import FIRST_CONTACT, Contact
from uploadsvc.client.errors import Lost, Transient, UploadsvcError, service_problem

URL = "https://bucket.example.com:9000/key?X-Amz-Signature=secret"


class Clock:
    """A time that tests set."""

    now = 0.0

    def __call__(self) -> float:
        """Tell it."""
        return self.now


def refused() -> httpx.ConnectError:
    """Return an error as httpx gives it: its own message, around the system's."""
    error = httpx.ConnectError("All connection attempts failed")
    error.__cause__ = OSError("All connection attempts failed")
    error.__cause__.__cause__ = ConnectionRefusedError(111, "Connect call failed ('127.0.0.1', 9)")
    return error


def failed(contact: Contact, error: httpx.TransportError) -> UploadsvcError:
    """Let a request fail, and retry it if it may be."""
    with pytest.raises(UploadsvcError) as raised, contact.attempt(URL):
        raise error
    if isinstance(raised.value, Transient):
        raised.value.retrying()
    return raised.value


async def test_an_outage_is_reported_once() -> None:
    """Until the server is reached again. A wrong address is given up."""
    told: list[str] = []
    clock = Clock()
    contact = Contact("S3", told.append, clock)
    said = "S3 at https://bucket.example.com:9000 cannot be reached: Connection refused."
    for _ in range(3):
        problem = failed(contact, refused())
        assert isinstance(problem, Lost)
        assert problem.detail == said
    assert told == [f"{said} Trying again."]
    clock.now = FIRST_CONTACT
    assert not isinstance(failed(contact, refused()), Transient)
    contact.reached()
    assert isinstance(failed(contact, refused()), Transient)
    assert len(told) == 2


async def test_a_broken_connection_is_not_reported() -> None:
    """A retry repairs it, however long there was no answer, unless there never was one."""
    told: list[str] = []
    clock = Clock()
    contact = Contact("S3", told.append, clock)
    assert isinstance(failed(contact, httpx.ReadError("broken")), Transient)
    clock.now = 10 * FIRST_CONTACT
    assert not isinstance(failed(contact, httpx.ReadTimeout("")), Transient)
    contact.reached()
    assert isinstance(failed(contact, httpx.ReadTimeout("")), Transient)
    assert told == []


@pytest.mark.parametrize("was_reached", [False, True])
async def test_a_server_that_is_silent_at_first_is_reported(
    monkeypatch: pytest.MonkeyPatch, *, was_reached: bool
) -> None:
    """While the client waits. Later, an answer may be slow."""
    monkeypatch.setattr(module, "PATIENCE", 0.0)
    told: list[str] = []
    contact = Contact("The service", told.append)
    if was_reached:
        contact.reached()
    with contact.attempt(URL):
        for _ in range(3):
            await asyncio.sleep(0)
    expected = "The service at https://bucket.example.com:9000 does not answer. Still trying."
    assert told == ([] if was_reached else [expected])


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (httpx.ConnectTimeout(""), "it does not answer in time"),
        (httpx.ConnectError(""), "ConnectError"),
        (httpx.ConnectError("no idea"), "no idea"),
    ],
)
async def test_errors_without_the_systems_words(error: httpx.TransportError, reason: str) -> None:
    assert failed(Contact("S3", print), error).detail.endswith(f"cannot be reached: {reason}.")


async def test_an_unknown_host_is_named() -> None:
    error = httpx.ConnectError("All connection attempts failed")
    error.__context__ = ExceptionGroup("all", [socket.gaierror(-2, "Name or service not known")])
    assert failed(Contact("S3", print), error).detail.endswith("Name or service not known.")


def test_a_redirect_is_named_without_its_query() -> None:
    """As where a proxy redirects to HTTPS."""
    problem = service_problem(
        httpx.Response(301, headers={"Location": "https://uploads.example.com/v1/uploads?token=x"})
    )
    assert problem.detail == (
        "The server answered 301, a redirect to https://uploads.example.com; give the final address."
    )

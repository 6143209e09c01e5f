"""Unit tests start no process and open no socket."""

import socket
import subprocess
from collections.abc import Iterator
from typing import NoReturn

import pytest


@pytest.fixture(autouse=True)
def _isolated(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Fail a test that starts a process or uses the network, also where the code under test hides that."""
    attempts = []

    def refuse(*_args: object, **_options: object) -> NoReturn:
        message = "a unit test starts no process and opens no connection: move it to tests/integration"
        attempts.append(message)
        raise AssertionError(message)

    for name in ("connect", "connect_ex", "bind", "listen"):
        monkeypatch.setattr(socket.socket, name, refuse)
    monkeypatch.setattr(subprocess.Popen, "__init__", refuse)
    yield
    assert not attempts, attempts[0]

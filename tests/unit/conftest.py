"""Unit tests start no process and open no socket."""

import socket
import subprocess
from collections.abc import Iterator
from typing import NoReturn

import pytest


@pytest.fixture(scope="session", autouse=True)
def _isolated() -> Iterator[None]:
    """Fail a test that starts a process or uses the network."""

    def refuse(*_args: object, **_options: object) -> NoReturn:
        message = "a unit test starts no process and opens no connection: move it to tests/integration"
        raise AssertionError(message)

    with pytest.MonkeyPatch.context() as patch:
        for name in ("connect", "connect_ex", "bind", "listen"):
            patch.setattr(socket.socket, name, refuse)
        patch.setattr(subprocess.Popen, "__init__", refuse)
        yield

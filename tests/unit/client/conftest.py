"""Connections of the commands to a service without a network."""

from collections.abc import Callable

import httpx
import pytest
from tests.support.object_service import Connect, Service

from uploadsvc.client.auth import caller_for
from uploadsvc.client.connection import Connection
from uploadsvc.client.errors import Retries
from uploadsvc.client.session import Session


@pytest.fixture
def connection(monkeypatch: pytest.MonkeyPatch) -> Connect:
    """Return a connection to a service."""

    def connect(service: Service) -> Connection:
        http = httpx.AsyncClient(transport=httpx.MockTransport(service.handle))
        caller = caller_for(token="t")

        def session(_: Connection, tell: Callable[[str], None]) -> Session:
            retries = Retries(limit=2, first_delay=0)
            return Session(
                "https://uploads.example", caller, retries=retries, parallel=2, tell=tell, http=http
            )

        monkeypatch.setattr(Connection, "session", session)
        return Connection(
            url="https://uploads.example", caller=caller, on_behalf_of=None, parallel=2, retries=Retries()
        )

    return connect

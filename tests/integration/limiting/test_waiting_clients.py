"""The terminal client waits as long as a 429 asks, and goes on."""

import asyncio

import httpx
import pytest
from structlog.testing import capture_logs
from tests.support.api import s3_that_is_down
from tests.support.service import service_client, settings_for, token_for

from uploadsvc.client import errors
from uploadsvc.client.api import UploadsApi
from uploadsvc.client.auth import Caller
from uploadsvc.client.contact import Contact
from uploadsvc.client.errors import Retries


async def test_waits_and_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    waited, answers = [], list[int]()

    class _Asyncio:
        @staticmethod
        async def sleep(seconds: float) -> None:
            waited.append(seconds)
            await asyncio.sleep(seconds)

    async def read() -> str:
        return token_for()

    async def note(answer: httpx.Response) -> None:
        answers.append(answer.status_code)

    monkeypatch.setattr(errors, "asyncio", _Asyncio)
    settings = settings_for(s3_that_is_down(), limits={"user": "2/second"})
    async with service_client(settings, user=None) as http:
        http.event_hooks["response"].append(note)
        caller = Caller(read, lambda secret: {"Authorization": f"Bearer {secret}"})
        # Without waits of its own.
        retries = Retries(first_delay=0.0, max_delay=0.0)
        api = UploadsApi(http, caller, retries, Contact("The service", print))
        with capture_logs():
            grants = [await api.create({"filename": "a.txt", "size": 1}, 1) for _ in range(4)]
    assert len({grant.id for grant in grants}) == 4
    assert sorted(set(answers)) == [201, 429]
    # It asked again only when the service said.
    assert answers.count(429) == len(waited)
    assert all(1 <= seconds <= 2 for seconds in waited)

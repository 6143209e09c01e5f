"""Which credentials sign, and that nothing signed outlives them."""

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any
from unittest.mock import AsyncMock, patch

import pytest
from tests.api.support import assert_problem, created, query, s3_that_is_down
from tests.service import service_client, settings_for

from uploadsvc.domain.credentials import Credentials
from uploadsvc.domain.errors import StorageUnavailable
from uploadsvc.signing import EXPIRY_MARGIN, end_of_life
from uploadsvc.storage import Storage

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)


def chain_settings() -> dict[str, Any]:
    """Return settings without an access key, so that the AWS chain is asked."""
    settings = settings_for(s3_that_is_down())
    for name in ("access_key_id", "secret_access_key", "session_token"):
        settings["s3"][name] = None
    return settings


def session_of(life: timedelta) -> AsyncMock:
    """Return what stands in for the AWS chain: a role's session that ends after ``life``."""
    frozen = SimpleNamespace(access_key="ASIAEXAMPLE", secret_key="secret", token="t" * 1500)
    found = SimpleNamespace(
        get_frozen_credentials=AsyncMock(return_value=frozen), _expiry_time=datetime.now(UTC) + life
    )
    return AsyncMock(return_value=found)


@pytest.mark.parametrize(
    ("left", "asked", "given"),
    [(None, 900, 900), (3600, 900, 900), (960, 900, 900), (959, 900, 899), (61, 900, 1), (600.9, 900, 540)],
)
def test_a_url_ends_before_its_credentials(left: float | None, asked: int, given: int) -> None:
    """Never later than a minute before them, in whole seconds."""
    ends = None if left is None else NOON + timedelta(seconds=left)
    credentials = Credentials(access_key_id="a", secret_access_key="b", expires_at=ends)
    assert end_of_life(credentials, now=NOON, expires_in=asked) == NOON + timedelta(seconds=given)


@pytest.mark.parametrize("left", [60.9, 60, 0, -5])
def test_credentials_about_to_end_sign_nothing(left: float) -> None:
    """A URL that is dead already is never given; the caller is told to come back."""
    credentials = Credentials(
        access_key_id="a", secret_access_key="b", expires_at=NOON + timedelta(seconds=left)
    )
    with pytest.raises(StorageUnavailable):
        end_of_life(credentials, now=NOON, expires_in=900)


async def test_expires_at_tells_the_end_of_the_session() -> None:
    """With a role's session of ten minutes a URL of fifteen is cut, and says so; it has the token."""
    life = timedelta(minutes=10)
    async with service_client(chain_settings()) as client:
        with patch("aioboto3.Session.get_credentials", session_of(life)):
            put = created(await client.post("/v1/uploads", json={"size": 1}))
            form = created(await client.post("/v1/uploads", json={}))
    latest = datetime.now(UTC) + life - EXPIRY_MARGIN
    for upload in (put, form):
        assert latest - timedelta(seconds=10) <= datetime.fromisoformat(upload["expires_at"]) <= latest
    assert int(query(put["url"])["X-Amz-Expires"]) <= (life - EXPIRY_MARGIN).total_seconds()
    assert query(put["url"])["X-Amz-Security-Token"] == "t" * 1500
    assert form["fields"]["x-amz-security-token"] == "t" * 1500


async def test_a_session_at_its_end_is_503() -> None:
    """No refreshed credentials, no URL."""
    async with service_client(chain_settings()) as client:
        with patch("aioboto3.Session.get_credentials", session_of(timedelta(seconds=30))):
            for answer in (
                await client.post("/v1/uploads", json={}),
                await client.get("/uploads"),
                await client.post("/v1/downloads", json={"key": "uploads/alice/a"}),
            ):
                assert_problem(answer, "storage_unavailable")
                assert int(answer.headers["retry-after"]) > 0


async def test_without_any_credentials_the_settings_are_at_fault() -> None:
    """The AWS chain finds none: not the caller's fault, and nothing that mends itself."""
    async with service_client(chain_settings()) as client:
        assert_problem(await client.post("/v1/uploads", json={}), "storage_misconfigured")
        assert_problem(await client.get("/readyz"), "storage_misconfigured")


async def test_the_environments_credentials_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """The AWS chain starts with the environment, whose keys do not end."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAENVIRONMENT")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    storage = Storage(
        bucket="b", region="us-east-1", endpoint_url=None, addressing_style="path", credentials=None
    )
    found = await storage.credentials()
    assert found.access_key_id == "AKIAENVIRONMENT"
    assert (found.session_token, found.expires_at) == (None, None)

"""URLs and forms end before the credentials that sign them, and contain exactly what was planned."""

import base64
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from uploadsvc.domain.credentials import Credentials
from uploadsvc.domain.endpoints import bucket_endpoint
from uploadsvc.domain.errors import StorageUnavailable
from uploadsvc.s3.credentials import EXPIRY_MARGIN
from uploadsvc.s3.presigner import Presigner

NOW = datetime(2026, 11, 23, 9, 30, 15, tzinfo=UTC)
TOKEN = "FwoGZXIvYXdzEBYaDH/+kz==" * 64  # 1,536 characters


async def no_credentials() -> Credentials:
    """Stand in for the bucket's credentials in tests that bring their own."""
    raise AssertionError


PRESIGNER = Presigner(
    endpoint=bucket_endpoint(
        endpoint_url="https://s3.eu-central-1.amazonaws.com", bucket="media", style="virtual"
    ),
    bucket="media",
    region="eu-central-1",
    credentials=no_credentials,
    clock=lambda: NOW,
)


def a_session(expires_at: datetime | None) -> Credentials:
    """Return credentials that end, with the long token that sessions have."""
    return Credentials(
        access_key_id="ASIAEXAMPLE", secret_access_key="s" * 40, session_token=TOKEN, expires_at=expires_at
    )


@given(
    left=st.timedeltas(min_value=timedelta(minutes=-5), max_value=timedelta(hours=12)),
    expires_in=st.integers(1, 604_800),
)
def test_a_url_ends_a_minute_before_its_credentials_or_is_not_signed(
    left: timedelta, expires_in: int
) -> None:
    credentials = a_session(NOW + left)
    try:
        batch = PRESIGNER.batch(credentials, expires_in=expires_in)
    except StorageUnavailable as error:
        assert left < EXPIRY_MARGIN + timedelta(seconds=1)
        assert error.retry_after > 0  # noqa: PT017 - either outcome is right
        return
    end = batch.expires_at
    assert NOW < end <= NOW + left - EXPIRY_MARGIN
    assert end <= NOW + timedelta(seconds=expires_in)
    assert end.microsecond == 0
    url = batch.url("PUT", "uploads/ann/a")
    query = parse_qs(urlsplit(url).query, strict_parsing=True)
    assert NOW + timedelta(seconds=int(query["X-Amz-Expires"][0])) == end
    assert query["X-Amz-Security-Token"] == [TOKEN]
    assert query["X-Amz-Algorithm"] == ["AWS4-HMAC-SHA256"]


@pytest.mark.parametrize(
    ("left", "expires_in", "lives"),
    [
        (None, 900, 900),
        (timedelta(hours=1), 900, 900),
        (timedelta(seconds=960), 900, 900),
        (timedelta(seconds=959), 900, 899),
        (timedelta(seconds=61), 900, 1),
        (timedelta(seconds=600.9), 900, 540),
        (timedelta(seconds=61, microseconds=999_999), 900, 1),
    ],
)
def test_a_url_lives_as_long_as_asked_unless_its_credentials_end_earlier(
    left: timedelta | None, expires_in: int, lives: int
) -> None:
    credentials = a_session(None if left is None else NOW + left)
    batch = PRESIGNER.batch(credentials, expires_in=expires_in)
    assert batch.expires_at == NOW + timedelta(seconds=lives)


@pytest.mark.parametrize("seconds", [60.9, 60, 30, 0, -1])
def test_credentials_about_to_expire_sign_nothing(seconds: float) -> None:
    with pytest.raises(StorageUnavailable, match="about to expire"):
        PRESIGNER.batch(a_session(NOW + timedelta(seconds=seconds)), expires_in=900)


def test_a_form_is_signed_over_exactly_its_fields() -> None:
    batch = PRESIGNER.batch(a_session(NOW + timedelta(hours=1)), expires_in=900)
    fields = {"key": "uploads/ann/a", "Content-Type": "image/png"}
    form = batch.form(fields, size_range=(1, 9))
    policy = json.loads(base64.b64decode(form["policy"], validate=True))
    assert policy == {
        "expiration": "2026-11-23T09:45:15Z",
        "conditions": [
            {"bucket": "media"},
            {"key": "uploads/ann/a"},
            {"Content-Type": "image/png"},
            ["content-length-range", 1, 9],
            {"x-amz-algorithm": "AWS4-HMAC-SHA256"},
            {"x-amz-credential": "ASIAEXAMPLE/20261123/eu-central-1/s3/aws4_request"},
            {"x-amz-date": "20261123T093015Z"},
            {"x-amz-security-token": TOKEN},
        ],
    }
    named = {name for condition in policy["conditions"] if isinstance(condition, dict) for name in condition}
    assert set(form) == (named - {"bucket"}) | {"policy", "x-amz-signature"}


def test_every_header_is_signed() -> None:
    headers = {
        "Content-Type": "image/png",
        "Content-Length": "5",
        "If-None-Match": "*",
        "x-amz-acl": "private",
    }
    url = PRESIGNER.batch(a_session(None), expires_in=9).url("PUT", "a", headers=headers)
    query = parse_qs(urlsplit(url).query)
    assert query["X-Amz-SignedHeaders"] == ["content-length;content-type;host;if-none-match;x-amz-acl"]


async def test_a_batch_signs_everything_at_one_time_with_one_set_of_credentials() -> None:
    ticks = iter([NOW, NOW + timedelta(hours=1)])
    asked = []

    async def credentials() -> Credentials:
        asked.append(1)
        return a_session(NOW + timedelta(seconds=260))

    presigner = replace(PRESIGNER, credentials=credentials, clock=lambda: next(ticks))
    batch = await presigner.start(expires_in=900)
    dates = {parse_qs(urlsplit(batch.url("PUT", key)).query)["X-Amz-Date"][0] for key in "abc"}
    assert dates == {"20261123T093015Z"}
    assert batch.expires_at == NOW + timedelta(seconds=200)
    assert len(asked) == 1


def test_a_batch_ends_at_not_after_at_the_latest() -> None:
    credentials = a_session(NOW + timedelta(seconds=260))
    for not_after, lives in ((7, 7), (200, 200), (201, 200), (5000, 200)):
        latest = NOW + timedelta(seconds=not_after)
        batch = PRESIGNER.batch(credentials, expires_in=900, not_after=latest)
        assert batch.expires_at == NOW + timedelta(seconds=lives)


def test_a_batch_starts_and_ends_on_whole_seconds() -> None:
    presigner = replace(PRESIGNER, clock=lambda: NOW + timedelta(microseconds=999_999))
    batch = presigner.batch(a_session(None), expires_in=900)
    assert (batch.now, batch.expires_at) == (NOW, NOW + timedelta(seconds=900))


async def test_credentials_are_awaited_before_the_clock_is_read() -> None:
    time = NOW

    async def slow_credentials() -> Credentials:
        nonlocal time
        time += timedelta(seconds=4)
        return a_session(None)

    presigner = replace(PRESIGNER, credentials=slow_credentials, clock=lambda: time)
    batch = await presigner.start(expires_in=900)
    assert batch.now == NOW + timedelta(seconds=4)


async def test_a_presigner_with_credentials_of_its_own_never_asks_for_others() -> None:
    session = a_session(NOW + timedelta(hours=1))
    batch = await PRESIGNER.with_credentials(session).start(expires_in=900)
    assert batch.credentials == session
    assert batch.presigner.endpoint == PRESIGNER.endpoint
    assert parse_qs(urlsplit(batch.url("PUT", "a")).query)["X-Amz-Security-Token"] == [TOKEN]


def test_only_urls_of_one_second_share_their_time() -> None:
    """Otherwise a service would sign with the time of its first request for ever."""
    times = iter([NOW, NOW + timedelta(microseconds=1), NOW + timedelta(seconds=1)])
    presigner = replace(PRESIGNER, clock=lambda: next(times))
    credentials = a_session(None)
    first, same, later = (presigner.batch(credentials, expires_in=900) for _ in range(3))
    assert first is same
    assert later.now == first.now + timedelta(seconds=1)
    assert first.url("PUT", "a") != later.url("PUT", "a")
    assert first.form({}, size_range=(0, 1)) != later.form({}, size_range=(0, 1))

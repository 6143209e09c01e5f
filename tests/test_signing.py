"""What callers are handed never outlives what signed it, and holds exactly what was decided."""

import base64
import json
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from uploadsvc.domain.credentials import Credentials
from uploadsvc.domain.endpoints import bucket_endpoint
from uploadsvc.domain.errors import StorageUnavailable
from uploadsvc.s3.credentials import EXPIRY_MARGIN
from uploadsvc.s3.presigner import Presigner, end_of_life

NOW = datetime(2026, 11, 23, 9, 30, 15, tzinfo=UTC)
TOKEN = "FwoGZXIvYXdzEBYaDH/+kz==" * 64  # 1,536 characters
SIGNER = Presigner(
    endpoint=bucket_endpoint(
        endpoint_url="https://s3.eu-central-1.amazonaws.com", bucket="media", style="virtual"
    ),
    bucket="media",
    region="eu-central-1",
)


def a_session(expires_at: datetime | None) -> Credentials:
    """Return credentials that end, with the long token that sessions have."""
    return Credentials(
        access_key_id="ASIAEXAMPLE", secret_access_key="s" * 40, session_token=TOKEN, expires_at=expires_at
    )


@settings(max_examples=300, deadline=None, derandomize=True)
@given(
    left=st.timedeltas(min_value=timedelta(minutes=-5), max_value=timedelta(hours=12)),
    expires_in=st.integers(1, 604_800),
)
def test_no_url_outlives_its_credentials(left: timedelta, expires_in: int) -> None:
    """A URL ends a minute before the credentials do, or there is none; the URL itself says the same."""
    credentials = a_session(NOW + left)
    try:
        end = end_of_life(credentials, now=NOW, expires_in=expires_in)
    except StorageUnavailable as error:
        assert left < EXPIRY_MARGIN + timedelta(seconds=1)
        assert error.retry_after > 0  # noqa: PT017 - either outcome is right
        return
    assert NOW < end <= NOW + left - EXPIRY_MARGIN
    assert end <= NOW + timedelta(seconds=expires_in)
    assert end.microsecond == 0
    url = SIGNER.url("PUT", "uploads/ann/a", credentials=credentials, now=NOW, expires_at=end)
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
        (timedelta(seconds=61, microseconds=999_999), 900, 1),
    ],
)
def test_a_url_lives_as_long_as_it_can(left: timedelta | None, expires_in: int, lives: int) -> None:
    """What was asked for, unless the credentials end before, less a minute."""
    credentials = a_session(None if left is None else NOW + left)
    assert end_of_life(credentials, now=NOW, expires_in=expires_in) == NOW + timedelta(seconds=lives)


@pytest.mark.parametrize("seconds", [60, 30, 0, -1])
def test_no_dead_url_is_signed(seconds: int) -> None:
    """Credentials at their end sign nothing."""
    with pytest.raises(StorageUnavailable, match="about to expire"):
        end_of_life(a_session(NOW + timedelta(seconds=seconds)), now=NOW, expires_in=900)


def test_a_form_is_signed_over_exactly_its_fields() -> None:
    """The policy's conditions are equalities and one size range, and it ends when it is said to."""
    end = NOW + timedelta(seconds=900)
    fields = {"key": "uploads/ann/a", "Content-Type": "image/png"}
    form = SIGNER.form(fields, credentials=a_session(end), now=NOW, expires_at=end, size_range=(1, 9))
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
    """What a client must send is in the signature, the length and the guard included."""
    headers = {
        "Content-Type": "image/png",
        "Content-Length": "5",
        "If-None-Match": "*",
        "x-amz-acl": "private",
    }
    url = SIGNER.url(
        "PUT",
        "a",
        credentials=a_session(None),
        now=NOW,
        expires_at=NOW + timedelta(seconds=9),
        headers=headers,
    )
    query = parse_qs(urlsplit(url).query)
    assert query["X-Amz-SignedHeaders"] == ["content-length;content-type;host;if-none-match;x-amz-acl"]

"""Download URLs live as long as the settings allow."""

from urllib.parse import parse_qs, urlsplit

import pytest
from tests.support.fakes import FakeBucket

from uploadsvc.domain.keys import Namespace
from uploadsvc.domain.principal import Principal
from uploadsvc.services.objects import Objects


@pytest.mark.parametrize(
    ("asked", "lives"), [(None, 900), (60, 60), (3600, 3600), (3601, 3600), (604_800, 3600)]
)
async def test_a_download_url_lives_no_longer_than_the_maximum(asked: int | None, lives: int) -> None:
    bucket = FakeBucket()
    objects = Objects(
        namespace=Namespace("uploads"),
        presigner=bucket.presigner,
        storage=bucket.storage,
        object_claims=bucket.object_claims,
        inspector=bucket.inspector,
        may_delete=False,
        download_expires_in=900,
        max_download_expires_in=3600,
    )
    url, end = await objects.download_url(
        Principal(user="ann"), "uploads/ann/a.txt", disposition=None, filename=None, expires_in=asked
    )
    assert parse_qs(urlsplit(url).query)["X-Amz-Expires"] == [str(lives)]
    assert (end - bucket.clock()).total_seconds() == lives

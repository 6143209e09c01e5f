"""Metrics of uploads reveal nothing about users."""

from tests.support.fakes import FakeBucket

from uploadsvc.domain.plan import UploadRequest
from uploadsvc.domain.principal import Principal

USERS = 100_000


async def test_series_do_not_grow_with_users() -> None:
    """However many there are, each with a key and an id of its own."""
    bucket = FakeBucket()
    for number in range(USERS):
        caller = Principal(user=f"user-{number}", policies=None, kind="user")
        request = UploadRequest(filename=f"secret-{number}.txt", size=5)
        await bucket.creator.create(caller, None, request)
    snapshot = bucket.metrics.cells.snapshot()
    counted = {(name, *labels): list(values) for name, labels, values in snapshot}
    assert counted["uploadsvc_uploads_created_total", "default", "put"] == [USERS]
    assert counted["uploadsvc_bytes_promised_total", "default"] == [5 * USERS]
    assert len(counted) < 20
    assert not [series for series in counted if "user-" in str(series) or "secret" in str(series)]

"""The garbage collector of the service's processes."""

import gc
from collections.abc import Iterator

import pytest

from uploadsvc.server import collector


@pytest.fixture(autouse=True)
def _restored() -> Iterator[None]:
    yield
    gc.unfreeze()
    gc.enable()


def test_what_exists_at_the_start_is_left_out_of_collections() -> None:
    """Collecting everything would block the event loop for 0.1 s. New objects are still collected."""
    gc.unfreeze()
    collector.pause()
    assert not gc.isenabled()
    collector.resume()
    assert gc.isenabled()
    assert gc.get_freeze_count() > 10_000
    new: list[object] = []
    new.append(new)
    assert any(found is new for found in gc.get_objects())
    assert len(gc.get_objects()) < gc.get_freeze_count()

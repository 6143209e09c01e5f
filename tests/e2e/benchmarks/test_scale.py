"""What an upload costs is counted again, over a real S3."""

import json

from benchmarks.scale import RESULTS, differences, measure


async def test_uploads_cost_the_requests_that_the_page_says() -> None:
    """One more for each upload would be a million more for a million."""
    assert differences(await measure(uploads=2), json.loads(RESULTS.read_text())["uploads"]) == []

"""The page on scale says what was counted, and what the benchmarks have measured."""

from benchmarks.prefixes import RANGES, Spread
from benchmarks.s3_proxy import operation
from benchmarks.scale import differences, price, rewritten
from tests.support.pages import text_of


def test_the_page_has_the_counted_figures() -> None:
    """After ``make bench``, ``python -m benchmarks.scale --write`` writes its tables anew."""
    page = text_of("docs/scale.md")
    assert rewritten(page) == page


def test_requests_have_s3s_names_and_prices() -> None:
    """Those that clients send by signed URLs too, with the rest of the query behind."""
    assert operation("PUT", "/media/uploads/a/b?partNumber=1&uploadId=u&X-Amz-Signature=0") == "UploadPart"
    assert operation("PUT", "/media/uploads/a/b?X-Amz-Signature=0") == "PutObject"
    assert operation("POST", "/media") == "PostObject"
    assert operation("POST", "/media/a/b?uploads") == "CreateMultipartUpload"
    assert operation("HEAD", "/media") == "HeadBucket"
    assert price("UploadPart") > price("HeadObject") > price("AbortMultipartUpload") == 0


def test_another_count_is_a_difference() -> None:
    """One more request for each upload is what the check is there to find."""
    old = {"PUT": {"requests": {"PutObject": 1, "HeadObject": 1}, "microseconds": 9}}
    assert differences({"PUT": {"requests": {"HeadObject": 1, "PutObject": 1}, "microseconds": 1}}, old) == []
    assert differences({"PUT": {"requests": {"HeadObject": 2, "PutObject": 1}}}, old) != []


def test_the_hottest_range_limits_the_writes() -> None:
    """A range takes 3,500: if all of them get the same, their number times that."""
    even = Spread(template="{uuid}", crowd="", hottest=1 / RANGES)
    assert even.writes_a_second == 3_500 * RANGES

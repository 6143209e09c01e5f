"""Files are cut into parts that S3 accepts, and uploaded parts are checked before they are assembled."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from uploadsvc.domain.checksums import Algorithm
from uploadsvc.domain.errors import FileTooLarge, FileTooSmall, UploadIncomplete, ValidationFailed
from uploadsvc.domain.parts import (
    MAX_PART_SIZE,
    MAX_PARTS,
    MIB,
    MIN_PART_SIZE,
    Parts,
    UploadedPart,
    common_part_size,
    cut,
    part_headers,
    planned_parts,
    ranges,
    sent_parts,
)
from uploadsvc.domain.providers import GIB, PROVIDERS, TIB

LARGEST = max(provider.max_object_size for provider in PROVIDERS.values())


@st.composite
def cuts(draw: st.DrawFn) -> tuple[int, int]:
    """Draw a provider, a file and a minimum part size, often at the edges."""
    largest = draw(st.sampled_from(sorted({p.max_object_size for p in PROVIDERS.values()})))
    edges = st.sampled_from([MIN_PART_SIZE, 8 * MIB, 5 * MIB + 1, GIB, MAX_PART_SIZE - 1, MAX_PART_SIZE])
    least = draw(edges | st.integers(MIN_PART_SIZE, MAX_PART_SIZE))
    part_size = min(least * 2 ** draw(st.integers(0, 10)), MAX_PART_SIZE)
    near = draw(st.sampled_from([1, 2, MAX_PARTS])) * part_size + draw(st.integers(-1, 1))
    size = draw(st.just(min(near, largest)) | st.integers(0, largest) | st.just(largest))
    return size, least


@given(cuts())
@example((0, MIN_PART_SIZE))
@example((50_000 * GIB, MIN_PART_SIZE))
@example((50_000 * GIB, 5 * MIB + 1))
@example((5 * TIB, MIN_PART_SIZE))
def test_every_file_is_cut_into_parts_that_s3_accepts(cut_of: tuple[int, int]) -> None:
    size, least = cut_of
    parts = cut(size, least_part_size=least)
    assert 1 <= parts.count <= MAX_PARTS
    last = parts.size_of(parts.count)
    assert all(
        parts.size_of(number) == parts.part_size for number in (1, parts.count - 1) if number < parts.count
    )
    assert (parts.count - 1) * parts.part_size + last == size
    assert 0 < last <= parts.part_size or size == last == 0
    assert MIN_PART_SIZE <= parts.part_size <= MAX_PART_SIZE


@given(cuts())
def test_the_part_size_is_doubled_only_until_it_fits(cut_of: tuple[int, int]) -> None:
    size, least = cut_of
    steps = [min(least * 2**step, MAX_PART_SIZE) for step in range(12)]
    fitting = [step for step in steps if step * MAX_PARTS >= size]
    assert cut(size, least_part_size=least).part_size == fitting[0]


@given(st.integers(0, 300), st.integers(1, 40))
def test_every_byte_is_in_exactly_one_part(size: int, part_size: int) -> None:
    parts = Parts(size, part_size)
    sizes = [parts.size_of(number) for number in range(1, parts.count + 1)]
    assert sum(sizes) == size
    assert set(sizes[:-1]) <= {part_size}
    assert sizes == [0] or all(sizes)


@pytest.mark.parametrize(
    ("size", "least", "part_size", "count"),
    [
        (0, 8 * MIB, 8 * MIB, 1),
        (1, 8 * MIB, 8 * MIB, 1),
        (8 * MIB, 8 * MIB, 8 * MIB, 1),
        (8 * MIB + 1, 8 * MIB, 8 * MIB, 2),
        (80_000 * MIB, 8 * MIB, 8 * MIB, 10_000),
        (80_000 * MIB + 1, 8 * MIB, 16 * MIB, 5_001),
        (5 * TIB, 8 * MIB, 1024 * MIB, 5_120),
        (50_000 * GIB, 8 * MIB, 5 * GIB, 10_000),
        (50_000 * GIB, 5 * GIB, 5 * GIB, 10_000),
    ],
)
def test_part_sizes_of_example_files(size: int, least: int, part_size: int, count: int) -> None:
    assert cut(size, least_part_size=least) == Parts(size, part_size)
    assert Parts(size, part_size).count == count


def test_the_largest_object_of_every_provider_fits_into_10000_parts() -> None:
    assert MAX_PARTS * MAX_PART_SIZE == LARGEST


@pytest.mark.parametrize(
    ("numbers", "text"),
    [
        ([], ""),
        ([7], "7"),
        ([1, 2], "1-2"),
        ([9, 1, 3, 5, 4], "1, 3-5, 9"),
        (list(range(1, 10_001)), "1-10000"),
        (list(range(1, 40, 2)), "1, 3, 5, 7, 9, 11, 13, 15, 17, 19, …"),
    ],
)
def test_part_numbers_are_written_as_ranges(numbers: list[int], text: str) -> None:
    assert ranges(numbers) == text


@given(cuts())
@example((50_000 * GIB, MIN_PART_SIZE))
def test_the_common_part_size_of_one_file_is_its_own(cut_of: tuple[int, int]) -> None:
    size, least = cut_of
    assert common_part_size([size], least_part_size=least) == cut(size, least_part_size=least).part_size


@given(st.lists(st.integers(0, 6 * TIB), min_size=1, max_size=20), st.integers(MIN_PART_SIZE, MAX_PART_SIZE))
@example([5 * TIB] * 9, MIN_PART_SIZE)
@example([5 * TIB] * 10, MIN_PART_SIZE)
def test_files_together_have_at_most_10000_parts(sizes: list[int], least: int) -> None:

    def count(part_size: int) -> int:
        return sum(Parts(size, part_size).count for size in sizes)

    steps = [min(least * 2**step, MAX_PART_SIZE) for step in range(12)]
    fitting = [step for step in steps if count(step) <= MAX_PARTS]
    assert common_part_size(sizes, least_part_size=least) == (fitting[0] if fitting else None)


def arrived(*sizes: int) -> list[UploadedPart]:
    """Return parts of these sizes with ETags e1, e2, …; -1 leaves one out."""
    return [
        UploadedPart(part_number=number, size=size, etag=f"e{number}", checksum=None)
        for number, size in enumerate(sizes, start=1)
        if size >= 0
    ]


THREE = Parts(25, 10)


@pytest.mark.parametrize("etags", [None, {1: "e1", 2: '"e2"', 3: "e3"}])
def test_all_planned_parts_are_returned_in_order(etags: dict[int, str] | None) -> None:
    parts = arrived(10, 10, 5, 10)
    assert planned_parts(THREE, parts[::-1], etags) == parts[:3]


@pytest.mark.parametrize(
    ("sizes", "etags", "message"),
    [
        ((), None, "3 of 3 parts have not arrived: 1-3"),
        ((10, -1, 5), None, "1 of 3 parts have not arrived: 2"),
        ((10, 9, 5), None, "1 of 3 parts have not arrived: 2"),
        ((10, 10, 6), None, "1 of 3 parts have not arrived: 3"),
        ((10, 10, 5), {1: "e1", 2: "e2"}, "other parts than those that were named: 3"),
        ((10, 10, 5), {1: "x", 2: "e2", 3: "e2"}, "other parts than those that were named: 1, 3"),
        ((10, 10, 5), {}, "other parts than those that were named: 1-3"),
    ],
)
def test_missing_and_different_planned_parts_are_named(
    sizes: tuple[int, ...], etags: dict[int, str] | None, message: str
) -> None:
    with pytest.raises(UploadIncomplete, match=message) as caught:
        planned_parts(THREE, arrived(*sizes), etags)
    assert caught.value.field == "parts"


def test_a_caller_cannot_name_a_part_beyond_the_last() -> None:
    with pytest.raises(ValidationFailed, match="There is no part 4; the upload has 1 to 3"):
        planned_parts(THREE, arrived(10, 10, 5), {1: "e1", 2: "e2", 3: "e3", 4: "e4"})


@pytest.mark.parametrize(
    ("sizes", "etags"),
    [((3, 4), None), ((3, 4), {1: "e1", 2: "e2"}), ((-1, 7), {2: '"e2"'})],
)
def test_the_parts_of_an_unsized_upload_are_those_that_the_caller_names(
    sizes: tuple[int, ...], etags: dict[int, str] | None
) -> None:
    parts = arrived(*sizes)
    assert sent_parts(parts[::-1], etags, min_size=7, max_size=7) == parts


@pytest.mark.parametrize(
    ("sizes", "etags", "message"),
    [
        ((), None, "No part has arrived"),
        ((), {1: "e1"}, "No part has arrived"),
        ((3, -1, 4), None, "Parts have not arrived: 2"),
        ((3,), {1: "e1", 2: "e2", 3: "e3"}, "Parts have not arrived: 2-3"),
        ((3, 4), {1: "e1"}, "other parts than those that were named: 2"),
        ((3, 4), {1: "e1", 2: "e1"}, "other parts than those that were named: 2"),
    ],
)
def test_missing_and_different_parts_of_an_unsized_upload_are_named(
    sizes: tuple[int, ...], etags: dict[int, str] | None, message: str
) -> None:
    with pytest.raises(UploadIncomplete, match=message) as caught:
        sent_parts(arrived(*sizes), etags, min_size=0, max_size=99)
    assert caught.value.field == "parts"


@pytest.mark.parametrize("etag", ['W/"E1"', 'W/"e1-gzip"', '"e1--gzip"', "E1", '"e1;br"', ' w/"e1" '])
def test_an_etag_that_a_proxy_changed_names_the_same_part(etag: str) -> None:
    (part,) = arrived(3)
    assert planned_parts(Parts(3, 10), [part], {1: etag}) == [part]
    assert sent_parts([part], {1: etag}, min_size=0, max_size=9) == [part]


@pytest.mark.parametrize("etag", ["", "W/", "e1-2", "W/e11", "-gzip", "e1-gzip-gzip", '"gzip"'])
def test_another_etag_stays_another(etag: str) -> None:
    with pytest.raises(UploadIncomplete, match="other parts"):
        planned_parts(Parts(3, 10), arrived(3), {1: etag})


def test_an_unsized_upload_is_held_to_the_limits_of_its_policy() -> None:
    with pytest.raises(FileTooLarge, match="7 bytes; the policy allows 6"):
        sent_parts(arrived(3, 4), None, min_size=0, max_size=6)
    with pytest.raises(FileTooSmall, match="7 bytes; the policy wants 8"):
        sent_parts(arrived(3, 4), None, min_size=8, max_size=99)


def test_a_part_is_signed_with_its_checksum() -> None:
    assert part_headers("crc32", 1, "AAAAAA==") == {"x-amz-checksum-crc32": "AAAAAA=="}
    assert part_headers(None, 1, None) == {}


@pytest.mark.parametrize(
    ("algorithm", "value", "message"),
    [
        (None, "AAAAAA==", "created without a checksum"),
        ("crc32", None, "created with crc32; give that of part 7"),
        ("crc32", "AAAAAA", "The checksum "),
        ("sha256", "AAAAAA==", "The checksum "),
        ("sha256", "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=-2", "no number of parts"),
    ],
)
def test_a_part_needs_exactly_the_checksum_of_its_upload(
    algorithm: Algorithm | None, value: str | None, message: str
) -> None:
    with pytest.raises(ValidationFailed, match=message) as caught:
        part_headers(algorithm, 7, value)
    assert caught.value.field == "checksums"

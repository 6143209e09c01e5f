"""A file of any size that a store takes is cut into parts that S3 takes."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from uploadsvc.domain.parts import (
    MAX_PART_SIZE,
    MAX_PARTS,
    MIB,
    MIN_PART_SIZE,
    Parts,
    common_part_size,
    cut,
    ranges,
)
from uploadsvc.domain.providers import GIB, PROVIDERS, TIB

LARGEST = max(provider.max_object_size for provider in PROVIDERS.values())


@st.composite
def cuts(draw: st.DrawFn) -> tuple[int, int]:
    """Draw a store, a file that it takes, and a part size to begin with; often at an edge of what fits."""
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
def test_every_file_is_cut_into_parts_that_s3_takes(cut_of: tuple[int, int]) -> None:
    """At most 10,000, of 5 MiB to 5 GiB but the last, all equal but the last, and together the file."""
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
def test_the_part_size_is_the_least_that_fits(cut_of: tuple[int, int]) -> None:
    """The one to begin with, doubled until it fits, and no more often; never above 5 GiB."""
    size, least = cut_of
    steps = [min(least * 2**step, MAX_PART_SIZE) for step in range(12)]
    fitting = [step for step in steps if step * MAX_PARTS >= size]
    assert cut(size, least_part_size=least).part_size == fitting[0]


@given(st.integers(0, 300), st.integers(1, 40))
def test_every_byte_is_in_one_part(size: int, part_size: int) -> None:
    """Part by part: each begins where the one before ends."""
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
def test_known_files(size: int, least: int, part_size: int, count: int) -> None:
    """In numbers that one can follow."""
    assert cut(size, least_part_size=least) == Parts(size, part_size)
    assert Parts(size, part_size).count == count


def test_the_largest_file_of_all_is_what_10000_of_the_largest_parts_hold() -> None:
    """No provider's limit is above that of its parts."""
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
def test_numbers_are_written_for_people(numbers: list[int], text: str) -> None:
    """Neighbours together, and no more than anyone reads."""
    assert ranges(numbers) == text


@given(cuts())
@example((50_000 * GIB, MIN_PART_SIZE))
def test_the_common_part_size_of_one_file_is_its_own(cut_of: tuple[int, int]) -> None:
    """As if it were cut by itself."""
    size, least = cut_of
    assert common_part_size([size], least_part_size=least) == cut(size, least_part_size=least).part_size


@given(st.lists(st.integers(0, 6 * TIB), min_size=1, max_size=20), st.integers(MIN_PART_SIZE, MAX_PART_SIZE))
@example([5 * TIB] * 9, MIN_PART_SIZE)
@example([5 * TIB] * 10, MIN_PART_SIZE)
def test_files_together_have_no_more_parts_than_one(sizes: list[int], least: int) -> None:
    """By the least of the doubled sizes that will do; where even the largest will not, by none."""

    def count(part_size: int) -> int:
        return sum(Parts(size, part_size).count for size in sizes)

    steps = [min(least * 2**step, MAX_PART_SIZE) for step in range(12)]
    fitting = [step for step in steps if count(step) <= MAX_PARTS]
    assert common_part_size(sizes, least_part_size=least) == (fitting[0] if fitting else None)

"""A checksum is the base64 of its algorithm's bytes, in one spelling."""

import base64
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from uploadsvc.domain.checksums import ALGORITHMS, Algorithm, Checksum

LENGTHS: dict[Algorithm, int] = {"sha256": 32, "crc32": 4, "crc32c": 4, "crc64nvme": 8}


@given(algorithm=st.sampled_from(sorted(LENGTHS)), raw=st.binary(max_size=40))
def test_only_the_right_length_is_accepted(algorithm: Algorithm, raw: bytes) -> None:
    """S3 would refuse another length, but later."""
    value = base64.b64encode(raw).decode()
    if len(raw) == LENGTHS[algorithm]:
        assert Checksum(algorithm, value).header == f"x-amz-checksum-{algorithm}"
    else:
        with pytest.raises(ValueError, match=f"base64 of {LENGTHS[algorithm]} bytes"):
            Checksum(algorithm, value)


@pytest.mark.parametrize(
    "value",
    [
        "",
        "AAAAAA",
        "AAAAAA=",
        "AAAAAA===",
        "AAAAAB==",  # The spare bits are not zero.
        "AAAA\nAA==",
        " AAAAAA==",
        "AAAAAA==\r\nX-Evil: 1",
        "AAAA-_==",
        "AAAAA\u00e9==",
        "AAAA\ud800A==",
        "00000000",
    ],
)
def test_another_spelling_is_refused(value: str) -> None:
    """S3 compares text."""
    with pytest.raises(ValueError, match="base64 of 4 bytes"):
        Checksum("crc32", value)


def test_every_algorithm_has_a_length() -> None:
    assert set(ALGORITHMS) == set(LENGTHS) == set(get_args(Algorithm))

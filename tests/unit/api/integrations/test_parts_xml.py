"""The list of parts by which Better Upload's client completes an upload is read strictly, and soon."""

from typing import Final

import pytest
from tests.support.better_upload import ETAG, completion

from uploadsvc.api.integrations.better_upload.parts_xml import read_parts
from uploadsvc.api.routing import MAX_BODY_BYTES
from uploadsvc.domain.errors import ValidationFailed
from uploadsvc.domain.parts import MAX_PARTS


@pytest.mark.parametrize(
    "body",
    [
        completion({1: ETAG, 2: f"{ETAG}-5"}),
        (
            f'<?xml version="1.0" encoding="UTF-8"?><CompleteMultipartUpload xmlns="http://s3.amazonaws.com/doc/">'
            f"<Part><PartNumber>1</PartNumber><ETag>&quot;{ETAG}&quot;</ETag></Part>"
            f'<Part><ETag>"{ETAG}-5"</ETag><PartNumber>2</PartNumber></Part></CompleteMultipartUpload>'
        ),
    ],
)
def test_parts_are_read_as_clients_write_them(body: str) -> None:
    """With and without quotes, in either order."""
    assert read_parts(body.encode()) == {1: ETAG, 2: f"{ETAG}-5"}


def test_no_part_is_no_part() -> None:
    """The list may be empty; what S3 has is then missing from it."""
    assert read_parts(completion({}).encode()) == {}


PART: Final = f"<Part><ETag>{ETAG}</ETag><PartNumber>1</PartNumber></Part>"


@pytest.mark.parametrize(
    "inner",
    [
        PART + PART,
        PART.replace("1</", "0</"),
        PART.replace("1</", "10001</"),
        PART.replace("1</", "-1</"),
        PART.replace("1</", "1e3</"),
        PART.replace("1</", "٣</"),
        PART.replace("1</", "</"),
        PART.replace(ETAG, ""),
        PART.replace(ETAG, "&xxe;"),
        PART.replace(ETAG, "a b"),
        PART.replace(ETAG, "é"),
        PART.replace(ETAG, "<b/>"),
        PART.replace(ETAG, "a" * 129),
        PART.replace("<Part>", '<Part a="b">'),
        PART.replace("<PartNumber>1</PartNumber>", ""),
        PART + "text",
        f"<!-- {PART} -->",
        f"<![CDATA[{PART}]]>",
        PART + "</CompleteMultipartUpload><CompleteMultipartUpload>",
        "\x00",
    ],
)
def test_what_is_no_list_of_parts_is_refused(inner: str) -> None:
    """Named twice, beyond what there can be, or anything else in it."""
    with pytest.raises(ValidationFailed):
        read_parts(f"<CompleteMultipartUpload>{inner}</CompleteMultipartUpload>".encode())


@pytest.mark.parametrize(
    "body",
    [
        "",
        "{}",
        PART,
        "<CompleteMultipartUpload>",
        completion({1: ETAG}) + PART,
        f'<!DOCTYPE a [<!ENTITY xxe SYSTEM "file:///etc/passwd">]>{completion({1: ETAG})}',
        f"<CompleteMultipartUpload{' ' * 100_000}{completion({1: ETAG})}",
        " " * MAX_BODY_BYTES,
        f"<CompleteMultipartUpload>{'<Part>' * 170_000}",
        f"<CompleteMultipartUpload>{('<Part>' + ' ' * 1000) * 1000}",
    ],
)
def test_what_is_no_completion_is_refused(body: str) -> None:
    """No document types, no entities, and nothing that takes long to read."""
    with pytest.raises(ValidationFailed, match="not the XML"):
        read_parts(body.encode())


def test_ten_thousand_parts_fit_into_a_request() -> None:
    """As the client writes them, with ETags of S3's length."""
    etags = dict.fromkeys(range(1, MAX_PARTS + 1), ETAG)
    body = completion(etags).encode()
    assert len(body) <= MAX_BODY_BYTES
    assert read_parts(body) == etags

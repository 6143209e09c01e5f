"""The XML with which Better Upload's client completes an upload: read strictly, and in bounded time."""

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
        completion({1: f'W/"{ETAG}"', 2: f'w/"{ETAG}-5"'}),
    ],
)
def test_etags_with_and_without_quotes_are_read_in_either_order(body: str) -> None:
    assert read_parts(body.encode()) == {1: ETAG, 2: f"{ETAG}-5"}


def test_the_list_may_be_empty() -> None:
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
        PART.replace("<Part>", "<Part><Size>5</Size>"),
        PART.replace("<Part>", f"<Part><ETag>{ETAG}</ETag>"),
        PART.replace(ETAG, f"{ETAG}<!-- -->"),
        PART.replace("<Part>", "<Part>text"),
        f"<?php {PART} ?>{PART}",
        f"<Part>{PART}</Part>",
        "\x00",
    ],
)
def test_lists_with_anything_but_distinct_parts_are_refused(inner: str) -> None:
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
        f"<!DOCTYPE CompleteMultipartUpload>{completion({1: ETAG})}",
        f'<!DOCTYPE CompleteMultipartUpload SYSTEM "http://localhost/a.dtd">{completion({1: ETAG})}',
        f'<!DOCTYPE a [<!ENTITY e "{"e" * 1000}">]>{completion({1: "&e;" * 100})}',
        f"<!-- before -->{completion({1: ETAG})}",
        f"{completion({1: ETAG})}<!-- after -->",
        f"<?pi before?>{completion({1: ETAG})}",
        f"<CompleteMultipartUpload>{PART}é</CompleteMultipartUpload>",
        f"<CompleteMultipartUpload{' ' * 100_000}{completion({1: ETAG})}",
        " " * MAX_BODY_BYTES,
        f"<CompleteMultipartUpload>{'<Part>' * 170_000}",
        f"<CompleteMultipartUpload>{('<Part>' + ' ' * 1000) * 1000}",
    ],
)
def test_other_documents_are_refused(body: str) -> None:
    with pytest.raises(ValidationFailed, match="not the XML"):
        read_parts(body.encode())


@pytest.mark.parametrize("encoding", ["utf-16", "utf-32"])
def test_other_encodings_are_refused(encoding: str) -> None:
    body = f'<?xml version="1.0" encoding="{encoding}"?>{completion({1: ETAG})}é'
    with pytest.raises(ValidationFailed, match="not the XML"):
        read_parts(body.encode(encoding))


def test_ten_thousand_parts_fit_into_a_request() -> None:
    etags = dict.fromkeys(range(1, MAX_PARTS + 1), ETAG)
    body = completion(etags).encode()
    assert len(body) <= MAX_BODY_BYTES
    assert read_parts(body) == etags

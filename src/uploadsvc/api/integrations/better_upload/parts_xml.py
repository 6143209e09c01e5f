"""Parse the XML that Better Upload's client sends to complete an upload.

https://docs.aws.amazon.com/AmazonS3/latest/API/API_CompleteMultipartUpload.html
"""

import re
from collections.abc import Mapping
from typing import Final, Never
from xml.etree.ElementTree import ParseError

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import DefusedXMLParser

from uploadsvc.domain.errors import ValidationFailed
from uploadsvc.domain.parts import MAX_PARTS

_ELEMENTS: Final = (
    frozenset({"CompleteMultipartUpload"}),
    frozenset({"Part"}),
    frozenset({"ETag", "PartNumber"}),
)
"""Elements allowed at each depth."""

_ETAG: Final = re.compile(r'(?:[Ww]/)?"?([!#-%\'-;=?-~]{1,128})"?')
_PART_NUMBER: Final = re.compile(r"[0-9]{1,5}")


def read_parts(body: bytes) -> dict[int, str]:
    """Return the ETags by part number, without quotes.

    Raises:
        ValidationFailed: The document is malformed, or names a part twice or one above `MAX_PARTS`.
    """
    reader = _PartsReader()
    parser = DefusedXMLParser(target=reader, forbid_dtd=True)
    try:
        parser.feed(body.decode("ascii").strip())
        parser.close()
    except (ParseError, DefusedXmlException, UnicodeDecodeError) as error:
        raise _malformed() from error
    return reader.etags


class _PartsReader:
    """Handles the parser's events. Builds no tree, and stops at the first unexpected event."""

    def __init__(self) -> None:
        self.etags: dict[int, str] = {}
        self._depth = 0
        self._part: dict[str, str] = {}
        self._text = ""

    def start(self, tag: str, attributes: Mapping[str, str]) -> None:
        name = _local_name(tag)
        if attributes or self._depth == len(_ELEMENTS) or name not in _ELEMENTS[self._depth]:
            raise _malformed()
        self._take_blank()
        self._depth += 1

    def data(self, text: str) -> None:
        self._text += text

    def end(self, tag: str) -> None:
        self._depth -= 1
        name = _local_name(tag)
        if name in _ELEMENTS[2]:
            if name in self._part:
                raise _malformed()
            self._part[name], self._text = self._text, ""
            return
        self._take_blank()
        if name == "Part":
            self._add(self._part)
            self._part = {}

    def comment(self, _text: str) -> Never:
        raise _malformed()

    def pi(self, _target: str, _data: str) -> Never:
        raise _malformed()

    def _take_blank(self) -> None:
        if self._text and not self._text.isspace():
            raise _malformed()
        self._text = ""

    def _add(self, part: Mapping[str, str]) -> None:
        number_text, etag = part.get("PartNumber", ""), _ETAG.fullmatch(part.get("ETag", ""))
        if etag is None or not _PART_NUMBER.fullmatch(number_text):
            raise _malformed()
        number = int(number_text)
        if not 1 <= number <= MAX_PARTS:
            detail = f"There is no part {number}; an upload has 1 to {MAX_PARTS}."
            raise ValidationFailed(detail, field="PartNumber")
        if number in self.etags:
            detail = f"Part {number} is named twice."
            raise ValidationFailed(detail, field="PartNumber")
        self.etags[number] = etag[1]


def _local_name(tag: str) -> str:
    return tag.rpartition("}")[2]


def _malformed() -> ValidationFailed:
    detail = "The body is not the XML of a CompleteMultipartUpload: parts, each with ETag and PartNumber."
    return ValidationFailed(detail, field="body")

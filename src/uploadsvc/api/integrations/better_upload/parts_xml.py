"""The list of parts with which the client completes an upload: S3's own XML, as the client writes it.

https://docs.aws.amazon.com/AmazonS3/latest/API/API_CompleteMultipartUpload.html
"""

import re
from typing import Final

from uploadsvc.domain.errors import ValidationFailed
from uploadsvc.domain.parts import MAX_PARTS

# No XML parser: there is one document to read, without entities, declarations or nesting of any depth.
_QUOTE: Final = r'(?:"|&quot;|&#34;)?'
_ETAG: Final = rf"<ETag>{_QUOTE}([!#-%'-;=?-~]{{1,128}}){_QUOTE}</ETag>"
_NUMBER: Final = r"<PartNumber>([0-9]{1,5})</PartNumber>"
_PART: Final = re.compile(
    rf"\s*+<Part>\s*+(?:{_ETAG}\s*+{_NUMBER}|{_NUMBER}\s*+{_ETAG})\s*+</Part>", re.ASCII
)
_START: Final = re.compile(
    r'\s*+(?:<\?xml[^<>?]{0,100}\?>\s*+)?<CompleteMultipartUpload(?: xmlns="[^<>"&]{0,100}")?>', re.ASCII
)
_END: Final = re.compile(r"\s*+</CompleteMultipartUpload>\s*+", re.ASCII)


def read_parts(body: bytes) -> dict[int, str]:
    """Return the ETags by part number, without quotes.

    Raises:
        ValidationFailed: It is no such list, names a part twice, or one beyond the 10,000 that there can be.
    """
    text = body.decode("ascii", errors="replace")
    found = _START.match(text)
    if found is None:
        raise _malformed()
    etags: dict[int, str] = {}
    position = found.end()
    while part := _PART.match(text, position):
        number, etag = int(part[2] or part[3]), part[1] or part[4]
        if not 1 <= number <= MAX_PARTS:
            detail = f"There is no part {number}; an upload has 1 to {MAX_PARTS}."
            raise ValidationFailed(detail, field="PartNumber")
        if number in etags:
            detail = f"Part {number} is named twice."
            raise ValidationFailed(detail, field="PartNumber")
        etags[number] = etag
        position = part.end()
    if not _END.fullmatch(text, position):
        raise _malformed()
    return etags


def _malformed() -> ValidationFailed:
    detail = "The body is not the XML of a CompleteMultipartUpload: parts, each with ETag and PartNumber."
    return ValidationFailed(detail, field="body")

"""The body of CompleteMultipartUpload is what botocore would send."""

from typing import TYPE_CHECKING

import pytest
from aiobotocore.session import get_session
from botocore.serialize import create_serializer
from defusedxml.ElementTree import fromstring

from uploadsvc.domain.checksums import Algorithm
from uploadsvc.domain.parts import UploadedPart
from uploadsvc.s3.completion import completion_body

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element


def parts_in(body: bytes) -> tuple[str, list[dict[str, str | None]]]:
    """Return the root's name, and the fields of each part."""
    root: Element = fromstring(body)
    return root.tag, [{field.tag: field.text for field in part} for part in root]


@pytest.mark.parametrize("checksum", [None, "sha256"])
async def test_the_body_is_botocores(checksum: Algorithm | None) -> None:
    """With text that XML escapes, and with more parts than are written at once."""
    etags = ["0123456789abcdef", "a<b>&\"c'-1", *["e"] * 1500]
    parts = [
        UploadedPart(
            part_number=number, size=1, etag=etag, checksum="VcZND8+/=" if checksum and number != 3 else None
        )
        for number, etag in enumerate(etags, 1)
    ]
    listed = [
        {
            "PartNumber": part.part_number,
            "ETag": f'"{part.etag}"',
            **({"ChecksumSHA256": part.checksum} if part.checksum else {}),
        }
        for part in parts
    ]
    operation = (await get_session().get_service_model("s3")).operation_model("CompleteMultipartUpload")
    parameters = {"Bucket": "b", "Key": "k", "UploadId": "u", "MultipartUpload": {"Parts": listed}}
    expected = create_serializer("rest-xml").serialize_to_request(parameters, operation)["body"]
    assert parts_in(await completion_body(parts, part_checksum=checksum)) == parts_in(expected)

"""An upload's claims, for tests of what carries them."""

from typing import Final

from uploadsvc.domain.checksums import Checksum
from uploadsvc.tokens.signed_ids import UploadClaims

CLAIMS: Final = UploadClaims(
    upload_uuid="0190f3c0",
    policy="default",
    bucket="media",
    key="uploads/ann/é/photo.jpg",
    method="put",
    min_size=5,
    max_size=5,
    content_type="image/jpeg",
    checksum=Checksum("crc32", "AAAAAA=="),
    part_checksum=None,
    upload_id="",
    part_size=0,
    no_overwrite=True,
    tags_object=False,
    url_expires_at=0,
    expires_at=1_800_000_000,
)

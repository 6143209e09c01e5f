"""What comes of asking for an upload: a grant, its state, its completion."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from uploadsvc.domain.checksums import Checksum
from uploadsvc.domain.objects import StoredObject
from uploadsvc.domain.parts import UploadedPart
from uploadsvc.domain.plan import Plan
from uploadsvc.services.multipart import SignedPart
from uploadsvc.tokens.signed_ids import UploadClaims


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """A new upload: its id, and what the caller needs to send the bytes.

    Attributes:
        id: The sealed handle.
        plan: What was decided.
        bucket: Where the object goes.
        url: A presigned PUT, or where the form is posted to; empty for a multipart upload.
        fields: All fields of a form; empty otherwise.
        parts: The first parts, signed; empty but for a multipart upload.
        expires_at: When URL or form ends.
        upload_expires_at: When the id ends.
    """

    id: str
    plan: Plan
    bucket: str
    url: str
    fields: Mapping[str, str]
    parts: Sequence[SignedPart]
    expires_at: datetime
    upload_expires_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """What S3 says of an upload now.

    Attributes:
        claims: The upload.
        status: Its state.
        stored: The object, once it is there.
        parts: Those that have arrived, while a multipart upload is under way.
    """

    claims: UploadClaims
    status: Literal["pending", "uploading", "stored", "aborted"]
    stored: StoredObject | None
    parts: Sequence[UploadedPart]


@dataclass(frozen=True, slots=True, kw_only=True)
class Completion:
    """A verified upload.

    Attributes:
        stored: What S3 holds.
        checksum: The checksum that S3 confirms, if any.
        receipt: The signed proof.
        replaceable_until: Until when a live URL could still replace the bytes.
    """

    stored: StoredObject
    checksum: Checksum | None
    receipt: str
    replaceable_until: datetime | None

"""What a caller wants to upload, and what is decided about it before anything is signed."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from uploadsvc.domain.checksums import Algorithm, Checksum
from uploadsvc.domain.parts import Parts
from uploadsvc.domain.policy import Method


@dataclass(frozen=True, slots=True, kw_only=True)
class UploadRequest:
    """What a caller wants to upload, in bytes and seconds; ``None`` leaves a thing to the policy.

    A ``checksum`` comes with its ``checksum_algorithm``; the latter alone is for a multipart upload whose
    checksum is not known when it begins.

    The last six are for uploaders whose own format differs from ours. ``part_size`` is that by which such a
    client cuts. ``size_open`` says that a multipart upload may begin without a size, where the policy lets
    it; ``type_open``, that no content type will be sent with a PUT, so that none can be signed, where the
    policy allows all; ``type_as_sent``, that the client sends the content type as it spells it, so that it is
    signed so; ``drop_metadata``, that what the policy does not list is left out rather than refused.
    ``form_status`` is what S3 shall answer to a form.
    """

    filename: str | None = None
    content_type: str | None = None
    size: int | None = None
    method: Method | Literal["auto"] = "auto"
    relative_key: str | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)
    checksum: Checksum | None = None
    checksum_algorithm: Algorithm | None = None
    overwrite: bool | None = None
    expires_in: int | None = None
    part_size: int | None = None
    size_open: bool = False
    type_open: bool = False
    type_as_sent: bool = False
    drop_metadata: bool = False
    form_status: Literal[200, 201, 204] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """All that is decided about one upload before anything is signed.

    Attributes:
        method: How the bytes will be sent.
        key: The whole object key.
        content_type: The media type, parsed; empty where it is left open.
        size: Exact size in bytes, where it was named.
        min_size: Least size in bytes that will be taken.
        max_size: Most size in bytes that will be taken.
        checksum: What the bytes must hash to, where it was named.
        part_checksum: The checksum that each part must bring, for a multipart upload that has one.
        headers: For a PUT: every header to be signed besides ``host``. For a multipart upload: those that
            describe the object to be.
        fields: For a POST: every form field besides those of the signature.
        expires_in: How long the URLs shall live, in seconds.
        tags_object: Whether the object will name its upload in its metadata (`UPLOAD_MARK`), because its key
            may have been in use before.
        no_overwrite: Whether S3 is to refuse where an object is there already.
        replaceable: Whether a live URL could replace the object once it is there.
        parts: How the file is cut, for a multipart upload whose size is known.
        upload_expires_in: How long the upload may take, in seconds.
    """

    method: Method
    key: str
    content_type: str
    size: int | None
    min_size: int
    max_size: int
    checksum: Checksum | None
    headers: Mapping[str, str]
    fields: Mapping[str, str]
    expires_in: int
    tags_object: bool
    no_overwrite: bool
    replaceable: bool
    parts: Parts | None
    upload_expires_in: int
    part_checksum: Algorithm | None

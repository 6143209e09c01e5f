"""Upload requests, and plans: all decisions about an upload before signing."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from uploadsvc.domain.checksums import Algorithm, Checksum
from uploadsvc.domain.parts import Parts
from uploadsvc.domain.policy import Method


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientTraits:
    """Differences between another client's protocol and the service's own.

    Attributes:
        part_size: Part size that the client uses, in bytes.
        size_open: Allow a multipart upload to start without its size, if the policy does.
        type_open: The client may send any content type, or none, with a PUT. It is not signed then, if the
            policy allows all types.
        type_as_sent: Sign the content type as the client spells it.
        drop_metadata: Ignore metadata that the policy does not list, instead of rejecting it.
        form_status: HTTP status of S3's response to a form.
    """

    part_size: int | None = None
    size_open: bool = False
    type_open: bool = False
    type_as_sent: bool = False
    drop_metadata: bool = False
    form_status: Literal[200, 201, 204] | None = None


# Not frozen: freezing would double the time to create one in every request.
@dataclass(slots=True, kw_only=True)
class UploadRequest:
    """An upload request, in bytes and seconds; ``None`` leaves the choice to the policy.

    A ``checksum`` comes with its ``checksum_algorithm``. An algorithm alone is for a multipart upload whose
    checksum is not known yet.
    """

    filename: str | None = None
    content_type: str | None = None
    content_encoding: str | None = None
    size: int | None = None
    method: Method | Literal["auto"] = "auto"
    relative_key: str | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)
    checksum: Checksum | None = None
    checksum_algorithm: Algorithm | None = None
    overwrite: bool | None = None
    expires_in: int | None = None
    client: ClientTraits = ClientTraits()


# Not frozen: freezing would double the time to create one in every request.
@dataclass(slots=True, kw_only=True)
class Plan:
    """All decisions about an upload before signing.

    Attributes:
        method: Upload method.
        key: Whole object key.
        content_type: Media type, parsed; empty if any is accepted.
        content_encoding: ``Content-Encoding`` of the object; empty for none.
        min_size: Minimum size in bytes.
        max_size: Maximum size in bytes.
        checksum: Promised checksum of the file, if any.
        part_checksum: Checksum algorithm of the parts, if any.
        headers: For a PUT, every signed header besides ``host``; for a multipart upload, those that describe
            the object.
        fields: For a POST, every form field besides those of the signature.
        expires_in: Lifetime of the URLs in seconds.
        tags_object: Whether the object's metadata contains the upload's UUID (`UPLOAD_MARK`), because its key
            may have been used before.
        no_overwrite: Whether S3 refuses to replace an existing object.
        parts: Parts of the file, for a multipart upload of known size.
        upload_expires_in: Lifetime of the upload in seconds.
    """

    method: Method
    key: str
    content_type: str
    content_encoding: str
    min_size: int
    max_size: int
    checksum: Checksum | None
    headers: dict[str, str]
    fields: dict[str, str]
    expires_in: int
    tags_object: bool
    no_overwrite: bool
    parts: Parts | None
    upload_expires_in: int
    part_checksum: Algorithm | None

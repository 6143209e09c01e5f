"""Requests for uploads, and plans: everything that is decided before anything is signed."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from uploadsvc.domain.checksums import Algorithm, Checksum
from uploadsvc.domain.parts import Parts
from uploadsvc.domain.policy import Method


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientTraits:
    """Differences between another uploader's protocol and the service's own.

    Attributes:
        part_size: Part size that the client uses, in bytes.
        size_open: Allow a multipart upload to start without its size, if the policy does.
        type_open: The client may send any content type, or none, with a PUT. None is signed then, if the
            policy allows all types.
        type_as_sent: Sign the content type as the client spells it.
        drop_metadata: Ignore metadata that the policy does not list, instead of refusing it.
        form_status: HTTP status that S3 answers to a form.
    """

    part_size: int | None = None
    size_open: bool = False
    type_open: bool = False
    type_as_sent: bool = False
    drop_metadata: bool = False
    form_status: Literal[200, 201, 204] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class UploadRequest:
    """A request for an upload, in bytes and seconds; ``None`` leaves a choice to the policy.

    A ``checksum`` comes with its ``checksum_algorithm``. The algorithm alone is for a multipart upload whose
    checksum is not known yet.
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
    client: ClientTraits = ClientTraits()


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """All that is decided about one upload before anything is signed.

    Attributes:
        method: How the bytes will be sent.
        key: The whole object key.
        content_type: The media type, parsed; empty where it is left open.
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

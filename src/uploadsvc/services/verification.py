"""Compare a stored object with the upload that it belongs to."""

from collections.abc import Set as AbstractSet
from contextlib import suppress

from uploadsvc.domain import media_types
from uploadsvc.domain.checksums import Checksum
from uploadsvc.domain.errors import VerificationFailed
from uploadsvc.domain.objects import StoredObject
from uploadsvc.tokens.signed_ids import UploadClaims


def verify(claims: UploadClaims, stored: StoredObject, *, guessed_types: AbstractSet[str]) -> Checksum | None:
    """Check size, content type and checksum, and return the checksum that S3 confirms, if any.

    Args:
        claims: The upload.
        stored: The stored object.
        guessed_types: Media types that the store does not keep, but replaces with a guess.

    Raises:
        VerificationFailed: The object differs; the error names the field.
    """
    if not claims.min_size <= stored.size <= claims.max_size:
        fixed = claims.min_size == claims.max_size
        allowed = str(claims.max_size) if fixed else f"{claims.min_size} to {claims.max_size}"
        detail = f"S3 has {stored.size} bytes; this upload allows {allowed}."
        raise VerificationFailed(detail, field="size")
    signed_type, stored_type = _folded(claims.content_type), _folded(stored.content_type)
    # If the type was left open, or the store guesses it, any type is right that a browser does not run.
    is_open = not signed_type or signed_type in guessed_types
    if stored_type != signed_type and not (is_open and not media_types.is_active(stored_type)):
        detail = "S3 has a different content type than the upload was created with."
        raise VerificationFailed(detail, field="content_type")
    # Not every store says it.
    stored_encoding = stored.content_encoding or claims.content_encoding
    if claims.content_encoding and stored_encoding.lower() != claims.content_encoding:
        detail = "S3 has a different content encoding than the upload was created with."
        raise VerificationFailed(detail, field="content_encoding")
    if claims.checksum is None:
        return next(iter(stored.checksums), None)
    for checksum in stored.checksums:
        if checksum.algorithm == claims.checksum.algorithm:
            if checksum.digest != claims.checksum.digest:
                detail = f"S3 has a different {checksum.algorithm} than the upload was created with."
                raise VerificationFailed(detail, field="checksum")
            return checksum
    # The store does not keep checksums. It compared this one when the bytes arrived, because it was signed.
    return None


def _folded(media_type: str) -> str:
    # A store may return something that is not a media type.
    with suppress(ValueError):
        media_type = media_types.parse(media_type)
    return "".join(media_type.split()).lower()

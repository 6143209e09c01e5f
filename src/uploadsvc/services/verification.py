"""Compare what landed with what was promised."""

from collections.abc import Set as AbstractSet
from contextlib import suppress

from uploadsvc.domain import media_types
from uploadsvc.domain.checksums import Checksum
from uploadsvc.domain.errors import VerificationFailed
from uploadsvc.domain.objects import StoredObject
from uploadsvc.tokens.signed_ids import UploadClaims


def verify(claims: UploadClaims, stored: StoredObject, *, guessed_types: AbstractSet[str]) -> Checksum | None:
    """Return the checksum that S3 confirms, if any.

    Args:
        claims: What was promised.
        stored: What is there.
        guessed_types: Media types that the store does not keep, but guesses another for.

    Raises:
        VerificationFailed: Something else landed; the error names the field.
    """
    if not claims.min_size <= stored.size <= claims.max_size:
        promised = (
            str(claims.min_size)
            if claims.min_size == claims.max_size
            else f"{claims.min_size} to {claims.max_size}"
        )
        detail = f"S3 holds {stored.size} bytes; promised were {promised}."
        raise VerificationFailed(detail, field="size")
    promised_type = _folded(claims.content_type)
    stored_type = _folded(stored.content_type)
    # What was left open, or may be guessed, is not what nobody may upload: a type that a browser would run.
    left_open = not promised_type or promised_type in guessed_types
    as_promised = stored_type == promised_type or (left_open and not media_types.is_active(stored_type))
    if not as_promised:
        detail = "S3 holds another content type than was promised."
        raise VerificationFailed(detail, field="content_type")
    if claims.checksum is None:
        return next(iter(stored.checksums), None)
    for checksum in stored.checksums:
        if checksum.algorithm == claims.checksum.algorithm:
            if checksum.digest != claims.checksum.digest:
                detail = f"S3 holds bytes with another {checksum.algorithm} than was promised."
                raise VerificationFailed(detail, field="checksum")
            return checksum
    # The store checked it on arrival (it was signed) and does not keep it: nothing to confirm now.
    return None


def _folded(media_type: str) -> str:
    # What a store says is not always one.
    with suppress(ValueError):
        media_type = media_types.parse(media_type)
    return "".join(media_type.split()).lower()

"""Names by which a key tells that it was made for an upload that nobody watches.

Such an upload has no id here: S3 answers the browser itself. What may be asked of it is bound to its key, so
that nobody goes on with an upload whose parts are watched as if it were one of these.
"""

import hmac
from collections.abc import Sequence
from typing import Final
from uuid import uuid4

from uploadsvc.tokens.signed_ids import derive_key

_TAG_CHARACTERS: Final = 12


class SignedUuids:
    """Makes names of the form of a UUID, whose last twelve digits vouch for user, policy and the rest.

    Args:
        secrets: The secret keys: the first makes, all check.
    """

    def __init__(self, secrets: Sequence[bytes]) -> None:
        self._keys = [derive_key(secret, "unwatched") for secret in secrets]

    def issue(self, *, user: str, policy: str) -> str:
        """Return a new name."""
        head = str(uuid4())[:-_TAG_CHARACTERS]
        return head + _tag(self._keys[0], head, user, policy)

    def verify(self, name: str, *, user: str, policy: str) -> bool:
        """Tell whether a name was made for this user and policy."""
        head, tag = name[:-_TAG_CHARACTERS], name[-_TAG_CHARACTERS:]
        return any(hmac.compare_digest(tag, _tag(key, head, user, policy)) for key in self._keys)


def _tag(key: bytes, head: str, user: str, policy: str) -> str:
    # A policy's name has no line end, and stands last.
    text = f"{head}\n{user}\n{policy}".encode()
    return hmac.digest(key, text, "sha256").hex()[:_TAG_CHARACTERS]

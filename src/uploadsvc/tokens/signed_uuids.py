"""UUIDs with a MAC, for uploads that the service does not track.

Such an upload has no id: the browser calls S3 itself, and the UUID is part of the object's key. The MAC
proves that the key belongs to an untracked upload, so that a tracked one cannot be continued this way.
"""

import hmac
import os
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Final

from uploadsvc.domain.keys import newest_first_uuid
from uploadsvc.tokens.derived_keys import derive_key

_TAG_CHARACTERS: Final = 12


class SignedUuids:
    """Issues and verifies UUIDs. The last twelve digits are a MAC over the rest, a user and a policy.

    Args:
        secrets: The secret keys: the first signs, all verify.
        clock: Returns the current time, aware.
    """

    def __init__(self, secrets: Sequence[bytes], *, clock: Callable[[], datetime]) -> None:
        self._clock = clock
        self._keys = [derive_key(secret, "unwatched") for secret in secrets]

    def issue(self, *, user: str, policy: str) -> str:
        """Return a new UUID."""
        head = newest_first_uuid(self._clock(), os.urandom(10).hex())[:-_TAG_CHARACTERS]
        return head + _tag(self._keys[0], head, user, policy)

    def verify(self, text: str, *, user: str, policy: str) -> bool:
        """Return whether a text is a UUID issued for this user and policy."""
        head, tag = text[:-_TAG_CHARACTERS], text[-_TAG_CHARACTERS:]
        return any(hmac.compare_digest(tag, _tag(key, head, user, policy)) for key in self._keys)


def _tag(key: bytes, head: str, user: str, policy: str) -> str:
    # Unambiguous: the policy's name has no line break and comes last.
    text = f"{head}\n{user}\n{policy}".encode()
    return hmac.digest(key, text, "sha256").hex()[:_TAG_CHARACTERS]

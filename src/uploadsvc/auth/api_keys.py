"""API keys of other services, which name the user that they act for."""

import hmac
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from urllib.parse import unquote_to_bytes

from uploadsvc.domain.errors import Unauthenticated, ValidationFailed
from uploadsvc.domain.principal import Principal

ON_BEHALF_OF = "X-On-Behalf-Of"


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiKey:
    """The API key of one service, as its hash.

    Attributes:
        name: The name of the service, for people.
        digest: SHA-256 of the key.
        policies: The policies it may use; ``None`` for all.
        all_users: Whether it may list the objects of all users.
    """

    name: str
    digest: bytes
    policies: frozenset[str] | None
    all_users: bool = False


def api_key_principal(
    keys: Sequence[ApiKey], presented: str, on_behalf_of: str | None, *, user_needed: bool = True
) -> Principal:
    """Return the caller for an API key and a user id.

    Args:
        keys: The configured keys.
        presented: The header ``X-API-Key``.
        on_behalf_of: The header ``X-On-Behalf-Of``: the user id, percent-encoded UTF-8.
        user_needed: Whether ``on_behalf_of`` is required.

    Raises:
        Unauthenticated: There is no such key.
        ValidationFailed: The key is valid, but the user id is missing or malformed.
    """
    digest = sha256(presented.encode(errors="replace")).digest()
    # Compare every key in full, so that timing reveals nothing.
    matching = [key for key in keys if hmac.compare_digest(key.digest, digest)]
    if not matching or not presented:
        detail = "There is no such API key."
        raise Unauthenticated(detail, reason="api_key")
    key = matching[0]
    if not on_behalf_of:
        if not user_needed:
            return _service(key, "")
        detail = f"With an API key, {ON_BEHALF_OF} names the user (percent-encoded UTF-8)."
        raise ValidationFailed(detail, field=ON_BEHALF_OF)
    try:
        user = unquote_to_bytes(on_behalf_of.encode("ascii")).decode()
    except UnicodeError:
        detail = f"{ON_BEHALF_OF} is not percent-encoded UTF-8."
        raise ValidationFailed(detail, field=ON_BEHALF_OF) from None
    return _service(key, user)


def _service(key: ApiKey, user: str) -> Principal:
    return Principal(
        user=user, policies=key.policies, kind="service", service=key.name, all_users=key.all_users
    )

"""API keys: how other services call, for a user whom they name."""

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
    """One service's key, of which only the hash is known.

    Attributes:
        name: The service, for people.
        digest: SHA-256 of the key.
        policies: Those it may use; ``None`` for all.
    """

    name: str
    digest: bytes
    policies: frozenset[str] | None


def api_key_principal(
    keys: Sequence[ApiKey], presented: str, on_behalf_of: str | None, *, user_needed: bool = True
) -> Principal:
    """Return whom a service speaks for.

    Args:
        keys: The known keys.
        presented: The header ``X-API-Key``.
        on_behalf_of: The header ``X-On-Behalf-Of``: the user id, percent-encoded UTF-8.
        user_needed: Whether it must be there.

    Raises:
        Unauthenticated: No such key.
        ValidationFailed: The key is good, but the user is missing or malformed.
    """
    digest = sha256(presented.encode(errors="replace")).digest()
    # Every key is compared in full, so that the time taken tells nothing.
    matching = [key for key in keys if hmac.compare_digest(key.digest, digest)]
    if not matching or not presented:
        detail = "There is no such API key."
        raise Unauthenticated(detail)
    policies, service = matching[0].policies, matching[0].name
    if not on_behalf_of:
        if not user_needed:
            return Principal(user="", policies=policies, kind="service", service=service)
        detail = f"With an API key, {ON_BEHALF_OF} names the user (percent-encoded UTF-8)."
        raise ValidationFailed(detail, field=ON_BEHALF_OF)
    try:
        user = unquote_to_bytes(on_behalf_of.encode("ascii")).decode()
    except UnicodeError:
        detail = f"{ON_BEHALF_OF} is not percent-encoded UTF-8."
        raise ValidationFailed(detail, field=ON_BEHALF_OF) from None
    return Principal(user=user, policies=policies, kind="service", service=service)

"""Reading JWTs of our own making (RFC 7519), each kind by keys, audience and ``typ`` of its own."""

from collections.abc import Sequence
from typing import Any

import jwt


def claims_of(
    token: str, keys: Sequence[bytes], *, typ: str, audience: str, required: Sequence[str]
) -> dict[str, Any] | None:
    """Return a token's claims, or ``None`` if it is none of this kind. Its end is the caller's to ask.

    Args:
        token: As it came.
        keys: One of them has signed it.
        typ: What its header says that it is.
        audience: What it is for.
        required: Claims that it must have.
    """
    for key in keys:
        try:
            decoded = jwt.decode_complete(
                token,
                key,
                algorithms=["HS256"],
                audience=audience,
                options={"require": list(required), "verify_exp": False},
            )
        except (jwt.PyJWTError, ValueError, RecursionError):
            # ValueError: PyJWT lets some of what json and base64 raise through.
            continue
        if decoded["header"].get("typ") == typ:
            claims: dict[str, Any] = decoded["payload"]
            return claims
    return None

"""A service whose users upload, written from the document with httpx and PyJWT alone."""

from collections.abc import Mapping
from typing import Any, Final, Self
from urllib.parse import quote

import httpx
import jwt

MAX_POLLS: Final = 2000
"""How often it asks before it gives an upload up; each time takes a call to S3."""


class Document:
    """What an OpenAPI document says of operations.

    Args:
        document: It, parsed.
    """

    def __init__(self, document: Mapping[str, Any]) -> None:
        self._operations = {
            operation["operationId"]: (method.upper(), path)
            for path, methods in document["paths"].items()
            for method, operation in methods.items()
        }

    def operation(self, operation_id: str, **parameters: str) -> tuple[str, str]:
        """Return an operation's method, and its path with these parameters in it."""
        method, path = self._operations[operation_id]
        return method, path.format_map({name: quote(value, safe="") for name, value in parameters.items()})


class SecondService:
    """The service. Whatever is refused raises `httpx.HTTPStatusError`.

    Args:
        document: The document of uploadsvc.
        base_url: Where uploadsvc is.
        api_key: Its key there.
    """

    def __init__(self, *, document: Document, base_url: str, api_key: str) -> None:
        self._document = document
        self._http = httpx.AsyncClient(
            base_url=base_url, headers={"X-API-Key": api_key}, trust_env=False, timeout=30
        )

    async def __aenter__(self) -> Self:
        """Open its connections."""
        await self._http.__aenter__()
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        """Close them."""
        await self._http.aclose()

    async def create(self, user: str, **wanted: object) -> dict[str, Any]:
        """Ask for an upload for a user."""
        return await self._call("createUpload", user, wanted)

    async def status(self, user: str, upload_id: str) -> dict[str, Any]:
        """Ask how far an upload is."""
        return await self._call("getUpload", user, id=upload_id)

    async def stored(self, user: str, upload_id: str) -> dict[str, Any]:
        """Ask again and again until an upload is stored.

        Raises:
            TimeoutError: It was not for as often as is reasonable.
        """
        for _ in range(MAX_POLLS):
            state = await self.status(user, upload_id)
            if state["status"] == "stored":
                return state
        message = f"not stored after {MAX_POLLS} polls"
        raise TimeoutError(message)

    async def complete(self, user: str, upload_id: str) -> dict[str, Any]:
        """Have an upload verified."""
        return await self._call("completeUpload", user, id=upload_id)

    async def token(self, user: str, **wanted: object) -> str:
        """Ask for an upload token for a user's device; whom it is for stands in the body."""
        answer = await self._call("createToken", None, {"user": user, **wanted})
        return str(answer["token"])

    async def receipt_keys(self) -> dict[str, Any]:
        """Ask, once, for what receipts are checked with."""
        return await self._call("getReceiptKeys", None)

    async def _call(
        self, operation_id: str, user: str | None, body: object = None, **parameters: str
    ) -> dict[str, Any]:
        method, path = self._document.operation(operation_id, **parameters)
        headers = {} if user is None else {"X-On-Behalf-Of": quote(user, safe="")}
        answer = await self._http.request(method, path, json=body, headers=headers)
        found: dict[str, Any] = answer.raise_for_status().json()
        return found


def handed_on(upload: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a device is told of an upload: neither its id nor the key."""
    return {name: upload[name] for name in ("url", "headers", "fields") if name in upload}


def checked(receipt: str, key_set: Mapping[str, Any]) -> dict[str, Any]:
    """Check a receipt, offline, and return its claims.

    Args:
        receipt: As a completion gave it.
        key_set: A JWK Set (RFC 7517), from whenever it was read.

    Raises:
        jwt.InvalidTokenError: It does not hold.
    """
    header = jwt.get_unverified_header(receipt)
    if header.get("typ") != "uploadsvc-receipt+jwt":
        message = "no receipt"
        raise jwt.InvalidTokenError(message)
    keys = {key.key_id: key for key in jwt.PyJWKSet.from_dict(dict(key_set)).keys}
    if (key := keys.get(header.get("kid"))) is None:
        message = "signed with an unknown key"
        raise jwt.InvalidTokenError(message)
    claims: dict[str, Any] = jwt.decode(
        receipt,
        key,
        # The service is set to sign by Ed25519; what else the header names is not taken.
        algorithms=["EdDSA"],
        issuer="uploadsvc",
        audience="uploadsvc-receipts",
        options={"require": ["iss", "aud", "sub", "iat", "exp", "jti"]},
    )
    return claims

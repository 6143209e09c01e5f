"""``/.well-known/jwks.json``: the public keys that verify receipts."""

from typing import Final

from fastapi import APIRouter, Response

from uploadsvc.api.problems import problem_responses
from uploadsvc.api.routing import problem_router
from uploadsvc.api.v1.service_schemas import ReceiptKeys
from uploadsvc.tokens.receipts import Receipts

# Backends cache the set this long, so publish a new key at least this long before it signs.
_CACHE_CONTROL: Final = "public, max-age=300"


def receipts_router(receipts: Receipts) -> APIRouter:
    """Return the route of the public keys. It needs no credential."""
    router = problem_router(tag="receipts")
    key_set = ReceiptKeys.model_validate({"keys": [key.jwk() for key in receipts.public_keys]})

    @router.get(
        "/.well-known/jwks.json",
        operation_id="getReceiptKeys",
        summary="Get the public keys for receipts",
        response_description="The public keys.",
        responses=problem_responses("internal_error", "overloaded"),
    )
    async def get_receipt_keys(response: Response) -> ReceiptKeys:
        """Verify a receipt with the key that its `kid` names, and check `typ`, `iss`, `aud` and `exp`."""
        response.headers["Cache-Control"] = _CACHE_CONTROL
        return key_set

    return router

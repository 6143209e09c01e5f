"""The keys that receipts are checked with, for whoever wants to check one."""

from typing import Annotated, Final, Literal

from fastapi import APIRouter, Response
from pydantic import BaseModel, Field, RootModel

from uploadsvc.api.problems import document
from uploadsvc.api.routing import problem_router
from uploadsvc.tokens.receipts import Receipts

# Backends keep the set for as long; a coming key should be listed that much before it signs.
_CACHE_CONTROL: Final = "public, max-age=300"


class _Key(BaseModel):
    kid: str = Field(
        description="The key's thumbprint (RFC 7638); a receipt's header names it.",
        examples=["kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"],
    )
    use: Literal["sig"]


class OkpKey(_Key):
    """An Ed25519 key (RFC 8037)."""

    kty: Literal["OKP"]
    crv: Literal["Ed25519"]
    x: str = Field(
        description="The public key, base64url.", examples=["11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"]
    )
    alg: Literal["EdDSA"]


class EcKey(_Key):
    """A P-256 key (RFC 7518 section 6.2)."""

    kty: Literal["EC"]
    crv: Literal["P-256"]
    x: str = Field(description="Base64url.", examples=["f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU"])
    y: str = Field(description="Base64url.", examples=["x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"])
    alg: Literal["ES256"]


class RsaKey(_Key):
    """An RSA key (RFC 7518 section 6.3)."""

    kty: Literal["RSA"]
    n: str = Field(description="The modulus, base64url.", examples=["0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2…"])
    e: str = Field(description="The exponent, base64url.", examples=["AQAB"])
    alg: Literal["RS256"]


class ReceiptKey(RootModel[Annotated[OkpKey | EcKey | RsaKey, Field(discriminator="kty")]]):
    """A public key as JWK (RFC 7517)."""


class ReceiptKeys(BaseModel):
    """A JWK Set (RFC 7517 section 5)."""

    keys: list[ReceiptKey] = Field(
        description="First the key that signs now. Empty where receipts are signed with a secret."
    )


def keys_router(receipts: Receipts) -> APIRouter:
    """Return the route that publishes the public keys, and no secret. It wants no credential."""
    router = problem_router(tag="receipts")
    published = ReceiptKeys.model_validate({"keys": [key.jwk() for key in receipts.public_keys]})

    @router.get(
        "/.well-known/jwks.json",
        operation_id="getReceiptKeys",
        summary="Get the keys of receipts",
        response_description="The public keys.",
        responses=document("internal_error"),
    )
    async def get_receipt_keys(response: Response) -> ReceiptKeys:
        """Check a receipt with the key that its header names: its signature, `typ`, `iss`, `aud`, `exp`."""
        response.headers["Cache-Control"] = _CACHE_CONTROL
        return published

    return router

"""`/.well-known/jwks.json`: the public keys that verify receipts, and never a secret."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from fastapi import FastAPI
from openapi_schema_validator import OAS31Validator
from tests.support.api import assert_problem, s3_that_is_down
from tests.support.receipt_keys import EC, ED25519, KEYS, RSA, private_pem, public_pem
from tests.support.service import BASE_URL, service_client, settings_for

from uploadsvc.api.access_log import AccessLog
from uploadsvc.api.middleware import RequestMiddleware
from uploadsvc.api.problems import register_problems
from uploadsvc.api.v1.receipts import receipts_router
from uploadsvc.telemetry.metrics import Metrics
from uploadsvc.tokens.receipt_keys import (
    ReceiptPrivateKey,
    ReceiptPublicKey,
    SharedKey,
    private_key,
    public_key,
)
from uploadsvc.tokens.receipts import Receipts

ADDRESS = "/.well-known/jwks.json"


def receipts_with(
    key: bytes | ReceiptPrivateKey, others: Sequence[ReceiptPublicKey | SharedKey] = ()
) -> Receipts:
    return Receipts(key=key, others=others, issuer="uploadsvc", audience="backend", expires_in=600)


def app_of(receipts: Receipts) -> FastAPI:
    """Return an app with this route only."""
    app = FastAPI()
    app.include_router(receipts_router(receipts))
    register_problems(app)
    app.add_middleware(RequestMiddleware, AccessLog(), metrics=Metrics())
    return app


@asynccontextmanager
async def client_for(receipts: Receipts) -> AsyncIterator[httpx.AsyncClient]:
    """Serve the keys, without a credential."""
    transport = httpx.ASGITransport(app_of(receipts))
    async with httpx.AsyncClient(transport=transport, base_url=BASE_URL) as client:
        yield client


@pytest.mark.parametrize("key", KEYS.values(), ids=KEYS.keys())
async def test_a_receipt_verifies_with_the_published_key(key: PrivateKeyTypes) -> None:
    """The route needs no credential, publishes nothing private and can be cached."""
    receipts = receipts_with(private_key(private_pem(key)))
    async with client_for(receipts) as client:
        answer = await client.get(ADDRESS)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["cache-control"] == "public, max-age=300"
    (one,) = answer.json()["keys"]
    assert one == receipts.public_keys[0].jwk()
    assert not one.keys() & {"d", "p", "q", "dp", "dq", "qi", "k"}
    receipt = receipts.sign({"size": 5}, user="ann", jti="J", now=datetime.now(UTC))
    header = jwt.get_unverified_header(receipt)
    found = jwt.PyJWKSet.from_dict(answer.json())[header["kid"]]
    claims = jwt.decode(receipt, found, algorithms=[header["alg"]], audience="backend", issuer="uploadsvc")
    assert claims["size"] == 5


async def test_the_signing_key_comes_first_and_no_key_twice() -> None:
    """The other keys follow in the order of the settings."""
    others = [public_key(public_pem(key)) for key in (RSA, ED25519, EC, RSA)]
    async with client_for(receipts_with(private_key(private_pem(EC)), others)) as client:
        answer = await client.get(ADDRESS)
    assert [key["kty"] for key in answer.json()["keys"]] == ["EC", "RSA", "OKP"]


async def test_a_secret_is_never_published() -> None:
    """Neither the signing secret nor an earlier one."""
    async with client_for(receipts_with(b"r" * 32, [SharedKey(b"q" * 32)])) as client:
        answer = await client.get(ADDRESS)
    assert (answer.status_code, answer.json()) == (200, {"keys": []})
    assert answer.headers["cache-control"] == "public, max-age=300"


async def test_the_service_publishes_the_keys_of_its_settings() -> None:
    """First the private key's public half. A shared secret is not published."""
    keys = {"secret": None, "private_key": private_pem(ED25519), "public_keys": [public_pem(RSA)]}
    settings = settings_for(s3_that_is_down(), receipts=keys)
    async with service_client(settings, user=None) as client:
        answer = await client.get(ADDRESS)
    assert answer.headers["cache-control"] == "public, max-age=300"
    expected = [public_key(public_pem(key)).jwk() for key in (ED25519, RSA)]
    assert answer.json() == {"keys": expected}
    async with service_client(settings_for(s3_that_is_down()), user=None) as client:
        assert (await client.get(ADDRESS)).json() == {"keys": []}


async def test_the_route_only_reads() -> None:
    """Errors are not cached."""
    async with client_for(receipts_with(b"r" * 32)) as client:
        answer = await client.post(ADDRESS)
    assert_problem(answer, "method_not_allowed")
    assert answer.headers["cache-control"] == "no-store"


async def test_the_schema_matches_published_keys_only() -> None:
    """It rejects keys with null members, and symmetric keys."""
    others = [public_key(public_pem(key)) for key in (EC, RSA)]
    receipts = receipts_with(private_key(private_pem(ED25519)), others)
    document = app_of(receipts).openapi()
    operation = document["paths"][ADDRESS]["get"]
    assert (operation["operationId"], operation["tags"]) == ("getReceiptKeys", ["receipts"])
    assert operation["responses"].keys() == {"200", "500", "503"}
    schema = operation["responses"]["200"]["content"]["application/json"]["schema"]
    validator = OAS31Validator({**schema, "components": document["components"]})
    async with client_for(receipts) as client:
        answered: dict[str, Any] = (await client.get(ADDRESS)).json()
    assert len(answered["keys"]) == 3
    assert validator.is_valid(answered)
    assert validator.is_valid({"keys": []})
    for key in answered["keys"]:
        for member in key:
            assert not validator.is_valid({"keys": [{**key, member: None}]}), member
    assert not validator.is_valid({"keys": [SharedKey(b"r" * 32).jwk()]})

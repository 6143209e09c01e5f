"""A second service lets its users upload, by API key, and verifies the results itself."""

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519
from tests.support.receipt_keys import ED25519, private_pem, public_pem
from tests.support.servers import S3Server, free_port
from tests.support.service import SECRET_KEY
from tests.support.stores import on_both_stores
from tests.support.stories.device import Device, send
from tests.support.stories.operated import API_KEY, Operated, environment, operated, printed_keys
from tests.support.stories.second_service import Document, SecondService, checked, handed_on

USER: Final = "Zoë O'Neill / 7"
PREFIX: Final = "uploads/Zo=C3=AB=20O=27Neill=20=2F=207/"
CONTENT: Final = bytes(range(256)) * 4096
FILE: Final = {"filename": "scan.pdf", "content_type": "application/pdf"}
SIZES: Final = {"put": len(CONTENT), "post": None}
"""What is said of the size, by the method that the service then chooses."""

NEW_SECRET_KEY: Final = "the secret key after the rotation, of 32 bytes or more"


@pytest.fixture
async def second(service: Operated, document: Document) -> AsyncIterator[SecondService]:
    """Run the second service beside `service`."""
    async with SecondService(document=document, base_url=service.base_url, api_key=API_KEY) as second:
        yield second


async def etag_and_content(server: S3Server, key: str) -> tuple[str, bytes]:
    """Ask S3 itself what it holds."""
    async with server.client() as client:
        found = await client.get_object(Bucket=server.bucket, Key=key)
        return found["ETag"].strip('"'), await found["Body"].read()


def signature(upload: dict[str, Any]) -> str:
    """Find what would let anyone upload in its place."""
    if "fields" in upload:
        return str(upload["fields"]["x-amz-signature"])
    return httpx.URL(upload["url"]).params["X-Amz-Signature"]


@on_both_stores
@pytest.mark.parametrize("method", SIZES)
async def test_a_url_for_a_user_becomes_a_receipt(
    second: SecondService, service: Operated, s3: S3Server, tmp_path: Path, method: str
) -> None:
    """Asked for, handed on, polled until stored, completed; the receipt is checked offline."""
    upload = await second.create(USER, **FILE, size=SIZES[method])
    handed = handed_on(upload)
    assert (upload["method"], set(handed)) == (
        method,
        {"url", "headers"} if method == "put" else {"url", "fields"},
    )
    assert (await second.status(USER, upload["id"]))["status"] == "pending"
    stored, _ = await asyncio.gather(second.stored(USER, upload["id"]), send(handed, "scan.pdf", CONTENT))
    route = '"route":"/v1/uploads/{id}/complete"'
    before = service.program.err.count(route)
    completed = await second.complete(USER, upload["id"])
    assert stored["object"] == completed["object"]
    receipt = completed["receipt"]
    by_address = checked(receipt, await second.receipt_keys())
    by_hand = checked(receipt, await printed_keys(tmp_path, service.environment))
    assert by_address == by_hand
    etag, content = await etag_and_content(s3, upload["key"])
    assert content == CONTENT
    told = {
        name: by_hand[name] for name in ("sub", "bucket", "key", "size", "etag", "content_type", "policy")
    }
    assert told == {
        "sub": USER,
        "bucket": s3.bucket,
        "key": upload["key"],
        "size": len(CONTENT),
        "etag": etag,
        "content_type": "application/pdf",
        "policy": "default",
    }
    assert upload["key"].startswith(PREFIX)
    again = checked((await second.complete(USER, upload["id"]))["receipt"], await second.receipt_keys())
    assert again["jti"] == by_hand["jti"]
    await service.program.until(lambda: service.program.err.count(route) >= before + 2)
    for secret in (API_KEY, upload["id"], receipt, signature(upload)):
        assert secret not in service.program.err


async def test_nobody_elses_upload_is_spoken_of(second: SecondService) -> None:
    """An upload is its user's: for another one it is not there."""
    upload = await second.create(USER, **FILE, size=1)
    with pytest.raises(httpx.HTTPStatusError, match="404"):
        await second.status("somebody else", upload["id"])


@on_both_stores
@pytest.mark.parametrize("method", SIZES)
async def test_a_device_uploads_by_itself_with_a_token(
    second: SecondService,
    service: Operated,
    document: Document,
    s3: S3Server,
    method: str,
) -> None:
    """The second service hands a token on; the device does the rest, and hands back the receipt."""
    token = await second.token(USER, policies=["default"], expires_in=120)
    device = Device(document=document, base_url=service.base_url, token=token)
    done = await device.upload("scan.pdf", CONTENT, content_type="application/pdf", size=SIZES[method])
    claims = checked(done["receipt"], await second.receipt_keys())
    etag, content = await etag_and_content(s3, done["object"]["key"])
    assert content == CONTENT
    assert (claims["sub"], claims["key"], claims["etag"]) == (USER, done["object"]["key"], etag)
    assert claims["key"].startswith(PREFIX)
    refused = {
        "listObjects": await device.call("listObjects"),
        "createToken": await device.call("createToken", {}),
        "createDownload": await device.call("createDownload", {"key": claims["key"]}),
    }
    assert {name: answer.status_code for name, answer in refused.items()} == dict.fromkeys(refused, 403)
    assert {answer.json()["code"] for answer in refused.values()} == {"forbidden"}
    assert token not in service.program.err


async def test_a_token_reaches_its_own_users_uploads_only(
    second: SecondService, service: Operated, document: Document
) -> None:
    """What the second service began for another user is not there for it."""
    upload = await second.create("another user", **FILE, size=1)
    device = Device(document=document, base_url=service.base_url, token=await second.token(USER))
    answer = await device.call("getUpload", id=upload["id"])
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


async def test_keys_are_rotated_between_creation_and_completion(
    document: Document, s3: S3Server, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Restarted with new keys before the old ones, nothing that is under way is lost; without them, it is."""
    port = free_port()
    variables = environment(s3)
    coming = private_pem(ed25519.Ed25519PrivateKey.generate())
    rotated = {
        **{name: value for name, value in variables.items() if name != "UPLOADSVC_SECRET_KEY"},
        "UPLOADSVC_SECRET_KEYS": json.dumps([NEW_SECRET_KEY, SECRET_KEY]),
        "UPLOADSVC_RECEIPTS__PRIVATE_KEY": coming,
        "UPLOADSVC_RECEIPTS__PUBLIC_KEYS": json.dumps([public_pem(ED25519)]),
    }
    over = {**rotated, "UPLOADSVC_SECRET_KEYS": json.dumps([NEW_SECRET_KEY])}
    base_url = f"http://127.0.0.1:{port}"
    async with SecondService(document=document, base_url=base_url, api_key=API_KEY) as second:
        async with operated(tmp_path_factory.mktemp("before"), variables, port):
            done = await second.create(USER, **FILE, size=len(CONTENT))
            await send(handed_on(done), "scan.pdf", CONTENT)
            old_receipt = (await second.complete(USER, done["id"]))["receipt"]
            begun = await second.create(USER, **FILE, size=len(CONTENT))
            device = Device(document=document, base_url=base_url, token=await second.token(USER))
        async with operated(tmp_path_factory.mktemp("between"), rotated, port):
            await send(handed_on(begun), "scan.pdf", CONTENT)
            new_receipt = (await second.complete(USER, begun["id"]))["receipt"]
            key_set = await second.receipt_keys()
            assert checked(old_receipt, key_set)["key"] == done["key"]
            assert checked(new_receipt, key_set)["key"] == begun["key"]
            kids = {jwt.get_unverified_header(receipt)["kid"] for receipt in (old_receipt, new_receipt)}
            assert kids == {key["kid"] for key in key_set["keys"]}
            assert await device.upload("scan.pdf", CONTENT)
            late = await second.create(USER, **FILE, size=1)
        async with operated(tmp_path_factory.mktemp("after"), over, port):
            assert (await second.status(USER, late["id"]))["status"] == "pending"
            with pytest.raises(httpx.HTTPStatusError, match="404"):
                await second.complete(USER, begun["id"])
            assert (await device.call("createUpload", {})).status_code == 401


@pytest.fixture
async def receipt(second: SecondService) -> str:
    """Give a good receipt."""
    upload = await second.create(USER, **FILE, size=3)
    await send(handed_on(upload), "scan.pdf", b"pdf")
    return str((await second.complete(USER, upload["id"]))["receipt"])


async def test_a_receipt_that_was_tampered_with_fails(second: SecondService, receipt: str) -> None:
    """Other claims under the same signature; another signature under the same claims; or none at all."""
    key_set = await second.receipt_keys()
    head, _, signature = receipt.split(".")
    claims = checked(receipt, key_set)
    kid = jwt.get_unverified_header(receipt)["kid"]
    headers = {"typ": "uploadsvc-receipt+jwt", "kid": kid}
    other = ed25519.Ed25519PrivateKey.generate()
    of_another_key = jwt.encode(claims, other, algorithm="EdDSA", headers=headers)
    larger = jwt.encode({**claims, "size": 10**9}, other, algorithm="EdDSA").split(".")[1]
    by_public_key = jwt.encode(claims, "x" * 64, algorithm="HS256", headers=headers)
    unsigned = jwt.encode(claims, "", algorithm="none", headers=headers)
    for forged in (f"{head}.{larger}.{signature}", of_another_key, by_public_key, unsigned):
        with pytest.raises(jwt.InvalidTokenError):
            checked(forged, key_set)


@pytest.mark.parametrize(
    ("headers", "claims"),
    [
        pytest.param({"typ": "JWT"}, {}, id="another kind of token"),
        pytest.param({"kid": "unknown"}, {}, id="an unknown key"),
        pytest.param({}, {"iss": "another service"}, id="another issuer"),
        pytest.param({}, {"aud": "uploads"}, id="another audience"),
        pytest.param({}, {"exp": datetime.now(UTC) - timedelta(minutes=1)}, id="expired"),
        pytest.param({}, {"sub": None}, id="nobody's"),
        pytest.param({}, {"jti": None}, id="of no upload"),
    ],
)
async def test_what_the_second_service_checks(
    second: SecondService, receipt: str, headers: dict[str, Any], claims: dict[str, Any]
) -> None:
    """Each of it matters: signed with the right key, but wrong in one thing, it is refused."""
    key_set = await second.receipt_keys()
    right = {**checked(receipt, key_set)}
    head = {name: value for name, value in jwt.get_unverified_header(receipt).items() if name != "alg"}
    assert checked(jwt.encode(right, ED25519, algorithm="EdDSA", headers=head), key_set) == right
    wrong = {name: value for name, value in {**right, **claims}.items() if value is not None}
    with pytest.raises(jwt.InvalidTokenError):
        checked(jwt.encode(wrong, ED25519, algorithm="EdDSA", headers={**head, **headers}), key_set)

"""A receipt can be verified offline, and describes the stored object."""

import hmac
import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from joserfc import jwk
from joserfc import jwt as other_jwt
from tests.support.receipt_keys import EC, ED25519, KEYS, RSA, private_pem, public_pem

from uploadsvc.auth.claims import ClaimRules
from uploadsvc.auth.jwt import public_key_verifier
from uploadsvc.domain.errors import Unauthenticated, ValidationFailed
from uploadsvc.tokens.receipt_keys import (
    ReceiptPrivateKey,
    ReceiptPublicKey,
    SharedKey,
    private_key,
    public_key,
)
from uploadsvc.tokens.receipts import TYP, Receipts

KEY = b"r" * 32
NOW = datetime(2026, 11, 23, 9, 30, 15, 999_999, tzinfo=UTC)
RECEIPTS = Receipts(key=KEY, issuer="uploadsvc", audience="backend", expires_in=600)
CLAIMS = {
    "bucket": "media",
    "key": "uploads/ann/a.jpg",
    "size": 5,
    "content_type": "image/jpeg",
    "etag": "e",
    "version_id": None,
    "checksum": None,
    "policy": "default",
}


def opened(receipt: str, key: bytes = KEY, audience: str = "backend") -> dict[str, object]:
    """Verify a receipt as a backend does, ignoring its end."""
    return jwt.decode(
        receipt,
        key,
        algorithms=["HS256"],
        audience=audience,
        issuer="uploadsvc",
        options={"verify_exp": False},
    )


def test_a_receipt_holds_exactly_these_claims() -> None:
    receipt = RECEIPTS.sign(CLAIMS, user="ann", jti="J", now=NOW)
    issued_at = int(NOW.timestamp())
    assert opened(receipt) == {
        "iss": "uploadsvc",
        "aud": "backend",
        "sub": "ann",
        "iat": issued_at,
        "exp": issued_at + 600,
        "jti": "J",
        **CLAIMS,
    }
    kid = SharedKey(KEY).kid
    assert jwt.get_unverified_header(receipt) == {"alg": "HS256", "typ": TYP, "kid": kid}


def test_a_receipt_is_valid_only_for_its_key_and_audience() -> None:
    receipt = RECEIPTS.sign(CLAIMS, user="ann", jti="J", now=NOW)
    with pytest.raises(jwt.InvalidSignatureError):
        opened(receipt, key=b"q" * 32)
    with pytest.raises(jwt.InvalidAudienceError):
        opened(receipt, audience="other")


def test_a_repeated_completion_has_the_same_jti() -> None:
    """So a backend can count it once."""
    later = NOW.replace(hour=10)
    receipts = {RECEIPTS.sign(CLAIMS, user="ann", jti="J", now=now) for now in (NOW, later)}
    assert len(receipts) == 2
    assert {str(opened(receipt)["jti"]) for receipt in receipts} == {"J"}


SIGNERS: dict[str, bytes | SharedKey | ReceiptPrivateKey] = {
    "secret": KEY,
    **{name: private_key(private_pem(key)) for name, key in KEYS.items()},
}
each_signer = pytest.mark.parametrize("key", SIGNERS.values(), ids=SIGNERS.keys())


def receipts_by(
    key: bytes | SharedKey | ReceiptPrivateKey, others: Sequence[ReceiptPublicKey | SharedKey] = ()
) -> Receipts:
    """Return receipts signed with one key, publishing others."""
    return Receipts(key=key, others=others, issuer="uploadsvc", audience="backend", expires_in=600)


def key_set(receipts: Receipts) -> dict[str, list[dict[str, str]]]:
    """Return the JWK Set of a backend."""
    return {"keys": [key.jwk() for key in receipts.keys]}


@pytest.mark.filterwarnings("ignore:EdDSA is deprecated:joserfc.errors.SecurityWarning")
@each_signer
def test_a_backend_needs_only_the_key_set(key: bytes | SharedKey | ReceiptPrivateKey) -> None:
    """The ``kid`` finds the key, and two libraries verify the signature."""
    receipts = receipts_by(key)
    receipt = receipts.sign(CLAIMS, user="ann", jti="J", now=NOW)
    header = json.loads(urlsafe_b64decode(receipt.split(".")[0] + "=="))
    known = key_set(receipts)
    assert [one["kid"] for one in known["keys"]] == [header["kid"]]
    assert header == {"alg": known["keys"][0]["alg"], "kid": header["kid"], "typ": TYP}
    found = jwt.PyJWKSet.from_dict(known)[header["kid"]]
    claims = jwt.decode(
        receipt,
        found,
        algorithms=[found.algorithm_name],
        audience="backend",
        issuer="uploadsvc",
        options={"verify_exp": False},
    )
    assert claims == {**claims, **CLAIMS, "sub": "ann", "jti": "J"}
    other_key = jwk.import_key({**known["keys"][0]})
    other = other_jwt.decode(receipt, other_key, algorithms=[header["alg"]])
    assert (other.claims, other.header) == (claims, header)


@each_signer
def test_an_edited_receipt_is_not_valid(key: bytes | SharedKey | ReceiptPrivateKey) -> None:
    receipts = receipts_by(key)
    small, large = (receipts.sign({"size": size}, user="ann", jti="J", now=NOW) for size in (5, 6))
    mixed = ".".join([*large.split(".")[:2], small.split(".")[2]])
    found = jwt.PyJWKSet.from_dict(key_set(receipts)).keys[0]
    with pytest.raises(jwt.InvalidSignatureError):
        jwt.decode(
            mixed,
            found,
            algorithms=[found.algorithm_name],
            audience="backend",
            options={"verify_exp": False},
        )


@pytest.mark.parametrize("before", KEYS.values(), ids=KEYS.keys())
def test_receipts_from_before_a_rotation_stay_valid(before: PrivateKeyTypes) -> None:
    """The old public key stays in the set, also if its type differs."""
    old = receipts_by(private_key(private_pem(before)))
    new_key = EC if before is ED25519 else ED25519
    retired = public_key(public_pem(before))
    new = receipts_by(private_key(private_pem(new_key)), [retired, public_key(public_pem(new_key)), retired])
    assert [key.pem() for key in new.public_keys] == [public_pem(new_key), public_pem(before)], "each once"
    known = jwt.PyJWKSet.from_dict(key_set(new))
    for receipts in (old, new):
        receipt = receipts.sign(CLAIMS, user="ann", jti="J", now=NOW)
        key = known[jwt.get_unverified_header(receipt)["kid"]]
        assert (
            jwt.decode(
                receipt,
                key,
                algorithms=[key.algorithm_name],
                audience="backend",
                options={"verify_exp": False},
            )["jti"]
            == "J"
        )
    with pytest.raises(KeyError):
        jwt.PyJWKSet.from_dict(key_set(old))[jwt.get_unverified_header(receipt)["kid"]]


def test_secrets_are_never_published() -> None:
    receipts = receipts_by(KEY, [SharedKey(b"q" * 32)])
    assert len(receipts.keys) == 2
    assert receipts.public_keys == ()
    assert "rrrr" not in f"{receipts!r} {vars(receipts).keys()}"


def test_a_public_key_used_as_a_secret_signs_no_receipt() -> None:
    """RFC 8725 section 2.1."""
    receipts = receipts_by(private_key(private_pem(RSA)))
    (key,) = jwt.PyJWKSet.from_dict(key_set(receipts)).keys
    forged_header, claims = b64({"alg": "HS256", "typ": TYP, "kid": key.key_id}), b64({"aud": "backend"})
    tag = hmac.digest(public_pem(RSA).encode(), f"{forged_header}.{claims}".encode(), "sha256")
    forged = f"{forged_header}.{claims}.{urlsafe_b64encode(tag).rstrip(b'=').decode()}"
    with pytest.raises(jwt.InvalidAlgorithmError):
        jwt.decode(forged, key, algorithms=[key.algorithm_name], audience="backend")


@pytest.mark.parametrize("key", KEYS.values(), ids=KEYS.keys())
def test_a_receipt_is_not_a_bearer_token(key: PrivateKeyTypes) -> None:
    """Not even if both use one key pair: the kind is in the header."""
    now = datetime.now(UTC)
    receipt = receipts_by(private_key(private_pem(key))).sign(CLAIMS, user="ann", jti="J", now=now)
    verifier = public_key_verifier(
        public_pem(key), algorithms=(), rules=ClaimRules(clock=lambda: now, audiences=("backend",))
    )
    with pytest.raises(Unauthenticated, match="not the kind of token"):
        verifier.verify(receipt)


def test_keys_are_parsed_only_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Parsing PEM and checking an RSA key takes longer than signing."""
    made = [receipts_by(key) for key in SIGNERS.values()]
    for name in ("load_pem_private_key", "load_pem_public_key", "load_der_private_key"):
        monkeypatch.setattr(serialization, name, None)
        monkeypatch.setattr(f"jwt.algorithms.{name}", None, raising=False)
        monkeypatch.setattr(f"uploadsvc.tokens.receipt_keys.{name}", None, raising=False)
    assert len({receipts.sign(CLAIMS, user="ann", jti="J", now=NOW) for receipts in made}) == len(SIGNERS)


def b64(value: object) -> str:
    """Encode JSON as a part of a JWT."""
    return urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


MISSING = object()
RECEIPT = RECEIPTS.sign(CLAIMS, user="ann", jti="J", now=NOW)


def test_the_service_verifies_its_own_receipts() -> None:
    """By any key that verifies, as after a rotation, and until their end."""
    assert RECEIPTS.verify(RECEIPT, now=NOW) == opened(RECEIPT)
    newer = Receipts(
        key=private_key(private_pem(ED25519)),
        others=[SharedKey(KEY)],
        issuer="uploadsvc",
        audience="backend",
        expires_in=600,
    )
    signed = newer.sign(CLAIMS, user="ann", jti="J", now=NOW)
    assert newer.verify(signed, now=NOW) == newer.verify(RECEIPT, now=NOW)
    end = datetime.fromtimestamp(int(NOW.timestamp()) + 600, UTC)
    assert RECEIPTS.verify(RECEIPT, now=end - timedelta(microseconds=1))
    with pytest.raises(ValidationFailed, match="has expired") as caught:
        RECEIPTS.verify(RECEIPT, now=end)
    assert caught.value.field == "receipt"


def forged(key: object = KEY, *, typ: str = TYP, algorithm: str = "HS256", **changed: object) -> str:
    """Return a token that is a receipt but for what is changed; `MISSING` leaves a claim out."""
    claims = {name: value for name, value in {**opened(RECEIPT), **changed}.items() if value is not MISSING}
    return jwt.encode(claims, key, algorithm=algorithm, headers={"typ": typ})  # type: ignore[arg-type] # any key


@pytest.mark.parametrize(
    "receipt",
    [
        "",
        "a.b.c",
        "é",
        RECEIPT[:-2],
        forged(b"x" * 32),
        forged(None, algorithm="none"),
        forged(typ="uploadsvc-upload+jwt"),
        forged(typ="JWT"),
        forged(aud="another"),
        forged(iss="another"),
        forged(aud=MISSING),
        forged(exp=MISSING),
        forged(sub=MISSING),
        forged(etag=MISSING),
    ],
)
def test_nothing_else_passes_for_a_receipt(receipt: str) -> None:
    with pytest.raises(ValidationFailed, match="not a receipt of this service"):
        RECEIPTS.verify(receipt, now=NOW)


def test_a_public_key_is_no_shared_secret() -> None:
    """RFC 8725 section 2.1: an attacker signs by HMAC with the published key."""
    receipts = Receipts(
        key=private_key(private_pem(RSA)), issuer="uploadsvc", audience="backend", expires_in=600
    )
    (public,) = receipts.public_keys
    head, body = (
        urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=")
        for part in ({"alg": "HS256", "typ": TYP, "kid": public.kid}, opened(RECEIPT))
    )
    mac = hmac.digest(public.pem().encode(), head + b"." + body, "sha256")
    with pytest.raises(ValidationFailed, match="not a receipt"):
        receipts.verify(b".".join((head, body, urlsafe_b64encode(mac).rstrip(b"="))).decode(), now=NOW)

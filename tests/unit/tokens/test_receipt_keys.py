"""Keys that sign and verify receipts, and refusals that never show a key."""

import base64
import hmac
from typing import Final

import pytest
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from joserfc import jwk
from tests.support.receipt_keys import EC, ED25519, KEYS, OTHER_EC, RSA, private_pem, public_pem

from uploadsvc.tokens.receipt_keys import ReceiptPublicKey, SharedKey, private_key, public_key

TRADITIONAL: Final = PrivateFormat.TraditionalOpenSSL
each_key = pytest.mark.parametrize("key", KEYS.values(), ids=KEYS.keys())

# RFC 7638 section 3.1, and RFC 8037 appendix A.2 and A.3.
RFC_7638_N: Final = (
    "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3"
    "oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdA"
    "ZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-"
    "kEgU8awapJzKnqDKgw"
)
RFC_8037_X: Final = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"


def decoded(text: str) -> bytes:
    """Decode base64url without padding."""
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def test_the_kid_is_the_thumbprint_of_the_rfcs_examples() -> None:
    numbers = rsa.RSAPublicNumbers(e=65537, n=int.from_bytes(decoded(RFC_7638_N)))
    assert ReceiptPublicKey(numbers.public_key()).kid == "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"
    key = ed25519.Ed25519PublicKey.from_public_bytes(decoded(RFC_8037_X))
    assert ReceiptPublicKey(key).kid == "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"
    assert ReceiptPublicKey(key).jwk()["x"] == RFC_8037_X


@each_key
def test_another_library_makes_the_same_jwk_and_thumbprint(key: PrivateKeyTypes) -> None:
    made = private_key(private_pem(key)).public
    known = jwk.import_key({**made.jwk()})
    assert isinstance(known, jwk.OKPKey | jwk.ECKey | jwk.RSAKey)
    assert known.thumbprint() == made.kid
    assert not known.is_private
    assert known.as_pem(private=False).decode() == made.pem() == public_pem(key)
    algorithm = {"OKP": "EdDSA", "EC": "ES256", "RSA": "RS256"}[made.jwk()["kty"]]
    assert made.algorithm == algorithm
    members = {"OKP": {"crv", "x"}, "EC": {"crv", "x", "y"}, "RSA": {"e", "n"}}[made.jwk()["kty"]]
    assert made.jwk().keys() == {"kty", "kid", "alg", "use"} | members
    assert (made.jwk()["alg"], made.jwk()["use"]) == (algorithm, "sig")


def test_a_coordinate_with_leading_zeros_keeps_its_length() -> None:
    """RFC 7518 section 6.2.1.2: always 32 octets. Only one key in 256 would show a mistake."""
    keys = (ec.derive_private_key(number, ec.SECP256R1()) for number in range(1, 10_000))
    key = next(key for key in keys if key.public_key().public_numbers().x >> 248 == 0)
    made = private_key(private_pem(key)).public
    assert len(decoded(made.jwk()["x"])) == len(decoded(made.jwk()["y"])) == 32
    assert jwk.import_key({**made.jwk()}).thumbprint() == made.kid


@each_key
def test_a_printed_public_key_can_be_configured_elsewhere(key: PrivateKeyTypes) -> None:
    made = private_key(private_pem(key)).public
    assert public_key(made.pem()).jwk() == made.jwk()


def test_private_keys_can_be_in_openssls_formats() -> None:
    """``openssl ecparam -genkey`` and ``openssl genrsa -traditional`` do not write PKCS #8."""
    parameters = "-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n"
    traditional = EC.private_bytes(Encoding.PEM, TRADITIONAL, NoEncryption()).decode()
    assert private_key(parameters + traditional).public.pem() == public_pem(EC)
    traditional = RSA.private_bytes(Encoding.PEM, TRADITIONAL, NoEncryption()).decode()
    assert private_key(traditional).public.pem() == public_pem(RSA)
    pkcs1 = RSA.public_key().public_bytes(Encoding.PEM, PublicFormat.PKCS1).decode()
    assert public_key(pkcs1).pem() == public_pem(RSA)


def encrypted(key: PrivateKeyTypes, form: PrivateFormat = PrivateFormat.PKCS8) -> str:
    return key.private_bytes(Encoding.PEM, form, BestAvailableEncryption(b"x")).decode()


SHORT_RSA: Final = rsa.generate_private_key(65537, 1024)  # noqa: S505 - to be refused
P_384: Final = ec.generate_private_key(ec.SECP384R1())
ED448: Final = ed448.Ed448PrivateKey.generate()
DSA: Final = dsa.generate_private_key(1024)  # noqa: S505 - to be refused
BROKEN: Final = private_pem(ED25519).replace("MC4CAQAw", "MC4CAQBw")


@pytest.mark.parametrize(
    ("pem", "reason"),
    [
        ("", "not a PEM private key"),
        ("hunter2", "not a PEM private key"),
        ("\udc80", "not a PEM private key"),
        ("-----BEGIN PRIVATE KEY-----\naHVudGVyMg==\n-----END PRIVATE KEY-----\n", "not a PEM private key"),
        (BROKEN, "not a PEM private key"),
        (private_pem(RSA)[:800], "not a PEM private key"),
        (public_pem(ED25519), "not a PEM private key"),
        (encrypted(ED25519), "is encrypted"),
        (encrypted(RSA, TRADITIONAL), "is encrypted"),
        (private_pem(SHORT_RSA), "RSA key of 1024 bits"),
        (private_pem(P_384), "EC key on secp384r1"),
        (private_pem(ED448), "another type"),
        (private_pem(DSA), "another type"),
        (private_pem(EC) + private_pem(OTHER_EC), "more than one key"),
    ],
)
def test_an_unsuitable_private_key_is_refused(pem: str, reason: str) -> None:
    """The message says what is allowed, and shows nothing of the key."""
    with pytest.raises(ValueError, match="; allowed is one private key") as caught:
        private_key(pem)
    assert reason in str(caught.value)
    assert "RSA of 2048 bits or more" in str(caught.value)
    assert_hidden(pem, str(caught.value))


@pytest.mark.parametrize(
    ("pem", "reason"),
    [
        ("", "not a PEM public key"),
        ("hunter2", "not a PEM public key"),
        ("-----BEGIN PUBLIC KEY-----\naHVudGVyMg==\n-----END PUBLIC KEY-----\n", "not a PEM public key"),
        ("-----BEGIN CERTIFICATE-----\naHVudGVyMg==\n-----END CERTIFICATE-----\n", "not a PEM public key"),
        (private_pem(ED25519), "holds a private key"),
        (encrypted(RSA), "holds a private key"),
        (RSA.private_bytes(Encoding.PEM, TRADITIONAL, NoEncryption()).decode(), "holds a private key"),
        (public_pem(EC) + private_pem(EC), "holds a private key"),
        (public_pem(EC) + public_pem(OTHER_EC), "more than one key"),
        (public_pem(SHORT_RSA), "RSA key of 1024 bits"),
        (public_pem(P_384), "EC key on secp384r1"),
        (public_pem(ED448), "another type"),
    ],
)
def test_an_unsuitable_public_key_is_refused(pem: str, reason: str) -> None:
    """A private key among the public ones is not shown either."""
    with pytest.raises(ValueError, match="; allowed is one public key") as caught:
        public_key(pem)
    assert reason in str(caught.value)
    assert_hidden(pem, str(caught.value))


def assert_hidden(pem: str, message: str) -> None:
    """Assert that a message is one line and holds no line of a key."""
    assert "\n" not in message
    assert not [line for line in pem.splitlines() if line and not line.startswith("-") and line in message]


def test_the_kid_of_a_secret_does_not_reveal_it() -> None:
    """It is part of a MAC of a constant."""
    secret = b"hunter2-hunter2-hunter2-hunter2-hunter2"
    key = SharedKey(secret)
    tag = hmac.digest(secret, b"uploadsvc receipt kid", "sha256")
    assert key.kid == base64.urlsafe_b64encode(tag).decode()[:16]
    assert SharedKey(secret[::-1]).kid != key.kid
    assert key.jwk() == {"kty": "oct", "k": key.jwk()["k"], "kid": key.kid, "alg": "HS256", "use": "sig"}
    assert decoded(key.jwk()["k"]) == secret


@each_key
def test_the_repr_of_a_key_hides_it(key: PrivateKeyTypes) -> None:
    made = private_key(private_pem(key))
    secret = SharedKey(b"hunter2-hunter2-hunter2-hunter2-hunter2")
    shown = f"{made!r} {made} {secret!r} {secret}"
    assert "hunter2" not in shown
    assert_hidden(private_pem(key), shown)

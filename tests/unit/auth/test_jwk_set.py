"""Usable keys of a published JWK Set (RFC 7517, RFC 7518, RFC 8037)."""

import json
from datetime import UTC, datetime
from typing import Any
from unittest.mock import Mock

import pytest
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa, x25519
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from hypothesis import given
from hypothesis import strategies as st
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm
from jwt.utils import base64url_encode
from tests.support.identity_provider import public_jwk, signing_key

from uploadsvc.auth import jwk_set as jwk_set_module
from uploadsvc.auth.claims import ClaimRules
from uploadsvc.auth.jwk_set import MAX_KEYS, JwkSet
from uploadsvc.auth.jwt import TokenVerifier
from uploadsvc.auth.public_keys import ASYMMETRIC, PublicKey

ED25519 = {"EdDSA", "Ed25519"}
RSA_ALGORITHMS = {"RS256", "RS384", "RS512", "PS256", "PS384", "PS512"}


def verifier(key: PublicKey, algorithm: str) -> TokenVerifier:
    return TokenVerifier(key=key, algorithms=(algorithm,), rules=ClaimRules(clock=lambda: datetime.now(UTC)))


def key_set(*entries: object, algorithms: tuple[str, ...] = ASYMMETRIC) -> JwkSet:
    return JwkSet({"keys": list(entries)}, algorithms=algorithms, verifier=verifier)


def jwk(algorithm: str = "RS256", serial: int = 1, /, **members: object) -> dict[str, Any]:
    """Return a public JWK with more members."""
    return {**public_jwk(signing_key(algorithm, serial).private), **members}


def fitting(keys: JwkSet, kid: str | None = None) -> set[str]:
    """Return the algorithms that a set has a key for."""
    return {name for name in (*ASYMMETRIC, "HS256", "none") if keys.verifier(kid, name) is not None}


@pytest.mark.parametrize(
    ("algorithm", "fit"),
    [
        ("RS256", RSA_ALGORITHMS),
        ("ES256", {"ES256"}),
        ("ES384", {"ES384"}),
        ("ES512", {"ES512"}),
        ("EdDSA", ED25519),
    ],
)
def test_a_key_verifies_every_algorithm_of_its_type(algorithm: str, fit: set[str]) -> None:
    """A key that names its algorithm verifies only that one, by either of its names."""
    assert fitting(key_set(jwk(algorithm))) == fit
    assert fitting(key_set(jwk(algorithm, kid="a")), "a") == fit
    for name in ED25519 if algorithm == "EdDSA" else [algorithm]:
        assert fitting(key_set(jwk(algorithm, alg=name))) == (fit & ED25519 or {algorithm})
    assert fitting(key_set(jwk(algorithm), algorithms=(algorithm,))) == {algorithm}
    assert not key_set(jwk(algorithm), algorithms=("HS256",))
    assert not key_set(jwk(algorithm, alg="HS256"), algorithms=(*ASYMMETRIC, "HS256"))
    found = key_set(jwk(algorithm)).verifier(None, algorithm)
    assert found is not None
    assert found.key == signing_key(algorithm, 1).private.public_key()
    assert found.algorithms == (algorithm,)


def test_a_verifier_is_made_once() -> None:
    keys = key_set(jwk(kid="a"))
    assert keys.verifier("a", "RS256") is keys.verifier(None, "RS256") is keys.verifier("a", "RS256")


@pytest.mark.parametrize(
    "members",
    [
        {"use": "sig"},
        {"key_ops": ["verify"]},
        {"key_ops": ["sign", "verify"]},
        {"use": "sig", "key_ops": ["verify"], "alg": "RS256", "kid": ""},
        {"x5c": ["MIIB"], "x5u": "https://evil.example/", "ext": True},
        {"use": None, "key_ops": [], "alg": None, "kid": None, "x5c": None, "x5t": "", "oth": []},
        {"use": "", "key_ops": None, "alg": "", "d": None, "p": None, "x5c": []},
    ],
)
def test_a_key_for_signatures_is_used(members: dict[str, object]) -> None:
    """Other members are ignored, and so are those that are null or empty: some providers write them all."""
    keys = key_set({"kty": None, "use": None}, None, jwk(**members))
    assert (len(keys), keys.skipped) == (1, 2)
    assert keys.verifier(None, "RS256")


def private(jwk_of: Any) -> dict[str, Any]:  # noqa: ANN401 - PyJWT types its keys by overloads
    made: dict[str, Any] = jwk_of
    return {name: value for name, value in made.items() if name != "key_ops"}


def unusable() -> dict[str, object]:
    """Return unusable entries by the reason."""
    short = rsa.generate_private_key(public_exponent=65537, key_size=1024)  # noqa: S505 - to be refused
    rsa_private, ec_private, ed_private = (
        signing_key(name, 1).private for name in ("RS256", "ES256", "EdDSA")
    )
    assert isinstance(rsa_private, rsa.RSAPrivateKey)
    assert isinstance(ec_private, ec.EllipticCurvePrivateKey)
    assert isinstance(ed_private, ed25519.Ed25519PrivateKey)
    raw = (Encoding.Raw, PublicFormat.Raw)
    x448 = base64url_encode(ed448.Ed448PrivateKey.generate().public_key().public_bytes(*raw)).decode()
    x = base64url_encode(x25519.X25519PrivateKey.generate().public_key().public_bytes(*raw)).decode()
    secp256k1 = ECAlgorithm.to_jwk(ec.generate_private_key(ec.SECP256K1()).public_key(), as_dict=True)
    return {
        "not an object": "key",
        "null": None,
        "a list": [1],
        "nothing": {},
        "kty null": jwk(kty=None),
        "kty a list": jwk(kty=["RSA"]),
        "kty unknown": jwk(kty="XYZ"),
        "oct": {"kty": "oct", "k": base64url_encode(b"s" * 32).decode(), "alg": "HS256"},
        "oct for RS256": {"kty": "oct", "k": base64url_encode(b"s" * 32).decode(), "alg": "RS256"},
        "for encryption": jwk(use="enc"),
        "use a list": jwk(use=["sig"]),
        "for signing only": jwk(key_ops=["sign"]),
        "for wrapping": jwk(key_ops=["wrapKey"]),
        "key_ops a text": jwk(key_ops="verify"),
        "another use and operation": jwk(use="enc", key_ops=["verify"]),
        "kid a number": jwk(kid=7),
        "kid a list": jwk(kid=["a"]),
        "alg of encryption": jwk(alg="RSA-OAEP"),
        "alg of another kind": jwk(alg="ES256"),
        "alg none": jwk(alg="none"),
        "alg a list": jwk(alg=["RS256"]),
        "another curve's alg": jwk("ES256", alg="ES384"),
        "short": public_jwk(short),
        "no modulus": {"kty": "RSA", "e": "AQAB"},
        "modulus a number": jwk(n=7),
        "modulus not base64": jwk(n="é"),
        "exponent one": jwk(e="AQ"),
        "exponent even": jwk(e="Ag"),
        "secp256k1": {name: value for name, value in secp256k1.items() if name != "key_ops"},
        "a point off the curve": jwk("ES256", y=jwk("ES256", 2)["y"]),
        "a short point": jwk("ES256", x="AAAA"),
        "no y": {name: value for name, value in jwk("ES256").items() if name != "y"},
        "another curve": jwk("ES256", crv="P-384"),
        "curve a list": jwk("ES256", crv=["P-256"]),
        "Ed448": {"kty": "OKP", "crv": "Ed448", "x": x448},
        "X25519": {"kty": "OKP", "crv": "X25519", "x": x},
        "a short Ed25519": jwk("EdDSA", x="AAAA"),
        "private RSA": private(RSAAlgorithm.to_jwk(rsa_private, as_dict=True)),
        "private EC": private(ECAlgorithm.to_jwk(ec_private, as_dict=True)),
        "private Ed25519": private(OKPAlgorithm.to_jwk(ed_private, as_dict=True)),
        "half private": jwk(p="AQAB"),
    }


@pytest.mark.parametrize(("reason", "entry"), unusable().items())
def test_an_unusable_key_is_skipped(reason: str, entry: object) -> None:
    """Its neighbours are still used."""
    assert not key_set(entry), reason
    keys = key_set(entry, jwk("EdDSA", 3, kid="good"), entry)
    assert len(keys) == 1
    assert fitting(keys, "good") == fitting(keys) == ED25519


@pytest.mark.parametrize(
    "document", [{}, {"keys": None}, {"keys": {}}, {"keys": "x"}, {"keys": []}, {"key": 1}]
)
def test_a_document_without_keys_is_an_empty_set(document: dict[str, object]) -> None:
    assert not JwkSet(document, algorithms=ASYMMETRIC, verifier=verifier)


def test_a_key_is_looked_up_by_name_and_algorithm() -> None:
    keys = key_set(
        jwk("RS256", 1, kid="a", alg="RS256"),
        jwk("ES256", 1, kid="b"),
        jwk("ES256", 2, kid="c"),
        jwk("EdDSA"),
    )
    assert len(keys) == 4
    assert fitting(keys, "a") == {"RS256"}
    assert fitting(keys, "b") == fitting(keys, "c") == {"ES256"}
    assert fitting(keys, "d") == fitting(keys, "") == set()
    first, second = keys.verifier("b", "ES256"), keys.verifier("c", "ES256")
    assert first is not None
    assert second is not None
    assert first.key != second.key


def test_without_a_kid_exactly_one_key_must_fit() -> None:
    """Two are not tried in turn."""
    keys = key_set(jwk("RS256", 1, kid="a", alg="RS256"), jwk("ES256", 1, kid="b"), jwk("ES256", 2))
    assert fitting(keys) == {"RS256"}
    assert fitting(key_set(jwk("RS256", 1, alg="RS256"), jwk("RS256", 2, alg="PS256"))) == {"RS256", "PS256"}
    assert fitting(key_set(jwk("RS256", 1), jwk("RS256", 2, alg="RS256"))) == RSA_ALGORITHMS - {"RS256"}


def test_of_keys_with_one_kid_the_first_counts() -> None:
    """Keys of different types may share one (RFC 7517 section 4.5)."""
    keys = key_set(jwk("ES256", 1, kid="a"), jwk("ES256", 2, kid="a"), jwk("EdDSA", 1, kid="a"))
    found = keys.verifier("a", "ES256")
    assert found is not None
    assert found.key == signing_key("ES256", 1).private.public_key()
    assert fitting(keys, "a") == {"ES256", *ED25519}
    assert fitting(keys) == ED25519


def test_at_most_a_hundred_keys_are_read() -> None:
    many = [jwk("EdDSA", 1, kid=str(number)) for number in range(MAX_KEYS + 1)]
    keys = key_set(*many)
    assert len(keys) == MAX_KEYS == 100
    assert fitting(keys, "99") == ED25519
    assert fitting(keys, "100") == set()


def test_a_key_that_the_system_does_not_support_is_skipped(monkeypatch: pytest.MonkeyPatch) -> None:
    """For example Ed25519 with OpenSSL in FIPS mode."""
    reader = Mock(side_effect=UnsupportedAlgorithm("ed25519 is not supported"))
    monkeypatch.setitem(jwk_set_module._READERS, "OKP", reader)
    keys = key_set(jwk("EdDSA"), jwk("ES256"))
    assert fitting(keys) == {"ES256"}
    assert reader.call_count == 1


def test_a_key_in_pem_is_skipped() -> None:
    pem = signing_key("EdDSA", 1).private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    assert not key_set({"kty": "OKP", "crv": "Ed25519", "x": pem.decode()})


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=8) | st.just("AQAB"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
MEMBERS = st.sampled_from(["kty", "kid", "use", "key_ops", "alg", "crv", "n", "e", "x", "y", "d", "k"])
ENTRIES = st.builds(
    lambda base, changes: {**base, **changes},
    st.sampled_from([{}, *(jwk(name) for name in ("RS256", "ES256", "ES512", "EdDSA"))]),
    st.dictionaries(MEMBERS, JSON | st.sampled_from(["RSA", "EC", "OKP", "oct", "P-256", "Ed25519", "sig"])),
)


@given(st.lists(ENTRIES | JSON, max_size=4) | JSON)
def test_any_json_is_read_without_an_error(entries: object) -> None:
    """A good key in it is found."""
    read = json.loads(json.dumps(entries))
    JwkSet({"keys": read}, algorithms=ASYMMETRIC, verifier=verifier)
    if isinstance(read, list):
        assert key_set(*read, jwk("EdDSA", 9, kid="the good one")).verifier("the good one", "EdDSA")

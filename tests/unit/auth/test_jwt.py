"""JWTs are accepted only as the settings say (RFC 8725)."""

import base64
import hmac
import json
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any, TypeAlias

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa, x25519
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from hypothesis import given
from hypothesis import strategies as st
from jwt.algorithms import OKPAlgorithm
from tests.support.claims import CLAIMS

from uploadsvc.auth.claims import ClaimRules
from uploadsvc.auth.jwt import (
    TokenVerifier,
    check_form,
    public_key_verifier,
    secret_verifier,
    token_typ,
    unverified_header,
)
from uploadsvc.domain.errors import Forbidden, Refusal, Unauthenticated
from uploadsvc.domain.keys import encode_user
from uploadsvc.tokens.derived_keys import derive_key
from uploadsvc.tokens.jwts import DEMO, ServiceTokens
from uploadsvc.tokens.receipts import Receipts
from uploadsvc.tokens.signed_ids import SignedIds

PrivateKey: TypeAlias = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey


def system_clock() -> datetime:
    return datetime.now(UTC)


SECRET = b"a shared secret of 32 bytes, or so"


def by_secret(*audiences: str, **rules: Any) -> TokenVerifier:  # noqa: ANN401 - any other rule
    """Return a verifier with the shared secret."""
    return secret_verifier(
        SECRET, algorithms=(), rules=ClaimRules(clock=system_clock, audiences=audiences, **rules)
    )


VERIFIER = by_secret()


def in_seconds(seconds: int) -> int:
    """Return a NumericDate relative to now."""
    return int(datetime.now(UTC).timestamp()) + seconds


def compact(header: object, claims: object, secret: bytes = SECRET) -> str:
    """Sign any JSON with HMAC-SHA256, whatever its header says."""
    parts = [base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=") for part in (header, claims)]
    parts.append(base64.urlsafe_b64encode(hmac.digest(secret, b".".join(parts), "sha256")).rstrip(b"="))
    return b".".join(parts).decode()


def a_token(header: dict[str, Any] | None = None, *, key: bytes = SECRET, **claims: Any) -> str:  # noqa: ANN401 - any JSON
    """Return ann's token with changes; ``None`` removes a claim."""
    merged = {"sub": "ann", "exp": in_seconds(60), **claims}
    return compact(
        {"alg": "HS256", "typ": "JWT", **(header or {})},
        {k: v for k, v in merged.items() if v is not None},
        key,
    )


def refused(token: str, verifier: TokenVerifier = VERIFIER) -> str:
    """Return the detail of the refusal."""
    with pytest.raises(Unauthenticated) as caught:
        verifier.verify(token)
    return caught.value.detail


@cache
def rsa_key(bits: int = 2048) -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=bits)


def public_pem(key: PrivateKey) -> str:
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def public_verifier(pem: str, *algorithms: str, **rules: Any) -> TokenVerifier:  # noqa: ANN401 - any rule
    return public_key_verifier(pem, algorithms=algorithms, rules=ClaimRules(clock=system_clock, **rules))


def test_a_valid_token_names_its_user() -> None:
    principal = VERIFIER.verify(a_token())
    assert (principal.user, principal.policies) == ("ann", None)


@pytest.mark.parametrize("algorithm", ["none", "None", "NONE", ""])
@pytest.mark.parametrize("signature", ["", "AAAA"])
def test_an_unsigned_token_is_refused(algorithm: str, signature: str) -> None:
    """The token's own ``alg`` is not trusted."""
    head = a_token({"alg": algorithm}).rpartition(".")[0]
    refused(f"{head}.{signature}")
    refused(f"{head}.{signature}", public_verifier(public_pem(rsa_key())))


def test_a_public_key_is_not_accepted_as_a_secret() -> None:
    pem = public_pem(rsa_key())
    for text in (pem, pem.strip(), pem.replace("\n", "\r\n")):
        token = compact({"alg": "HS256"}, {"sub": "ann", "exp": in_seconds(60)}, secret=text.encode())
        refused(token, public_verifier(pem))


@pytest.mark.parametrize(
    "header",
    [
        {"crit": ["exp"]},
        {"crit": ["x"], "x": 1},
        {"crit": []},
        {"crit": "exp"},
        {"crit": [1]},
        {"crit": ["b64"], "b64": False},
        {"b64": False},
        {"alg": "HS512"},
        {"alg": "RS256"},
        {"alg": None},
        {"alg": ["HS256"]},
        {"alg": {}},
        {"alg": 1},
        {"kid": 1},
        {"kid": ["x"]},
    ],
)
def test_an_unknown_header_is_refused(header: dict[str, Any]) -> None:
    """Critical extensions, other algorithms and wrong types are not ignored."""
    refused(a_token(header))


@pytest.mark.parametrize(
    "header",
    [
        {"jku": "https://evil.example/jwks.json"},
        {"x5u": "https://evil.example/cert.pem"},
        {"jwk": {"kty": "oct", "k": base64.urlsafe_b64encode(b"e" * 32).decode()}},
        {"x5c": ["MIIB"]},
        {"kid": "../../dev/null"},
    ],
)
def test_a_key_inside_a_token_is_ignored(header: dict[str, Any]) -> None:
    forged = compact({"alg": "HS256", **header}, {"sub": "ann", "exp": in_seconds(60)}, secret=b"e" * 32)
    refused(forged)
    assert VERIFIER.verify(a_token(header)).user == "ann"


@pytest.mark.parametrize(
    ("claims", "reason"),
    [
        ({"exp": None}, "no 'exp' claim"),
        ({"exp": in_seconds(-3600)}, "expired"),
        ({"exp": "soon"}, "not a number"),
        ({"exp": [1]}, "not a number"),
        ({"exp": {}}, "not a number"),
        ({"exp": float("inf")}, "not a number"),
        ({"exp": float("-inf")}, "not a number"),
        ({"exp": float("nan")}, "not a number"),
        ({"exp": True}, "not a number"),
        ({"exp": -1}, "expired"),
        ({"exp": -(10**400)}, "expired"),
        # Long after all tests are collected.
        ({"exp": str(in_seconds(86_400))}, "not a number"),
        ({"exp": 253402300800}, "out of range"),
        ({"exp": 1e300}, "out of range"),
        ({"exp": 10**4000}, "out of range"),
        ({"nbf": in_seconds(3600)}, "not valid yet (nbf)"),
        ({"nbf": 10**400}, "not valid yet (nbf)"),
        ({"nbf": []}, "'nbf' claim is not a number"),
        ({"nbf": "0"}, "'nbf' claim is not a number"),
        ({"nbf": float("-inf")}, "'nbf' claim is not a number"),
        ({"sub": None}, "no 'sub' claim"),
        ({"sub": ""}, "non-empty string"),
        ({"sub": 7}, "is not a non-empty string."),
        ({"sub": True}, "non-empty string"),
        ({"sub": ["ann"]}, "non-empty string"),
        ({"sub": {"id": "ann"}}, "non-empty string"),
        ({"aud": "other"}, "aud"),
    ],
)
def test_a_token_with_wrong_claims_is_refused(claims: dict[str, Any], reason: str) -> None:
    assert reason in refused(a_token(**claims))


@pytest.mark.parametrize(
    ("audience", "holds"),
    [
        ("uploads", True),
        (["x", "uploads"], True),
        (None, False),
        ("uploadsx", False),
        (["x"], False),
        ([], False),
        ({"uploads": 1}, False),
        (1, False),
    ],
)
def test_the_audience_must_be_ours(*, audience: object, holds: bool) -> None:
    verifier = by_secret("uploads")
    token = a_token(aud=audience)
    if holds:
        assert verifier.verify(token).user == "ann"
    else:
        refused(token, verifier)


@pytest.mark.parametrize(
    ("issuer", "reason"),
    [
        ("https://idp.example", None),
        ("https://idp.example/", "another issuer"),
        ("https://IDP.example", "another issuer"),
        ("https://idp.example\n", "another issuer"),
        ("", "another issuer"),
        (None, "no 'iss' claim"),
        (["https://idp.example"], "another issuer"),
        ({"https://idp.example": 1}, "another issuer"),
        (1, "another issuer"),
    ],
)
def test_the_issuer_must_be_exactly_the_configured_one(issuer: object, reason: str | None) -> None:
    """It is compared as text, and a list is refused."""
    pem = public_pem(rsa_key())
    claims = {"sub": "ann", "exp": in_seconds(60)} | ({} if issuer is None else {"iss": issuer})
    head = {"alg": "RS256"}
    signed = jwt.PyJWS().encode(json.dumps(claims).encode(), rsa_key(), algorithm="RS256", headers=head)
    for verifier, token in (
        (by_secret(issuer="https://idp.example"), a_token(iss=issuer)),
        (public_verifier(pem, issuer="https://idp.example"), signed),
    ):
        if reason is None:
            assert verifier.verify(token).user == "ann"
        else:
            assert reason in refused(token, verifier)
    if isinstance(issuer, str | None):
        assert VERIFIER.verify(a_token(iss=issuer)).user == "ann"


@pytest.mark.parametrize(
    ("exp", "ends"),
    [
        (4102444800, datetime(2100, 1, 1, tzinfo=UTC)),
        (4102444800.25, datetime(2100, 1, 1, microsecond=250_000, tzinfo=UTC)),
        (253402300799, datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)),
    ],
)
def test_the_principal_has_the_end_of_the_token(exp: float, ends: datetime) -> None:
    principal = VERIFIER.verify(a_token(exp=exp))
    assert principal.expires_at == ends
    assert principal.expires_at is not None
    assert principal.expires_at.tzinfo is UTC


def test_half_a_minute_of_clock_skew_is_tolerated() -> None:
    assert VERIFIER.verify(a_token(exp=in_seconds(-20))).user == "ann"
    assert VERIFIER.verify(a_token(nbf=in_seconds(20))).user == "ann"
    refused(a_token(exp=in_seconds(-40)))


@pytest.mark.parametrize(
    "claims",
    [
        {"iat": in_seconds(90_000)},
        {"iat": "soon"},
        {"jti": 17},
        {"jti": ["J"]},
        {"nbf": in_seconds(-60)},
    ],
)
def test_iat_and_jti_are_not_checked(claims: dict[str, Any]) -> None:
    """RFC 7519 sections 4.1.6 and 4.1.7."""
    assert VERIFIER.verify(a_token(**claims)).user == "ann"


def test_a_null_claim_is_an_absent_one() -> None:
    nulls = dict.fromkeys(("iat", "nbf", "jti", "aud", "iss"))
    token = compact({"alg": "HS256"}, {"sub": "ann", "exp": in_seconds(60), **nulls})
    assert VERIFIER.verify(token).user == "ann"
    for name in ("sub", "exp"):
        token = compact({"alg": "HS256"}, {"sub": "ann", "exp": in_seconds(60), name: None})
        assert f"no '{name}' claim" in refused(token)


def test_the_tolerated_clock_skew_is_a_setting() -> None:
    """It counts for both ends."""
    strict, lax = by_secret(leeway=0), by_secret(leeway=300)
    early, late = a_token(nbf=in_seconds(100)), a_token(exp=in_seconds(-100))
    for token in (early, late, a_token(nbf=in_seconds(20)), a_token(exp=in_seconds(-20))):
        refused(token, strict)
        assert lax.verify(token).user == "ann"
    refused(early)
    refused(late)


@pytest.mark.parametrize(
    ("claims", "reason"),
    [
        ({"client_id": "web"}, None),
        ({"client_id": ["x", "ios"]}, None),
        ({"client_id": "web", "aud": "ios"}, None),
        ({"client_id": "x"}, "not meant for this service (client_id)"),
        ({"client_id": ["web", 1]}, "not meant for this service (client_id)"),
        ({"client_id": {"web": 1}}, "not meant for this service (client_id)"),
        ({"client_id": "web", "aud": "x"}, "not meant for this service (aud)"),
        ({"aud": "web"}, "no 'client_id' claim"),
        ({"client_id": "", "aud": "web"}, "no 'client_id' claim"),
        ({}, "no 'client_id' claim"),
    ],
)
def test_another_claim_can_name_the_audience(claims: dict[str, Any], reason: str | None) -> None:
    """One of several audiences. ``aud`` still holds where a token has it (RFC 7519 section 4.1.3)."""
    verifier = by_secret("web", "ios", audience_claim="client_id")
    if reason is None:
        assert verifier.verify(a_token(**claims)).user == "ann"
    else:
        assert reason in refused(a_token(**claims), verifier)


def test_a_user_can_be_an_integer_if_that_is_allowed() -> None:
    """It is then the same user as the text."""
    verifier = by_secret(integer_user=True)
    assert verifier.verify(a_token(sub=17)) == verifier.verify(a_token(sub="17"))
    assert verifier.verify(a_token(sub=0)).user == "0"
    for user in (True, False, 17.0, "", [17]):
        assert "or an integer" in refused(a_token(sub=user), verifier)


@pytest.mark.parametrize("name", ["EdDSA", "Ed25519"])
def test_ed25519_has_two_names(name: str) -> None:
    """RFC 8037 and RFC 9864. Each setting accepts both."""
    key = ed25519.Ed25519PrivateKey.generate()
    jws = jwt.PyJWS()
    jws.unregister_algorithm("EdDSA")
    jws.register_algorithm(name, OKPAlgorithm())
    claims = json.dumps({"sub": "ann", "exp": in_seconds(60)}).encode()
    token = jws.encode(claims, key, algorithm=name)
    for algorithms in ((), ("EdDSA",), ("Ed25519",)):
        assert public_verifier(public_pem(key), *algorithms).verify(token).user == "ann"
    refused(token, public_verifier(public_pem(ed25519.Ed25519PrivateKey.generate())))
    refused(token, public_verifier(public_pem(rsa_key())))
    refused(token)


def reason_of(token: str, verifier: TokenVerifier) -> Refusal:
    with pytest.raises(Unauthenticated) as caught:
        verifier.verify(token)
    return caught.value.reason


def test_the_log_can_tell_why_a_token_is_refused() -> None:
    """The caller learns less where that could help an attacker."""
    strict = by_secret("uploads", issuer="https://idp.example")
    held: dict[str, Any] = {"aud": "uploads", "iss": "https://idp.example"}
    tokens: dict[str, Refusal] = {
        "": "malformed",
        "a.b.c": "malformed",
        a_token({"kid": 7}, **held): "malformed",
        a_token({"b64": False}, **held): "malformed",
        a_token({"crit": ["x"], "x": 1}, **held): "critical_header",
        a_token({"alg": "none"}, **held): "algorithm",
        a_token({"alg": "HS512"}, **held): "algorithm",
        a_token(key=b"x" * 32, **held): "signature",
        a_token({"typ": "uploadsvc-x"}, **held): "wrong_kind",
        a_token(exp=None, **held): "missing_claim",
        a_token(aud="uploads"): "missing_claim",
        a_token(exp="soon", **held): "bad_claim",
        a_token(sub=7, **held): "bad_claim",
        a_token(exp=1, **held): "expired",
        a_token(nbf=in_seconds(60), **held): "not_yet_valid",
        a_token(**{**held, "aud": "x"}): "audience",
        a_token(**{**held, "iss": "x"}): "issuer",
    }
    assert {token: reason_of(token, strict) for token in tokens} == tokens


def test_the_last_of_repeated_claims_and_headers_counts() -> None:
    """RFC 7519 section 4 allows it; every part of the service must read the same one."""
    head = '{"alg":"none","typ":"uploadsvc-upload+jwt","alg":"HS256","typ":"JWT"}'
    body = f'{{"sub":"eve","exp":1,"sub":"ann","exp":{in_seconds(60)}}}'
    parts = [base64.urlsafe_b64encode(part.encode()).rstrip(b"=") for part in (head, body)]
    parts.append(base64.urlsafe_b64encode(hmac.digest(SECRET, b".".join(parts), "sha256")).rstrip(b"="))
    token = b".".join(parts).decode()
    assert token_typ(token) == "JWT"
    assert VERIFIER.verify(token).user == "ann"


def test_another_claim_can_name_the_user() -> None:
    verifier = by_secret(user_claim="email")
    assert verifier.verify(a_token(email="a@example.com")).user == "a@example.com"
    assert "'email'" in refused(a_token(), verifier)
    assert verifier.verify(a_token(sub=None, email="a@example.com")).user == "a@example.com"


@pytest.mark.parametrize(
    ("claim", "quotas"),
    [
        (None, None),
        ({}, {}),
        ({"default": {"quota": "2KiB/day"}}, {"default": {"daily_bytes": 2048}}),
        ({"*": {"quota": None, "max_unfinished": 0}}, {"*": {"daily_bytes": None, "max_unfinished": 0}}),
    ],
)
def test_a_claim_can_give_the_user_other_quotas(claim: object, quotas: object) -> None:
    token = a_token(limits=claim)
    assert by_secret(quotas_claim="limits").verify(token).quotas == quotas
    assert VERIFIER.verify(token).quotas is None, "only the claim that the settings name"


@pytest.mark.parametrize(
    "claim",
    [
        *("10GiB/day", 5, [], True, {"default": None}, {"default": {"other": 1}}, {"default": []}),
        *(
            {"p": {"quota": value}}
            for value in (1, "1GiB", "-1/day", "1GiB/hour", "1.5GiB/day", "9999TiB/day", "")
        ),
        *({"p": {"max_unfinished": value}} for value in (-1, 10_001, 1.0, "1", True)),
        {str(number): {} for number in range(101)},
    ],
)
def test_a_malformed_quota_is_refused(claim: object) -> None:
    verifier = by_secret(quotas_claim="limits")
    assert "'limits' claim" in refused(a_token(limits=claim), verifier)
    assert reason_of(a_token(limits=claim), verifier) == "bad_claim"


def test_a_user_with_a_lone_surrogate_is_refused() -> None:
    """JSON can hold one, UTF-8 cannot."""
    principal = VERIFIER.verify(a_token(sub="ann\ud800"))
    with pytest.raises(Forbidden, match="lone surrogate"):
        encode_user(principal.user)


def test_receipts_demo_tokens_and_ids_are_not_bearer_tokens() -> None:
    """Not even if they are signed with the same secret."""
    now = datetime.now(UTC)
    receipts = Receipts(key=SECRET, issuer="uploadsvc", audience="uploads", expires_in=60)
    receipt = receipts.sign({"policy": "default"}, user="ann", jti="J", now=now)
    demo = a_token({"typ": DEMO.typ}, aud=DEMO.audience)
    for audiences in ((), ("uploads",), ("uploadsvc-demo",)):
        verifier = by_secret(*audiences)
        refused(receipt, verifier)
        refused(demo, verifier)
    refused(SignedIds([SECRET]).sign(CLAIMS))


def test_only_a_demo_token_is_a_demo_token() -> None:
    """It has its own key, audience and ``typ``."""
    demo = ServiceTokens([SECRET], kind=DEMO, clock=system_clock)
    key, other = derive_key(SECRET, "demo"), ServiceTokens([b"x" * 32], kind=DEMO, clock=system_clock)
    soon, past = datetime.now(UTC) + timedelta(minutes=1), datetime.now(UTC) - timedelta(hours=1)
    good = demo.issue("ann", expires_at=soon)
    assert demo.verify(good).principal.user == "ann"
    assert demo.verify(a_token({"typ": DEMO.typ}, aud=DEMO.audience, key=key)).principal.user == "ann"
    assert token_typ(good) == DEMO.typ
    for token in (
        a_token(aud=DEMO.audience, key=key),
        a_token({"typ": DEMO.typ}, key=key),
        a_token({"typ": DEMO.typ}, aud=DEMO.audience),
        other.issue("ann", expires_at=soon),
    ):
        with pytest.raises(Unauthenticated, match="malformed, or its signature"):
            demo.verify(token)
    with pytest.raises(Unauthenticated, match=r"^The token has expired\.$"):
        demo.verify(demo.issue("ann", expires_at=past))


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
HEADER_NAMES = st.sampled_from(["alg", "typ", "crit", "b64", "kid", "zip", "x5c"])
CLAIM_NAMES = st.sampled_from(["exp", "nbf", "iat", "aud", "iss", "sub", "jti"])


@given(header=st.dictionaries(HEADER_NAMES, JSON), claims=st.dictionaries(CLAIM_NAMES, JSON))
def test_any_signed_json_is_accepted_or_refused(header: dict[str, Any], claims: dict[str, Any]) -> None:
    """No other error is raised."""
    full = {"sub": "ann", "exp": in_seconds(60), **claims}
    for token in (a_token(header), compact({"alg": "HS256"}, full), compact(header, full)):
        token_typ(token)
        try:
            principal = VERIFIER.verify(token)
            assert principal.user
            assert principal.expires_at
        except Unauthenticated:
            continue


@given(st.text(st.characters(exclude_categories=()), max_size=60) | st.from_regex(r"[\w-]*\.[\w-]*\.[\w-]*"))
def test_any_text_is_refused(text: str) -> None:
    refused(text)
    token_typ(text)
    assert isinstance(unverified_header(text), dict)


@pytest.mark.parametrize(
    "token",
    [
        "a" * 8192,
        ".".join(["e30"] * 2700),
        compact({"alg": "HS256"}, [1]),
        compact([], {"sub": "ann"}),
        compact("x", "y"),
        base64.urlsafe_b64encode(b"[" * 6000).decode() + ".e30.AAAA",
        base64.urlsafe_b64encode(b'{"alg":' + b"9" * 5000 + b"}").decode() + ".e30.AAAA",
    ],
)
def test_a_hostile_token_is_refused(token: str) -> None:
    refused(token)
    assert token_typ(token) is None
    with pytest.raises(Unauthenticated):
        check_form(token)


@pytest.mark.parametrize("header", [{"crit": ["x"], "x": 1}, {"kid": 7}, {"b64": False}])
def test_a_malformed_token_is_refused_before_its_key_is_looked_up(header: dict[str, Any]) -> None:
    """Signature, algorithm and expiry are not checked yet."""
    with pytest.raises(Unauthenticated):
        check_form(a_token(header))
    check_form(a_token({"alg": "XY1"}, exp=1))


def test_a_header_is_read_unverified() -> None:
    assert unverified_header(a_token({"kid": "é1"})) == {"alg": "HS256", "typ": "JWT", "kid": "é1"}
    assert token_typ(a_token({"typ": 7})) is None


def test_every_type_of_key_verifies_only_its_own_algorithm() -> None:
    keys: dict[str, PrivateKey] = {
        "RS256": rsa_key(),
        "ES256": ec.generate_private_key(ec.SECP256R1()),
        "ES384": ec.generate_private_key(ec.SECP384R1()),
        "ES512": ec.generate_private_key(ec.SECP521R1()),
        "EdDSA": ed25519.Ed25519PrivateKey.generate(),
    }
    claims = {"sub": "ann", "exp": in_seconds(60)}
    tokens = {name: jwt.encode(claims, key, algorithm=name) for name, key in keys.items()}
    for name, key in keys.items():
        verifier = public_verifier(public_pem(key))
        assert verifier.algorithms == (("EdDSA", "Ed25519") if name == "EdDSA" else (name,))
        for other, token in tokens.items():
            if other == name:
                assert verifier.verify(token).user == "ann"
            else:
                refused(token, verifier)
    refused(jwt.encode(claims, rsa_key(), algorithm="PS256"), public_verifier(public_pem(rsa_key())))


@pytest.mark.parametrize(
    ("secret", "algorithms", "reason"),
    [
        (b"x" * 31, (), "at least 32 bytes, not 31"),
        (b"x" * 63, ("HS512",), "at least 64 bytes, not 63"),
        (b"x" * 64, ("RS256",), "'RS256' does not go with a secret"),
        (b"x" * 64, ("HS256", "none"), "'none' does not go with a secret"),
    ],
)
def test_a_weak_secret_is_refused(secret: bytes, algorithms: tuple[str, ...], reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        secret_verifier(secret, algorithms=algorithms, rules=ClaimRules(clock=system_clock))


def other_pems() -> dict[str, str]:
    """Return PEM texts that are not usable public keys."""
    info = (Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    private = rsa_key().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return {
        "not a PEM public key": private.decode(),
        "at least 2048 bits, not 1024": public_pem(rsa_key(1024)),
        "P-256": public_pem(ec.generate_private_key(ec.SECP256K1())),
        "not an RSA, EC": x25519.X25519PrivateKey.generate().public_key().public_bytes(*info).decode(),
    }


def test_a_bad_public_key_is_refused() -> None:
    """The message shows nothing of the key."""
    for reason, pem in {**other_pems(), "BEGIN PUBLIC KEY": "é"}.items():
        with pytest.raises(ValueError, match=r".") as caught:
            public_verifier(pem)
        assert reason in str(caught.value)
        assert pem[40:60] not in str(caught.value) or len(pem) < 40


@pytest.mark.parametrize("algorithm", ["HS256", "none", "ES256"])
def test_an_algorithm_must_match_its_key(algorithm: str) -> None:
    """Above all, no HMAC with a public key."""
    with pytest.raises(ValueError, match="does not go with this key"):
        public_verifier(public_pem(rsa_key()), "RS256", algorithm)

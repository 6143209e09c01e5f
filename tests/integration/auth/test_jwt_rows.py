"""Every attack on a JWT that is known, against every kind of key that the settings know."""

import hmac
import json
from base64 import urlsafe_b64encode
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from time import time
from typing import Any, Final

import jwt
import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from tests.support.identity_provider import (
    AUDIENCE,
    IdentityProvider,
    identity_provider,
    public_jwk,
    signed,
    signing_key,
)
from tests.support.jwks_endpoint import Clock, verifier_of

from uploadsvc.auth.discovery import JwksUrl, OidcIssuer
from uploadsvc.auth.jwt import public_key_verifier, secret_verifier
from uploadsvc.domain.errors import Unauthenticated
from uploadsvc.domain.principal import Principal
from uploadsvc.tokens.jwts import DEMO

SECRET: Final = b"a shared secret of 32 bytes, or so"
ISSUER: Final = "https://idp.example"
KINDS: Final = [
    "secret",
    *(f"{how} {algorithm}" for how in ("pem", "jwks", "oidc") for algorithm in ("RS256", "ES256", "EdDSA")),
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """A way to check tokens, with the means to make good ones.

    Attributes:
        algorithm: What tokens are signed by.
        issuer: Whom they must be of.
        kid: The name of the key; ``None`` where it has none.
        public: What anybody may know of the key: its texts, which an attacker could take for a secret.
        sign: Signs any header and claims as the issuer does.
        check: Returns whom a token speaks for.
        asked: What the identity provider was asked for; empty where there is none.
    """

    algorithm: str
    issuer: str
    kid: str | None
    public: tuple[bytes, ...]
    sign: Callable[[Mapping[str, object], Mapping[str, object]], str]
    check: Callable[[str], Awaitable[Principal]]
    asked: list[str]

    def token(self, header: Mapping[str, object] | None = None, **claims: object) -> str:
        """Return ann's token, truly signed, with changes; what is ``None`` is left out."""
        return self.sign(*self.parts(header, **claims))

    def parts(
        self, header: Mapping[str, object] | None = None, **claims: object
    ) -> tuple[dict[str, object], dict[str, object]]:
        """Return the header and the claims of ann's token, with changes."""
        now = int(time())
        good = {"iss": self.issuer, "aud": AUDIENCE, "sub": "ann", "iat": now, "exp": now + 60}
        return (
            {"alg": self.algorithm, "typ": "JWT", "kid": self.kid, **(header or {})},
            {**good, **claims},
        )


def compact(header: Mapping[str, object], claims: Mapping[str, object], secret: bytes) -> str:
    """Return a token signed by HMAC-SHA256, whatever its header says."""
    parts = [
        urlsafe_b64encode(
            json.dumps({name: value for name, value in part.items() if value is not None}).encode()
        ).rstrip(b"=")
        for part in (header, claims)
    ]
    mac = hmac.digest(secret, b".".join(parts), "sha256")
    return b".".join([*parts, urlsafe_b64encode(mac).rstrip(b"=")]).decode()


def public_texts(algorithm: str) -> tuple[bytes, ...]:
    """Return how the public half of the issuer's key is written."""
    key = signing_key(algorithm, 1).private
    public = key.public_key()
    pem = public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    der = public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return (pem, pem.strip(), der, json.dumps(public_jwk(key)).encode(), b"")


@asynccontextmanager
async def checked_by(kind: str) -> AsyncIterator[Checked]:
    """Give one way to check tokens: ``secret``, or ``pem``, ``jwks`` or ``oidc`` and an algorithm."""
    how, _, algorithm = kind.partition(" ")
    fixed: dict[str, Any] = {
        "algorithms": (),
        "audience": AUDIENCE,
        "user_claim": "sub",
        "issuer": ISSUER,
        "clock": lambda: datetime.now(UTC),
    }
    if how == "secret":
        verifier = secret_verifier(SECRET, **fixed)
        yield Checked(
            algorithm="HS256",
            issuer=ISSUER,
            kid=None,
            public=public_texts("RS256"),
            sign=lambda header, claims: compact(header, claims, SECRET),
            check=waiting(verifier.verify),
            asked=[],
        )
        return
    key = signing_key(algorithm, 1)
    async with AsyncExitStack() as stack:
        provider = IdentityProvider(issuer=ISSUER, keys=[key])
        if how == "pem":
            check = waiting(public_key_verifier(public_texts(algorithm)[0].decode(), **fixed).verify)
        else:
            provider = await stack.enter_async_context(identity_provider(algorithm))
            source = OidcIssuer(provider.issuer) if how == "oidc" else JwksUrl(provider.jwks_url)
            opened = verifier_of(source, Clock(), issuer=provider.issuer)
            check = (await stack.enter_async_context(opened)).verify
        yield Checked(
            algorithm=algorithm,
            issuer=provider.issuer,
            kid=key.kid,
            public=public_texts(algorithm),
            sign=lambda header, claims: signed(header, claims, key),
            check=check,
            asked=provider.requests,
        )


def waiting(check: Callable[[str], Principal]) -> Callable[[str], Awaitable[Principal]]:
    """Return a check that is awaited, as those by published keys are."""

    async def awaited(token: str) -> Principal:
        return check(token)

    return awaited


@pytest.fixture(params=KINDS, scope="module")
async def checked(request: pytest.FixtureRequest) -> AsyncIterator[Checked]:
    """Run a test on every kind of key."""
    async with checked_by(request.param) as made:
        yield made


async def refused(checked: Checked, token: str) -> str:
    """Return what a token is refused with; its text never holds a part of the token."""
    with pytest.raises(Unauthenticated) as caught:
        await checked.check(token)
    assert not any(len(part) > 8 and part in caught.value.detail for part in token.split("."))
    return caught.value.detail


async def test_a_good_token_holds(checked: Checked) -> None:
    """What the other tests change is good before."""
    principal = await checked.check(checked.token())
    assert (principal.user, principal.policies, principal.kind) == ("ann", None, "user")
    ends = principal.expires_at
    assert ends is not None
    assert timedelta(0) < ends - datetime.now(UTC) <= timedelta(seconds=60)


@pytest.mark.parametrize("algorithm", ["none", "None", "NONE", "nOnE", "", None])
async def test_alg_none(checked: Checked, algorithm: str | None) -> None:
    """Unsigned, or with any signature at all."""
    token = checked.token({"alg": algorithm})
    head = token.rpartition(".")[0]
    for signature in ("", "AAAA", checked.token().rpartition(".")[2]):
        await refused(checked, f"{head}.{signature}")
    await refused(checked, token)


@pytest.mark.parametrize("algorithm", ["HS256", "HS384", "HS512"])
async def test_an_hmac_by_what_anybody_knows(checked: Checked, algorithm: str) -> None:
    """Above all by the text of the public key."""
    for text in checked.public:
        await refused(checked, compact(*checked.parts({"alg": algorithm}), text))
        await refused(checked, compact(*checked.parts(), text))


@pytest.mark.parametrize("algorithm", ["HS512", "RS256", "RS512", "PS256", "ES256", "ES384", "EdDSA", "XY1"])
async def test_another_algorithm_than_the_keys(checked: Checked, algorithm: str) -> None:
    """What the header says does not choose how the signature is checked."""
    if algorithm == checked.algorithm:
        algorithm = "PS512"
    await refused(checked, checked.token({"alg": algorithm}))
    if algorithm not in {"HS512", "XY1"}:
        key = signing_key(algorithm, 99)
        await refused(checked, signed(*checked.parts({"alg": algorithm}), key))


async def test_a_forged_signature(checked: Checked) -> None:
    """Somebody else's key of the same kind, another token's signature, or a bit of it changed."""
    if checked.algorithm != "HS256":
        forged = signed(*checked.parts(), signing_key(checked.algorithm, 99))
        assert "signature" in await refused(checked, forged)
    else:
        await refused(checked, compact(*checked.parts(), b"x" * 32))
    head, claims, signature = checked.token().split(".")
    other = checked.token(sub="eve").split(".")
    await refused(checked, f"{head}.{other[1]}.{signature}")
    await refused(checked, f"{other[0]}.{claims}.{other[2]}")
    await refused(checked, f"{head}.{claims}.{'B' if signature[0] == 'A' else 'A'}{signature[1:]}")
    await refused(checked, f"{head}.{claims}.")
    await refused(checked, f"{head}.{claims}")


@pytest.mark.parametrize(
    "header",
    [
        {"crit": ["exp"]},
        {"crit": ["https://example.com/x"], "https://example.com/x": True},
        {"crit": []},
        {"crit": "exp"},
        {"crit": {}},
        {"crit": [1]},
        {"crit": ["b64"], "b64": False},
        {"b64": False},
    ],
)
async def test_a_critical_extension_that_is_not_known(checked: Checked, header: dict[str, object]) -> None:
    """RFC 7515 section 4.1.11: what is not understood is not accepted."""
    await refused(checked, checked.token(header))


@pytest.mark.parametrize(
    ("claims", "reason"),
    [
        ({"aud": "other"}, "aud"),
        ({"aud": AUDIENCE.upper()}, "aud"),
        ({"aud": ["other", "another"]}, "aud"),
        ({"aud": []}, "aud"),
        ({"aud": {AUDIENCE: 1}}, "aud"),
        ({"aud": None}, "no 'aud' claim"),
        ({"iss": "https://evil.example"}, "iss"),
        ({"iss": ""}, "iss"),
        ({"iss": [ISSUER]}, "iss"),
        ({"iss": None}, "no 'iss' claim"),
        ({"exp": None}, "no 'exp' claim"),
        ({"exp": int(time()) - 3600}, "expired"),
        ({"exp": 0}, "expired"),
        ({"exp": "soon"}, "malformed"),
        ({"exp": "9999999999"}, "'exp' claim is not"),
        ({"exp": 10**30}, "'exp' claim is not"),
        ({"exp": float("inf")}, "malformed"),
        ({"exp": [9999999999]}, "malformed"),
        ({"nbf": int(time()) + 3600}, "malformed"),
        ({"nbf": "later"}, "malformed"),
        ({"iat": int(time()) + 3600}, "malformed"),
        ({"sub": None}, "no 'sub' claim"),
        ({"sub": ""}, "not a non-empty string"),
        ({"sub": 7}, "not a non-empty string"),
        ({"sub": ["ann"]}, "not a non-empty string"),
    ],
)
async def test_a_wrong_claim(checked: Checked, claims: dict[str, Any], reason: str) -> None:
    """Truly signed, and yet not for us, not of our issuer, not now, or of nobody."""
    assert reason in await refused(checked, checked.token(**claims))


async def test_an_issuer_with_a_slash_is_another(checked: Checked) -> None:
    """It is compared character by character."""
    assert "iss" in await refused(checked, checked.token(iss=checked.issuer + "/"))


@pytest.mark.parametrize("name", ["jku", "x5u", "jwk", "x5c", "x5t", "x5t#S256"])
async def test_a_key_that_comes_with_the_token(checked: Checked, name: str) -> None:
    """It is neither used nor asked for, with or without the name of a known key; a good token stays good."""
    async with identity_provider() as evil:
        evil.keys[:] = [signing_key("RS256", 99)]
        brought: dict[str, object] = {
            "jku": evil.jwks_url,
            "x5u": evil.jwks_url,
            "jwk": evil.keys[0].jwk,
            "x5c": ["MIIB"],
            "x5t": "AAAA",
            "x5t#S256": "AAAA",
        }
        for kid in (checked.kid, "key-99", "../../dev/null", "' OR 1=1 --", evil.jwks_url, "\x00", None):
            for key in (evil.keys[0], signing_key("ES256", 99), signing_key("EdDSA", 99)):
                header = {"alg": key.algorithm, "kid": kid, name: brought[name]}
                await refused(checked, signed(*checked.parts(header), key))
            secret = {"kty": "oct", "k": urlsafe_b64encode(b"e" * 32).decode()}
            header = {"alg": "HS256", "kid": kid, name: secret}
            await refused(checked, compact(*checked.parts(header), b"e" * 32))
        assert (await checked.check(checked.token({name: brought[name]}))).user == "ann"
        assert evil.requests == []
    assert len(checked.asked) <= 2


@pytest.mark.parametrize("kid", [7, True, ["key-1"], {"key-1": 1}])
async def test_a_kid_that_is_no_text(checked: Checked, kid: object) -> None:
    """RFC 7515 section 4.1.4."""
    await refused(checked, checked.token({"kid": kid}))


@pytest.mark.parametrize("kind", ["demo+jwt", "receipt+jwt", "upload-token+jwt", "id", ""])
async def test_a_token_of_our_own(checked: Checked, kind: str) -> None:
    """Even truly signed by the issuer's key, it is for something else."""
    assert "kind of token" in await refused(checked, checked.token({"typ": f"uploadsvc-{kind}"}))


async def test_a_demo_token(checked: Checked) -> None:
    """Even by the shared secret it is a demo token still."""
    claims = {"sub": "ann", "aud": DEMO.audience, "exp": int(time()) + 60}
    await refused(checked, jwt.encode(claims, SECRET, headers={"typ": DEMO.typ}))


@pytest.mark.parametrize("typ", ["at+jwt", "application/at+jwt", "jwt", "Bearer", None])
async def test_another_kind_of_access_token(checked: Checked, typ: str | None) -> None:
    """RFC 9068 and what providers make of it: the header's typ says nothing against them."""
    assert (await checked.check(checked.token({"typ": typ}))).user == "ann"


@pytest.mark.parametrize(
    "text", ["", ".", "..", "...", "a.b.c", "e30.e30.", "e30.e30.AAAA", "\ud800.e30.e30"]
)
async def test_no_token_at_all(checked: Checked, text: str) -> None:
    """Refused like a forged one."""
    await refused(checked, text)


async def test_an_encrypted_token(checked: Checked) -> None:
    """JWE in place of JWS: five parts, and other algorithms."""
    header = {"alg": "RSA-OAEP", "enc": "A256GCM"}
    head, claims, signature = checked.token(header).split(".")
    await refused(checked, f"{head}.{claims}.AAAA.AAAA.{signature}")
    await refused(checked, f"{head}.{claims}.{signature}")


async def test_json_serialization(checked: Checked) -> None:
    """RFC 7515 section 7.2: only the compact form is a bearer token."""
    head, claims, signature = checked.token().split(".")
    await refused(checked, json.dumps({"protected": head, "payload": claims, "signature": signature}))


async def test_a_good_token_of_pyjwts_holds(checked: Checked) -> None:
    """As a witness that the tests' own signing is right."""
    header, claims = checked.parts()
    key = SECRET if checked.algorithm == "HS256" else signing_key(checked.algorithm, 1).private
    headers = {"kid": checked.kid} if checked.kid else None
    token = jwt.encode(claims, key, algorithm=str(header["alg"]), headers=headers)
    assert (await checked.check(token)).user == "ann"

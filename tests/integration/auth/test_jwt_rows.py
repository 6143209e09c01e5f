"""Known attacks on JWTs, against every kind of configured key."""

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

from uploadsvc.auth.claims import ClaimRules
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
    """Sign a token with HMAC-SHA256, whatever its header says."""
    parts = [
        urlsafe_b64encode(
            json.dumps({name: value for name, value in part.items() if value is not None}).encode()
        ).rstrip(b"=")
        for part in (header, claims)
    ]
    mac = hmac.digest(secret, b".".join(parts), "sha256")
    return b".".join([*parts, urlsafe_b64encode(mac).rstrip(b"=")]).decode()


def public_texts(algorithm: str) -> tuple[bytes, ...]:
    """Return the public half of the issuer's key in several encodings."""
    key = signing_key(algorithm, 1).private
    public = key.public_key()
    pem = public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    der = public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return (pem, pem.strip(), der, json.dumps(public_jwk(key)).encode(), b"")


@asynccontextmanager
async def checked_by(kind: str) -> AsyncIterator[Checked]:
    """Return one way to verify tokens: ``secret``, or ``pem``, ``jwks`` or ``oidc`` and an algorithm."""
    how, _, algorithm = kind.partition(" ")
    fixed: dict[str, Any] = {
        "algorithms": (),
        "rules": ClaimRules(clock=lambda: datetime.now(UTC), audiences=(AUDIENCE,), issuer=ISSUER),
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
    """Make a verifier awaitable."""

    async def awaited(token: str) -> Principal:
        return check(token)

    return awaited


@pytest.fixture(params=KINDS, scope="module")
async def checked(request: pytest.FixtureRequest) -> AsyncIterator[Checked]:
    async with checked_by(request.param) as made:
        yield made


async def refused(checked: Checked, token: str) -> str:
    """Return the detail of the refusal, which holds no part of the token."""
    with pytest.raises(Unauthenticated) as caught:
        await checked.check(token)
    assert not any(len(part) > 8 and part in caught.value.detail for part in token.split("."))
    return caught.value.detail


async def test_a_valid_token_is_accepted(checked: Checked) -> None:
    """The token that the other tests change."""
    principal = await checked.check(checked.token())
    assert (principal.user, principal.policies, principal.kind) == ("ann", None, "user")
    ends = principal.expires_at
    assert ends is not None
    assert timedelta(0) < ends - datetime.now(UTC) <= timedelta(seconds=60)


@pytest.mark.parametrize("algorithm", ["none", "None", "NONE", "nOnE", "", None])
async def test_an_unsigned_token_is_refused(checked: Checked, algorithm: str | None) -> None:
    token = checked.token({"alg": algorithm})
    head = token.rpartition(".")[0]
    for signature in ("", "AAAA", checked.token().rpartition(".")[2]):
        await refused(checked, f"{head}.{signature}")
    await refused(checked, token)


@pytest.mark.parametrize("algorithm", ["HS256", "HS384", "HS512"])
async def test_an_hmac_with_public_data_is_refused(checked: Checked, algorithm: str) -> None:
    """Above all with the text of the public key."""
    for text in checked.public:
        await refused(checked, compact(*checked.parts({"alg": algorithm}), text))
        await refused(checked, compact(*checked.parts(), text))


async def test_both_names_of_ed25519_are_one_algorithm(checked: Checked) -> None:
    """RFC 8037 and RFC 9864; of no other key."""
    for name in ("EdDSA", "Ed25519"):
        token = checked.token({"alg": name})
        if checked.algorithm == "EdDSA":
            assert (await checked.check(token)).user == "ann"
        else:
            await refused(checked, token)


@pytest.mark.parametrize("algorithm", ["HS512", "RS256", "RS512", "PS256", "ES256", "ES384", "EdDSA", "XY1"])
async def test_another_algorithm_than_the_keys_is_refused(checked: Checked, algorithm: str) -> None:
    if algorithm == checked.algorithm:
        algorithm = "PS512"
    await refused(checked, checked.token({"alg": algorithm}))
    if algorithm not in {"HS512", "XY1"}:
        key = signing_key(algorithm, 99)
        await refused(checked, signed(*checked.parts({"alg": algorithm}), key))


async def test_a_forged_signature_is_refused(checked: Checked) -> None:
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
async def test_an_unknown_critical_extension_is_refused(checked: Checked, header: dict[str, object]) -> None:
    """RFC 7515 section 4.1.11."""
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
        ({"exp": "soon"}, "'exp' claim is not"),
        ({"exp": "9999999999"}, "'exp' claim is not"),
        ({"exp": 10**30}, "'exp' claim is not"),
        ({"exp": float("inf")}, "'exp' claim is not"),
        ({"exp": [9999999999]}, "'exp' claim is not"),
        ({"nbf": int(time()) + 3600}, "not valid yet"),
        ({"nbf": "later"}, "'nbf' claim is not"),
        ({"sub": None}, "no 'sub' claim"),
        ({"sub": ""}, "not a non-empty string"),
        ({"sub": 7}, "not a non-empty string"),
        ({"sub": ["ann"]}, "not a non-empty string"),
    ],
)
async def test_a_wrong_claim_is_refused(checked: Checked, claims: dict[str, Any], reason: str) -> None:
    assert reason in await refused(checked, checked.token(**claims))


async def test_an_issuer_with_another_slash_is_refused(checked: Checked) -> None:
    assert "iss" in await refused(checked, checked.token(iss=checked.issuer + "/"))


@pytest.mark.parametrize("name", ["jku", "x5u", "jwk", "x5c", "x5t", "x5t#S256"])
async def test_a_key_inside_the_token_is_neither_fetched_nor_used(checked: Checked, name: str) -> None:
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
async def test_a_kid_that_is_not_text_is_refused(checked: Checked, kid: object) -> None:
    """RFC 7515 section 4.1.4."""
    await refused(checked, checked.token({"kid": kid}))


@pytest.mark.parametrize("kind", ["demo+jwt", "receipt+jwt", "upload-token+jwt", "id", ""])
async def test_a_service_token_is_refused(checked: Checked, kind: str) -> None:
    """Even with the issuer's signature."""
    assert "kind of token" in await refused(checked, checked.token({"typ": f"uploadsvc-{kind}"}))


async def test_a_demo_token_is_refused(checked: Checked) -> None:
    """Even if it is signed with the shared secret."""
    claims = {"sub": "ann", "aud": DEMO.audience, "exp": int(time()) + 60}
    await refused(checked, jwt.encode(claims, SECRET, headers={"typ": DEMO.typ}))


@pytest.mark.parametrize("typ", ["at+jwt", "application/at+jwt", "jwt", "Bearer", None])
async def test_a_provider_may_use_any_typ(checked: Checked, typ: str | None) -> None:
    """RFC 9068 and others."""
    assert (await checked.check(checked.token({"typ": typ}))).user == "ann"


@pytest.mark.parametrize(
    "text", ["", ".", "..", "...", "a.b.c", "e30.e30.", "e30.e30.AAAA", "\ud800.e30.e30"]
)
async def test_text_that_is_not_a_token_is_refused(checked: Checked, text: str) -> None:
    await refused(checked, text)


async def test_an_encrypted_token_is_refused(checked: Checked) -> None:
    header = {"alg": "RSA-OAEP", "enc": "A256GCM"}
    head, claims, signature = checked.token(header).split(".")
    await refused(checked, f"{head}.{claims}.AAAA.AAAA.{signature}")
    await refused(checked, f"{head}.{claims}.{signature}")


async def test_json_serialization_is_refused(checked: Checked) -> None:
    """RFC 7515 section 7.2: a bearer token has the compact form."""
    head, claims, signature = checked.token().split(".")
    await refused(checked, json.dumps({"protected": head, "payload": claims, "signature": signature}))


async def test_a_token_made_by_pyjwt_is_accepted(checked: Checked) -> None:
    """It proves that the signing in these tests is right."""
    header, claims = checked.parts()
    key = SECRET if checked.algorithm == "HS256" else signing_key(checked.algorithm, 1).private
    headers = {"kid": checked.kid} if checked.kid else None
    token = jwt.encode(claims, key, algorithm=str(header["alg"]), headers=headers)
    assert (await checked.check(token)).user == "ann"

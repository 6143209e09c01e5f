"""An identity provider that tests run: it publishes keys, signs tokens by them, rotates them, and fails."""

import asyncio
import json
from base64 import urlsafe_b64encode
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import cache
from time import time
from typing import Any, Final, Literal, TypeAlias

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

PrivateKey: TypeAlias = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey

AUDIENCE: Final = "uploads"
DISCOVERY_PATH: Final = "/.well-known/openid-configuration"
JWKS_PATH: Final = "/jwks.json"

Failure: TypeAlias = Literal["error", "hang", "garbage", "redirect"]

_MAKERS: Final[Mapping[str, Callable[[], PrivateKey]]] = {
    "ES256": lambda: ec.generate_private_key(ec.SECP256R1()),
    "ES384": lambda: ec.generate_private_key(ec.SECP384R1()),
    "ES512": lambda: ec.generate_private_key(ec.SECP521R1()),
    "EdDSA": ed25519.Ed25519PrivateKey.generate,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class SigningKey:
    """A key of the provider.

    Attributes:
        kid: Its name.
        algorithm: What it signs by.
        private: The key itself.
    """

    kid: str
    algorithm: str
    private: PrivateKey = field(repr=False)

    @property
    def jwk(self) -> dict[str, Any]:
        """The public half as it is published (RFC 7517)."""
        return {**public_jwk(self.private), "kid": self.kid, "use": "sig", "alg": self.algorithm}


@dataclass(slots=True, kw_only=True)
class IdentityProvider:
    """A running provider.

    Attributes:
        issuer: Its name, and where it listens.
        keys: Those that it publishes; it signs by the last one.
        failing: How every answer fails now; ``None`` for good ones.
        metadata: Changes what discovery says; what is ``None`` is left out.
        requests: The paths that were asked for, in order.
    """

    issuer: str = ""
    keys: list[SigningKey]
    failing: Failure | None = None
    metadata: dict[str, object] = field(default_factory=dict)
    requests: list[str] = field(default_factory=list)

    @property
    def jwks_url(self) -> str:
        """Where the keys are published."""
        return self.issuer + JWKS_PATH

    @property
    def fetches(self) -> int:
        """How often the keys were asked for."""
        return self.requests.count(JWKS_PATH)

    def rotate(self) -> SigningKey:
        """Publish a new key beside the old ones, and sign by it from now on."""
        last = self.keys[-1]
        serial = int(last.kid.removeprefix("key-")) + 1
        self.keys.append(signing_key(last.algorithm, serial))
        return self.keys[-1]

    def withdraw(self) -> None:
        """Publish only the key that signs now."""
        del self.keys[:-1]

    def token(
        self,
        user: str = "alice",
        *,
        key: SigningKey | None = None,
        headers: Mapping[str, object] | None = None,
        **claims: object,
    ) -> str:
        """Return an access token for a user, good for five minutes.

        Args:
            user: The subject.
            key: What signs it; the current key by default.
            headers: Replace or add to the header's; ``None`` leaves one out.
            **claims: Replace or add to the claims; ``None`` leaves one out.
        """
        key = key or self.keys[-1]
        now = int(time())
        header = {"alg": key.algorithm, "typ": "JWT", "kid": key.kid, **(headers or {})}
        payload = {
            "iss": self.issuer,
            "aud": AUDIENCE,
            "sub": user,
            "iat": now,
            "exp": now + 300,
            **claims,
        }
        return signed(header, payload, key)

    def answer(self, path: str) -> bytes:
        """Return the bytes of the answer to a request; none where it never comes."""
        self.requests.append(path)
        if self.failing is not None:
            return {
                "error": _http("500 Internal Server Error", b"{}"),
                "hang": b"",
                "garbage": _http("200 OK", b"<!doctype html><p>Sign in</p>"),
                "redirect": _http("302 Found", b"", f"Location: {self.issuer}/moved{path}"),
            }[self.failing]
        documents: dict[str, dict[str, object]] = {
            JWKS_PATH: {"keys": [key.jwk for key in self.keys]},
            DISCOVERY_PATH: _present({"issuer": self.issuer, "jwks_uri": self.jwks_url, **self.metadata}),
        }
        if (document := documents.get(path.removeprefix("/moved"))) is None:
            return _http("404 Not Found", b"{}")
        return _http("200 OK", json.dumps(document).encode())


@asynccontextmanager
async def identity_provider(algorithm: str = "RS256") -> AsyncIterator[IdentityProvider]:
    """Listen on 127.0.0.1 as an identity provider.

    Args:
        algorithm: What it signs by: RS256 and its like, PS256 and its like, ES256, ES384, ES512, EdDSA.
    """
    provider = IdentityProvider(keys=[signing_key(algorithm, 1)])
    gone = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            answer = provider.answer(head.decode("latin-1").split(" ", 2)[1])
            if not answer:
                await gone.wait()
                return
            writer.write(answer)
            await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            return
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()
    provider.issuer = f"http://{host}:{port}"
    try:
        yield provider
    finally:
        gone.set()
        server.close()
        await server.wait_closed()


@cache
def signing_key(algorithm: str, serial: int) -> SigningKey:
    """Make a key, once: those of RSA take a while."""
    make = _MAKERS.get(algorithm, lambda: rsa.generate_private_key(public_exponent=65537, key_size=2048))
    return SigningKey(kid=f"key-{serial}", algorithm=algorithm, private=make())


def public_jwk(key: PrivateKey) -> dict[str, Any]:
    """Return the public half of a key as a JWK, without a name or a use."""
    public = key.public_key()
    if isinstance(public, rsa.RSAPublicKey):
        jwk = RSAAlgorithm.to_jwk(public, as_dict=True)
    elif isinstance(public, ec.EllipticCurvePublicKey):
        jwk = ECAlgorithm.to_jwk(public, as_dict=True)
    else:
        jwk = OKPAlgorithm.to_jwk(public, as_dict=True)
    # PyJWT adds a use of its own.
    jwk.pop("key_ops", None)
    return jwk


def signed(header: Mapping[str, object], claims: Mapping[str, object], key: SigningKey) -> str:
    """Return a token of any header and claims, signed by a key whatever the header says.

    Args:
        header: What is ``None`` is left out.
        claims: What is ``None`` is left out.
        key: What signs, by its own algorithm.
    """
    parts = [_encoded(json.dumps(_present(part)).encode()) for part in (header, claims)]
    by = jwt.get_algorithm_by_name(key.algorithm)
    parts.append(_encoded(by.sign(".".join(parts).encode(), key.private)))
    return ".".join(parts)


def _encoded(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode()


def _present(values: Mapping[str, object]) -> dict[str, object]:
    return {name: value for name, value in values.items() if value is not None}


def _http(status: str, body: bytes, *headers: str) -> bytes:
    lines = [
        f"HTTP/1.1 {status}",
        "Content-Type: application/json",
        f"Content-Length: {len(body)}",
        # Every request comes by a connection of its own, so none is left open when the server closes.
        "Connection: close",
        *headers,
    ]
    return ("\r\n".join(lines) + "\r\n\r\n").encode() + body

"""Credentials of the benchmark's users, and an endpoint that publishes the keys of their tokens."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import cache
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any, Final

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

from benchmarks.servers import SECRET
from uploadsvc.tokens.known_tokens import MAX_KNOWN_TOKENS

USERS: Final = 100
"""Users with one token each, which they send until it expires, as a front end does. They are few, so that
each calls more than once even in the shortest turn.
"""

STRANGERS: Final = MAX_KNOWN_TOKENS + 1_000
"""Tokens that are sent in turn: enough that each has left the cache before it is sent again."""

AUDIENCE: Final = "uploads"
ALGORITHMS: Final = ("RS256", "ES256", "EdDSA")
API_KEY: Final = "the benchmark's own API key, of 40 characters"
COOKIE: Final = "session"
PROXY_HEADER: Final = "X-Forwarded-User"

Headers = Mapping[str, str]

_RSA_BITS: Final = 2048


def user(number: int) -> str:
    """Return the id of a user."""
    return f"user-{number:04}"


def bearer(number: int, algorithm: str = "HS256") -> Headers:
    """Return the header with a user's token."""
    return {"Authorization": f"Bearer {token(number, algorithm)}"}


def cookie(number: int) -> Headers:
    """Return the headers of a browser that sends a user's token as a cookie."""
    return {"Cookie": f"{COOKIE}={token(number)}", "Sec-Fetch-Site": "same-origin"}


def api_key(number: int) -> Headers:
    """Return the headers of a service that calls for a user."""
    return {"X-API-Key": API_KEY, "X-On-Behalf-Of": user(number)}


def proxy_header(number: int) -> Headers:
    """Return the header in which a proxy names a user."""
    return {PROXY_HEADER: user(number)}


def token(number: int, algorithm: str = "HS256") -> str:
    """Return a user's JWT, with the usual claims of an identity provider."""
    now = datetime.now(UTC)
    claims = {
        "iss": "https://login.example",
        "aud": AUDIENCE,
        "sub": user(number),
        "iat": now,
        "exp": now + timedelta(hours=6),
        "jti": f"{algorithm}-{number}",
    }
    key = SECRET if algorithm == "HS256" else _private_key(algorithm)
    return jwt.encode(claims, key, algorithm=algorithm, headers={"kid": algorithm})


def secret_settings() -> dict[str, str]:
    """Return the environment variables for authentication by HS256, the most common setup."""
    return {"UPLOADSVC_AUTH__JWT__SECRET": SECRET, "UPLOADSVC_AUTH__JWT__AUDIENCE": json.dumps([AUDIENCE])}


def other_settings() -> dict[str, str]:
    """Return the environment variables that also accept API keys, a cookie and a proxy's header."""
    keys = [{"name": "bench", "sha256": sha256(API_KEY.encode()).hexdigest()}]
    return {
        **secret_settings(),
        "UPLOADSVC_AUTH__JWT__COOKIE": COOKIE,
        "UPLOADSVC_AUTH__API_KEYS": json.dumps(keys),
        "UPLOADSVC_AUTH__TRUSTED_HEADER": PROXY_HEADER,
        "UPLOADSVC_AUTH__TRUSTED_PROXIES": json.dumps(["127.0.0.1/32"]),
    }


def jwks_settings(url: str) -> dict[str, str]:
    """Return the environment variables for authentication by published keys."""
    return {"UPLOADSVC_AUTH__JWT__JWKS_URL": url, "UPLOADSVC_AUTH__JWT__AUDIENCE": json.dumps([AUDIENCE])}


@contextmanager
def published_keys() -> Iterator[str]:
    """Publish the keys of all algorithms; yield the URL."""
    document = json.dumps({"keys": [_jwk(algorithm) for algorithm in ALGORITHMS]}).encode()

    class Answers(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(document)))
            self.end_headers()
            self.wfile.write(document)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - http.server's
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Answers) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}/jwks.json"
        finally:
            server.shutdown()


@cache
def _private_key(
    algorithm: str,
) -> rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey:
    if algorithm == "RS256":
        return rsa.generate_private_key(public_exponent=65537, key_size=_RSA_BITS)
    if algorithm == "ES256":
        return ec.generate_private_key(ec.SECP256R1())
    return ed25519.Ed25519PrivateKey.generate()


def _jwk(algorithm: str) -> dict[str, Any]:
    public = _private_key(algorithm).public_key()
    if isinstance(public, rsa.RSAPublicKey):
        jwk = RSAAlgorithm.to_jwk(public, as_dict=True)
    elif isinstance(public, ec.EllipticCurvePublicKey):
        jwk = ECAlgorithm.to_jwk(public, as_dict=True)
    else:
        jwk = OKPAlgorithm.to_jwk(public, as_dict=True)
    # PyJWT adds it; `use` says the same.
    jwk.pop("key_ops", None)
    return {**jwk, "kid": algorithm, "use": "sig", "alg": algorithm}

"""Receipts, what looks like one and is none, and a server of the keys that they are checked with."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any, Final

import jwt
from tests.support.receipt_keys import KEYS, OTHER_EC, private_pem
from tests.support.service import RECEIPT_SECRET

from uploadsvc.tokens.receipt_keys import ReceiptPrivateKey, SharedKey, private_key
from uploadsvc.tokens.receipts import TYP, Receipts

Key = ReceiptPrivateKey | SharedKey

SECRET: Final = SharedKey(b"r" * 32)
PUBLIC: Final = {name: private_key(private_pem(key)) for name, key in KEYS.items()}


def receipts_by(key: Key) -> Receipts:
    """Return what signs with a key, under the names that are the default."""
    return Receipts(key=key, issuer="uploadsvc", audience="uploadsvc-receipts", expires_in=600)


def key_set(key: Key) -> dict[str, Any]:
    """Return the JWK Set that its receipts are checked with."""
    return {"keys": [one.jwk() for one in receipts_by(key).keys]}


def receipt_by(key: Key) -> str:
    """Return a receipt: of the user ann, for five bytes by the policy ``avatars``."""
    claims = {"size": 5, "policy": "avatars", "key": "uploads/ann/a.jpg", "etag": "e"}
    return receipts_by(key).sign(claims, user="ann", jti="J", now=datetime.now(UTC))


def forged(key: Key, /, *, typ: str = TYP, without: str = "", **claims: object) -> str:
    """Return a JWT with the right signature, and something else about it."""
    checking = key.public if isinstance(key, ReceiptPrivateKey) else key
    ends = datetime.now(UTC) + timedelta(minutes=1)
    good = {"iss": "uploadsvc", "aud": "uploadsvc-receipts", "exp": ends, "sub": "ann", "jti": "J"}
    kept = {name: value for name, value in {**good, **claims}.items() if name != without}
    headers = {"typ": typ, "kid": checking.kid}
    return jwt.encode(kept, key.key, algorithm=checking.algorithm, headers=headers)


def claims_of(receipt: str) -> dict[str, Any]:
    """Verify a receipt of the tests' service as a backend does, with the shared secret alone."""
    claims = jwt.decode(
        receipt,
        RECEIPT_SECRET,
        algorithms=["HS256"],
        audience="uploadsvc-receipts",
        issuer="uploadsvc",
        options={"require": ["exp", "iat", "jti", "sub"]},
    )
    assert isinstance(claims, dict)
    return claims


def refused(key: Key, /, **claims: Any) -> list[str]:  # noqa: ANN401 - JSON
    """Return what no backend may take for a receipt, though each differs from one in a single thing.

    Args:
        key: Signs them.
        claims: What a backend reads besides: with these, nothing else is wrong.
    """
    receipt = receipt_by(key)
    return [
        receipt_by(private_key(private_pem(OTHER_EC))),
        forged(key, typ="JWT", **claims),
        forged(key, **{**claims, "iss": "other"}),
        forged(key, **{**claims, "aud": "other"}),
        forged(key, **{**claims, "exp": datetime.now(UTC) - timedelta(seconds=1)}),
        *(forged(key, without=claim, **claims) for claim in ("iss", "aud", "exp", "sub", "jti")),
        receipt[:-8] + ("A" * 8 if receipt[-8:] != "A" * 8 else "B" * 8),
        "not a token",
    ]


@contextmanager
def serving(keys: dict[str, Any]) -> Iterator[str]:
    """Serve a key set on this machine and give its address."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(json.dumps(keys).encode())

        def log_message(self, *_arguments: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/"
        finally:
            server.shutdown()
            thread.join()

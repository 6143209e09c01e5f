"""What `docs/receipts.md` shows to backends does what it says."""

import json
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any, Final

import jwt
import pytest
from tests.receipt_keys import KEYS, OTHER_EC, private_pem
from tests.servers import ROOT

from uploadsvc.receipt_keys import PrivateKey, SharedKey, private_key
from uploadsvc.receipts import TYP, Receipts

GUIDE: Final = (ROOT / "docs" / "receipts.md").read_text(encoding="utf-8")
SNIPPETS: Final = re.findall(r"```python\n(.*?)```", GUIDE, re.DOTALL)
ADDRESS: Final = "https://uploads.example.com/.well-known/jwks.json"
Check = Callable[[str], dict[str, Any]]
Key = PrivateKey | SharedKey

SECRET: Final = SharedKey(b"r" * 32)
PUBLIC: Final = {name: private_key(private_pem(key)) for name, key in KEYS.items()}


def receipts_by(key: Key) -> Receipts:
    """Return what signs with a key, under the names that are the default."""
    return Receipts(key=key, issuer="uploadsvc", audience="uploadsvc-receipts", expires_in=600)


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


@contextmanager
def checks(key: Key, directory: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Check]]:
    """Run the snippets as a backend does, and give their functions; a secret is for the offline one alone."""
    keys = {"keys": [one.jwk() for one in receipts_by(key).keys]}
    (directory / "receipt-keys.json").write_text(json.dumps(keys))
    monkeypatch.chdir(directory)
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with serving(keys) as address:
        names: dict[str, Any] = {}
        for snippet in SNIPPETS:
            exec(snippet.replace(ADDRESS, address), names)  # noqa: S102 - our own documentation
        yield [names["check_offline"], *([names["check"]] if isinstance(key, PrivateKey) else [])]


def forged(key: Key, *, typ: str = TYP, without: str = "", **claims: object) -> str:
    """Return a JWT with the right signature, and something else about it."""
    checking = key.public if isinstance(key, PrivateKey) else key
    ends = datetime.now(UTC) + timedelta(minutes=1)
    good = {"iss": "uploadsvc", "aud": "uploadsvc-receipts", "exp": ends, "sub": "ann", "jti": "J"}
    kept = {name: value for name, value in {**good, **claims}.items() if name != without}
    headers = {"typ": typ, "kid": checking.kid}
    return jwt.encode(kept, key.key, algorithm=checking.algorithm, headers=headers)


@pytest.mark.parametrize("key", [*PUBLIC.values(), SECRET], ids=[*PUBLIC, "secret"])
def test_the_snippets_check_receipts(key: Key, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A receipt passes, and nothing else does: each of the checks that the page names is made."""
    now = datetime.now(UTC)
    receipt = receipts_by(key).sign({"size": 5}, user="ann", jti="J", now=now)
    elsewhere = receipts_by(private_key(private_pem(OTHER_EC))).sign({}, user="ann", jti="J", now=now)
    refused = [
        elsewhere,
        forged(key, typ="JWT"),
        forged(key, iss="other"),
        forged(key, aud="other"),
        forged(key, exp=now - timedelta(seconds=1)),
        *(forged(key, without=claim) for claim in ("iss", "aud", "exp", "sub", "jti")),
        receipt[:-8] + ("A" * 8 if receipt[-8:] != "A" * 8 else "B" * 8),
        "not a token",
    ]
    with checks(key, tmp_path, monkeypatch) as functions:
        for check in functions:
            assert check(receipt)["size"] == 5
            assert check(forged(key))["jti"] == "J"
            for token in refused:
                with pytest.raises(jwt.PyJWTError):
                    check(token)


def test_the_page_names_every_claim() -> None:
    """Those that are registered, and those of the upload."""
    table = GUIDE.partition("## Claims")[2].partition("## Rotation")[0]
    registered = {"iss", "aud", "sub", "iat", "exp", "jti"}
    upload = {"bucket", "key", "size", "content_type", "etag", "version_id", "checksum", "policy"}
    assert {name for name in registered | upload if f"`{name}`" not in table} == set()

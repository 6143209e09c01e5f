"""The Python examples of `docs/receipts.md` work; tests/e2e/clients has Node.js."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import jwt
import pytest
from tests.support.pages import examples, text_of
from tests.support.receipt_tokens import PUBLIC, SECRET, Key, forged, key_set, receipt_by, refused, serving

from uploadsvc.tokens.receipt_keys import ReceiptPrivateKey

GUIDE: Final = text_of("docs/receipts.md")
SNIPPETS: Final = examples(GUIDE, "python")
ADDRESS: Final = "https://uploads.example.com/.well-known/jwks.json"


@contextmanager
def backend(key: Key, directory: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, Any]]:
    """Run the snippets as a backend does, and give their functions."""
    (directory / "receipt-keys.json").write_text(json.dumps(key_set(key)))
    monkeypatch.chdir(directory)
    with serving(key_set(key)) as address:
        names: dict[str, Any] = {}
        for snippet in SNIPPETS:
            exec(snippet.replace(ADDRESS, address), names)  # noqa: S102 - our own documentation
        yield names


@pytest.mark.parametrize("key", [*PUBLIC.values(), SECRET], ids=[*PUBLIC, "secret"])
def test_the_snippets_check_receipts(key: Key, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A receipt passes, and nothing else does: each of the checks that the page names is made."""
    with backend(key, tmp_path, monkeypatch) as names:
        # A secret is for the offline one alone.
        for check in [
            names["check_offline"],
            *([names["check"]] if isinstance(key, ReceiptPrivateKey) else []),
        ]:
            assert check(receipt_by(key))["size"] == 5
            assert check(forged(key))["jti"] == "J"
            for token in refused(key):
                with pytest.raises(jwt.PyJWTError):
                    check(token)


def test_an_endpoint_takes_what_is_the_users(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not another user's upload, nor one by another policy."""
    key = PUBLIC["Ed25519"]
    with backend(key, tmp_path, monkeypatch) as names:
        avatar_of = names["avatar_of"]
        assert avatar_of("ann", receipt_by(key)) == {"receipt": "J", "key": "uploads/ann/a.jpg", "etag": "e"}
        for user, token in (("bob", receipt_by(key)), ("ann", forged(key, policy="invoices"))):
            with pytest.raises(PermissionError):
                avatar_of(user, token)


def test_the_page_names_every_claim() -> None:
    """Those that are registered, and those of the upload."""
    table = GUIDE.partition("## Claims")[2].partition("## Rotation")[0]
    registered = {"iss", "aud", "sub", "iat", "exp", "jti"}
    upload = {"bucket", "key", "size", "content_type", "etag", "version_id", "checksum", "policy"}
    assert {name for name in registered | upload if f"`{name}`" not in table} == set()

"""The Node.js examples of `docs/receipts.md` work with the package that it names."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import pytest
from tests.support.clients.tools import NODE_MODULES, run
from tests.support.pages import examples, text_of
from tests.support.receipt_tokens import PUBLIC, SECRET, Key, forged, key_set, receipt_by, refused, serving

from uploadsvc.tokens.receipt_keys import ReceiptPrivateKey

SNIPPETS: Final = examples(text_of("docs/receipts.md"), "js")
ADDRESS: Final = "https://uploads.example.com/.well-known/jwks.json"

_CALLS: Final = """
import * as guide from "./guide.mjs";
const told = [];
for (const [name, ...values] of JSON.parse(process.argv[1])) {
  try {
    told.push({ returned: await guide[name](...values) });
  } catch (error) {
    told.push({ thrown: error.code ?? error.message });
  }
}
console.log(JSON.stringify(told));
"""


async def called(directory: Path, key: Key, calls: Sequence[tuple[str, ...]]) -> list[dict[str, Any]]:
    """Run the snippets as a backend does; return what each call has returned or thrown."""
    (directory / "node_modules").symlink_to(NODE_MODULES)
    (directory / "receipt-keys.json").write_text(json.dumps(key_set(key)), encoding="utf-8")
    with serving(key_set(key)) as address:
        guide = "".join(SNIPPETS).replace(ADDRESS, address)
        (directory / "guide.mjs").write_text(guide, encoding="utf-8")
        command = ("node", "--input-type=module", "--eval", _CALLS, json.dumps(calls))
        done = await run(*command, directory=directory)
    assert (done.returncode, done.stderr) == (0, "")
    told: list[dict[str, Any]] = json.loads(done.stdout)
    return told


@pytest.mark.usefixtures("_tools")
@pytest.mark.parametrize("key", [*PUBLIC.values(), SECRET], ids=[*PUBLIC, "secret"])
async def test_the_snippets_check_receipts(key: Key, tmp_path: Path) -> None:
    """A receipt passes, and nothing else does: each of the checks that the page names is made."""
    # A secret is for the offline one alone.
    functions = ("checkOffline", *(("check",) if isinstance(key, ReceiptPrivateKey) else ()))
    tokens = (receipt_by(key), forged(key), *refused(key))
    told = await called(tmp_path, key, [(name, token) for name in functions for token in tokens])
    for start in range(0, len(told), len(tokens)):
        receipt, other, *rest = told[start : start + len(tokens)]
        assert receipt["returned"]["size"] == 5
        assert other["returned"]["jti"] == "J"
        for answer in rest:
            assert answer["thrown"].startswith("ERR_J") or answer["thrown"] == "signed with another key"


@pytest.mark.usefixtures("_tools")
async def test_an_endpoint_takes_what_is_the_users(tmp_path: Path) -> None:
    """Not another user's upload, nor one by another policy."""
    key = PUBLIC["Ed25519"]
    good, invoice = receipt_by(key), forged(key, policy="invoices")
    calls = [("avatarOf", "ann", good), ("avatarOf", "bob", good), ("avatarOf", "ann", invoice)]
    taken, *others = await called(tmp_path, key, calls)
    assert taken["returned"] == {"receipt": "J", "key": "uploads/ann/a.jpg", "etag": "e"}
    assert [one["thrown"] for one in others] == ["another user's upload, or one of another kind"] * 2

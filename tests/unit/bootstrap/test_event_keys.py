"""The key of receipts signs events too, if its kind can."""

import pytest
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from tests.support.receipt_keys import EC, ED25519, private_pem

from uploadsvc.cli.documents import print_receipt_keys

VARIABLES = {
    "S3__BUCKET": "media",
    "S3__REGION": "eu-central-1",
    "EVENTS__QUEUE_URL": "https://sqs.eu-central-1.amazonaws.com/123456789012/uploads",
}


@pytest.mark.parametrize(("kind", "lines"), [(ED25519, 1), (EC, 0)])
def test_receipt_key_shows_the_public_key_of_events(
    kind: PrivateKeyTypes, lines: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("UPLOADSVC_RECEIPTS__PRIVATE_KEY", private_pem(kind))
    for name, value in VARIABLES.items():
        monkeypatch.setenv(f"UPLOADSVC_{name}", value)
    print_receipt_keys(pem=False)
    assert capsys.readouterr().err.count("(v1a) with whpk_") == lines

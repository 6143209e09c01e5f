"""Secrets are blacked out, with and without their names; everything else stays."""

import pytest

from uploadsvc.domain.redaction import LONGEST, redacted, without_named_secrets, without_secrets

TOKEN = "FwoGZXIvYXdzE" + "Bc/9+x" * 20
SIGNATURE = "0123456789abcdef" * 4
SECRET_KEY = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
NAMED = [
    ("GET /x?X-Amz-Signature=abc123&y=1", "GET /x?X-Amz-Signature=[redacted]&y=1"),
    ("x-amz-credential%3Dabc123", "x-amz-credential%3D[redacted]"),
    ("'X-Amz-Security-Token': 'abc123'", "'X-Amz-Security-Token': '[redacted]'"),
    (r"{\"x-amz-signature\": \"abc123\"}", r"{\"x-amz-signature\": \"[redacted]\"}"),
    ("('x-amz-security-token', 'abc123')", "('x-amz-security-token', '[redacted]')"),
    ("SignedHeaders=host, Signature=abc123", "SignedHeaders=host, Signature=[redacted]"),
    ("Authorization: Bearer abc.def-_~+/=", "Authorization: Bearer [redacted]"),
    ("bad signature: Bearer abc.def", "bad signature: Bearer [redacted]"),
    ("X-Amz-Credential, Bearer abc", "X-Amz-Credential, Bearer [redacted]"),
    ("signature: x-amz-credential = abc/1", "signature: x-amz-credential = [redacted]"),
    ("Signature: 'X-Amz-Credential': 'abc/x'", "Signature: 'X-Amz-Credential': '[redacted]'"),
]


@pytest.mark.parametrize(("text", "kept"), NAMED)
def test_named_secrets_are_blacked_out(text: str, kept: str) -> None:
    """The names stay: they help to read a log."""
    assert without_named_secrets(text) == kept
    assert without_secrets(text) == kept
    assert "abc" not in redacted(text)


@pytest.mark.parametrize("secret", [TOKEN, SIGNATURE, SIGNATURE.upper(), SECRET_KEY])
def test_secrets_without_a_name_are_blacked_out(secret: str) -> None:
    """By their form: a token's length, a signature's digits, a secret key's letters."""
    assert without_secrets(f"it was {secret}!") == "it was [redacted]!"
    assert redacted(f"it was {secret}!") == "it was [redacted]!"


def test_a_message_of_s3_holds_no_path_of_a_source_file() -> None:
    """What may be one in a traceback is a token there."""
    assert redacted(f'File "{TOKEN}"') == 'File "[redacted]"'


@pytest.mark.parametrize(
    "text",
    [
        "The signature we calculated does not match the signature you provided.",
        "send 'Authorization: Bearer <token>'",
        "X-Amz-Expires=900",
        "0123456789abcdef" * 2,
        f'File "/{"directory/" * 20}module.py", line 3, in function',
    ],
)
def test_other_text_stays(text: str) -> None:
    """Prose, lifetimes, request ids, and the paths of a traceback."""
    assert without_secrets(text) == text


@pytest.mark.parametrize("value", [SIGNATURE, SECRET_KEY])
def test_values_without_a_name_stay_where_an_id_may_look_like_a_key(value: str) -> None:
    """A user or a request may be called so."""
    assert without_named_secrets(value) == value


@pytest.mark.parametrize("name", ["X-Amz-Date", "x-amz-signedheaders", "X-Amz-Signature", "Signature"])
def test_a_message_of_s3_keeps_no_parameter_of_a_signature(name: str) -> None:
    """It may repeat the whole request."""
    assert redacted(f"What came was {name}=value; and more") == "What came was [redacted] and more"


@pytest.mark.parametrize(("message", "kept"), [(None, ""), ("", ""), (" a\n b ", "a b"), (403, "403")])
def test_a_message_is_one_line(message: object, kept: str) -> None:
    """Whatever S3 puts into it."""
    assert redacted(message) == kept


def test_a_message_is_short() -> None:
    """The rest is cut off."""
    text = redacted("word " * 100)
    assert len(text) == LONGEST
    assert text.endswith("…")

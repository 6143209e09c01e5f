"""Record of a request: filled while it is served, logged at its end.

A context variable holds the record, so every line that is logged meanwhile names the request.
"""

from contextvars import ContextVar, Token
from typing import Final

_CURRENT: Final[ContextVar["RequestRecord | None"]] = ContextVar("uploadsvc_request", default=None)


class RequestRecord:
    """One request, or one message of a queue. Contains no credentials.

    Attributes:
        request_id: Id of the request; empty for a message.
        trace_id: W3C trace id, 32 hexadecimal digits.
        message_id: SQS's id of a message.
        policy: Name of the policy.
        upload_method: Upload method.
        upload_id: UUID of the upload, as in its events. It gives no access.
        code: Problem code of the response.
        reason: Why a credential was refused, or a preflight.
        s3_request_id: S3's id of the last call to it.
        items: Fields of each upload of a batch; ``None`` for a single upload.
    """

    # Class attributes: setting each of them in every request would take longer than the rest.
    message_id: str | None = None
    policy: str | None = None
    upload_method: str | None = None
    upload_id: str | None = None
    code: str | None = None
    reason: str | None = None
    s3_request_id: str | None = None
    items: list[dict[str, str]] | None = None

    def __init__(self, request_id: str = "", trace_id: str | None = None) -> None:
        self.request_id = request_id
        self.trace_id = trace_id

    def enter(self) -> "Token[RequestRecord | None]":
        """Make this the record of the running context, until `leave`."""
        return _CURRENT.set(self)

    @staticmethod
    def leave(token: "Token[RequestRecord | None]") -> None:
        """Restore the record that `enter` replaced."""
        _CURRENT.reset(token)

    def ids(self) -> dict[str, str]:
        """Return the ids that every log line of this request contains."""
        named = {}
        if self.request_id:
            named["request_id"] = self.request_id
        if self.trace_id is not None:
            named["trace_id"] = self.trace_id
        if self.message_id is not None:
            named["message_id"] = self.message_id
        return named


def current() -> RequestRecord | None:
    """Return the record of the current request or message, if any."""
    return _CURRENT.get()


def note_upload(policy: str, method: str, upload_id: str) -> None:
    """Note the upload of a request. An id from a listing has no UUID, and is left out."""
    record = _CURRENT.get()
    if record is not None and record.items is None:
        record.policy = policy or None
        record.upload_method = method
        record.upload_id = upload_id or None


def note_policy(policy: str) -> None:
    """Note the policy of a request, which may still be refused."""
    record = _CURRENT.get()
    if record is not None and record.items is None:
        record.policy = policy


def note_problem(code: str) -> None:
    """Note the problem code of the response."""
    record = _CURRENT.get()
    if record is not None:
        record.code = code


def note_s3_request(s3_request_id: str) -> None:
    """Note S3's id of a call."""
    record = _CURRENT.get()
    if record is not None:
        record.s3_request_id = s3_request_id


def begin_batch() -> None:
    """Note that a request creates several uploads. Each gets its own log line."""
    record = _CURRENT.get()
    if record is not None:
        record.items = []


def note_item(**fields: str) -> None:
    """Note one upload of a batch, created or refused."""
    record = _CURRENT.get()
    if record is not None and record.items is not None:
        record.items.append(fields)

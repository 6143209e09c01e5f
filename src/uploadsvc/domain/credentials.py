"""AWS credentials."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

TEMPORARY_ACTIONS: Final = ("s3:PutObject", "s3:AbortMultipartUpload", "s3:ListMultipartUploadParts")
"""IAM actions of the temporary credentials that callers get."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """An AWS access key: long-lived or temporary.

    Attributes:
        access_key_id: Public part, visible in every signed URL.
        secret_access_key: Secret part. Never leaves the process.
        session_token: Set for temporary (STS) credentials.
        expires_at: Expiry time of temporary credentials (aware, UTC); ``None`` for long-lived ones.
    """

    access_key_id: str
    secret_access_key: str = field(repr=False)
    session_token: str | None = field(default=None, repr=False)
    expires_at: datetime | None = None

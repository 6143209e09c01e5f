"""Domain errors.

They carry no HTTP status; ``api/problems.py`` maps them.
"""

from datetime import datetime
from typing import ClassVar, Final, Literal

from uploadsvc.domain.quotas import QuotaName
from uploadsvc.domain.rates import Standing

MAX_SHOWN: Final = 200
"""Maximum number of characters of a caller's name that an error shows."""


def shown(name: str) -> str:
    """Shorten a name from the caller to one line, for an error."""
    name = name[:MAX_SHOWN]
    return name if name.isprintable() else ascii(name)[1:-1]


Refusal = Literal[
    "no_credential",
    "scheme",
    "repeated",
    "too_long",
    "wrong_kind",
    "malformed",
    "critical_header",
    "algorithm",
    "unknown_key",
    "signature",
    "expired",
    "not_yet_valid",
    "missing_claim",
    "bad_claim",
    "issuer",
    "audience",
    "api_key",
    "proxy_header",
    "push_secret",
    "service_token",
]
"""Reasons for an invalid credential, for the access log. More specific than the response."""


class UploadsvcError(Exception):
    """A refusal or failure, reported to the caller.

    Args:
        detail: One sentence for people, without credentials and signed URLs.
        field: Request field, header or parameter at fault, as the caller spelled it.
    """

    code: ClassVar[str]

    def __init__(self, detail: str, *, field: str | None = None) -> None:
        super().__init__(detail)
        self.detail = detail
        self.field = field

    def about(self, name: str) -> "UploadsvcError":
        """Return a copy with a name before the detail."""
        return type(self)(f"{name}: {self.detail}", field=self.field)


class Unauthenticated(UploadsvcError):
    """There is no credential, or it is not valid.

    Args:
        detail: One sentence for people.
        reason: Reason, for the log.
    """

    code = "unauthenticated"

    def __init__(self, detail: str, *, reason: Refusal) -> None:
        super().__init__(detail)
        self.reason = reason


class Forbidden(UploadsvcError):
    """The caller is authenticated but not allowed to do this."""

    code = "forbidden"


class QuotaExceeded(UploadsvcError):
    """The upload does not fit into the caller's quota.

    Args:
        detail: One sentence for people.
        quota: Name of the quota.
        limit: Its limit in bytes or uploads.
        left: Remaining bytes or uploads.
        frees_at: Time at which this upload would fit, aware; ``None`` for never.
    """

    code = "quota_exceeded"

    def __init__(
        self, detail: str, *, quota: QuotaName, limit: int, left: int, frees_at: datetime | None
    ) -> None:
        super().__init__(detail)
        self.quota: QuotaName = quota
        self.limit = limit
        self.left = left
        self.frees_at = frees_at

    def about(self, name: str) -> "QuotaExceeded":
        """Return a copy with a name before the detail."""
        return QuotaExceeded(
            f"{name}: {self.detail}",
            quota=self.quota,
            limit=self.limit,
            left=self.left,
            frees_at=self.frees_at,
        )


class NotFound(UploadsvcError):
    """It does not exist or belongs to another user. Both look the same on purpose."""

    code = "not_found"


class PolicyNotFound(UploadsvcError):
    """There is no policy with this name."""

    code = "policy_not_found"


class UploadIncomplete(UploadsvcError):
    """S3 does not have the bytes yet."""

    code = "upload_incomplete"


class UploadAborted(UploadsvcError):
    """The multipart upload was aborted; its parts are gone."""

    code = "upload_aborted"


class ObjectExists(UploadsvcError):
    """An object with this key exists, and the upload may not replace it."""

    code = "object_exists"


class ObjectUnavailable(UploadsvcError):
    """The object cannot be downloaded: it lacks the tag that its policy requires.

    Args:
        detail: One sentence for people.
        retry_after: Seconds after which to retry; ``None`` if a scanner has rejected the object.
    """

    code = "object_unavailable"

    def __init__(self, detail: str, *, retry_after: int | None = None) -> None:
        super().__init__(detail, field="key")
        self.retry_after = retry_after


class UploadExpired(UploadsvcError):
    """The upload id has expired."""

    code = "upload_expired"


class FileTooLarge(UploadsvcError):
    """The file is above the policy's ``max_size``."""

    code = "file_too_large"


class FileTooSmall(UploadsvcError):
    """The file is below the policy's ``min_size``."""

    code = "file_too_small"


class ContentTypeNotAllowed(UploadsvcError):
    """The policy does not allow this media type."""

    code = "content_type_not_allowed"


class SizeRequired(UploadsvcError):
    """A PUT URL cannot enforce a size range, so the exact size is required."""

    code = "size_required"


class ContentTypeRequired(UploadsvcError):
    """The policy restricts media types, so the request must name one."""

    code = "content_type_required"


class ChecksumRequired(UploadsvcError):
    """The policy requires a checksum."""

    code = "checksum_required"


class InvalidKey(UploadsvcError):
    """The object key is not valid."""

    code = "invalid_key"


class MetadataNotAllowed(UploadsvcError):
    """The policy does not allow this metadata, or it is too large."""

    code = "metadata_not_allowed"


class MethodNotAvailable(UploadsvcError):
    """The upload cannot use this method."""

    code = "method_not_available"


class ValidationFailed(UploadsvcError):
    """A request field is malformed."""

    code = "validation_error"


class VerificationFailed(UploadsvcError):
    """The object in S3 differs from the upload request."""

    code = "verification_failed"


class ContentMismatch(VerificationFailed):
    """The file's format does not match its content type."""

    code = "content_mismatch"

    def __init__(self, detail: str, *, field: str = "content_type") -> None:
        super().__init__(detail, field=field)


class RateLimited(UploadsvcError):
    """The caller has sent too many requests, or created too many uploads.

    Args:
        detail: One sentence for people.
        standing: The limit that was reached.
    """

    code = "rate_limited"

    def __init__(self, detail: str, standing: Standing) -> None:
        super().__init__(detail)
        self.standing = standing

    @property
    def retry_after(self) -> int:
        """Seconds after which to retry."""
        return self.standing.wait


class StorageDenied(UploadsvcError):
    """S3 refuses the service's own credentials."""

    code = "storage_denied"


class StorageMisconfigured(UploadsvcError):
    """The bucket is missing or in another region, or the store lacks a feature."""

    code = "storage_misconfigured"


class Unavailable(UploadsvcError):
    """A service that uploads depend on does not respond.

    Args:
        detail: One sentence for people.
        retry_after: Seconds after which to retry.
    """

    # The contract has one code for "retry later", whichever service does not respond.
    code = "storage_unavailable"

    def __init__(self, detail: str, *, retry_after: int = 2) -> None:
        super().__init__(detail)
        self.retry_after = retry_after


class StorageUnavailable(Unavailable):
    """S3 does not respond or is overloaded."""


class StillAssembling(StorageUnavailable):
    """S3 is still assembling the parts of an upload."""


class IdentityProviderUnavailable(Unavailable):
    """The keys that verify tokens cannot be fetched."""


class Overloaded(Unavailable):
    """Too many requests are in progress in this process."""

    code = "overloaded"


class EventsNotDelivered(Unavailable):
    """A store's notification could not be turned into delivered or queued events."""

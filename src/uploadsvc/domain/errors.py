"""What can go wrong, in the language of uploads.

These carry no HTTP status: ``api/problems.py`` has the one table that maps them.
"""

from typing import ClassVar


class UploadsvcError(Exception):
    """A refusal or a failure that the caller is told about.

    Args:
        detail: One sentence for people; never holds a credential or a signed URL.
        field: The request field, header or parameter at fault, as the caller wrote it.
    """

    code: ClassVar[str]

    def __init__(self, detail: str, *, field: str | None = None) -> None:
        super().__init__(detail)
        self.detail = detail
        self.field = field


class Unauthenticated(UploadsvcError):
    """No credential, or one that does not hold."""

    code = "unauthenticated"


class Forbidden(UploadsvcError):
    """The caller is known, and may not do this."""

    code = "forbidden"


class NotFound(UploadsvcError):
    """Nothing there, or somebody else's: the two look alike on purpose."""

    code = "not_found"


class PolicyNotFound(UploadsvcError):
    """No policy of that name."""

    code = "policy_not_found"


class UploadIncomplete(UploadsvcError):
    """S3 does not have the bytes yet."""

    code = "upload_incomplete"


class UploadAborted(UploadsvcError):
    """The multipart upload was given up; its parts are gone."""

    code = "upload_aborted"


class ObjectExists(UploadsvcError):
    """An object is there, and the upload may not replace it."""

    code = "object_exists"


class UploadExpired(UploadsvcError):
    """The upload's id has expired."""

    code = "upload_expired"


class FileTooLarge(UploadsvcError):
    """Above the policy's ``max_size``."""

    code = "file_too_large"


class FileTooSmall(UploadsvcError):
    """Below the policy's ``min_size``."""

    code = "file_too_small"


class ContentTypeNotAllowed(UploadsvcError):
    """A media type that the policy does not list."""

    code = "content_type_not_allowed"


class SizeRequired(UploadsvcError):
    """A PUT URL cannot carry a size range, so it needs the exact size."""

    code = "size_required"


class ContentTypeRequired(UploadsvcError):
    """The policy restricts media types, and only what is named is signed."""

    code = "content_type_required"


class ChecksumRequired(UploadsvcError):
    """The policy asks for a checksum."""

    code = "checksum_required"


class InvalidKey(UploadsvcError):
    """Not a good object key."""

    code = "invalid_key"


class MetadataNotAllowed(UploadsvcError):
    """Metadata that the policy does not list, or too much of it."""

    code = "metadata_not_allowed"


class MethodNotAvailable(UploadsvcError):
    """This upload cannot be done by the method asked for."""

    code = "method_not_available"


class ValidationFailed(UploadsvcError):
    """A request field that is malformed."""

    code = "validation_error"


class VerificationFailed(UploadsvcError):
    """What S3 holds is not what was promised."""

    code = "verification_failed"


class StorageDenied(UploadsvcError):
    """S3 refuses the service's own credentials."""

    code = "storage_denied"


class StorageMisconfigured(UploadsvcError):
    """No such bucket, another region, or a store that lacks what was asked of it."""

    code = "storage_misconfigured"


class Unavailable(UploadsvcError):
    """Something that the service needs does not answer now.

    Args:
        detail: One sentence for people.
        retry_after: When a caller should come back, in seconds.
    """

    # The contract has one code for "come back later", whatever it is that does not answer.
    code = "storage_unavailable"

    def __init__(self, detail: str, *, retry_after: int = 2) -> None:
        super().__init__(detail)
        self.retry_after = retry_after


class StorageUnavailable(Unavailable):
    """S3 does not answer, or says that it is overloaded."""


class StillAssembling(StorageUnavailable):
    """S3 is still putting the parts of an upload together."""


class IdentityProviderUnavailable(Unavailable):
    """The keys that would check a token cannot be fetched."""

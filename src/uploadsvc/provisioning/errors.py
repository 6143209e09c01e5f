"""Convert failures of S3 and SQS to states of a rule."""

from http import HTTPStatus
from typing import Final

from botocore.exceptions import ClientError

from uploadsvc.provisioning.models import RuleState
from uploadsvc.s3.errors import NOT_S3, S3Failure

UNREADABLE: Final = (*NOT_S3, ValueError, TypeError, AttributeError)
"""Raised if a response, or the JSON in it, does not come from S3."""

_UNSUPPORTED: Final = frozenset({"NotImplemented", "MethodNotAllowed"})
_UNSUPPORTED_STATUSES: Final = frozenset({HTTPStatus.METHOD_NOT_ALLOWED, HTTPStatus.NOT_IMPLEMENTED})
_DENIED: Final = frozenset({"AccessDenied", "AccessDeniedException"})
"""Error codes of SQS, whose status may be 400."""

_DENIED_STATUSES: Final = frozenset({HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN})


def code_of(error: ClientError) -> str:
    """Return S3's code. For a response without a body, botocore puts the status here."""
    return S3Failure.of_error(error).code


def refused(error: ClientError, service: str = "S3") -> RuleState:
    """Return the state for a service's error: it lacks the feature, denies the call, or fails."""
    failure = S3Failure.of_error(error)
    what = failure.code or failure.status
    if failure.code in _UNSUPPORTED or failure.status in _UNSUPPORTED_STATUSES:
        return RuleState(state="unsupported", found=f"the store does not support this ({what})")
    reason = f": {failure.message}" if failure.message not in {"", failure.code} else ""
    denied = failure.status in _DENIED_STATUSES or failure.code in _DENIED
    return RuleState(state="not allowed" if denied else "failed", found=f"{service} says {what}{reason}")


def unreadable(error: Exception) -> RuleState:
    """Return the state for a response that is not S3's, without the error's message, which may quote it."""
    found = f"the response is not from S3, or not for this request ({type(error).__name__})"
    return RuleState(state="failed", found=found)

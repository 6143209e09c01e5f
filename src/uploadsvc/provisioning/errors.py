"""S3's refusals, as states of a rule."""

from typing import Final

from botocore.exceptions import ClientError
from botocore.parsers import ResponseParserError

from uploadsvc.domain.redaction import redacted
from uploadsvc.provisioning.models import RuleState

UNREADABLE: Final = (ResponseParserError, ValueError, LookupError, TypeError, AttributeError)
"""What is raised over an answer that is none of S3's, such as a page that asks for a login."""

_UNSUPPORTED: Final = frozenset({"NotImplemented", "MethodNotAllowed"})


def code_of(error: ClientError) -> str:
    """Return S3's code; of an answer without a body, its status."""
    return str(error.response.get("Error", {}).get("Code") or "")


def refused(error: ClientError) -> RuleState:
    """Tell a store that has no such thing from one that does not let us, and both from a failure."""
    code, status = code_of(error), error.response["ResponseMetadata"]["HTTPStatusCode"]
    reason = redacted(error.response.get("Error", {}).get("Message"))
    said = f"S3 says {code or status}" + (f": {reason}" if reason and reason != code else "")
    if code in _UNSUPPORTED or status in {405, 501}:
        return RuleState(state="unsupported", found=f"the store has no such thing ({code or status})")
    if status in {401, 403}:
        return RuleState(state="not allowed", found=said)
    return RuleState(state="failed", found=said)


def unreadable(error: Exception) -> RuleState:
    """Tell what answers, but not as S3 does. Its words are not shown: they may hold the whole answer."""
    found = f"what answers is not S3, or answers something else ({type(error).__name__})"
    return RuleState(state="failed", found=found)

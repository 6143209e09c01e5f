"""S3's refusals, as states of a rule."""

from typing import Final

from botocore.exceptions import ClientError

from uploadsvc.provisioning.steps import Finding

_UNSUPPORTED: Final = frozenset({"NotImplemented", "MethodNotAllowed"})


def code_of(error: ClientError) -> str:
    """Return S3's code; of an answer without a body, its status."""
    return str(error.response.get("Error", {}).get("Code", ""))


def refused(error: ClientError) -> Finding:
    """Tell a store that has no such thing from one that does not let us, and both from a failure."""
    code, status = code_of(error), error.response["ResponseMetadata"]["HTTPStatusCode"]
    reason = " ".join(error.response["Error"].get("Message", "").split())
    said = f"S3 says {code or status}" + (f": {reason}" if reason and reason != code else "")
    if code in _UNSUPPORTED or status in {405, 501}:
        return Finding(state="unsupported", found=f"the store has no such thing ({code or status})")
    if status in {401, 403}:
        return Finding(state="not allowed", found=said)
    return Finding(state="failed", found=said)

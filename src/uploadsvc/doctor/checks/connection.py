"""What the first contact says of credentials, endpoint, clock, region and bucket."""

from datetime import timedelta
from typing import Final

from uploadsvc.doctor.checks.identity import credentials_finding
from uploadsvc.doctor.contact import Contact
from uploadsvc.doctor.findings import Finding, failed, follows, ok, skipped, warning
from uploadsvc.doctor.network import address
from uploadsvc.doctor.target import Target
from uploadsvc.services.readiness import MAX_CLOCK_SKEW

CHECKS: Final = ("credentials", "endpoint", "clock", "region", "bucket")

_UNCERTAIN: Final = timedelta(seconds=2)
_ODD_SKEW: Final = timedelta(minutes=1)
_MISSING: Final = 404
_SET_CLOCK: Final = "set this machine's clock, by NTP"
_SETTING: Final = "UPLOADSVC_S3__REGION"


async def connection_findings(target: Target, contact: Contact) -> list[Finding]:
    """Return one finding for each of `CHECKS`, of which at most one failed for a failed contact."""
    return [
        await credentials_finding(target, contact),
        _endpoint(target, contact),
        _clock(target, contact),
        _region(target, contact),
        _bucket(target, contact),
    ]


def _endpoint(target: Target, contact: Contact) -> Finding:
    host, port = address(target.inner)
    where = f"{target.inner.scheme}://{host}:{port}"
    if contact.obstacle is not None:
        mend = "check UPLOADSVC_S3__ENDPOINT_URL, the network and what stands in between"
        return failed("endpoint", contact.obstacle, mend)
    if contact.cause(target) == "endpoint":
        return failed("endpoint", f"{where} answers {contact.answer}", "see what is wrong with the store")
    return ok("endpoint", f"{where} answers")


def _clock(target: Target, contact: Contact) -> Finding:
    cause, skew = contact.cause(target), contact.skew
    if cause == "endpoint":
        return follows("clock", cause)
    if skew is None:
        if cause == "clock":
            return failed("clock", f"S3 answers {contact.answer}", _SET_CLOCK)
        return skipped("clock", "the store does not say what time it is")
    ahead = "behind" if skew > timedelta() else "ahead of"
    found = f"this machine's clock is {round(abs(skew).total_seconds())} s {ahead} the store's"
    if cause == "clock" or abs(skew) > MAX_CLOCK_SKEW:
        return failed("clock", f"{found}: what it signs is refused", _SET_CLOCK)
    if abs(skew) > _ODD_SKEW:
        return warning("clock", found, _SET_CLOCK)
    return ok("clock", found if abs(skew) > _UNCERTAIN else "this machine's clock agrees with the store's")


def _region(target: Target, contact: Contact) -> Finding:
    cause, answer = contact.cause(target), contact.answer
    if answer is None:
        return follows("region", cause or "endpoint")
    if answer.region not in {"", target.region}:
        found = f"{_SETTING} is {target.region}, the bucket is in {answer.region}"
        mend = f"set {_SETTING}={answer.region}"
        return failed("region", found, mend) if cause == "region" else warning("region", found, mend)
    if cause == "region":
        return failed("region", f"S3 answers {answer}", f"set {_SETTING} to the bucket's own region")
    if answer.region:
        return ok("region", f"the bucket is in {answer.region}")
    return ok("region", f"signs for {target.region}; the store does not say where the bucket is")


def _bucket(target: Target, contact: Contact) -> Finding:
    cause, answer = contact.cause(target), contact.answer
    if cause not in {None, "bucket"} or answer is None:
        return follows("bucket", cause or "endpoint")
    if answer.taken:
        return ok("bucket", f"{target.bucket} is there")
    if answer.status == _MISSING:
        mend = "check UPLOADSVC_S3__BUCKET, or make it with uploadsvc bucket apply"
        return failed("bucket", f"there is no bucket {target.bucket} ({answer})", mend)
    mend = "let these credentials do what uploadsvc iam-policy prints"
    return failed("bucket", f"S3 answers {answer} to who asks for {target.bucket}", mend)

"""Check credentials, endpoint, clock, region and bucket, by the first contact."""

import asyncio
from datetime import timedelta
from http import HTTPStatus
from typing import Any, Final

from botocore.exceptions import ClientError

from uploadsvc.doctor.contact import Contact
from uploadsvc.doctor.findings import Finding, blocked, failed, ok, skipped, warning
from uploadsvc.doctor.network import address
from uploadsvc.doctor.responses import REQUEST_TIMEOUT, UNANSWERED, S3Response
from uploadsvc.doctor.target import Target
from uploadsvc.services.readiness import MAX_CLOCK_SKEW

CHECKS: Final = ("credentials", "endpoint", "clock", "region", "bucket")

_UNCERTAIN: Final = timedelta(seconds=2)
_ODD_SKEW: Final = timedelta(minutes=1)
_SET_CLOCK: Final = "set this machine's clock, by NTP"
_CHECK_STORE: Final = "look at the store's own log and state: no setting of uploadsvc helps"
_SETTING: Final = "UPLOADSVC_S3__REGION"
_CHECK_KEYS: Final = "check UPLOADSVC_S3__ACCESS_KEY_ID and __SECRET_ACCESS_KEY, or what the AWS chain finds"
_KEY_REFUSED: Final = frozenset({"InvalidClientTokenId", "SignatureDoesNotMatch", "ExpiredToken"})
_PROVIDERS: Final = {
    "env": "the environment",
    "shared-credentials-file": "AWS's credentials file",
    "config-file": "AWS's configuration file",
    "custom-process": "a credential process",
    "sso": "single sign-on",
    "assume-role": "a role that is assumed",
    "assume-role-with-web-identity": "a role by web identity (IRSA)",
    "container-role": "the container's role",
    "iam-role": "the instance's role",
}


async def connection_findings(target: Target, contact: Contact) -> list[Finding]:
    """Return one finding for each of `CHECKS`; at most one fails if the contact failed."""
    return [
        await _credentials(target, contact),
        _endpoint(target, contact),
        _clock(target, contact),
        _region(target, contact),
        _bucket(target, contact),
    ]


async def _credentials(target: Target, contact: Contact) -> Finding:
    credentials = contact.credentials
    if credentials is None:
        return failed("credentials", contact.problem, _CHECK_KEYS)
    found = f"{credentials.access_key_id}, from {_source(target)}"
    if contact.cause(target) == "credentials":
        return failed("credentials", f"{found}: S3 answers {contact.response}", _CHECK_KEYS)
    identity = await _identity(target)
    if isinstance(identity, S3Response):
        return failed("credentials", f"{found}: STS answers {identity}", _CHECK_KEYS)
    found = f"{found}; {identity}"
    if credentials.expires_at is not None:
        return ok("credentials", f"{found}; session until {credentials.expires_at:%Y-%m-%dT%H:%M:%SZ}")
    if credentials.session_token is not None and target.own_credentials:
        fix = "leave the access key out, so that the AWS chain finds credentials and renews them"
        return warning("credentials", f"{found}; their session ends and is not renewed", fix)
    return ok("credentials", found)


def _source(target: Target) -> str:
    if target.own_credentials:
        return "the settings"
    provider = target.storage.credentials_provider or "chain"
    return f"the AWS chain: {_PROVIDERS.get(provider, provider)}"


async def _identity(target: Target) -> str | S3Response:
    """Return the owner of the credentials in words, or STS's refusal.

    This needs no permission: https://docs.aws.amazon.com/STS/latest/APIReference/API_GetCallerIdentity.html
    """
    if target.provider.name != "aws":
        return f"{target.provider.name} does not identify their owner"
    try:
        async with (
            asyncio.timeout(REQUEST_TIMEOUT),
            target.storage.client_of("sts", region_name=target.region) as sts,
        ):
            answer: dict[str, Any] = await sts.get_caller_identity()
    except ClientError as error:
        response = S3Response.of_error(error)
        if response.code in _KEY_REFUSED:
            return response
        return f"STS does not identify their owner ({response.code})"
    except UNANSWERED:
        # Not a failure: only this check needs STS.
        return "STS cannot be reached from here, so their owner is unknown"
    return f"{answer['Arn']} of account {answer['Account']}"


def _endpoint(target: Target, contact: Contact) -> Finding:
    host, port = address(target.inner)
    where = f"{target.inner.scheme}://{host}:{port}"
    if contact.obstacle is not None:
        return failed("endpoint", contact.obstacle.found, contact.obstacle.fix)
    if contact.cause(target) == "endpoint":
        return failed("endpoint", f"{where} answers {contact.response}", _CHECK_STORE)
    return ok("endpoint", f"{where} answers")


def _clock(target: Target, contact: Contact) -> Finding:
    cause, skew = contact.cause(target), contact.skew
    if cause == "endpoint":
        return blocked("clock", cause)
    if skew is None:
        if cause == "clock":
            return failed("clock", f"S3 answers {contact.response}", _SET_CLOCK)
        return skipped("clock", "the store does not report its time")
    ahead = "behind" if skew > timedelta() else "ahead of"
    found = f"this machine's clock is {round(abs(skew).total_seconds())} s {ahead} the store's"
    if cause == "clock" or abs(skew) > MAX_CLOCK_SKEW:
        return failed("clock", f"{found}: S3 refuses its signatures", _SET_CLOCK)
    if abs(skew) > _ODD_SKEW:
        return warning("clock", found, _SET_CLOCK)
    return ok("clock", found if abs(skew) > _UNCERTAIN else "this machine's clock agrees with the store's")


def _region(target: Target, contact: Contact) -> Finding:
    cause, response = contact.cause(target), contact.response
    if response is None:
        return blocked("region", cause or "endpoint")
    if response.region not in {"", target.region}:
        found = f"{_SETTING} is {target.region}, the bucket is in {response.region}"
        fix = f"set {_SETTING}={response.region}"
        return failed("region", found, fix) if cause == "region" else warning("region", found, fix)
    if cause == "region":
        return failed("region", f"S3 answers {response}", f"set {_SETTING} to the bucket's own region")
    if response.region:
        return ok("region", f"the bucket is in {response.region}")
    return ok("region", f"signs for {target.region}; the store does not say where the bucket is")


def _bucket(target: Target, contact: Contact) -> Finding:
    cause, response = contact.cause(target), contact.response
    if cause not in {None, "bucket"} or response is None:
        return blocked("bucket", cause or "endpoint")
    if response.accepted:
        return ok("bucket", f"{target.bucket} is there")
    if response.status == HTTPStatus.NOT_FOUND:
        fix = "check UPLOADSVC_S3__BUCKET, or create the bucket with uploadsvc bucket apply"
        return failed("bucket", f"there is no bucket {target.bucket} ({response})", fix)
    fix = "grant these credentials the rights that uploadsvc iam-policy prints"
    return failed("bucket", f"S3 answers {response} to a request for {target.bucket}", fix)

"""Where the credentials come from, and whose they are."""

import asyncio
from typing import Any, Final

from botocore.exceptions import ClientError

from uploadsvc.doctor.contact import Contact
from uploadsvc.doctor.findings import Finding, failed, ok, warning
from uploadsvc.doctor.responses import UNANSWERED, Answer, of_error
from uploadsvc.doctor.target import Target

_PATIENCE: Final = 5.0
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
_MEND: Final = "check UPLOADSVC_S3__ACCESS_KEY_ID and __SECRET_ACCESS_KEY, or what the AWS chain finds"
_REFUSED: Final = frozenset({"InvalidClientTokenId", "SignatureDoesNotMatch", "ExpiredToken"})


async def credentials_finding(target: Target, contact: Contact) -> Finding:
    """Say which credentials sign; whose they are only where an STS can be asked."""
    credentials = contact.credentials
    if credentials is None:
        return failed("credentials", contact.problem, _MEND)
    found = f"{credentials.access_key_id}, from {_source(target)}"
    if contact.cause(target) == "credentials":
        return failed("credentials", f"{found}: S3 answers {contact.answer}", _MEND)
    identity = await _identity(target)
    if isinstance(identity, Answer):
        return failed("credentials", f"{found}: STS answers {identity}", _MEND)
    found = f"{found}; {identity}"
    if credentials.expires_at is not None:
        return ok("credentials", f"{found}; session until {credentials.expires_at:%Y-%m-%dT%H:%M:%SZ}")
    if credentials.session_token is not None and target.own_credentials:
        mend = "leave the access key out, so that the AWS chain finds credentials and renews them"
        return warning("credentials", f"{found}; a session's, which ends and is not renewed", mend)
    return ok("credentials", found)


def _source(target: Target) -> str:
    if target.own_credentials:
        return "the settings"
    provider = target.storage.credentials_provider or "chain"
    return f"the AWS chain: {_PROVIDERS.get(provider, provider)}"


async def _identity(target: Target) -> str | Answer:
    """Return whose the credentials are, or STS's refusal.

    Anyone may ask that: https://docs.aws.amazon.com/STS/latest/APIReference/API_GetCallerIdentity.html
    """
    if target.provider.name != "aws":
        return f"whose they are cannot be asked of {target.provider.name}"
    try:
        async with (
            asyncio.timeout(_PATIENCE),
            target.storage.client_of("sts", region_name=target.region) as sts,
        ):
            answer: dict[str, Any] = await sts.get_caller_identity()
    except ClientError as error:
        said = of_error(error)
        return said if said.code in _REFUSED else f"STS does not say whose they are ({said.code})"
    except UNANSWERED:
        # A network without a way to STS is no fault: nothing else needs it.
        return "STS cannot be reached from here, so whose they are is not known"
    return f"{answer['Arn']} of account {answer['Account']}"

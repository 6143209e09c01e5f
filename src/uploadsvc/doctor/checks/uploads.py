"""Findings from the probes: for each method, for each policy, and for the ETag."""

from collections.abc import Sequence
from http import HTTPStatus
from typing import Final

from uploadsvc.doctor.canaries import NOT_SENT
from uploadsvc.doctor.checks.cors import closed_to, exposes
from uploadsvc.doctor.checks.public_endpoint import address_fix
from uploadsvc.doctor.findings import Finding, blocked, failed, listed, ok, skipped, warning
from uploadsvc.doctor.network import FIND_OUT
from uploadsvc.doctor.permissions import Permissions
from uploadsvc.doctor.probes import METHODS, Probe
from uploadsvc.doctor.responses import S3Response
from uploadsvc.doctor.target import Target
from uploadsvc.domain.policy import Method, Policy

ETAG: Final = "etag"

FIX_PROVIDER: Final = "set UPLOADSVC_S3__PROVIDER to the kind of the store"

_FIX_DELETE: Final = (
    "let these credentials delete below the key prefix, and leave --no-store out: then canaries are stored "
    "as users' files are"
)
_FIX_RIGHTS: Final = (
    "grant these credentials the rights that uploadsvc iam-policy prints, and check what the bucket policy "
    "denies"
)


def method_check(method: Method) -> str:
    """Return the name of a method's check."""
    return f"canary:{method}"


def policy_check(name: str) -> str:
    """Return the name of a policy's check."""
    return f"policy:{name}"


def method_findings(target: Target, probes: Sequence[Probe], permissions: Permissions) -> list[Finding]:
    """Return one finding for each method."""
    return [_method(target, method, probes, permissions) for method in METHODS]


def _method(target: Target, method: Method, probes: Sequence[Probe], permissions: Permissions) -> Finding:
    check = method_check(method)
    tried = [probe for probe in probes if probe.method == method]
    if not tried:
        if method == "post" and not target.provider.post_policies:
            return skipped(check, f"{target.provider.name} does not accept POST forms")
        return skipped(check, "no policy allows it")
    passed = [probe for probe in tried if not probe.problem]
    general = [probe for probe in tried if probe.problem and not probe.policy_refused]
    if general and not passed:
        return failed(check, general[0].problem, _fix(target, general[0], probes))
    done = {
        "put": "a PUT was stored",
        "post": "a form was stored",
        "multipart": "created, one part sent and listed, aborted",
    }[method]
    if method != "multipart" and not permissions.store:
        done = f"signature and rights hold, and nothing was stored: {permissions.why_not}"
    return ok(check, done)


def _fix(target: Target, probe: Probe, probes: Sequence[Probe]) -> str:
    """Return the fix for a method that fails with every policy."""
    response = probe.response
    lost = response is not None and response.code == "NoSuchUpload" and target.has_own_public_address
    if lost or any(outcome.misplaced for outcome in probe.outcomes):
        return address_fix(target)
    if probe.missing is not None:
        return f"{FIX_PROVIDER}, or {target.lacking(probe.missing)}"
    if probe.kept or (response is not None and response.code == NOT_SENT):
        return _FIX_DELETE
    if response is None or not response.status:
        return FIND_OUT
    return _fix_refusal(target, probe, response, probes)


def _fix_refusal(target: Target, probe: Probe, response: S3Response, probes: Sequence[Probe]) -> str:
    denied = response.status == HTTPStatus.FORBIDDEN and response.code in {"", "AccessDenied"}
    others_work = any(not one.problem for one in probes if one.method != probe.method)
    if probe.method == "post" and (others_work or not denied):
        rights = f"{_FIX_RIGHTS}; or, " if denied else ""
        return f"{rights}if the store takes no forms, {target.lacking('post_policies')}"
    if response.status in {HTTPStatus.FORBIDDEN, HTTPStatus.UNAUTHORIZED}:
        blocks = target.provider.public_access_block and target.provider.blocks_public_acls is not True
        return (
            f"{_FIX_RIGHTS}; turn BlockPublicAcls of the bucket off, if it is on" if blocks else _FIX_RIGHTS
        )
    others = ",".join(method for method in METHODS if method != probe.method)
    names = listed({one.policy for one in probes if one.method == probe.method})
    setting = f"UPLOADSVC_POLICIES__{probe.policy.upper()}__METHODS={others}"
    return f"let the store accept it, or leave {probe.method} out of the policies {names}: set {setting}"


def policy_findings(target: Target, probes: Sequence[Probe]) -> list[Finding]:
    """Return one finding for each policy: its usable methods and its callers."""
    return [
        _policy(target, name, [probe for probe in probes if probe.policy == name]) for name in target.planners
    ]


def _policy(target: Target, name: str, probes: Sequence[Probe]) -> Finding:
    check = policy_check(name)
    planner = target.planners[name]
    refused = [probe for probe in probes if probe.policy_refused]
    if refused:
        options = _options(planner.policy)
        found = f"by {refused[0].method}, with {options}: {refused[0].problem}"
        fix = f"change UPLOADSVC_POLICIES__{name.upper()}, or let the bucket accept {options}"
        return failed(check, found, fix)
    broken = [probe.method for probe in probes if probe.problem]
    working = planner.methods - set(broken)
    if not working:
        return blocked(check, method_check(broken[0]))
    callers = target.callers.get(name)
    found = f"by {listed(working)}"
    if callers is None:
        return warning(check, f"{found}; no caller can use it", _let_a_caller_use_it(target))
    return ok(check, f"{found}; for {callers}")


def _let_a_caller_use_it(target: Target) -> str:
    if not target.callers:
        return "configure who may call: set UPLOADSVC_AUTH__JWT__ISSUER and __AUDIENCE, or __API_KEYS"
    return "list it under the policies of a key in UPLOADSVC_AUTH__API_KEYS, or remove it"


def _options(policy: Policy) -> str:
    options = {
        f"acl {policy.acl}": policy.acl,
        f"storage class {policy.storage_class}": policy.storage_class,
        f"encryption {policy.server_side_encryption}": policy.server_side_encryption,
        "tags": policy.signed_tags,
    }
    chosen = [name for name, value in options.items() if value]
    return listed(chosen) if chosen else "its settings"


def etag_finding(target: Target, probes: Sequence[Probe], closed: Sequence[str]) -> Finding:
    """Return whether pages may read the ``ETag`` of their uploads.

    Args:
        target: The target of the run.
        probes: Uploads sent as pages of each origin.
        closed: Failed checks of origins, whose pages may not even send.
    """
    pages = [origin for origin in target.pages if target.origin_check(origin) not in closed]
    if not target.pages:
        return skipped(ETAG, "no origins are set, so no page uploads")
    if not pages:
        return blocked(ETAG, closed[0])
    seen = {
        origin: outcome
        for probe in probes
        if probe.method != "post" and not probe.problem
        for origin, outcome in zip(target.pages, probe.outcomes, strict=False)
        if origin in pages and outcome.response.accepted
    }
    if not seen:
        return skipped(ETAG, "no upload that a page could send was stored, so there was no ETag to read")
    fix = "run uploadsvc bucket apply, or expose ETag in the bucket's CORS rule"
    for origin, outcome in seen.items():
        if (reason := closed_to(origin, outcome.headers)) is not None:
            return failed(ETAG, f"{origin} may not read the answer to its PUT: {reason}", fix)
        if not exposes("etag", outcome.headers):
            found = f"{origin} may not read ETag: it is not in Access-Control-Expose-Headers"
            return failed(ETAG, found, fix)
    return ok(ETAG, f"may be read by pages of {listed(seen)}")

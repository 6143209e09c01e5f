"""What the attempts say: of each method, of each policy, and of what pages may read."""

from collections.abc import Sequence
from typing import Final

from uploadsvc.doctor.checks.preflight import closed_to, exposes
from uploadsvc.doctor.findings import Finding, failed, follows, listed, ok, skipped, warning
from uploadsvc.doctor.permissions import Licence
from uploadsvc.doctor.probes import METHODS, Attempt
from uploadsvc.doctor.target import Target
from uploadsvc.domain.policy import Method, Policy

ETAG: Final = "etag"

_RIGHTS: Final = (
    "see that these credentials may do what uploadsvc iam-policy prints, and what the bucket policy denies"
)


def method_check(method: Method) -> str:
    """Return the name of a method's check."""
    return f"canary:{method}"


def policy_check(name: str) -> str:
    """Return the name of a policy's check."""
    return f"policy:{name}"


def method_findings(target: Target, attempts: Sequence[Attempt], licence: Licence) -> list[Finding]:
    """Say of each method whether uploads by it get through."""
    return [_method(target, method, attempts, licence) for method in METHODS]


def _method(target: Target, method: Method, attempts: Sequence[Attempt], licence: Licence) -> Finding:
    check = method_check(method)
    tried = [attempt for attempt in attempts if attempt.method == method]
    if not tried:
        if method == "post" and not target.provider.post_policies:
            return skipped(check, f"{target.provider.name} takes no POST forms")
        return skipped(check, "no policy uploads by it")
    through = [attempt for attempt in tried if not attempt.problem]
    general = [attempt for attempt in tried if attempt.problem and not attempt.own]
    if general and not through:
        return failed(check, general[0].problem, _RIGHTS)
    if not through and not any(attempt.own for attempt in tried):
        return failed(check, tried[0].problem, _RIGHTS)
    done = {
        "put": "a PUT was stored",
        "post": "a form was stored",
        "multipart": "begun, one part sent and listed, and aborted",
    }[method]
    if method != "multipart" and not licence.store:
        done = f"signature and rights hold, and nothing was stored: {licence.why}"
    return ok(check, done)


def policy_findings(target: Target, attempts: Sequence[Attempt]) -> list[Finding]:
    """Say of each policy whether it can be used, by which methods, and by whom."""
    return [
        _policy(target, name, [attempt for attempt in attempts if attempt.policy == name])
        for name in target.planners
    ]


def _policy(target: Target, name: str, tried: Sequence[Attempt]) -> Finding:
    check = policy_check(name)
    planner = target.planners[name]
    own = [attempt for attempt in tried if attempt.own]
    if own:
        wishes = _wishes(planner.policy)
        found = f"by {own[0].method}, with {wishes}: {own[0].problem}"
        return failed(
            check, found, f"change UPLOADSVC_POLICIES__{name.upper()}, or let the bucket take {wishes}"
        )
    broken = [attempt.method for attempt in tried if attempt.problem]
    working = planner.methods - set(broken)
    if not working:
        return follows(check, method_check(broken[0]))
    callers = target.callers.get(name)
    found = f"by {listed(working)}"
    if callers is None:
        return warning(check, f"{found}; nobody can use it", _nobody(target))
    return ok(check, f"{found}; for {callers}")


def _nobody(target: Target) -> str:
    if not target.callers:
        return "say who may call: UPLOADSVC_AUTH__..."
    return "list it under the policies of a key in UPLOADSVC_AUTH__API_KEYS, or take it out"


def _wishes(policy: Policy) -> str:
    wishes = {
        f"acl {policy.acl}": policy.acl,
        f"storage class {policy.storage_class}": policy.storage_class,
        f"encryption {policy.server_side_encryption}": policy.server_side_encryption,
        "tags": policy.tags,
    }
    return (
        listed(name for name, wished in wishes.items() if wished) if any(wishes.values()) else "its settings"
    )


def etag_finding(target: Target, attempts: Sequence[Attempt], closed: Sequence[str]) -> Finding:
    """Say whether pages may read the ``ETag`` of what they have sent.

    Args:
        target: What is examined.
        attempts: What was sent, as pages of each origin.
        closed: Checks of origins whose pages may not even send.
    """
    pages = [origin for origin in target.pages if target.origin_check(origin) not in closed]
    if not target.pages:
        return skipped(ETAG, "no origins are set, so no page uploads")
    if not pages:
        return follows(ETAG, closed[0])
    seen = {
        origin: outcome
        for attempt in attempts
        if attempt.method != "post" and not attempt.problem
        for origin, outcome in zip(target.pages, attempt.outcomes, strict=False)
        if origin in pages and outcome.answer.taken
    }
    if not seen:
        return skipped(ETAG, "no upload of a page's kind got through that would show it")
    mend = "run uploadsvc bucket apply, or expose ETag in the bucket's CORS rule"
    for origin, outcome in seen.items():
        if (reason := closed_to(origin, outcome.headers)) is not None:
            return failed(ETAG, f"{origin} may not read the answer to its PUT: {reason}", mend)
        if not exposes("etag", outcome.headers):
            return failed(
                ETAG, f"{origin} may not read ETag: it is not in Access-Control-Expose-Headers", mend
            )
    return ok(ETAG, f"may be read by pages of {listed(seen)}")

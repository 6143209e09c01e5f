"""Run the doctor in this process, and list what it leaves in a bucket."""

from collections.abc import Collection, Mapping
from typing import Any, Final

from tests.support.servers import S3Server
from tests.support.service import settings_for

from uploadsvc.bootstrap.doctor import doctor_target
from uploadsvc.cli.doctor import browser
from uploadsvc.doctor.findings import Finding, Status
from uploadsvc.doctor.runner import Runner, check_names
from uploadsvc.provisioning.plan import apply
from uploadsvc.settings import Settings

ORIGIN: Final = "https://app.example.com"
OTHER_ORIGIN: Final = "http://localhost:3000"

Findings = Mapping[str, Finding]


def settings_of(server: S3Server, /, **sections: object) -> dict[str, Any]:
    """Return settings that reach a server, with two origins whose pages upload."""
    return settings_for(server, **{"cors": {"allow_origins": [ORIGIN, OTHER_ORIGIN]}, **sections})


async def examine(
    settings: Mapping[str, Any], *, only: Collection[str] = (), store: bool = True, deliver: bool = False
) -> dict[str, Finding]:
    """Run all checks, or some; return the findings by check."""
    target = doctor_target(Settings.model_validate(dict(settings)), deliver=deliver)
    async with target.storage, browser(target) as http:
        chosen = only or check_names(target)
        findings = await Runner(target, http, only=chosen, store=store).findings()
    found = {finding.check: finding for finding in findings}
    assert len(found) == len(findings), "each check is told once"
    if not only:
        assert list(found) == check_names(target), "each check is told"
    for finding in findings:
        assert "\n" not in finding.found + finding.mend
        assert bool(finding.mend) == (finding.status in {"warning", "failed"}) or finding.status == "skipped"
        assert not any(secret in finding.found + finding.mend for secret in ("X-Amz-", "Signature="))
    return found


async def prepare(settings: Mapping[str, Any]) -> None:
    """Make the bucket's rules."""
    target = doctor_target(Settings.model_validate(dict(settings)))
    async with target.storage, target.queue_clients() as queues:
        await apply(target.storage.client, target.requirements, queues=queues)


def of_status(found: Findings, *statuses: Status) -> set[str]:
    """Return the checks with these statuses."""
    return {check for check, finding in found.items() if finding.status in statuses}


async def traces(server: S3Server) -> list[str]:
    """List everything in a bucket: objects, versions, delete markers, unfinished uploads."""
    async with server.client() as client:
        versions: Any = await client.list_object_versions(Bucket=server.bucket)
        objects: Any = await client.list_objects_v2(Bucket=server.bucket)
        uploads: Any = await client.list_multipart_uploads(Bucket=server.bucket)
    return [
        *(f"version {one['Key']}" for one in versions.get("Versions", [])),
        *(f"marker {one['Key']}" for one in versions.get("DeleteMarkers", [])),
        *(f"object {one['Key']}" for one in objects.get("Contents", [])),
        *(f"upload {one['Key']}" for one in uploads.get("Uploads", [])),
    ]

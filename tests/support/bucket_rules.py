"""Requirements of the tests on a bucket, and a client that records its writes."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from tests.support.servers import S3Server

from uploadsvc.domain.providers import PROVIDERS
from uploadsvc.provisioning.models import BucketRequirements, Rule, Step
from uploadsvc.provisioning.rules import CHECKS

if TYPE_CHECKING:
    from types_aiobotocore_s3 import S3Client

ORIGIN: Final = "https://app.example.com"
PLAIN_RULES: Final[tuple[Rule, ...]] = tuple(check.rule for check in CHECKS if not check.for_events)
"""The rules of settings without a queue."""


def required(server: S3Server, **changed: Any) -> BucketRequirements:  # noqa: ANN401 - any of its fields
    """Return the requirements of plain settings; moto passes for AWS."""
    fields: dict[str, Any] = {
        "bucket": server.bucket,
        "region": server.region,
        "provider": PROVIDERS["aws" if server.name == "moto" else server.name],
        "key_prefix": "uploads",
        "origins": (ORIGIN,),
        "cors_methods": frozenset({"GET", "HEAD", "PUT"}),
        "cors_headers": frozenset({"content-type", "if-none-match"}),
        "cors_extra_headers": frozenset({"range", "traceparent"}),
        "abort_days": 7,
        "unclaimed_days": 7,
        "needs_acls": False,
        "allows_public_acl": False,
        "tls": False,
    }
    return BucketRequirements(**{**fields, **changed})


@dataclass(slots=True)
class Recorded:
    """A client of S3, and the operations that it sent and that write, in their order."""

    client: "S3Client"
    writes: list[str] = field(default_factory=list)


@asynccontextmanager
async def recorded(server: S3Server) -> AsyncIterator[Recorded]:
    """Open a client that records its writes."""
    async with server.client() as client:
        record = Recorded(client)

        def note(request: Any, **_: object) -> None:  # noqa: ANN401 - botocore's
            if request.method not in {"GET", "HEAD"}:
                record.writes.append(f"{request.method} {request.url}")

        client.meta.events.register("before-send.s3", note)
        yield record


def states(steps: list[Step]) -> dict[str, str]:
    """Return the state of each rule."""
    return {step.rule: step.state for step in steps}


def the(rule: str, steps: list[Step]) -> Step:
    """Return the step of one rule."""
    (step,) = [step for step in steps if step.rule == rule]
    return step

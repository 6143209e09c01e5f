"""Downloads require a scanner's tag; objects of unknown policy need those of all policies."""

from dataclasses import replace
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

import pytest
from tests.support.claims import CLAIMS
from tests.support.fakes import BUCKET, FakeBucket

from uploadsvc.domain.errors import NotFound, ObjectUnavailable
from uploadsvc.domain.keys import Namespace
from uploadsvc.domain.planner import Planner
from uploadsvc.domain.policy import GUARDDUTY, Availability, Policy
from uploadsvc.domain.principal import Principal
from uploadsvc.domain.providers import PROVIDERS
from uploadsvc.services.inspection import Inspector
from uploadsvc.services.objects import SCAN_PAUSE, Objects
from uploadsvc.services.policies import PolicyRegistry

ANN: Final = Principal(user="ann")
KEY: Final = "uploads/ann/a.txt"
OWN: Final = Availability("scan", "clean")


class Downloads(FakeBucket):
    """Downloads, where one policy waits for GuardDuty, another for a tag of its own, and one for none."""

    def __init__(self) -> None:
        super().__init__()
        namespace = Namespace("uploads")
        policies = [
            Policy(name="guarded", available_when=GUARDDUTY),
            Policy(name="own", available_when=OWN),
            Policy(name="free"),
        ]
        planners = {
            policy.name: Planner(policy=policy, provider=PROVIDERS["aws"], namespace=namespace)
            for policy in policies
        }
        self.objects = Objects(
            namespace=namespace,
            presigner=self.presigner,
            storage=self.storage,
            object_claims=self.object_claims,
            inspector=Inspector(storage=self.storage, policies=PolicyRegistry(planners)),
            may_delete=False,
            download_expires_in=900,
            max_download_expires_in=3600,
        )

    def put(self, policy: str | None, *, copied_from: str = KEY, **properties: Any) -> None:  # noqa: ANN401
        """Store an object that carries the claims of an upload by this policy, made for a key."""
        claims = policy and self.object_claims.sign(
            replace(CLAIMS, policy=policy, bucket=BUCKET, key=copied_from)
        )
        self.store(KEY, size=5, claims=claims, **properties)

    async def url(self) -> str:
        """Return a download URL."""
        url, _ = await self.objects.download_url(ANN, KEY, disposition=None, filename=None, expires_in=None)
        return url


async def test_a_download_waits_for_the_tag_of_its_policy() -> None:
    downloads = Downloads()
    downloads.put("guarded", version_id="v1")
    with pytest.raises(ObjectUnavailable, match="waits for a scanner to set its tag 'GuardDuty") as waiting:
        await downloads.url()
    assert (waiting.value.field, waiting.value.retry_after) == ("key", SCAN_PAUSE)
    downloads.storage.tags_of[KEY] = {GUARDDUTY.tag: "THREATS_FOUND"}
    with pytest.raises(ObjectUnavailable, match="has not released this object") as refused:
        await downloads.url()
    assert refused.value.retry_after is None
    downloads.storage.tags_of[KEY] = {GUARDDUTY.tag: GUARDDUTY.value}
    # The URL is good for the version that was scanned, and for no later one.
    assert parse_qs(urlsplit(await downloads.url()).query)["versionId"] == ["v1"]


async def test_a_policy_without_a_tag_waits_for_none() -> None:
    downloads = Downloads()
    downloads.put("free", version_id="v1")
    assert "versionId" not in await downloads.url()


@pytest.mark.parametrize(
    ("policy", "copied_from"),
    [(None, KEY), ("free", "uploads/ann/other.txt"), ("removed", KEY)],
    ids=["bare", "copied", "of a policy that is gone"],
)
async def test_an_object_of_which_nobody_knows_the_policy_needs_the_tags_of_all(
    policy: str | None, copied_from: str
) -> None:
    downloads = Downloads()
    downloads.put(policy, copied_from=copied_from)
    for tags in ({}, {OWN.tag: OWN.value}, {GUARDDUTY.tag: GUARDDUTY.value}):
        downloads.storage.tags_of[KEY] = tags
        with pytest.raises(ObjectUnavailable):
            await downloads.url()
    downloads.storage.tags_of[KEY] = {OWN.tag: OWN.value, GUARDDUTY.tag: GUARDDUTY.value}
    assert await downloads.url()


async def test_a_missing_object_is_not_found_rather_than_unavailable() -> None:
    with pytest.raises(NotFound):
        await Downloads().url()

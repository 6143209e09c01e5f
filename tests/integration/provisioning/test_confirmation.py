"""`apply` asks before it removes something, waits for a new bucket, and never blocks uploads on Ceph."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

import pytest
from tests.support.bucket_rules import ORIGIN, required, states, the
from tests.support.fault_proxy import Exchange, Fault, fault_proxy, s3_error
from tests.support.processes import environment_for, program
from tests.support.servers import S3Server

from uploadsvc.domain.providers import PROVIDERS
from uploadsvc.provisioning import plan as planning
from uploadsvc.provisioning.models import Step
from uploadsvc.provisioning.plan import apply, plan

BEFORE: Final[dict[str, Any]] = {"origins": (ORIGIN, "https://b.example"), "abort_days": 7, "tls": True}


def asked(confirm: list[str], *, agree: bool) -> Callable[[Step], bool]:
    """Note the rules that are asked for, and answer."""

    def answer(step: Step) -> bool:
        confirm.append(step.rule)
        return agree

    return answer


@pytest.mark.parametrize("agree", [True, False])
@pytest.mark.parametrize(
    ("rule", "changed"),
    [
        ("cors", {"origins": ()}),
        ("cors", {"origins": (ORIGIN,)}),
        ("cors", {"cors_methods": frozenset({"GET", "HEAD"})}),
        ("lifecycle", {"abort_days": 3}),
        ("lifecycle", {"key_prefix": "other"}),
        ("bucket-policy", {"tls": False}),
        ("public-access", {"allows_public_acl": True}),
        ("ownership", {"needs_acls": True}),
    ],
)
async def test_a_change_that_takes_something_away_needs_consent(
    moto_server: S3Server, rule: str, changed: dict[str, Any], *, agree: bool
) -> None:
    """Without it the rule stays as it is, and says so."""
    async with moto_server.client() as client:
        await apply(client, required(moto_server, **BEFORE))
        before = await plan(client, required(moto_server, **BEFORE))
        rules: list[str] = []
        done = await apply(
            client, required(moto_server, **{**BEFORE, **changed}), confirm=asked(rules, agree=agree)
        )
        # Both rules of the lifecycle are for the prefix.
        assert rules == [rule, *(["unclaimed"] if "key_prefix" in changed else [])]
        assert the(rule, done).state == ("changed" if agree else "not confirmed")
        assert (await plan(client, required(moto_server, **BEFORE)) == before) is not agree


@pytest.mark.parametrize(
    "changed",
    [
        {"origins": (*BEFORE["origins"], "https://c.example")},
        {"cors_headers": frozenset({"content-type", "if-none-match", "x-amz-meta-note"})},
        {"abort_days": 9},
    ],
)
async def test_a_change_that_only_adds_is_made_without_asking(
    moto_server: S3Server, changed: dict[str, Any]
) -> None:
    async with moto_server.client() as client:
        rules: list[str] = []
        confirm = asked(rules, agree=False)
        await apply(client, required(moto_server, **BEFORE), confirm=confirm)
        done = await apply(client, required(moto_server, **{**BEFORE, **changed}), confirm=confirm)
    assert rules == []
    assert sorted(states(done).values()) == ["changed", *["in place"] * 6]


async def test_the_command_asks_for_yes(tmp_path: Path, moto_server: S3Server) -> None:
    """Where there is no terminal, it leaves the rule and its exit status is 1."""
    environment = environment_for(
        moto_server, UPLOADSVC_S3__BUCKET=f"test-{uuid4().hex}", UPLOADSVC_CORS__ALLOW_ORIGINS=ORIGIN
    )

    async def ran(*options: str, pages: str = ORIGIN) -> tuple[int, str, str]:
        variables = {**environment, "UPLOADSVC_CORS__ALLOW_ORIGINS": pages}
        command = ("bucket", "apply", "--json", *options)
        async with program(*command, directory=tmp_path, environment=variables) as running:
            return await running.ended(seconds=60), running.out, running.err

    assert (await ran())[0] == 0
    status, out, err = await ran(pages="")
    assert status == 1
    assert {"rule": "cors", "state": "not confirmed"}.items() <= json.loads(out)["steps"][4].items()
    assert "uploadsvc: cors: this removes something that the bucket has now; --yes allows it\n" in err
    assert (await ran())[0] == 0
    status, out, _ = await ran("--yes", pages="")
    assert (status, json.loads(out)["steps"][4]["state"]) == (0, "changed")


@pytest.mark.parametrize("method", ["GET", "PUT"])
async def test_apply_waits_for_a_new_bucket(
    moto_server: S3Server, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    """Not every part of a store knows it at once."""
    monkeypatch.setattr(planning, "_SETTLING", (0.0,) * 7)
    unknown = {"?ownershipControls": 6, "?cors": 2}

    def rule(one: Exchange) -> Fault | None:
        for question, left in unknown.items():
            if one.method == method and question in one.target and left:
                unknown[question] -= 1
                return s3_error(404, "NoSuchBucket", "The specified bucket does not exist")
        return None

    server = replace(moto_server, bucket=f"test-{uuid4().hex}")
    async with fault_proxy(server.endpoint_url) as proxy:
        proxy.rule = rule
        async with replace(server, endpoint_url=proxy.url).client() as client:
            done = await apply(client, required(server))
    assert set(states(done).values()) == {"made"}
    assert set(unknown.values()) == {0}


@pytest.mark.parametrize(
    ("provider", "before", "state", "after"),
    [
        ("ceph", None, "made", False),
        ("ceph", True, "changed", False),
        ("ceph", False, "in place", False),
        ("generic", None, "made", False),
        ("generic", True, "in place", True),
        ("generic", False, "in place", False),
        ("aws", False, "changed", True),
    ],
)
async def test_a_switch_with_which_the_store_refuses_uploads_stays_off(
    moto_server: S3Server,
    provider: str,
    *,
    before: bool | None,
    state: str,
    after: bool,
) -> None:
    """Ceph 16 refuses every PUT with BlockPublicAcls. The other three protect as well."""
    requirements = required(moto_server, provider=PROVIDERS[provider])
    others: Any = dict.fromkeys(("IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets"), True)
    async with moto_server.client() as client:
        if before is not None:
            await client.put_public_access_block(
                Bucket=moto_server.bucket,
                PublicAccessBlockConfiguration={"BlockPublicAcls": before, **others},  # type: ignore[typeddict-item]
            )
        step = the("public-access", await plan(client, requirements, rules=["public-access"]))
        if state == "changed" and provider == "ceph":
            assert "ceph refuses every upload with it" in step.wanted
        done = await apply(client, requirements, rules=["public-access"])
        answer = await client.get_public_access_block(Bucket=moto_server.bucket)
    assert states(done) == {"public-access": state}
    assert answer["PublicAccessBlockConfiguration"] == {**others, "BlockPublicAcls": after}

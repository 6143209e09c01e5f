"""S3 credentials never outlive the credential that they were issued for."""

import json
from datetime import timedelta

import pytest
from tests.support.fakes import BUCKET, NOON

from uploadsvc.domain.credentials import Credentials
from uploadsvc.domain.endpoints import bucket_endpoint
from uploadsvc.domain.errors import Forbidden
from uploadsvc.domain.keys import Namespace
from uploadsvc.domain.principal import Principal
from uploadsvc.domain.quotas import parse_changes
from uploadsvc.limiting.local_quotas import LocalLedger
from uploadsvc.s3.presigner import Presigner
from uploadsvc.s3.sts import Sts
from uploadsvc.services.quotas import Quotas
from uploadsvc.services.temporary_credentials import CredentialIssuer


class Sessions(Sts):
    """A token service that notes what it is asked for."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, int]] = []

    async def session(self, *, name: str, policy: str, seconds: int) -> Credentials:
        """Start a session."""
        (statement,) = json.loads(policy)["Statement"]
        assert name.startswith("uploadsvc-")
        self.asked.append((statement["Resource"][0], seconds))
        return Credentials(access_key_id="ASIA", secret_access_key="s", session_token="t")


def issuer_of(sts: Sts | None, *, quotas: Quotas | None = None) -> CredentialIssuer:
    async def none() -> Credentials:
        raise AssertionError

    endpoint = bucket_endpoint(endpoint_url="https://s3.example.com", bucket=BUCKET, style="path")
    presigner = Presigner(
        endpoint=endpoint, bucket=BUCKET, region="eu-central-1", credentials=none, clock=lambda: NOON
    )
    return CredentialIssuer(
        namespace=Namespace("uploads"),
        presigner=presigner,
        sts=sts,
        quotas=quotas,
        policies=["default", "large"],
        seconds=3600,
        clock=lambda: NOON,
    )


@pytest.mark.parametrize(
    ("left", "lasts"), [(None, 3600), (7200, 3600), (3600, 3600), (3599.9, 3599), (901.5, 901), (900, 900)]
)
async def test_a_session_ends_with_the_callers_credential(left: float | None, lasts: int) -> None:
    """At the latest."""
    sts = Sessions()
    ends = None if left is None else NOON + timedelta(seconds=left)
    await issuer_of(sts).credentials(Principal(user="ann", expires_at=ends))
    assert sts.asked == [(f"arn:aws:s3:::{BUCKET}/uploads/ann/*", lasts)]


@pytest.mark.parametrize(("left", "told"), [(899.9, 899), (60, 60), (1, 1), (0, 0), (-29, 0)])
async def test_no_session_is_longer_than_the_callers_credential(left: float, told: int) -> None:
    """STS issues none for less than 15 minutes. The caller learns what is needed."""
    sts = Sessions()
    caller = Principal(user="ann", expires_at=NOON + timedelta(seconds=left))
    with pytest.raises(Forbidden, match=f"at least 900 seconds, and your own credential ends in {told};"):
        await issuer_of(sts).credentials(caller)
    assert sts.asked == []


@pytest.mark.parametrize(
    "caller",
    [Principal(user="ann", kind="upload_token"), Principal(user="ann", policies=frozenset({"default"}))],
    ids=["upload token", "some policies"],
)
async def test_a_limited_credential_gets_no_session(caller: Principal) -> None:
    """Policies do not limit a session."""
    sts = Sessions()
    with pytest.raises(Forbidden, match="limited"):
        await issuer_of(sts).credentials(caller)
    assert sts.asked == []


async def test_a_user_with_a_quota_gets_no_session() -> None:
    """Uploads with S3 credentials are not counted."""
    sts, changes = Sessions(), parse_changes({"large": {"max_unfinished": 5}})
    quotas = Quotas(
        policies={},
        changeable=True,
        ledger=LocalLedger(),
        account=lambda policy, user: policy + user,
        on_refusal=lambda _limit, _policy: None,
        clock=lambda: NOON,
    )
    issuer = issuer_of(sts, quotas=quotas)
    with pytest.raises(Forbidden, match="quota"):
        await issuer.credentials(Principal(user="ann", quotas=changes))
    await issuer.credentials(Principal(user="ann", quotas=parse_changes({"*": {"quota": None}})))
    assert len(sts.asked) == 1

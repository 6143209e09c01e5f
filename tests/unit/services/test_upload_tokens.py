"""An upload token never has more rights than the credential that it was issued for."""

from datetime import UTC, datetime, timedelta

import pytest

from uploadsvc.domain.errors import Forbidden, PolicyNotFound, Unauthenticated, ValidationFailed
from uploadsvc.domain.keys import Namespace
from uploadsvc.domain.principal import Principal
from uploadsvc.domain.quotas import parse_changes
from uploadsvc.services.upload_tokens import UploadTokenIssuer
from uploadsvc.tokens.jwts import UPLOAD, ServiceTokens

NOON = datetime(2026, 11, 23, 12, 0, 0, 700_000, tzinfo=UTC)
WHOLE = NOON.replace(microsecond=0)
OURS = ServiceTokens([b"s" * 32], kind=UPLOAD, clock=lambda: NOON)
TOKENS = UploadTokenIssuer(
    policies={"default": 1, "avatars": 1, "docs": 1}.keys(),
    namespace=Namespace("uploads"),
    tokens=OURS,
    expires_in=900,
    max_expires_in=3600,
    clock=lambda: NOON,
)
ANN = Principal(user="ann")
NARROW = Principal(user="ann", policies=frozenset({"avatars", "docs"}))
SERVICE = Principal(user="", kind="service")


def issued(
    caller: Principal,
    *,
    user: str | None = None,
    policies: list[str] | None = None,
    expires_in: int | None = None,
) -> Principal:
    """Issue a token and return its holder."""
    token, expires_at = TOKENS.issue(caller, user=user, policies=policies, expires_in=expires_in)
    holder = OURS.verify(token).principal
    assert holder.expires_at == expires_at
    assert holder.kind == "upload_token"
    return holder


def test_a_token_has_the_rights_of_the_caller_or_fewer() -> None:
    assert (issued(ANN).user, issued(ANN).policies) == ("ann", None)
    assert issued(NARROW).policies == frozenset({"avatars", "docs"})
    assert issued(ANN, policies=["avatars"]).policies == frozenset({"avatars"})
    assert issued(NARROW, policies=["docs"], user="ann").policies == frozenset({"docs"})
    with pytest.raises(Forbidden) as caught:
        issued(NARROW, policies=["docs", "default"])
    assert caught.value.field == "policies"
    for caller in (ANN, NARROW):
        with pytest.raises(PolicyNotFound) as unknown:
            issued(caller, policies=["nothing"])
        assert unknown.value.field == "policies"


def test_a_token_has_the_quotas_of_the_caller() -> None:
    quotas = parse_changes(
        {"default": {"quota": "1GiB/day", "max_unfinished": None}, "*": {"max_unfinished": 2}}
    )
    assert issued(Principal(user="ann", quotas=quotas), policies=["default"]).quotas == quotas
    assert issued(ANN).quotas is None


def test_only_a_service_names_another_user() -> None:
    """In the header, in the body, or the same user in both."""
    with pytest.raises(Forbidden, match="API key") as caught:
        issued(ANN, user="bob")
    assert caught.value.field == "user"
    assert issued(SERVICE, user="bob").user == "bob"
    on_behalf = Principal(user="bob", kind="service")
    assert issued(on_behalf).user == "bob"
    assert issued(on_behalf, user="bob").user == "bob"
    for service, user in ((on_behalf, "ann"), (SERVICE, None), (SERVICE, "")):
        with pytest.raises(ValidationFailed) as wrong:
            issued(service, user=user)
        assert wrong.value.field == "user"


@pytest.mark.parametrize("user", ["u" * 256, "\ud800"])
def test_a_user_id_that_cannot_have_a_prefix_gets_no_token(user: str) -> None:
    with pytest.raises(Forbidden):
        issued(SERVICE, user=user)


def test_an_upload_token_issues_no_other_token() -> None:
    """Otherwise a short lifetime could be extended."""
    with pytest.raises(Forbidden, match="cannot issue another"):
        issued(Principal(user="ann", kind="upload_token"))


@pytest.mark.parametrize(
    ("asked", "left", "given"),
    [
        (None, None, 900),
        (60, None, 60),
        (7200, None, 3600),
        (None, 300.5, 301),
        (60, 300, 60),
        (7200, 7200, 3600),
        (None, 1.3, 2),
    ],
)
def test_a_token_ends_with_the_credential_of_its_caller(
    asked: int | None, left: float | None, given: int
) -> None:
    ends = None if left is None else NOON + timedelta(seconds=left)
    holder = issued(Principal(user="ann", expires_at=ends), expires_in=asked)
    assert holder.expires_at == WHOLE + timedelta(seconds=given)
    assert ends is None or holder.expires_at <= ends


@pytest.mark.parametrize("left", [0.2, 0, -20])
def test_an_expired_credential_gets_no_token(left: float) -> None:
    """Even within the leeway for clock skew."""
    with pytest.raises(Unauthenticated, match="expired"):
        issued(Principal(user="ann", expires_at=NOON + timedelta(seconds=left)))

"""Nobody hands on more than they have."""

from datetime import UTC, datetime, timedelta

import pytest

from uploadsvc.domain.errors import Forbidden, PolicyNotFound, Unauthenticated, ValidationFailed
from uploadsvc.domain.keys import Namespace
from uploadsvc.domain.principal import Principal
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


def minted(
    caller: Principal,
    *,
    user: str | None = None,
    policies: list[str] | None = None,
    expires_in: int | None = None,
) -> Principal:
    """Return who holds the token that a caller gets."""
    token, expires_at = TOKENS.issue(caller, user=user, policies=policies, expires_in=expires_in)
    holder = OURS.verify(token).principal
    assert holder.expires_at == expires_at
    assert holder.kind == "upload_token"
    return holder


def test_a_caller_hands_on_their_own_rights() -> None:
    """All of them by default, never more."""
    assert (minted(ANN).user, minted(ANN).policies) == ("ann", None)
    assert minted(NARROW).policies == frozenset({"avatars", "docs"})
    assert minted(ANN, policies=["avatars"]).policies == frozenset({"avatars"})
    assert minted(NARROW, policies=["docs"], user="ann").policies == frozenset({"docs"})
    with pytest.raises(Forbidden) as caught:
        minted(NARROW, policies=["docs", "default"])
    assert caught.value.field == "policies"
    for caller in (ANN, NARROW):
        with pytest.raises(PolicyNotFound) as unknown:
            minted(caller, policies=["nothing"])
        assert unknown.value.field == "policies"


def test_only_a_service_names_another_user() -> None:
    """In the header or in the body, or the same in both."""
    with pytest.raises(Forbidden, match="API key") as caught:
        minted(ANN, user="bob")
    assert caught.value.field == "user"
    assert minted(SERVICE, user="bob").user == "bob"
    on_behalf = Principal(user="bob", kind="service")
    assert minted(on_behalf).user == "bob"
    assert minted(on_behalf, user="bob").user == "bob"
    for service, user in ((on_behalf, "ann"), (SERVICE, None), (SERVICE, "")):
        with pytest.raises(ValidationFailed) as wrong:
            minted(service, user=user)
        assert wrong.value.field == "user"


@pytest.mark.parametrize("user", ["u" * 256, "\ud800"])
def test_a_user_who_can_own_nothing_gets_no_token(user: str) -> None:
    """It would be refused wherever it is used."""
    with pytest.raises(Forbidden):
        minted(SERVICE, user=user)


def test_an_upload_token_mints_nothing() -> None:
    """Neither for itself nor narrower; else a short life could be prolonged."""
    with pytest.raises(Forbidden, match="cannot issue another"):
        minted(Principal(user="ann", kind="upload_token"))


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
def test_a_token_ends_with_the_credential_it_came_from(
    asked: int | None, left: float | None, given: int
) -> None:
    """And at the most that is allowed; the answer says when."""
    ends = None if left is None else NOON + timedelta(seconds=left)
    holder = minted(Principal(user="ann", expires_at=ends), expires_in=asked)
    assert holder.expires_at == WHOLE + timedelta(seconds=given)
    assert ends is None or holder.expires_at <= ends


@pytest.mark.parametrize("left", [0.2, 0, -20])
def test_a_credential_that_has_ended_hands_on_nothing(left: float) -> None:
    """Also where clock skew is forgiven."""
    with pytest.raises(Unauthenticated, match="expired"):
        minted(Principal(user="ann", expires_at=NOON + timedelta(seconds=left)))

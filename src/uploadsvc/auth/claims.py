"""Check the claims of an identity provider's token (RFC 7519 section 4)."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, NoReturn

from uploadsvc.domain.errors import Unauthenticated
from uploadsvc.domain.principal import Principal
from uploadsvc.domain.quotas import QuotaChange, parse_changes


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimRules:
    """Rules for the claims of a token.

    ``iat`` and ``jti`` are not checked: by RFC 7519, they do not affect the validity of a token.

    Attributes:
        clock: Returns the current time, aware.
        audiences: The claim must name one of these; if there are none, ``aud`` must be absent or empty.
        audience_claim: The claim that names the audience. If a token also has ``aud``, it must match too.
        issuer: Required value of ``iss``, compared exactly; ``None`` to accept any.
        user_claim: The claim that names the user.
        integer_user: Whether the user may be an integer. 17 and ``"17"`` are then the same user.
        leeway: Allowed difference in seconds between the clocks of provider and service.
        quotas_claim: The claim with the user's own quotas; ``None`` for none.
    """

    clock: Callable[[], datetime]
    audiences: tuple[str, ...] = ()
    audience_claim: str = "aud"
    issuer: str | None = None
    user_claim: str = "sub"
    integer_user: bool = False
    leeway: float = 30.0
    quotas_claim: str | None = None

    def principal(self, claims: Mapping[str, Any]) -> Principal:
        """Return the caller for the claims of a verified token.

        Raises:
            Unauthenticated: A claim is missing, malformed or wrong. The detail says which.
        """
        for name in ("exp", self.user_claim):
            if claims.get(name) is None:
                _refuse_without(name)
        expires_at = self._end(claims)
        self._check_issuer(claims)
        self._check_audience(claims)
        user = self._user(claims[self.user_claim])
        return Principal(user=user, expires_at=expires_at, quotas=self._quotas(claims))

    def _end(self, claims: Mapping[str, Any]) -> datetime:
        """Check ``nbf`` and ``exp`` (RFC 7519 sections 4.1.4 and 4.1.5), and return the expiry time."""
        now = self.clock().timestamp()
        starts = claims.get("nbf")
        if starts is not None and _seconds("nbf", starts) > now + self.leeway:
            detail = "The token is not valid yet (nbf); its issuer's clock may be ahead."
            raise Unauthenticated(detail, reason="not_yet_valid")
        ends = _seconds("exp", claims["exp"])
        if ends <= now - self.leeway:
            detail = "The token has expired."
            raise Unauthenticated(detail, reason="expired")
        try:
            return datetime.fromtimestamp(ends, UTC)
        except (OverflowError, ValueError, OSError):
            _refuse_time("exp")

    def _check_issuer(self, claims: Mapping[str, Any]) -> None:
        if self.issuer is None:
            return
        if claims.get("iss") is None:
            _refuse_without("iss")
        if claims["iss"] != self.issuer:
            detail = "The token is from another issuer (iss)."
            raise Unauthenticated(detail, reason="issuer")

    def _check_audience(self, claims: Mapping[str, Any]) -> None:
        if not self.audiences:
            if claims.get("aud"):
                _refuse_audience("aud")
            return
        if not claims.get(self.audience_claim):
            _refuse_without(self.audience_claim)
        # RFC 7519 section 4.1.3: a service must reject a token whose aud does not name it.
        for name in dict.fromkeys((self.audience_claim, "aud")):
            if claims.get(name) and not self._names_us(claims[name]):
                _refuse_audience(name)

    def _names_us(self, named: object) -> bool:
        """Return whether a claim is one of the audiences, or a list of strings with one of them."""
        names = [named] if isinstance(named, str) else named
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            return False
        return any(audience in names for audience in self.audiences)

    def _quotas(self, claims: Mapping[str, Any]) -> Mapping[str, QuotaChange] | None:
        given = claims.get(self.quotas_claim) if self.quotas_claim else None
        if given is None:
            return None
        try:
            return parse_changes(given)
        except ValueError as error:
            detail = f"The token's {self.quotas_claim!r} claim is not what it must be: {error}."
            raise Unauthenticated(detail, reason="bad_claim") from None

    def _user(self, user: object) -> str:
        if isinstance(user, str) and user:
            return user
        # True is an int in Python, but not a number in JSON.
        if self.integer_user and isinstance(user, int) and not isinstance(user, bool):
            return str(user)
        allowed = "a non-empty string" + (" or an integer" if self.integer_user else "")
        detail = f"The token's {self.user_claim!r} claim is not {allowed}."
        raise Unauthenticated(detail, reason="bad_claim")


def _seconds(name: str, value: object) -> float:
    """Return a NumericDate: a JSON number (RFC 7519 section 2)."""
    if not isinstance(value, int | float) or isinstance(value, bool) or not _is_finite(value):
        _refuse_time(name)
    return value


def _is_finite(value: float) -> bool:
    # isfinite raises for integers that are too large for a float.
    return isinstance(value, int) or math.isfinite(value)


def _refuse_time(name: str) -> NoReturn:
    detail = f"The token's {name!r} claim is not a number of seconds, or is out of range."
    raise Unauthenticated(detail, reason="bad_claim") from None


def _refuse_without(claim: str) -> NoReturn:
    detail = f"The token has no {claim!r} claim."
    raise Unauthenticated(detail, reason="missing_claim")


def _refuse_audience(claim: str) -> NoReturn:
    detail = f"The token is not meant for this service ({claim})."
    raise Unauthenticated(detail, reason="audience")

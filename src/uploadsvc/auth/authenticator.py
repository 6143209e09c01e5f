"""Which credential decides: the first that is present, without falling through to the next."""

from collections.abc import Mapping
from dataclasses import dataclass

from uploadsvc.auth.api_keys import ON_BEHALF_OF, ApiKey, api_key_principal
from uploadsvc.auth.tokens import DEMO_TYP, MAX_TOKEN_CHARACTERS, TokenVerifier, token_typ
from uploadsvc.domain.errors import Unauthenticated
from uploadsvc.domain.principal import Principal


@dataclass(frozen=True, slots=True, kw_only=True)
class Authenticator:
    """Turns a request's headers into a principal.

    Attributes:
        verifier: For bearer tokens; ``None`` where they are off.
        demo: For the demo users' tokens; ``None`` outside demo mode.
        api_keys: The services that may call.
    """

    verifier: TokenVerifier | None
    demo: TokenVerifier | None
    api_keys: tuple[ApiKey, ...]

    async def authenticate(self, headers: Mapping[str, str]) -> Principal:
        """Return who calls.

        Args:
            headers: The request's; looked up by lower-case name.

        Raises:
            Unauthenticated: No credential is there, or the first one does not hold.
            ValidationFailed: A good API key without a good ``X-On-Behalf-Of``.
        """
        if (authorization := headers.get("authorization")) is not None:
            return self._bearer(authorization)
        if self.api_keys and (key := headers.get("x-api-key")) is not None:
            return api_key_principal(self.api_keys, key, headers.get(ON_BEHALF_OF.lower()))
        detail = f"No credential came with the request; send {self._accepted()}."
        raise Unauthenticated(detail)

    def _bearer(self, authorization: str) -> Principal:
        scheme, _, token = authorization.partition(" ")
        token = token.strip()
        if scheme.lower() != "bearer" or not token or len(token) > MAX_TOKEN_CHARACTERS:
            detail = f"Authorization must be 'Bearer' and a token of at most {MAX_TOKEN_CHARACTERS} bytes."
            raise Unauthenticated(detail)
        verifier = self.verifier
        if self.demo is not None and token_typ(token) == DEMO_TYP:
            verifier = self.demo
        if verifier is None:
            detail = f"Bearer tokens are not taken here; send {self._accepted()}."
            raise Unauthenticated(detail)
        return verifier.principal(token)

    def _accepted(self) -> str:
        accepted = []
        if self.verifier is not None or self.demo is not None:
            accepted.append("'Authorization: Bearer <token>'")
        if self.api_keys:
            accepted.append(f"'X-API-Key' with '{ON_BEHALF_OF}'")
        return " or ".join(accepted)

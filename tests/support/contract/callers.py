"""Every kind of caller, as request headers."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any, Final

import httpx
from tests.support.service import JWT_SECRET, token_for

API_KEY: Final = "the tests' own API key of the contract"
ALL_USERS_KEY: Final = "the tests' own API key for all users"
COOKIE: Final = "session"
TRUSTED_HEADER: Final = "X-Signed-In-User"

AUTH: Final[dict[str, Any]] = {
    "jwt": {"secret": JWT_SECRET, "cookie": COOKIE},
    "api_keys": [
        {"name": "contract", "sha256": sha256(API_KEY.encode()).hexdigest()},
        {"name": "support", "sha256": sha256(ALL_USERS_KEY.encode()).hexdigest(), "all_users": True},
    ],
    "trusted_header": TRUSTED_HEADER,
    "trusted_proxies": ["127.0.0.1/32"],
}
"""Every kind of credential is accepted."""

CALLERS: Final = ("nobody", "bearer", "api_key", "upload_token", "cookie", "trusted_header")

_PUBLIC: Final = frozenset({"getHealth", "getReadiness", "getReceiptKeys"})
# Not allowed with an upload token.
_NOT_UPLOADS: Final = frozenset(
    {
        *("listObjects", "listUploads", "getObject", "deleteObject", "createDownload", "createToken"),
        *("deleteObjects", "getUppyCredentials"),
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Alice, or a caller without a credential.

    Attributes:
        name: One of `CALLERS`.
        headers: The credential.
    """

    name: str
    headers: Mapping[str, str] = field(repr=False)

    @property
    def documented(self) -> bool:
        """Whether the document names this credential. A proxy's header is known to its operator only."""
        return self.name != "trusted_header"

    def is_refused(self, operation: str) -> bool:
        """Return whether an operation grants such a caller nothing."""
        if self.name == "nobody":
            return operation not in _PUBLIC
        if operation == "claimObject":
            return self.name != "api_key"
        if operation == "listAllObjects":
            # This key has not the right, and its requests name a user.
            return True
        return self.name == "upload_token" and operation in _NOT_UPLOADS


def caller(name: str, base_url: str) -> Caller:
    """Return a caller of this kind.

    Args:
        name: One of `CALLERS`.
        base_url: URL of the service, which issues the upload token.
    """
    bearer = {"Authorization": f"Bearer {token_for('alice', expires_in=3600)}"}
    same_origin = {"Sec-Fetch-Site": "same-origin"}
    headers: dict[str, str] = {}
    match name:
        case "bearer":
            headers = bearer
        case "api_key":
            headers = {"X-API-Key": API_KEY, "X-On-Behalf-Of": "alice"}
        case "upload_token":
            url = f"{base_url}/v1/tokens"
            issued = httpx.post(url, json={"expires_in": 3600}, headers=bearer, trust_env=False)
            headers = {"Authorization": f"Bearer {issued.raise_for_status().json()['token']}"}
        case "cookie":
            headers = {"Cookie": f"{COOKIE}={token_for('alice', expires_in=3600)}", **same_origin}
        case "trusted_header":
            headers = {TRUSTED_HEADER: "alice", **same_origin}
    return Caller(name=name, headers=headers)

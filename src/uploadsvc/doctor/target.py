"""What is examined: the service's parts, and what of the settings the checks have to know."""

import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

from uploadsvc.domain.endpoints import BucketEndpoint
from uploadsvc.domain.planner import Planner
from uploadsvc.domain.providers import Provider
from uploadsvc.provisioning.models import BucketRequirements
from uploadsvc.s3.presigner import Presigner
from uploadsvc.s3.storage import Storage
from uploadsvc.s3.sts import Sts
from uploadsvc.services.temporary_credentials import CredentialIssuer

FOLDER = ".doctor"
"""Below the key prefix; no user's prefix starts with a dot (`uploadsvc.domain.keys.encode_user`).

Not ``.uploads…``: SeaweedFS keeps parts in such a folder, and lists no version of what lies in one.
"""

ANY_ORIGIN = "https://any-origin.uploadsvc-doctor.invalid"
"""Stands for whatever origin where all are allowed, and for a foreign one where they are named."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """One service's bucket.

    Attributes:
        storage: The bucket as the service reaches it, open.
        presigner: Signs for the bucket's public address, as for callers.
        inner: The bucket's address as the service reaches it.
        provider: What the store is taken to be.
        region: As the settings say or leave it.
        planners: One for each policy, by name, for canaries: their keys lie in the `folder`, and they may be
            small.
        callers: Who may use each policy, in words; a policy that nobody can use is not in it.
        key_prefix: Below which all keys lie.
        origins: Those that may call, as the settings name them.
        requirements: What the bucket's rules have to be.
        credential_issuer: What hands callers S3 credentials.
        sts: Begins their sessions, still to be opened; ``None`` where none are handed out.
        own_credentials: Whether the access key is set, and not found by the AWS chain.
        trust: What TLS certificates are checked against.
        clock: The time now, aware.
    """

    storage: Storage
    presigner: Presigner
    inner: BucketEndpoint
    provider: Provider
    region: str
    planners: Mapping[str, Planner]
    callers: Mapping[str, str]
    key_prefix: str
    origins: tuple[str, ...]
    requirements: BucketRequirements
    credential_issuer: CredentialIssuer
    sts: Sts | None
    own_credentials: bool
    trust: ssl.SSLContext
    clock: Callable[[], datetime]

    @property
    def bucket(self) -> str:
        """The bucket's name."""
        return self.presigner.bucket

    @property
    def folder(self) -> str:
        """What every canary's key starts with, without a closing slash."""
        return f"{self.key_prefix}/{FOLDER}"

    @property
    def has_own_public_address(self) -> bool:
        """Whether browsers reach the bucket elsewhere than the service."""
        return self.presigner.endpoint != self.inner

    @property
    def pages(self) -> tuple[str, ...]:
        """Origins as which canaries and preflights are sent: those of the settings, or one for any."""
        return (ANY_ORIGIN,) if "*" in self.origins else self.origins

    def origin_check(self, page: str) -> str:
        """Return the name of the check of a page's origin."""
        return "cors:*" if page == ANY_ORIGIN else f"cors:{page}"

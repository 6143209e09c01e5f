"""Target of a run: parts of the service, and settings that the checks need."""

import ssl
from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime

from uploadsvc.domain.endpoints import BucketEndpoint
from uploadsvc.domain.origins import example_of
from uploadsvc.domain.planner import Planner
from uploadsvc.domain.providers import Capability, Provider
from uploadsvc.events.receivers import Receivers
from uploadsvc.provisioning.models import BucketRequirements, QueueClients
from uploadsvc.s3.presigner import Presigner
from uploadsvc.s3.storage import Storage
from uploadsvc.s3.sts import Sts
from uploadsvc.services.temporary_credentials import CredentialIssuer

FOLDER = ".doctor"
"""Folder below the key prefix; no user's prefix starts with a dot (`uploadsvc.domain.keys.encode_user`).

Not ``.uploads…``: SeaweedFS keeps parts in such a folder, and lists no versions there.
"""

ANY_ORIGIN = "https://any-origin.uploadsvc-doctor.invalid"
"""An origin that only ``*`` allows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """One service's bucket.

    Attributes:
        storage: The bucket at the service's own address, open.
        presigner: Signs for the bucket's public address, as for callers.
        inner: The bucket's address for the service.
        provider: The expected capabilities of the store.
        lacks: Capabilities that the settings have removed from its profile.
        region: The region of the settings, or its default.
        planners: The policies' planners for canaries, by name: their keys are in `folder`, and they may be
            small.
        callers: Who may use each policy, in words; policies without callers are left out.
        key_prefix: The prefix of all keys.
        origins: Allowed origins and patterns, as in the settings.
        requirements: Requirements on the bucket's rules.
        credential_issuer: Issues S3 credentials to callers.
        sts: Starts their sessions, not entered yet; ``None`` if callers get no credentials.
        own_credentials: Whether the access key is in the settings, not found by the AWS chain.
        trust: Verifies TLS certificates.
        clock: Returns the current time, aware.
        queue_clients: Opens clients of the queue of events, while the storage is open; ``None`` without one.
        webhooks: Addresses of the webhooks that receive events.
        webhook_trust: Verifies their certificates.
        private_webhooks: Whether they may have private addresses.
        receivers: Receivers to send a sample event to, not opened yet; ``None`` to send none.
    """

    storage: Storage
    presigner: Presigner
    inner: BucketEndpoint
    provider: Provider
    lacks: tuple[Capability, ...]
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
    queue_clients: Callable[[], AbstractAsyncContextManager[QueueClients | None]]
    webhooks: tuple[BucketEndpoint, ...]
    webhook_trust: ssl.SSLContext
    private_webhooks: bool
    receivers: Receivers | None = None

    @property
    def bucket(self) -> str:
        """Name of the bucket."""
        return self.presigner.bucket

    @property
    def folder(self) -> str:
        """Prefix of every canary's key, without a trailing slash."""
        return f"{self.key_prefix}/{FOLDER}"

    @property
    def has_own_public_address(self) -> bool:
        """Whether browsers reach the bucket at a different address than the service."""
        return self.presigner.endpoint != self.inner

    @property
    def pages(self) -> tuple[str, ...]:
        """Origins of canaries and preflights: an example of each pattern, and `ANY_ORIGIN` for ``*``."""
        return (ANY_ORIGIN,) if "*" in self.origins else tuple(self._by_page)

    def lacking(self, *missing: Capability) -> str:
        """Return the fix for a store that lacks something: the setting, and what policies then need."""
        weaker = self.provider.without(missing)
        policies = [planner.policy for planner in self.planners.values()]
        names = {
            "overwrite = true, or {uuid} in key and no client_keys": [
                policy.name
                for policy in policies
                if not (policy.overwrite or weaker.conditional_writes)
                and (policy.client_keys or not policy.key.unique)
            ],
            "checksum = optional": [
                policy.name
                for policy in policies
                if policy.checksum == "required" and not weaker.checksum_algorithms
            ],
            "another method than post": [
                policy.name for policy in policies if policy.methods == {"post"} and not weaker.post_policies
            ],
        }
        listed = ",".join(dict.fromkeys([*self.lacks, *missing]))
        needs = [
            f"; policies {', '.join(sorted(which))} then need {what}"
            for what, which in names.items()
            if which
        ]
        return f"set UPLOADSVC_S3__LACKS={listed}{''.join(needs)}"

    def origin_check(self, page: str) -> str:
        """Return the name of an origin's check."""
        return "cors:*" if page == ANY_ORIGIN else f"cors:{self._by_page[page]}"

    @property
    def _by_page(self) -> Mapping[str, str]:
        return {example_of(origin): origin for origin in self.origins}

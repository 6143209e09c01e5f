"""Requirements on a bucket, and the state of its rules."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final, Literal, TypeAlias

from uploadsvc.domain.providers import Provider
from uploadsvc.domain.queue_addresses import Queue


class Holder(StrEnum):
    """Subject of an IAM policy."""

    SERVICE = "service"
    BUCKET = "bucket"
    ROLE = "role"
    EVENTS = "events"


@dataclass(frozen=True, slots=True, kw_only=True)
class BucketRequirements:
    """Requirements on the bucket, from the settings.

    Attributes:
        bucket: The bucket's name.
        region: Region of the bucket, or for its creation.
        provider: The store's features.
        key_prefix: The prefix of all keys, without a trailing slash.
        origins: Origins of pages that upload and download, exactly as browsers send them, patterns with one
            ``*`` as in S3, or ``*``.
        cors_methods: HTTP methods that those pages send to the bucket.
        cors_headers: Names of the request headers that their uploads have, in lower case.
        cors_extra_headers: Names of their other headers: for ranges, tracing, events, and from settings.
        abort_days: Days after which an unfinished multipart upload can be aborted; ``None`` if no policy
            uses multipart.
        unclaimed_days: Days after which S3 deletes unclaimed objects; ``None`` for never.
        needs_acls: A policy sets an ACL that a bucket with disabled ACLs rejects.
        allows_public_acl: A policy sets an ACL that lets the public read or write.
        tls: Service and browsers use HTTPS, so plain HTTP can be denied.
        queue: The queue that S3 notifies; ``None`` if there is none.
    """

    bucket: str
    region: str
    provider: Provider
    key_prefix: str
    origins: tuple[str, ...]
    cors_methods: frozenset[str]
    cors_headers: frozenset[str]
    cors_extra_headers: frozenset[str]
    abort_days: int | None
    unclaimed_days: int | None
    needs_acls: bool
    allows_public_acl: bool
    tls: bool
    queue: Queue | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessRequirements:
    """Permissions that the service needs.

    Attributes:
        bucket: The bucket's name.
        region: The bucket's region; it determines the partition of ARNs.
        key_prefix: The prefix of all keys, without a trailing slash.
        multipart: A policy uses multipart.
        delete: Callers may delete their own objects.
        acls: A policy sets an ACL.
        tags: A policy sets tags.
        claims: The service claims objects, for which it reads and writes tags.
        verifies: A policy verifies content.
        scans: A policy requires a scanner's tag.
        removes: A policy deletes files whose content does not match their type.
        kms_keys: KMS keys of the policies: id, ARN, alias or alias ARN.
        sessions: Callers get temporary S3 credentials.
        role_arn: The role assumed for those; ``None`` for federation.
        queue: The queue that S3 notifies; ``None`` if there is none.
        pushed: The store pushes its notifications to the service.
        target_queues: ARNs of the queues that receive events.
        target_topics: ARNs of the topics that receive events.
    """

    bucket: str
    region: str
    key_prefix: str
    multipart: bool
    delete: bool
    acls: bool
    tags: bool
    claims: bool
    verifies: bool
    scans: bool
    removes: bool
    kms_keys: frozenset[str]
    sessions: bool
    role_arn: str | None
    queue: Queue | None = None
    pushed: bool = False
    target_queues: frozenset[str] = frozenset()
    target_topics: frozenset[str] = frozenset()


Rule: TypeAlias = Literal[
    "bucket",
    "public-access",
    "ownership",
    "bucket-policy",
    "cors",
    "lifecycle",
    "unclaimed",
    "queue",
    "queue-policy",
    "notifications",
]

State: TypeAlias = Literal[
    "in place",
    "missing",
    "differs",
    "made",
    "changed",
    "conflict",
    "not confirmed",
    "unsupported",
    "not allowed",
    "failed",
]
"""``missing`` and ``differs`` can be fixed; ``made`` and ``changed`` were fixed.

``conflict``: another rule of the bucket contradicts it. ``not confirmed``: the change would remove something,
and was not confirmed. ``unsupported``: the store lacks the feature.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """A rule of the bucket, as `uploadsvc bucket` shows it.

    Attributes:
        rule: The rule's name.
        state: Its state.
        found: The current rule, or why it could not be read; one line.
        wanted: The required rule; one line.
    """

    rule: Rule
    state: State
    found: str
    wanted: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleState:
    """State of a rule, and the change that it needs.

    Attributes:
        state: The state.
        found: The current rule; one line.
        change: Makes this change only.
        narrows: The change removes something that the bucket has now.
    """

    state: State
    found: str
    change: Callable[[], Awaitable[Any]] | None = None
    narrows: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueClients:
    """Clients for the rules about the queue.

    Attributes:
        sqs: Client of SQS, in the queue's region.
        sts: Client of STS, to identify the credentials; ``None`` if SQS is not AWS's.
    """

    sqs: Any
    sts: Any = None


NO_BUCKET: Final = "NoSuchBucket"


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """Check of one rule.

    Attributes:
        rule: The rule's name.
        supported: Whether the store has the feature.
        wanted: Describes the required rule; one line.
        look: Reads the rule.
        service: Service of the rule: `look` gets an S3 client or `QueueClients`.
        for_events: The rule exists only for settings with a queue.
        unsettled: Codes of errors that end by themselves shortly after the creation of what the rule needs.
        needed: Whether the settings need it. For a bucket that does not exist yet, only such rules are
            missing.
    """

    rule: Rule
    supported: Callable[[Provider], bool]
    wanted: Callable[[BucketRequirements], str]
    look: Callable[[Any, BucketRequirements], Awaitable[RuleState]]
    service: Literal["S3", "SQS"] = "S3"
    for_events: bool = False
    unsettled: frozenset[str] = frozenset({NO_BUCKET})
    needed: Callable[[BucketRequirements], bool] = lambda _: True


class ProvisioningError(Exception):
    """S3 cannot be reached. The message is one line."""

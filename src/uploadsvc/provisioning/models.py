"""The words for what is there, what has to be, and what came of it."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from uploadsvc.domain.providers import Provider
from uploadsvc.provisioning.needs import BucketRequirements

if TYPE_CHECKING:
    from types_aiobotocore_s3 import S3Client

Rule: TypeAlias = Literal["bucket", "public-access", "ownership", "bucket-policy", "cors", "lifecycle"]

State: TypeAlias = Literal[
    "in place",
    "missing",
    "differs",
    "made",
    "changed",
    "conflict",
    "unsupported",
    "not allowed",
    "failed",
]
"""``missing`` and ``differs`` can be changed; ``made`` and ``changed`` have been.

``conflict``: something that is not ours stands against it. ``unsupported``: the store has no such thing.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One rule of the bucket.

    Attributes:
        rule: Which.
        state: How it stands.
        found: What is there, or why that is not known; one line.
        wanted: What it has to be; one line.
    """

    rule: Rule
    state: State
    found: str
    wanted: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleState:
    """How one rule stands, and what would put it right.

    Attributes:
        state: How it stands.
        found: What is there; one line.
        change: Puts it right; nothing else is touched.
    """

    state: State
    found: str
    change: Callable[[], Awaitable[Any]] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One rule: what it has to be, and how one looks.

    Attributes:
        rule: Which.
        supported: Whether the store has such a thing.
        wanted: What it has to be; one line.
        look: Looks, and changes nothing.
    """

    rule: Rule
    supported: Callable[[Provider], bool]
    wanted: Callable[[BucketRequirements], str]
    look: Callable[["S3Client", BucketRequirements], Awaitable[RuleState]]


class ProvisioningError(Exception):
    """The bucket cannot be asked for anything; the message says why, in one line."""

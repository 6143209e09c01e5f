"""Events about uploads."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any, Final, Literal, get_args

EventType = Literal["upload.completed", "upload.rejected", "upload.scanned", "object.deleted"]
EVENT_TYPES: Final[tuple[EventType, ...]] = get_args(EventType)


def matches(event_type: str, pattern: str) -> bool:
    """Return whether a pattern matches a type: a name, a group such as ``upload.*``, or ``*``."""
    return pattern in {event_type, "*", f"{event_type.partition('.')[0]}.*"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """An event.

    Attributes:
        id: ``webhook-id`` of Standard Webhooks, the same for the same upload, version and type.
        type: Event type.
        timestamp: Time of the event, aware.
        policy: Policy of the upload; ``None`` if unknown.
        data: ``data`` of the body.
    """

    id: str
    type: EventType
    timestamp: datetime
    policy: str | None
    data: Mapping[str, Any]

    def body(self) -> bytes:
        """Return the JSON to sign and send."""
        timestamp = self.timestamp.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        whole = {"type": self.type, "timestamp": timestamp, "data": self.data}
        return json.dumps(whole, ensure_ascii=False, separators=(",", ":")).encode()

    def is_for(self, *, types: Sequence[str], policies: Sequence[str]) -> bool:
        """Return whether the event is for a receiver of these types and policies.

        A receiver of specific policies gets no events of objects with an unknown policy.
        """
        wanted = any(matches(self.type, pattern) for pattern in types)
        return wanted and ("*" in policies or self.policy in policies)


def event_id(event_type: EventType, *facts: str) -> str:
    """Return an event id, derived from the facts."""
    digest = sha256("\n".join((event_type, *facts)).encode()).hexdigest()
    return f"evt_{digest[:32]}"

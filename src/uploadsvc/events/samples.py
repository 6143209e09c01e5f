"""Sample event, for operators to test their receivers."""

import asyncio
from datetime import datetime

from uploadsvc.domain.events import Event
from uploadsvc.events.receivers import Outcome, Receiver, Receivers


def sample_event(number: str, *, now: datetime) -> Event:
    """Return an event with obviously made-up data.

    Args:
        number: Makes its id unique.
        now: The current time, aware.
    """
    stored = {
        "key": "uploads/example-user/00000000-0000-0000-0000-000000000000/example.txt",
        "bucket": "example-bucket",
        "size": 5,
        "content_type": "text/plain",
        "etag": "00000000000000000000000000000000",
        "version_id": None,
        "checksum": None,
        "last_modified": now.isoformat(timespec="seconds").replace("+00:00", "Z"),
        "metadata": {"example": "this event is a test by 'uploadsvc events test'"},
    }
    data = {
        "upload_id": "00000000-0000-0000-0000-000000000000",
        "user": "example-user",
        "policy": "default",
        "verified": False,
        "object": stored,
        "receipt": None,
    }
    return Event(id=f"evt_test_{number}", type="upload.completed", timestamp=now, policy=None, data=data)


async def send_sample(receivers: Receivers, event: Event) -> list[tuple[Receiver, Outcome]]:
    """Send an event once to every receiver, regardless of its types and policies.

    Returns:
        The outcomes, in the order of the settings.
    """
    body, everyone = event.body(), list(receivers)
    outcomes = await asyncio.gather(*(receiver.send(event.id, body) for receiver in everyone))
    return list(zip(everyone, outcomes, strict=True))

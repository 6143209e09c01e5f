"""Send events to receivers, for sources without a queue."""

from collections import OrderedDict
from typing import Final

import structlog

from uploadsvc.domain.events import Event
from uploadsvc.events.receivers import Outcome, Receiver, Receivers
from uploadsvc.telemetry.metrics import Metrics

REMEMBERED: Final = 10_000
"""Deliveries to remember, so that an event from two sources is sent once."""

_log = structlog.get_logger("uploadsvc.events")


class Dispatcher:
    """Sends events, and remembers which receivers have got them or are gone.

    Args:
        receivers: The receivers.
        metrics: Counts attempts.
    """

    def __init__(self, receivers: Receivers, metrics: Metrics) -> None:
        self._receivers = receivers
        self._metrics = metrics
        self._gone: set[str] = set()
        self._delivered: OrderedDict[tuple[str, str], None] = OrderedDict()

    def wanting(self, event: Event) -> list[Receiver]:
        """Return the receivers of an event that have not got it yet."""
        return [
            receiver
            for receiver in self._receivers.wanting(event)
            if receiver.id not in self._gone and (receiver.id, event.id) not in self._delivered
        ]

    async def send(self, receiver: Receiver, event: Event, body: bytes, *, attempt: int) -> Outcome:
        """Send an event once, and log the outcome. Never raises.

        Args:
            receiver: The receiver.
            event: The event.
            body: Its JSON.
            attempt: Number of the attempt, from 1.
        """
        try:
            outcome = await receiver.send(event.id, body)
        except Exception:  # noqa: BLE001 - the other receivers get the event all the same
            _log.exception("receiver_failed", receiver=receiver.id)
            outcome = Outcome(state="failed", reason="internal error")
        self.count(receiver, event, outcome.state)
        facts = facts_of(event, receiver)
        if outcome.state == "delivered":
            self._remember(receiver.id, event.id)
            _log.info("event_delivered", **facts, attempt=attempt)
        elif outcome.state == "gone":
            if receiver.id not in self._gone:
                self._gone.add(receiver.id)
                advice = "it gets no events until the restart; remove it from the settings"
                _log.warning("receiver_gone", receiver=receiver.id, reason=outcome.reason, advice=advice)
        elif outcome.state == "failed":
            _log.warning("event_failed", **facts, attempt=attempt, reason=outcome.reason)
        return outcome

    def count(self, receiver: Receiver, event: Event, outcome: str) -> None:
        """Count the outcome of an event."""
        self._metrics.event_deliveries.inc(self._receivers.label(receiver.id), event.type, outcome)

    def _remember(self, receiver_id: str, event_id: str) -> None:
        self._delivered[receiver_id, event_id] = None
        if len(self._delivered) > REMEMBERED:
            self._delivered.popitem(last=False)


def facts_of(event: Event, receiver: Receiver) -> dict[str, str | None]:
    """Return the log fields of a delivery."""
    return {
        "type": event.type,
        "upload_id": event.data.get("upload_id"),
        "event_id": event.id,
        "receiver": receiver.id,
    }

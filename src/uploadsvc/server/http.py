"""uvicorn's HTTP/1.1 protocol, with limits on size and time."""

import asyncio
import math
from typing import Any, Final, cast

import httptools
import structlog
from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import ServerState

from uploadsvc.api.routing import MAX_BODY_BYTES
from uploadsvc.auth.client_address import ADDRESSES_ATTRIBUTE, ClientAddresses, forwarded_for
from uploadsvc.server.capacity import Capacity
from uploadsvc.server.refusals import (
    FULL,
    LARGE_HEAD,
    LONG_URL,
    MALFORMED,
    MAX_FIELDS,
    MAX_HEAD_BYTES,
    MAX_PIPELINED,
    MAX_URL_BYTES,
    PIPELINED,
    Refusal,
    RefusedError,
    slow,
)

LINGER_SECONDS: Final = 2.0
"""Seconds for a refused client to read the response."""

_MAX_MESSAGE_BYTES: Final = MAX_HEAD_BYTES + 8 * MAX_BODY_BYTES
"""Maximum size of a request as sent, including chunk headers, extensions and trailers."""

_NEVER: Final = math.inf
_log = structlog.get_logger("uploadsvc.access")


class HttpProtocol(HttpToolsProtocol):
    """uvicorn's protocol with limits. It ignores protocol upgrades (RFC 9110, section 7.8).

    httptools skips the body of a request with ``Upgrade``. Java's HttpClient sends one to ``h2c``.
    """

    def __init__(
        self,
        capacity: Capacity,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        # uvicorn sets it at the first byte of a request; blank lines may come before.
        self.url = b""
        self._capacity = capacity
        self._limits = capacity.limits
        self._served: RequestResponseCycle = None  # type: ignore[assignment] # like uvicorn's own
        self._in_request = False
        self._in_head = True
        self._message_bytes = 0
        self._body_bytes = 0
        self._upgrading = False
        self._unwelcome = False
        self._deaf = False
        self._lingering = False
        self._unread = False
        # Loop times: deadline of the client for sending, and for reading or closing.
        self.due = self._abort_at = _NEVER
        # One timer, reset only if it would fire too late: a timer for each request takes longer.
        self._alarm: asyncio.TimerHandle | None = None
        self._alarm_at = _NEVER

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Accept the connection, unless there are too many."""
        super().connection_made(transport)
        if self._capacity.admits(self):
            self._act_at(self.loop.time() + self._limits.idle_timeout)
            return
        self._unwelcome = True
        self._capacity.refused += 1
        if self._capacity.refused > self._capacity.max_refused:
            self._capacity.on_refusal(FULL.reason)
            self.close_idle()
        else:
            # It gets a response to its first request.
            self._act_at(self.loop.time() + LINGER_SECONDS)

    def connection_lost(self, exc: Exception | None) -> None:
        """Cancel the timer, and make room."""
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None
        self.due = self._abort_at = self._alarm_at = _NEVER
        self._end_unread()
        if self._unwelcome:
            self._unwelcome = False
            self._capacity.refused -= 1
        if not _is_answered(self._served):
            # uvicorn notifies only the last of several pipelined requests.
            self._served.disconnected = True
            self._served.message_event.set()
        super().connection_lost(exc)

    @property
    def idle(self) -> bool:
        """Whether every request that has started to arrive has been answered."""
        return not (self._in_request or self._unwelcome or self._lingering) and _is_answered(self.cycle)

    def close_idle(self) -> None:
        """Close the connection, even if its client does not read the last response."""
        self.connections.discard(self)
        self.transport.close()
        self._deaf = True
        self._abort_in(LINGER_SECONDS)

    def shutdown(self) -> None:
        """Close the connection once the request that has started to arrive is answered."""
        if self.idle:
            self.transport.close()
        elif not _is_answered(self.cycle):
            self.cycle.keep_alive = False

    def pause_writing(self) -> None:
        """Limit the time that a response waits for the client to read."""
        super().pause_writing()
        self._abort_in(self._limits.body_timeout)

    def resume_writing(self) -> None:
        """Resume: the client reads again."""
        super().resume_writing()
        if not (self._lingering or self.transport.is_closing()):
            self._abort_at = _NEVER

    def _abort_in(self, seconds: float) -> None:
        self._abort_at = min(self._abort_at, self.loop.time() + seconds)
        self._wake_at(self._abort_at)

    def _act_at(self, due: float) -> None:
        self.due = due
        self._wake_at(due)

    def _wake_at(self, when: float) -> None:
        if when < self._alarm_at:
            if self._alarm is not None:
                self._alarm.cancel()
            self._alarm_at = when
            self._alarm = self.loop.call_at(when, self._wake)

    def _wake(self) -> None:
        self._alarm, self._alarm_at = None, _NEVER
        now, first = self.loop.time(), min(self.due, self._abort_at)
        if first > now:
            # The deadline has moved.
            self._wake_at(first)
        elif self._abort_at <= now:
            self.transport.abort()
        elif self._in_request:
            limits = self._limits
            late = ("head", limits.header_timeout) if self._in_head else ("body", limits.body_timeout)
            self.due = _NEVER
            self._refuse(slow(*late))
        else:
            self._capacity.on_refusal("idle")
            self.close_idle()

    def data_received(self, data: bytes) -> None:
        """Parse received data. Refuse an unfinished request as soon as it is too large."""
        if self._deaf:
            return
        if self._unwelcome:
            self._refuse(FULL)
            return
        self._message_bytes += len(data)
        try:
            self._feed(data)
            if self._message_bytes > MAX_HEAD_BYTES:
                self._check_size()
        except RefusedError as error:
            self._refuse(error.refusal)
        except httptools.HttpParserError as error:
            # httptools wraps exceptions of callbacks.
            cause = error.__context__
            self._refuse(cause.refusal if isinstance(cause, RefusedError) else MALFORMED)
        if self._in_request and not self._deaf:
            self._limit_rest()

    def _limit_rest(self) -> None:
        """Limit the time for a request to arrive."""
        if self.due == _NEVER:
            limits = self._limits
            seconds = limits.header_timeout if self._in_head else limits.body_timeout
            self._act_at(self.loop.time() + seconds)
        if not (self._in_head or self._unread or self.pipeline or self.cycle.response_complete):
            self._unread = True
            self._capacity.unread += 1

    def _end_unread(self) -> None:
        if self._unread:
            self._unread = False
            self._capacity.unread -= 1

    def _feed(self, data: bytes) -> None:
        while True:
            try:
                self.parser.feed_data(data)
            except httptools.HttpParserUpgrade as upgrade:
                # The parser stops after the head. A new one reads it again, without the upgrade.
                data = self._head_without_upgrade() + data[upgrade.args[0] :]
                self.parser = httptools.HttpRequestParser(self)
                self.parser.set_dangerous_leniencies(lenient_data_after_close=True)
                self._upgrading = False
            else:
                return

    def _head_without_upgrade(self) -> bytes:
        version = self.parser.get_http_version().encode()
        lines = [b" ".join((self.parser.get_method(), self.url, b"HTTP/" + version))]
        lines += [name + b": " + value for name, value in self.headers if name != b"upgrade"]
        return b"\r\n".join([*lines, b"", b""])

    def _check_size(self) -> None:
        if self._in_head:
            raise RefusedError(LONG_URL if len(self.url) > MAX_URL_BYTES else LARGE_HEAD)
        if self._message_bytes > _MAX_MESSAGE_BYTES:
            self._cut_off()

    def on_message_begin(self) -> None:
        """Begin a request."""
        super().on_message_begin()
        self._in_request = True
        self.due = _NEVER

    def on_headers_complete(self) -> None:
        """Start the handler, unless the head is too large."""
        if len(self.url) > MAX_URL_BYTES:
            raise RefusedError(LONG_URL)
        # Count only after many bytes, because counting takes time.
        large = self._message_bytes > MAX_HEAD_BYTES
        if len(self.headers) > MAX_FIELDS or (large and self._head_bytes() > MAX_HEAD_BYTES):
            raise RefusedError(LARGE_HEAD)
        if len(self.pipeline) >= MAX_PIPELINED:
            raise RefusedError(PIPELINED)
        if self.parser.should_upgrade():
            if self.parser.get_method() == b"CONNECT":
                raise RefusedError(MALFORMED)
            self._upgrading = True
            return
        self._in_head = False
        self.due = _NEVER
        in_progress = len(self.tasks)
        if in_progress >= self._limits.max_concurrency and self._capacity.refuses(self.url, in_progress):
            self.app = self._capacity.overloaded
            super().on_headers_complete()
            self.app = self.config.loaded_app
        else:
            super().on_headers_complete()
        if not self.pipeline:
            self._served = self.cycle
        # Ignore trailers: a proxy may have checked only the head.
        self.headers = _NOWHERE

    def _head_bytes(self) -> int:
        return len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers)

    def on_body(self, body: bytes) -> None:
        """Count the body. The handler refuses a large one; a body that is not read is cut off."""
        self._body_bytes += len(body)
        if self._body_bytes > MAX_BODY_BYTES:
            self._cut_off()
        super().on_body(body)

    def on_message_complete(self) -> None:
        """End a request."""
        if self._upgrading:
            return
        self._in_request, self._in_head = False, True
        self._message_bytes = self._body_bytes = 0
        self.due = _NEVER
        self._end_unread()
        super().on_message_complete()
        if self.cycle.response_complete:
            self._act_at(self.loop.time() + self._limits.idle_timeout)

    def on_response_complete(self) -> None:
        """Start the next request, or wait for one.

        Unlike uvicorn's, it sets no timer for each response. It cuts off a large body that is still arriving,
        because nothing will read it.
        """
        self.server_state.total_requests += 1
        self._end_unread()
        if self._lingering:
            return
        if self.transport.is_closing():
            # It stays open until the client has read everything.
            self._abort_in(self._limits.body_timeout)
            return
        self.flow.resume_reading()
        if self.pipeline:
            self._served, app = self.pipeline.pop()
            self._start_asgi_task(self._served, app)
        if not self._in_request:
            if _is_answered(self.cycle):
                self._act_at(self.loop.time() + self._limits.idle_timeout)
        elif self.cycle.response_complete and _declared(self.cycle.scope) > MAX_BODY_BYTES:
            self._linger()

    def _cut_off(self) -> None:
        """Stop reading a request. If it has no response yet, the response ends the connection."""
        if self.cycle.response_complete:
            self._linger()
        elif not isinstance(self.cycle.transport, _Lingering):
            self._end_with_answer()

    def _end_with_answer(self) -> None:
        self.cycle.keep_alive = False
        self.cycle.transport = cast("asyncio.Transport", _Lingering(self))

    def _refuse(self, refusal: Refusal) -> None:
        if self._deaf or self.transport.is_closing():
            return
        self._capacity.on_refusal(refusal.reason)
        if refusal is not FULL:
            # Logged below the app, without a request id: even the head may be incomplete.
            _log.info(
                "request_refused", status=refusal.status, code=refusal.code, client=self._client_address()
            )
        cycle = self.cycle
        if not _is_answered(cycle):
            if self._in_head:
                # An earlier request waits for its response. After that, nothing more is read.
                self._end_with_answer()
                self._deaf = True
                self.due = _NEVER
                return
            if self.pipeline or cycle.response_started:
                self.transport.abort()
                return
            cycle.disconnected = True
            cycle.message_event.set()
        date = [name + b": " + value + b"\r\n" for name, value in self.server_state.default_headers]
        answer = [STATUS_LINE[refusal.status], *date[:1], refusal.fields_and_body(self.root_path)]
        self.transport.write(b"".join(answer))
        self._linger()

    def _client_address(self) -> str | None:
        """Return the client's address, from the headers that have arrived if the peer is a trusted proxy."""
        peer = self.client[0] if self.client else None
        addresses: ClientAddresses | None = getattr(
            getattr(self.app, "state", None), ADDRESSES_ATTRIBUTE, None
        )
        if addresses is None or not self._in_request:
            return peer
        # After the head, headers are trailers, which no proxy has checked.
        return addresses.of(peer, forwarded_for(self.scope["headers"]))

    def _linger(self) -> None:
        """Close after the client has read the response: unread input would reset the connection.

        RFC 9112, section 9.6.
        """
        if self._lingering:
            return
        self._deaf = self._lingering = True
        self._end_unread()
        self.pipeline.clear()
        if self.transport.can_write_eof():
            self.transport.write_eof()
        self.flow.resume_reading()
        self._abort_in(LINGER_SECONDS)


class _Lingering:
    """Transport for a last response: the connection lingers before it closes."""

    def __init__(self, protocol: HttpProtocol) -> None:
        self.write = protocol.transport.write
        self.is_closing = protocol.transport.is_closing
        self.close = protocol._linger  # noqa: SLF001 - one unit


class _Nowhere(list[tuple[bytes, bytes]]):
    def append(self, _field: tuple[bytes, bytes]) -> None:
        pass


_NOWHERE: Final = _Nowhere()


def _is_answered(cycle: RequestResponseCycle | None) -> bool:
    return cycle is None or cycle.response_complete


def _declared(scope: Any) -> int:  # noqa: ANN401 - uvicorn's scope
    """Return the declared length of the body; 0 without one."""
    # httptools has checked that the value has only digits.
    return next((int(value) for name, value in scope["headers"] if name == b"content-length"), 0)

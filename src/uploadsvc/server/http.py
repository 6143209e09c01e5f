"""uvicorn's HTTP/1.1 protocol, with limits on what one connection can send."""

import asyncio
import json
from http import HTTPStatus
from typing import Any, Final, cast

import httptools
import structlog
from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import ServerState

from uploadsvc.api.problems import MEDIA_TYPE
from uploadsvc.api.routing import MAX_BODY_BYTES
from uploadsvc.auth.client_address import ADDRESSES_ATTRIBUTE, ClientAddresses, forwarded_for

MAX_URL_BYTES: Final = 16 * 1024
MAX_HEAD_BYTES: Final = 64 * 1024
"""Bytes of a request before its body: URL and header fields."""

MAX_FIELDS: Final = 100
MAX_PIPELINED: Final = 16
"""Requests that one connection can send ahead of the answers."""

REQUEST_SECONDS: Final = 60.0
"""Seconds in which a request must arrive, from its first byte to the end of its body."""

LINGER_SECONDS: Final = 2.0
"""Seconds that a refused client has to read the answer."""

_MAX_MESSAGE_BYTES: Final = MAX_HEAD_BYTES + 8 * MAX_BODY_BYTES
"""Bytes of a request as they were sent: chunks of one byte, extensions and trailers count too."""

_log = structlog.get_logger("uploadsvc.access")


class _Refusal:
    """A problem (RFC 9457) for a request that reaches no handler. It ends the connection."""

    def __init__(self, status: HTTPStatus, code: str, title: str, detail: str) -> None:
        self.status, self.code = status.value, code
        content = {
            "type": f"urn:uploadsvc:problem:{code}",
            "title": title,
            "status": self.status,
            "detail": detail,
            "code": code,
            "errors": [],
        }
        body = json.dumps(content).encode()
        head = (
            f"content-type: {MEDIA_TYPE}\r\ncontent-length: {len(body)}\r\n"
            "cache-control: no-store\r\nx-content-type-options: nosniff\r\nconnection: close\r\n\r\n"
        )
        self.fields_and_body = head.encode() + body


class _RefusedError(Exception):
    def __init__(self, refusal: _Refusal) -> None:
        super().__init__(refusal.status)
        self.refusal = refusal


_MALFORMED: Final = _Refusal(
    HTTPStatus.BAD_REQUEST, "bad_request", "Malformed request", "The request is not valid HTTP/1.1."
)
_SLOW: Final = _Refusal(
    HTTPStatus.REQUEST_TIMEOUT,
    "request_timeout",
    "Request too slow",
    f"The request did not arrive within {REQUEST_SECONDS:.0f} seconds.",
)
_LONG_URL: Final = _Refusal(
    HTTPStatus.REQUEST_URI_TOO_LONG,
    "url_too_long",
    "URL too long",
    f"A URL may have at most {MAX_URL_BYTES} bytes.",
)
_LARGE_HEAD: Final = _Refusal(
    HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE,
    "headers_too_large",
    "Headers too large",
    f"A request may have at most {MAX_FIELDS} header fields; with the URL, {MAX_HEAD_BYTES} bytes.",
)
_PIPELINED: Final = _Refusal(
    HTTPStatus.TOO_MANY_REQUESTS,
    "too_many_requests",
    "Too many requests",
    f"At most {MAX_PIPELINED} requests may wait for their answers on one connection.",
)


class HttpProtocol(HttpToolsProtocol):
    """uvicorn's protocol with limits. It ignores protocol upgrades (RFC 9110, section 7.8).

    httptools skips the body of a request that asks for an upgrade, as Java's HttpClient does to ``h2c``.
    """

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._in_request = False
        self._in_head = True
        self._message_bytes = 0
        self._body_bytes = 0
        self._upgrading = False
        self._deaf = False
        self._lingering = False
        self._deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Limit the time to the first byte of a new connection."""
        super().connection_made(transport)
        self.timeout_keep_alive_task = self.loop.call_later(REQUEST_SECONDS, self.timeout_keep_alive_handler)

    def connection_lost(self, exc: Exception | None) -> None:
        """Cancel the timers."""
        self._unset_deadline()
        self._unset_keepalive_if_required()
        super().connection_lost(exc)

    @property
    def idle(self) -> bool:
        """Whether every request that has begun to arrive is answered."""
        return not self._in_request and _is_answered(self.cycle)

    def shutdown(self) -> None:
        """Close the connection, once a request that has begun to arrive is answered."""
        if self.idle:
            self.transport.close()
        elif not _is_answered(self.cycle):
            self.cycle.keep_alive = False

    def data_received(self, data: bytes) -> None:
        """Parse what has arrived. A request without an end is refused as soon as it is too large."""
        if self._deaf:
            return
        self._unset_keepalive_if_required()
        self._message_bytes += len(data)
        try:
            self._feed(data)
            if self._message_bytes > MAX_HEAD_BYTES:
                self._check_size()
        except _RefusedError as error:
            self._refuse(error.refusal)
        except httptools.HttpParserError as error:
            # httptools wraps what a callback raises.
            cause = error.__context__
            self._refuse(cause.refusal if isinstance(cause, _RefusedError) else _MALFORMED)
        if self._in_request and self._deadline is None and not self._deaf:
            self._deadline = self.loop.call_later(REQUEST_SECONDS, self._refuse, _SLOW)

    def _feed(self, data: bytes) -> None:
        while True:
            try:
                self.parser.feed_data(data)
            except httptools.HttpParserUpgrade as upgrade:
                # The parser has stopped after the head. A new one reads it again, without the upgrade.
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
            raise _RefusedError(_LONG_URL if len(self.url) > MAX_URL_BYTES else _LARGE_HEAD)
        if self._message_bytes > _MAX_MESSAGE_BYTES:
            self._cut_off()

    def on_message_begin(self) -> None:
        """Begin a request."""
        super().on_message_begin()
        self._in_request = True

    def on_headers_complete(self) -> None:
        """Start the handler, unless the head is too large."""
        if len(self.url) > MAX_URL_BYTES:
            raise _RefusedError(_LONG_URL)
        # Count only if many bytes have arrived: it takes time.
        large = self._message_bytes > MAX_HEAD_BYTES
        if len(self.headers) > MAX_FIELDS or (large and self._head_bytes() > MAX_HEAD_BYTES):
            raise _RefusedError(_LARGE_HEAD)
        if len(self.pipeline) >= MAX_PIPELINED:
            raise _RefusedError(_PIPELINED)
        if self.parser.should_upgrade():
            if self.parser.get_method() == b"CONNECT":
                raise _RefusedError(_MALFORMED)
            self._upgrading = True
            return
        self._in_head = False
        super().on_headers_complete()
        # Ignore trailers: a proxy may have checked the head alone.
        self.headers = _NOWHERE

    def _head_bytes(self) -> int:
        return len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers)

    def on_body(self, body: bytes) -> None:
        """Count the body. The handler refuses a large one; one that nobody reads is cut off."""
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
        self._unset_deadline()
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """Cut off a large body that is still arriving, because nobody will read it."""
        super().on_response_complete()
        if self._in_request and self.cycle.response_complete and _declared(self.cycle.scope) > MAX_BODY_BYTES:
            self._linger()

    def _unset_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _cut_off(self) -> None:
        """Stop reading a request. If it has no answer yet, the answer ends the connection."""
        if self.cycle.response_complete:
            self._linger()
        elif not isinstance(self.cycle.transport, _Lingering):
            self._end_with_answer()

    def _end_with_answer(self) -> None:
        self.cycle.keep_alive = False
        self.cycle.transport = cast("asyncio.Transport", _Lingering(self))

    def _refuse(self, refusal: _Refusal) -> None:
        if self._deaf or self.transport.is_closing():
            return
        # Below the app, so without its request id: there may not even be a whole head.
        _log.info("request_refused", status=refusal.status, code=refusal.code, client=self._client_address())
        cycle = self.cycle
        if not _is_answered(cycle):
            if self._in_head:
                # An earlier request waits for its answer. After that, nothing more can be read.
                self._end_with_answer()
                self._deaf = True
                self._unset_deadline()
                return
            if self.pipeline or cycle.response_started:
                self.transport.abort()
                return
            cycle.disconnected = True
            cycle.message_event.set()
        date = [name + b": " + value + b"\r\n" for name, value in self.server_state.default_headers]
        self.transport.write(b"".join([STATUS_LINE[refusal.status], *date[:1], refusal.fields_and_body]))
        self._linger()

    def _client_address(self) -> str | None:
        """Return the client's address, as far as its headers have arrived, if proxies name it."""
        peer = self.client[0] if self.client else None
        addresses: ClientAddresses | None = getattr(
            getattr(self.app, "state", None), ADDRESSES_ATTRIBUTE, None
        )
        if addresses is None or not self._in_request:
            return peer
        # After the head, headers are trailers, which nobody has checked.
        return addresses.of(peer, forwarded_for(self.scope["headers"]))

    def _linger(self) -> None:
        """Close, but let the client read the answer: unread input would reset the connection.

        RFC 9112, section 9.6.
        """
        if self._lingering:
            return
        self._deaf = self._lingering = True
        self.pipeline.clear()
        self._unset_deadline()
        if self.transport.can_write_eof():
            self.transport.write_eof()
        self.flow.resume_reading()
        self._deadline = self.loop.call_later(LINGER_SECONDS, self.transport.abort)


class _Lingering:
    """The transport of an answer after which the connection lingers before it closes."""

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
    """Return the length of a body that the request declares; 0 if it does not."""
    # httptools has accepted the value: it consists of digits.
    return next((int(value) for name, value in scope["headers"] if name == b"content-length"), 0)

"""Shared store of counters: Valkey, or Redis, which speaks the same protocol.

Requests wait for it, `DEADLINE` seconds at most. After a failure, requests are decided without it until it
answers a probe in the background.
"""

import asyncio
import ssl
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from hashlib import blake2b, sha1
from time import monotonic
from typing import Any, Final, Self, TypeVar
from urllib.parse import unquote, urlsplit

import structlog
from valkey.asyncio import Connection, ConnectionPool
from valkey.exceptions import AuthenticationError, NoScriptError, ResponseError, ValkeyError

from uploadsvc.limiting.pipelining import PipeliningValkey

DEADLINE: Final = 0.05
"""Seconds to wait for the store, in a process that is not busy."""

_TICKS: Final = 10
"""Number of ticks in the deadline."""

SCHEMES: Final = ("valkey", "valkeys", "redis", "rediss")
"""URL schemes; ``valkeys`` and ``rediss`` use TLS."""

_DEFAULT_PORT: Final = 6379
_MAX_DATABASE: Final = 65_535
_CONNECT_SECONDS: Final = 1.0
_FIRST_PROBE_SECONDS: Final = 0.1
_MAX_PROBE_SECONDS: Final = 2.0
_STABLE_SECONDS: Final = 30.0
_PREFIX: Final = "uploadsvc"
# A replica, a full store, or a user without permission would answer a PING but refuse this.
_PROBE: Final = "return redis.call('set', KEYS[1], '1', 'PX', 1000)"

_log = structlog.get_logger("uploadsvc.limits")

T = TypeVar("T")


class StoreDownError(Exception):
    """The store did not answer in time, or is known to be down."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreAddress:
    """Address of the store.

    Attributes:
        host: Name or address.
        port: Port.
        database: Number of the database.
        tls: Whether to use TLS. The certificate must be for this host, from an authority that the system
            trusts.
        username: User; ``None`` for the default user.
        password: Password; ``None`` if there is none.
    """

    host: str
    port: int = _DEFAULT_PORT
    database: int = 0
    tls: bool = False
    username: str | None = field(default=None, repr=False)
    password: str | None = field(default=None, repr=False)

    @property
    def shown(self) -> str:
        """Host and port, for the log."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def parse_store_url(url: str) -> StoreAddress:
    """Parse a URL such as ``valkeys://user:password@valkey.internal:6379/0``.

    Raises:
        ValueError: The URL is malformed. The message does not quote it: it can contain a password.
    """
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        message = (
            "not a URL; write valkey://user:password@host:6379/0, and percent-encode special characters of "
            "the password"
        )
        raise ValueError(message) from None
    if parts.scheme not in SCHEMES:
        message = (
            f"must begin with {', '.join(f'{scheme}://' for scheme in SCHEMES[:-1])} or {SCHEMES[-1]}://"
        )
        raise ValueError(message)
    if not host or port == 0:
        message = "names no host; write valkey://host:6379/0"
        raise ValueError(message)
    database = parts.path.removeprefix("/")
    if parts.query or parts.fragment or not _is_database(database):
        message = (
            "after host and port, only the number of a database can follow, as in valkey://host:6379/0; "
            "percent-encode special characters of the password"
        )
        raise ValueError(message)
    return StoreAddress(
        host=unquote(host),
        port=port or _DEFAULT_PORT,
        database=int(database or 0),
        tls=parts.scheme in {"valkeys", "rediss"},
        username=unquote(parts.username) if parts.username else None,
        password=unquote(parts.password) if parts.password else None,
    )


def _is_database(text: str) -> bool:
    return not text or (text.isascii() and text.isdigit() and len(text) < 6 and int(text) <= _MAX_DATABASE)  # noqa: PLR2004


@dataclass(frozen=True, slots=True)
class StoreKeys:
    """Makes the names of keys in the store.

    A name has a fixed length and no special characters, whatever the user id. It is a keyed hash, so the user
    cannot be found without the secret, not even by trying ids.

    Attributes:
        secret: Key of the hash, the same on every replica; 16 to 64 bytes.
    """

    secret: bytes = field(repr=False)

    def name(self, *parts: str) -> str:
        """Return the name for these parts: 32 hexadecimal digits."""
        digest = blake2b(key=self.secret, digest_size=16)
        for part in parts:
            text = part.encode("utf-8", "surrogatepass")
            digest.update(len(text).to_bytes(4, "big") + text)
        return digest.hexdigest()


class Script:
    """A Lua script that the store runs atomically.

    Args:
        source: The source. It must get all its keys as ``KEYS``.
    """

    def __init__(self, source: str) -> None:
        self.source = source
        # The server's id of the script: https://valkey.io/commands/evalsha/
        self.sha = sha1(source.encode(), usedforsecurity=False).hexdigest()


class SharedStore:
    """Connection to the store, and its state: up or down.

    Enter it before use, and leave it to close its connections.

    Args:
        address: Address of the store: a single server or a primary with replicas, not a cluster.
        on_failure: Called for each call that gets no answer.
        on_change: Called with the new state, true for up, when it changes.
        timer: Returns seconds, monotonic.
    """

    def __init__(
        self,
        address: StoreAddress,
        *,
        on_failure: Callable[[], None],
        on_change: Callable[[bool], None],
        timer: Callable[[], float] = monotonic,
    ) -> None:
        self._address = address
        self._on_failure = on_failure
        self._on_change = on_change
        self._timer = timer
        self._up = False
        self._down_since = 0.0
        self._up_since = 0.0
        self._delay = _FIRST_PROBE_SECONDS
        self._probing: asyncio.Task[None] | None = None
        self.client = PipeliningValkey(_pool(address))

    @property
    def up(self) -> bool:
        """Whether the store is up."""
        return self._up

    async def __aenter__(self) -> Self:
        """Open it. This works even if the store is down."""
        self._up, self._up_since = True, self._timer()
        self._on_change(True)  # noqa: FBT003 - the only argument
        with suppress(StoreDownError):
            await self._check()
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close its connections."""
        self._up = False
        if self._probing is not None:
            self._probing.cancel()
            await asyncio.gather(self._probing, return_exceptions=True)
        self.client.abandon()
        with suppress(ValkeyError, OSError):
            await self.client.aclose(close_connection_pool=True)

    async def ask(self, question: Callable[[], Awaitable[T]]) -> T:
        """Await calls to the store, within the deadline.

        Args:
            question: Makes one or several calls with `client`, within `DEADLINE` seconds in all.

        Raises:
            StoreDownError: It does not answer, or is known to be down.
        """
        if not self._up:
            raise StoreDownError
        try:
            return await _in_time(question)
        except (ValkeyError, OSError) as error:
            self._fail(error)
            raise StoreDownError from None

    async def run(self, script: Script, *, keys: list[str], args: list[str | int | float]) -> Any:  # noqa: ANN401 - what the script returns
        """Run a script, and return its result.

        Raises:
            StoreDownError: It does not answer, or is known to be down.
        """

        async def question() -> Any:  # noqa: ANN401 - what the script returns
            try:
                return await self.client.execute_command("EVALSHA", script.sha, len(keys), *keys, *args)
            except NoScriptError:
                # The store was restarted, or does not have the script yet.
                return await self.client.execute_command("EVAL", script.source, len(keys), *keys, *args)

        return await self.ask(question)

    def _fail(self, error: Exception) -> None:
        self._on_failure()
        if not self._up:
            return
        now = self._timer()
        if now - self._up_since >= _STABLE_SECONDS:
            self._delay = _FIRST_PROBE_SECONDS
        self._up, self._down_since = False, now
        self.client.abandon()
        self._on_change(False)  # noqa: FBT003 - the only argument
        _log.warning(
            "limits_store_down",
            store=self._address.shown,
            reason=_reason(error),
            meaning="each process counts alone until it is back",
        )
        self._probing = asyncio.get_running_loop().create_task(self._probe())

    async def _probe(self) -> None:
        while not self._up:
            await asyncio.sleep(self._delay)
            # Reset only after a while, so that a flapping store is tried less often.
            self._delay = min(2 * self._delay, _MAX_PROBE_SECONDS)
            try:
                async with asyncio.timeout(_CONNECT_SECONDS):
                    # Connecting may take longer than a call.
                    await self.client.execute_command("PING")
                await _in_time(self._write)
            except (ValkeyError, OSError):
                # The next probe reconnects: this connection may lead to a server that is gone.
                self.client.abandon()
                continue
            now = self._timer()
            self._up, self._up_since = True, now
            self._on_change(True)  # noqa: FBT003 - the only argument
            seconds = round(now - self._down_since, 1)
            _log.info("limits_store_up", store=self._address.shown, down_seconds=seconds)

    async def _write(self) -> None:
        await self.client.execute_command("EVAL", _PROBE, 1, f"{_PREFIX}:probe")

    async def _check(self) -> None:
        """Connect in advance, so that the first request does not have to."""
        try:
            async with asyncio.timeout(_CONNECT_SECONDS):
                await self._write()
        except (ValkeyError, OSError) as error:
            self._fail(error)


async def _in_time(question: Callable[[], Awaitable[T]]) -> T:
    """Await calls to the store, within the deadline.

    The deadline is counted in ticks of the event loop, and a late tick counts once: after a long busy period,
    the process reads the answer that has arrived instead of declaring the store down.

    Raises:
        TimeoutError: It takes more than `DEADLINE` seconds.
    """
    loop, tick, left = asyncio.get_running_loop(), DEADLINE / _TICKS, _TICKS
    timer: asyncio.TimerHandle

    def count() -> None:
        nonlocal left, timer
        left -= 1
        if left:
            timer = loop.call_later(tick, count)
        else:
            scope.reschedule(loop.time())

    timer = loop.call_later(tick, count)
    try:
        async with asyncio.timeout(None) as scope:
            return await question()
    finally:
        timer.cancel()


def _pool(address: StoreAddress) -> ConnectionPool:
    options: dict[str, Any] = {"context": ssl.create_default_context()} if address.tls else {}
    return ConnectionPool(
        connection_class=_TlsConnection if address.tls else Connection,
        host=address.host,
        port=address.port,
        db=address.database,
        username=address.username,
        password=address.password,
        # Calls have their own deadline.
        socket_timeout=None,
        socket_connect_timeout=_CONNECT_SECONDS,
        socket_keepalive=True,
        # Saves two round trips per connection.
        lib_name=None,
        lib_version=None,
        **options,
    )


class _TlsConnection(Connection):
    """A connection that verifies the host's certificate in full, unlike valkey-py's own.

    All connections share one context, because loading the trusted certificates blocks for 20 ms.
    """

    def __init__(self, *, context: ssl.SSLContext, **options: Any) -> None:  # noqa: ANN401 - valkey-py's own
        super().__init__(**options)
        self._context = context

    def _connection_arguments(self) -> dict[str, Any]:
        return {**super()._connection_arguments(), "ssl": self._context}


def _reason(error: Exception) -> str:
    """Return the reason of a failure in one word, without anything from the settings."""
    if isinstance(error, TimeoutError):
        return "timeout"
    if isinstance(error, AuthenticationError):
        return "authentication"
    if isinstance(error.__context__, ssl.SSLError):
        return "tls"
    if isinstance(error, ResponseError):
        return type(error).__name__
    return "connection"

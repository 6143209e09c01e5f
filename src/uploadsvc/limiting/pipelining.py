"""Valkey client that pipelines the commands of concurrent requests.

valkey-py's own client uses one connection per command and ten times the CPU time: a hundred concurrent
requests would wait longer for the client than for the server.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Any, Final, NamedTuple

from valkey.asyncio import Connection, ConnectionPool, Valkey
from valkey.exceptions import ConnectionError as LostError
from valkey.exceptions import ResponseError

_MAX_TOGETHER: Final = 500
"""Maximum number of commands in a pipeline. Reading their responses takes a few milliseconds."""


class _Command(NamedTuple):
    arguments: Sequence[Any]
    answer: "asyncio.Future[Any]"


class PipeliningValkey(Valkey):
    """Sends, over one connection, the commands that have queued up since the last responses.

    A pipeline is not a transaction. Cancelling one command does not affect the others.

    Args:
        pool: Makes connections.
    """

    def __init__(self, pool: ConnectionPool) -> None:
        super().__init__(connection_pool=pool)
        self._pool = pool
        # The package has no types.
        self._connect: Callable[[], Awaitable[Connection]] = partial(pool.get_connection, "")
        self._waiting: list[_Command] = []
        self._sender: asyncio.Task[None] | None = None

    async def execute_command(self, *arguments: Any, **options: Any) -> Any:  # noqa: ANN401 - as in the base class
        """Send a command and return the response.

        Raises:
            ValkeyError: The server refused it, or the connection was lost.
            OSError: There is no connection.
        """
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Any] = loop.create_future()
        self._waiting.append(_Command(arguments, answer))
        if self._sender is None:
            self._sender = loop.create_task(self._send())
        found = await answer
        options.pop("keys", None)
        callback = self.response_callbacks.get(arguments[0])
        return found if callback is None else callback(found, **options)

    def abandon(self) -> None:
        """Stop waiting for responses, and close the connection."""
        if self._sender is not None:
            self._sender.cancel()

    async def _send(self) -> None:
        taken: list[_Command] = []
        error: Exception = LostError("abandoned")
        connection: Connection | None = None
        try:
            connection = await self._connect()
            while self._waiting:
                taken, self._waiting = self._waiting[:_MAX_TOGETHER], self._waiting[_MAX_TOGETHER:]
                taken = [command for command in taken if not command.answer.done()]
                if taken:
                    await _exchange(connection, taken)
        except Exception as lost:  # noqa: BLE001 - those who wait get it
            error = lost
        finally:
            self._sender = None
            if connection is not None:
                await self._pool.release(connection)
            for command in (*taken, *self._waiting):
                if not command.answer.done():
                    command.answer.set_exception(error)
            self._waiting = []


async def _exchange(connection: Connection, commands: Sequence[_Command]) -> None:
    await connection.send_packed_command(
        connection.pack_commands([command.arguments for command in commands])
    )
    for _, answer in commands:
        try:
            found = await connection.read_response()
        except ResponseError as error:
            if not answer.done():
                answer.set_exception(error)
        else:
            if not answer.done():
                answer.set_result(found)

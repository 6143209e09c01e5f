"""Credentials. Secrets are not command line options, because other users can read those."""

import asyncio
import contextlib
import os
import shlex
from asyncio.subprocess import PIPE
from collections.abc import Awaitable, Callable, Mapping
from inspect import isawaitable, iscoroutinefunction
from pathlib import Path
from typing import Final
from urllib.parse import quote

from uploadsvc.client.errors import UploadsvcError, UsageProblem

TOKEN: Final = "UPLOADSVC_TOKEN"  # noqa: S105 - the name of a variable
API_KEY: Final = "UPLOADSVC_API_KEY"

_MAX_BYTES: Final = 64 * 1024
"""Maximum size of a token with its spaces. Some files, such as ``/dev/zero``, have no end."""

Read = Callable[[], Awaitable[str]]


class NoCredential(UploadsvcError):
    """The token or key cannot be read."""

    def __init__(self, detail: str) -> None:
        super().__init__("no_credential", detail)


class Caller:
    """Authentication headers.

    Args:
        read: Reads the secret; called again if the service rejects it.
        header: Returns the headers for a secret.
    """

    def __init__(self, read: Read, header: Callable[[str], dict[str, str]]) -> None:
        self._read = read
        self._header = header
        self._secret: str | None = None
        self._lock = asyncio.Lock()

    async def headers(self) -> dict[str, str]:
        """Return the authentication headers.

        Raises:
            NoCredential: The secret cannot be read, or is malformed.
        """
        async with self._lock:
            if self._secret is None:
                self._secret = _checked(await self._read())
            return self._header(self._secret)

    async def renewed(self, used: Mapping[str, str]) -> bool:
        """Read the secret again and return whether it has changed."""
        if await self.headers() == used:
            self._secret = None
        return await self.headers() != used


Secret = str | Callable[[], str | Awaitable[str]]
"""A token, or a function that returns one; it may be async."""


def caller_for(
    *, token: Secret | None = None, api_key: Secret | None = None, on_behalf_of: str | None = None
) -> Caller:
    """Return the credentials for a program's arguments.

    Raises:
        ValueError: There is no credential or more than one, or a user without an API key.
    """
    if token is not None and api_key is not None:
        message = "give either token or api_key"
        raise ValueError(message)
    if token is not None:
        if on_behalf_of is not None:
            message = "on_behalf_of needs an api_key: a token has a user already"
            raise ValueError(message)
        return Caller(_from(token), _bearer)
    if api_key is None:
        message = "give a token or an api_key"
        raise ValueError(message)
    user = {} if on_behalf_of is None else {"X-On-Behalf-Of": quote(on_behalf_of, safe="")}
    return Caller(_from(api_key), lambda secret: {"X-API-Key": secret, **user})


def _from(secret: Secret) -> Read:
    if isinstance(secret, str):
        return _known(secret)
    give = secret

    async def read() -> str:
        # In a thread, because a synchronous function may call another server.
        given = give() if iscoroutinefunction(give) else await asyncio.to_thread(give)
        return await given if isawaitable(given) else given

    return read


def caller_from(
    environment: Mapping[str, str],
    *,
    token_file: Path | None,
    token_command: str | None,
    on_behalf_of: str | None,
) -> Caller:
    """Return the credentials from options and environment.

    Args:
        environment: Environment variables, which may contain the token or the API key.
        token_file: File with a token.
        token_command: Command that prints a token.
        on_behalf_of: User that an API key acts for.

    Raises:
        UsageProblem: There is no credential, or more than one.
    """
    if sum(given is not None for given in (token_file, token_command, on_behalf_of)) > 1:
        message = "only one of --token-file, --token-command and --on-behalf-of can be given"
        raise UsageProblem(message)
    if on_behalf_of is not None:
        key = environment.get(API_KEY)
        if not key:
            message = f"--on-behalf-of goes with an API key: set {API_KEY}"
            raise UsageProblem(message)
        user = {"X-On-Behalf-Of": quote(on_behalf_of, safe="")}
        return Caller(_known(key), lambda secret: {"X-API-Key": secret, **user})
    if token_file is not None:
        return Caller(_from_file(token_file), _bearer)
    if token_command is not None:
        return Caller(_from_command(token_command), _bearer)
    token = environment.get(TOKEN)
    if not token:
        other = f"; {API_KEY} goes with --on-behalf-of" if environment.get(API_KEY) else ""
        message = f"no credential: set {TOKEN}, or give --token-file or --token-command{other}"
        raise UsageProblem(message)
    return Caller(_known(token), _bearer)


def _bearer(secret: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {secret}"}


def _known(secret: str) -> Read:
    async def read() -> str:
        return secret

    return read


def _from_file(path: Path) -> Read:
    async def read() -> str:
        try:
            content = await asyncio.to_thread(_start_of, path)
            if len(content) > _MAX_BYTES:
                raise _too_long(of="token file")
            return content.decode()
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is not text"
            detail = f"The token file cannot be read: {reason}."
            raise NoCredential(detail) from None

    return read


def _start_of(path: Path) -> bytes:
    # Buffered, so a pipe is read to its end too.
    with path.open("rb") as file:
        return file.read(_MAX_BYTES + 1)


def _too_long(*, of: str) -> NoCredential:
    return NoCredential(f"The {of} is longer than {_MAX_BYTES // 1024} KiB, so it is no token.")


def _from_command(command: str) -> Read:
    try:
        arguments = shlex.split(command)
    except ValueError as error:
        message = f"--token-command: {error}"
        raise UsageProblem(message) from None
    if not arguments:
        message = "--token-command names no command"
        raise UsageProblem(message)

    async def read() -> str:
        try:
            process = await asyncio.create_subprocess_exec(*arguments, stdout=PIPE)
        except OSError as error:
            detail = f"The token command cannot be run: {os.strerror(error.errno or 0)}."
            raise NoCredential(detail) from None
        assert process.stdout is not None  # noqa: S101 - it is a pipe
        try:
            await process.stdout.readexactly(_MAX_BYTES + 1)
        except asyncio.IncompleteReadError as end:
            printed = end.partial
        else:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()
            raise _too_long(of="output of the token command")
        await process.wait()
        if process.returncode != 0:
            detail = f"The token command ended with status {process.returncode}."
            raise NoCredential(detail)
        return printed.decode(errors="replace")

    return read


def _checked(text: str) -> str:
    secret = text.strip()
    # Otherwise the HTTP library would reject the header and quote it in the error (RFC 9110, section 5.5).
    if not secret or not secret.isascii() or not secret.isprintable():
        detail = "The token or key is empty, or holds characters that no token has."
        raise NoCredential(detail)
    return secret

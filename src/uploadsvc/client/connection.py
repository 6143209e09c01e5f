"""Connection of commands to the service."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from uploadsvc.client.auth import Caller, caller_from
from uploadsvc.client.errors import Retries, UsageProblem
from uploadsvc.client.session import Session, service_url


@dataclass(frozen=True, slots=True, kw_only=True)
class Connection:
    """A service and the caller's credentials.

    Attributes:
        url: URL of the service.
        caller: Credentials.
        on_behalf_of: User that a service acts for.
        parallel: Maximum number of concurrent transfers.
        retries: Retries of each request.
    """

    url: str
    caller: Caller
    on_behalf_of: str | None
    parallel: int
    retries: Retries

    def session(self, tell: Callable[[str], None]) -> Session:
        """Return the calls of one command.

        Args:
            tell: Prints a line about the connection.

        Raises:
            UsageProblem: The proxy or the certificates in the environment cannot be used.
        """
        try:
            return Session(self.url, self.caller, retries=self.retries, parallel=self.parallel, tell=tell)
        except ValueError as error:
            raise UsageProblem(str(error)) from None


def connection(
    environment: Mapping[str, str],
    *,
    url: str,
    token_file: Path | None,
    token_command: str | None,
    on_behalf_of: str | None,
    parallel: int,
    retries: int,
) -> Connection:
    """Return the connection from options and environment.

    Raises:
        UsageProblem: The URL is malformed, or there is no credential or more than one.
    """
    if on_behalf_of is not None and is_broken(on_behalf_of):
        message = "an option is not valid Unicode"
        raise UsageProblem(message)
    caller = caller_from(
        environment, token_file=token_file, token_command=token_command, on_behalf_of=on_behalf_of
    )
    try:
        checked = service_url(url)
    except ValueError as error:
        raise UsageProblem(str(error)) from None
    return Connection(
        url=checked,
        caller=caller,
        on_behalf_of=on_behalf_of,
        parallel=parallel,
        retries=Retries(limit=retries),
    )


def is_broken(text: str) -> bool:
    """Return whether an argument was not valid Unicode: Python decodes other bytes to lone surrogates."""
    return any("\ud800" <= character <= "\udfff" for character in text)

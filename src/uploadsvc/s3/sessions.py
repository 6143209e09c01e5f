"""botocore sessions that use the service's own source of credentials, and clients of SQS and SNS."""

from collections.abc import Callable
from contextlib import AsyncExitStack
from datetime import datetime
from importlib.metadata import version
from types import TracebackType
from typing import Any, Final, Self

import aioboto3
from aiobotocore.config import AioConfig
from aiobotocore.session import get_session
from botocore.exceptions import ConfigParseError, ProfileNotFound

from uploadsvc.domain.errors import StorageMisconfigured
from uploadsvc.s3.answers import BoundedSession
from uploadsvc.s3.aws_chain import AwsChain, SourcedCredentials
from uploadsvc.s3.credentials import CredentialSource
from uploadsvc.s3.errors import DEADLINE
from uploadsvc.s3.model_files import load_less
from uploadsvc.s3.observing import observe_calls
from uploadsvc.s3.parsing import Parsers
from uploadsvc.telemetry.tracing import Tracing

CREDENTIALS_DEADLINE: Final = 60.0
"""Seconds for the AWS chain to answer: a credential process may wait for a single sign-on."""


def session_with(
    source: CredentialSource, *, fixed: bool, tracing: Tracing | None = None
) -> aioboto3.Session:
    """Return a session that signs with the credentials of a source.

    Args:
        source: The credentials.
        fixed: Whether they are a fixed access key, for which profiles are ignored.
        tracing: Makes spans for the calls of all clients.

    Raises:
        StorageMisconfigured: The environment names a profile that does not exist, or AWS's configuration is
            malformed.
    """
    session = get_session({"profile": (None, None, None, None)} if fixed else None)
    session.register_component("credential_provider", SourcedCredentials(source))
    session.register_component("response_parser_factory", Parsers())
    observe_calls(session, tracing or Tracing())
    try:
        load_less(session)
        session.get_scoped_config()
        return aioboto3.Session(botocore_session=session)
    except (ProfileNotFound, ConfigParseError) as error:
        detail = f"AWS's own configuration is not usable: {error}"
        raise StorageMisconfigured(detail) from None


def client_config(*, connections: int = 10) -> AioConfig:
    """Return the configuration for clients of services other than S3.

    Args:
        connections: Maximum number of connections.
    """
    return AioConfig(
        retries={"total_max_attempts": 3, "mode": "standard"},
        connect_timeout=2,
        # botocore's own takes as long to build as the signature.
        user_agent=f"uploadsvc/{version('uploadsvc')}",
        max_pool_connections=connections,
        http_session_cls=BoundedSession,
    )


class ChainClients:
    """Clients with the AWS chain's credentials, for a bucket with a fixed access key.

    Enter it to fetch credentials in the background.

    Args:
        region: Region of the token service.
        clock: Returns the current time, aware.
        tracing: Makes spans.

    Raises:
        StorageMisconfigured: AWS's own configuration is not usable.
    """

    def __init__(self, *, region: str, clock: Callable[[], datetime], tracing: Tracing | None = None) -> None:
        self._source = CredentialSource(
            AwsChain(region=region, tracing=tracing),
            clock=clock,
            deadline=CREDENTIALS_DEADLINE,
            patience=DEADLINE,
        )
        self._session = session_with(self._source, fixed=False, tracing=tracing)
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        """Fetch credentials."""
        self._stack.push_async_callback(self._source.close)
        self._source.ask()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop fetching credentials."""
        await self._stack.__aexit__(kind, error, trace)

    def client_of(self, service: str, *, connections: int = 10, **options: Any) -> Any:  # noqa: ANN401 - as in `Storage`
        """Return a context manager for a client of an AWS service."""
        return self._session.client(service, config=client_config(connections=connections), **options)

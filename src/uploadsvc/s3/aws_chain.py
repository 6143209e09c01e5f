"""Credentials from the AWS chain: environment, profile, role, container, instance."""

import asyncio
import inspect
from asyncio.subprocess import Process
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Final

from aiobotocore.credentials import (
    AioCredentials,
    AioDeferredRefreshableCredentials,
    AioRefreshableCredentials,
    create_credential_resolver,
)
from aiobotocore.session import get_session
from botocore.credentials import ReadOnlyCredentials
from botocore.exceptions import (
    ClientError,
    ConfigParseError,
    CredentialRetrievalError,
    InvalidConfigError,
    NoCredentialsError,
    PartialCredentialsError,
    ProfileNotFound,
)
from botocore.utils import parse_timestamp

from uploadsvc.domain.credentials import Credentials
from uploadsvc.domain.errors import StorageDenied, StorageMisconfigured, StorageUnavailable
from uploadsvc.s3.credentials import CredentialSource
from uploadsvc.s3.model_files import load_less
from uploadsvc.s3.observing import observe_calls
from uploadsvc.telemetry.tracing import Tracing

_REFUSED: Final = frozenset({"AccessDenied", "InvalidClientTokenId", "SignatureDoesNotMatch"})
"""Errors that a retry does not fix: https://docs.aws.amazon.com/STS/latest/APIReference/CommonErrors.html"""


class AwsChain:
    """Fetches credentials from the AWS chain, without caching them.

    botocore refreshes its credentials while a caller waits, at every call in their last 15 minutes: with a
    session of 15 minutes, at every call. So they are only read here, and `CredentialSource` decides when to
    refresh them. The provider that answered first is used from then on, as in botocore.

    Args:
        region: Region of STS, unless the environment or the profile sets another.
        tracing: Makes spans of calls to STS.
    """

    def __init__(self, *, region: str, tracing: Tracing | None = None) -> None:
        self._region = region
        self._tracing = tracing or Tracing()
        self._refresh: Callable[[], Any] | None = None
        self.method: str | None = None
        """botocore's name of the provider that answered, such as ``env`` or ``iam-role``; ``None`` at
        first.
        """

    async def __call__(self) -> Credentials:
        """Fetch credentials.

        Raises:
            StorageMisconfigured: There are no credentials, the profile is wrong, or they have whitespace
                around them.
            StorageDenied: STS refuses the role.
            StorageUnavailable: STS fails in another way.
            Exception: botocore and its providers may raise anything else.
        """
        try:
            return await (self._first() if self._refresh is None else _renewed(self._refresh))
        except (NoCredentialsError, PartialCredentialsError) as error:
            detail = "No AWS credentials were found."
            raise StorageMisconfigured(detail) from error
        except (ProfileNotFound, ConfigParseError, InvalidConfigError) as error:
            detail = "The AWS profile has no source of credentials."
            raise StorageMisconfigured(detail) from error
        except ClientError as error:
            code = str(error.response["Error"].get("Code", ""))
            if code in _REFUSED:
                detail = f"STS refuses the service the role whose credentials sign ({code})."
                raise StorageDenied(detail) from error
            detail = f"STS gives no credentials ({code})."
            raise StorageUnavailable(detail) from error

    async def _first(self) -> Credentials:
        botocore_session = get_session()
        load_less(botocore_session)
        observe_calls(botocore_session, self._tracing)
        resolver = create_credential_resolver(botocore_session, region_name=self._region)
        # botocore extends an instance's session if the metadata service is late with the next one; URLs
        # signed until that time would expire early.
        instance: Any = resolver.get_provider("iam-role")
        instance._role_fetcher._evaluate_expiration = lambda _credentials: None  # noqa: SLF001 - has no switch
        process: Any = resolver.get_provider("custom-process")
        process._popen = _start  # noqa: SLF001 - botocore creates the provider itself
        found: Any = await resolver.load_credentials()
        if found is None:
            raise NoCredentialsError
        self.method = found.method
        if not isinstance(found, AioRefreshableCredentials):
            frozen = await found.get_frozen_credentials()
            return _credentials(frozen.access_key, frozen.secret_key, frozen.token, None)
        session: Any = found
        refresh = session._refresh_using  # noqa: SLF001 - the public way refreshes by itself
        if isinstance(found, AioDeferredRefreshableCredentials):
            credentials = await _renewed(refresh)
        else:
            frozen = session._frozen_credentials  # noqa: SLF001 - the public way refreshes them
            ends = session._expiry_time  # noqa: SLF001 - has no public name
            credentials = _credentials(frozen.access_key, frozen.secret_key, frozen.token, ends)
        self._refresh = refresh
        return credentials


class _Process:
    """A credential process that ends when its fetch is cancelled."""

    def __init__(self, process: Process) -> None:
        self._process = process

    @property
    def returncode(self) -> int | None:
        return self._process.returncode

    async def communicate(self) -> tuple[bytes, bytes]:
        try:
            return await self._process.communicate()
        except asyncio.CancelledError:
            self._process.kill()
            await self._process.wait()
            raise


async def _start(*arguments: str, **options: Any) -> _Process:  # noqa: ANN401 - as asyncio's own
    return _Process(await asyncio.create_subprocess_exec(*arguments, **options))


class SourcedCredentials(AioCredentials):
    """Makes a botocore session sign with the credentials of a `CredentialSource`.

    Register it as the session's ``credential_provider``.
    """

    def __init__(self, source: CredentialSource) -> None:
        super().__init__("", "", method="uploadsvc")
        self._source = source

    async def load_credentials(self) -> AioCredentials:
        """Return itself, instead of the chain's credentials."""
        return self

    async def get_frozen_credentials(self) -> ReadOnlyCredentials:  # type: ignore[override] # as aiobotocore's own
        """Return the credentials for a request.

        Raises:
            UploadsvcError: As for `CredentialSource.current`.
        """
        current = await self._source.current()
        return ReadOnlyCredentials(current.access_key_id, current.secret_access_key, current.session_token)


async def _renewed(refresh: Callable[[], Any]) -> Credentials:
    answer = refresh()
    if inspect.isawaitable(answer):
        answer = await answer
    if not answer:
        # The metadata service does not answer, or has no role any more.
        raise CredentialRetrievalError(provider="chain", error_msg="no answer")
    return _credentials(
        answer["access_key"], answer["secret_key"], answer["token"], parse_timestamp(answer["expiry_time"])
    )


def _credentials(key: str, secret: str, token: str | None, ends: datetime | None) -> Credentials:
    parts = {"access key id": key, "secret access key": secret, "session token": token or ""}
    for name, value in parts.items():
        # Otherwise no request could be sent, which would look like an outage of S3.
        if value.split() not in ([], [value]):
            detail = f"The {name} of the AWS chain holds whitespace or a newline, which is not part of it."
            raise StorageMisconfigured(detail)
    if ends is not None:
        # AWS's times are in UTC, even without a time zone.
        ends = ends.replace(tzinfo=ends.tzinfo or UTC).astimezone(UTC)
    return Credentials(access_key_id=key, secret_access_key=secret, session_token=token, expires_at=ends)

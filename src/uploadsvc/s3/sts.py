"""Temporary credentials from AWS's Security Token Service, or a store's own."""

from contextlib import AsyncExitStack
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from uploadsvc.domain.credentials import Credentials
from uploadsvc.s3.storage import Storage

if TYPE_CHECKING:
    from types_aiobotocore_sts import STSClient


class Sts:
    """The token service. Enter it after the storage, to open its client.

    Args:
        storage: Its credentials sign the calls.
        region: The region of AWS's token service.
        endpoint_url: The address of another token service; ``None`` for AWS's.
        role_arn: The role to assume; ``None`` for federation, which needs an IAM user's own keys.
    """

    def __init__(
        self, storage: Storage, *, region: str, endpoint_url: str | None, role_arn: str | None
    ) -> None:
        self._storage = storage
        self._options: dict[str, Any] = {"region_name": region, "endpoint_url": endpoint_url}
        self._role_arn = role_arn
        self._stack = AsyncExitStack()
        self._client: STSClient | None = None

    async def __aenter__(self) -> Self:
        """Open the client. Nothing is sent yet."""
        opened = self._storage.client_of("sts", **self._options)
        self._client = await self._stack.enter_async_context(opened)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the client and its connections."""
        self._client = None
        await self._stack.__aexit__(kind, error, trace)

    async def session(self, *, name: str, policy: str, seconds: int) -> Credentials:
        """Start a session with a session policy.

        https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html
        https://docs.aws.amazon.com/STS/latest/APIReference/API_GetFederationToken.html

        Args:
            name: Name of the session in AWS's logs: 2 to 64 of ``A-Z a-z 0-9 _ = , . @ -``; federation uses
                the first 32.
            policy: The session policy, as JSON.
            seconds: Lifetime of the session.

        Raises:
            UploadsvcError: The token service denies the call, fails or does not answer.
        """
        if self._client is None:
            message = "the token service is not open: run the app's lifespan"
            raise RuntimeError(message)
        if self._role_arn is None:
            async with self._storage.call("get_federation_token", slot=False):
                answer = (
                    await self._client.get_federation_token(
                        Name=name[:32], Policy=policy, DurationSeconds=seconds
                    )
                )["Credentials"]
        else:
            async with self._storage.call("assume_role", slot=False):
                answer = (
                    await self._client.assume_role(
                        RoleArn=self._role_arn, RoleSessionName=name, Policy=policy, DurationSeconds=seconds
                    )
                )["Credentials"]
        return Credentials(
            access_key_id=answer["AccessKeyId"],
            secret_access_key=answer["SecretAccessKey"],
            session_token=answer["SessionToken"],
            expires_at=answer["Expiration"],
        )

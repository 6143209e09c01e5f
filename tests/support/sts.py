"""Session credentials, and the STS in SeaweedFS that issues them (LocalStack has none without moto)."""

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

import aioboto3
from tests.support.servers import SEAWEEDFS_KEY, S3Server, server_at

from uploadsvc.dev.seaweedfs import run_seaweedfs
from uploadsvc.domain.credentials import Credentials

Answer = Callable[[str, Mapping[str, str]], Awaitable[tuple[int, str]]]
"""Takes a request line (``GET /path``) and headers in lower case; gives a status and a body."""

ROLE_ARN: Final = "arn:aws:iam::000000000000:role/uploader"
_IAM: Final = {
    "sts": {
        "tokenDuration": "1h",
        "maxSessionLength": "12h",
        "issuer": "seaweedfs-sts",
        "signingKey": base64.b64encode(b"k" * 32).decode(),
    },
    "policy": {"defaultEffect": "Deny", "storeType": "memory"},
    "policies": [
        {
            "name": "everything",
            "document": {
                "Version": "2012-10-17",
                "Statement": [{"Effect": "Allow", "Action": ["s3:*"], "Resource": ["*"]}],
            },
        }
    ],
    "roles": [
        {
            "roleName": "uploader",
            "roleArn": ROLE_ARN,
            "trustPolicy": {
                "Version": "2012-10-17",
                "Statement": [{"Effect": "Allow", "Principal": "*", "Action": ["sts:AssumeRole"]}],
            },
            "attachedPolicies": ["everything"],
        }
    ],
}
"""A role that the test key may assume."""


@asynccontextmanager
async def seaweedfs_with_sts(directory: Path) -> AsyncIterator[S3Server]:
    """Run SeaweedFS with an STS in it, and give a lasting key."""
    config_path = directory / "iam.json"
    config_path.write_text(json.dumps(_IAM))
    flags = [f"-s3.iam.config={config_path}"]
    async with run_seaweedfs(
        directory=directory, credentials=SEAWEEDFS_KEY, extra_arguments=flags
    ) as running:
        server = server_at("seaweedfs", running.endpoint_url, SEAWEEDFS_KEY, strict=True)
        await server.create_bucket(server.bucket)
        yield server


async def with_session(server: S3Server) -> S3Server:
    """Return a server with the key of a new session of 15 minutes.

    Presigned URLs and SDK calls work with it; SeaweedFS refuses every POST form that such a key has signed.
    """
    session = await assume_role(server.endpoint_url)
    return replace(
        server,
        access_key_id=session.access_key_id,
        secret_access_key=session.secret_access_key,
        session_token=session.session_token,
        session_expires_at=session.expires_at,
    )


async def assume_role(endpoint_url: str, *, policy: str | None = None) -> Credentials:
    """Begin another session of 15 minutes, the shortest that an STS gives; a policy narrows its rights."""
    narrowed = {"Policy": policy} if policy else {}
    async with aioboto3.Session().client(
        "sts",
        endpoint_url=endpoint_url,
        region_name="us-east-1",
        aws_access_key_id=SEAWEEDFS_KEY.access_key_id,
        aws_secret_access_key=SEAWEEDFS_KEY.secret_access_key,
    ) as sts:
        answer = await sts.assume_role(
            RoleArn=ROLE_ARN, RoleSessionName="tests", DurationSeconds=900, **narrowed
        )
    return Credentials(
        access_key_id=answer["Credentials"]["AccessKeyId"],
        secret_access_key=answer["Credentials"]["SecretAccessKey"],
        session_token=answer["Credentials"]["SessionToken"],
        expires_at=answer["Credentials"]["Expiration"],
    )


@asynccontextmanager
async def answering(answer: Answer) -> AsyncIterator[str]:
    """Listen on 127.0.0.1, answer each request by a function, and give the address."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            request, *lines = head.strip().split("\r\n")
            headers = {
                name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)
            }
            await reader.readexactly(int(headers.get("content-length", "0")))
            status, body = await answer(request.removesuffix(" HTTP/1.1"), headers)
            fields = f"Content-Length: {len(body.encode())}\r\nConnection: close"
            writer.write(f"HTTP/1.1 {status} Said\r\n{fields}\r\n\r\n{body}".encode())
            await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            return
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()
    try:
        yield f"http://{host}:{port}"
    finally:
        server.close()
        await server.wait_closed()


@dataclass(slots=True, kw_only=True)
class Container:
    """What hands out sessions in a container, as ECS and EKS Pod Identity do.

    Attributes:
        begin: Begins a session.
        environment: The variables that lead the AWS chain here.
        down: Whether it fails now.
        asked: How often it was asked.
        sessions: All that it has handed out, by their tokens.
    """

    begin: Callable[[], Awaitable[Credentials]]
    environment: dict[str, str] = field(default_factory=dict)
    down: bool = False
    asked: int = 0
    sessions: dict[str, Credentials] = field(default_factory=dict)

    async def answer(self, request: str, headers: Mapping[str, str]) -> tuple[int, str]:
        """Hand out a session, to whoever has the container's token."""
        self.asked += 1
        if (request, headers.get("authorization")) != ("GET /credentials", "the container's token"):
            return 403, "{}"
        if self.down:
            return 500, "{}"
        session = await self.begin()
        self.sessions[session.session_token or ""] = session
        return 200, session_json(session)


@asynccontextmanager
async def container(begin: Callable[[], Awaitable[Credentials]]) -> AsyncIterator[Container]:
    """Run a container's credentials endpoint.

    https://docs.aws.amazon.com/sdkref/latest/guide/feature-container-credentials.html
    """
    running = Container(begin=begin)
    async with answering(running.answer) as url:
        running.environment = {
            "AWS_CONTAINER_CREDENTIALS_FULL_URI": f"{url}/credentials",
            "AWS_CONTAINER_AUTHORIZATION_TOKEN": "the container's token",
        }
        yield running


def session_json(session: Credentials) -> str:
    """Write a session as the metadata services of containers and instances do."""
    assert session.expires_at is not None
    return json.dumps(
        {
            "Code": "Success",
            "AccessKeyId": session.access_key_id,
            "SecretAccessKey": session.secret_access_key,
            "Token": session.session_token,
            "Expiration": f"{session.expires_at:%Y-%m-%dT%H:%M:%SZ}",
        }
    )

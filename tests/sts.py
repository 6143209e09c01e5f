"""Keys of a session: SeaweedFS with an STS in it. LocalStack has none without moto."""

import base64
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Final

import aioboto3
from tests.servers import SEAWEEDFS_KEY, S3Server, server_at

from uploadsvc.dev.seaweedfs import run_seaweedfs

_ROLE_ARN: Final = "arn:aws:iam::000000000000:role/uploader"
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
            "roleArn": _ROLE_ARN,
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
async def seaweedfs_session(directory: Path) -> AsyncIterator[S3Server]:
    """Run SeaweedFS with an STS in it, and give a key of a session of 15 minutes.

    Presigned URLs and SDK calls work with it; SeaweedFS refuses every POST form that such a key has signed.
    """
    config_path = directory / "iam.json"
    config_path.write_text(json.dumps(_IAM))
    flags = [f"-s3.iam.config={config_path}"]
    async with run_seaweedfs(
        directory=directory, credentials=SEAWEEDFS_KEY, extra_arguments=flags
    ) as running:
        server = server_at("seaweedfs", running.endpoint_url, SEAWEEDFS_KEY, strict=True)
        await server.create_bucket(server.bucket)
        async with aioboto3.Session().client(
            "sts",
            endpoint_url=server.endpoint_url,
            region_name=server.region,
            aws_access_key_id=server.access_key_id,
            aws_secret_access_key=server.secret_access_key,
        ) as sts:
            answer = await sts.assume_role(RoleArn=_ROLE_ARN, RoleSessionName="tests", DurationSeconds=900)
        yield replace(
            server,
            access_key_id=answer["Credentials"]["AccessKeyId"],
            secret_access_key=answer["Credentials"]["SecretAccessKey"],
            session_token=answer["Credentials"]["SessionToken"],
            session_expires_at=answer["Credentials"]["Expiration"],
        )

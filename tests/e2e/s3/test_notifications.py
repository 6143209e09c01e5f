"""Real stores send the expected notifications, also for keys with special characters."""

import asyncio
import re
from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import aioboto3
import pytest
from tests.support.servers import S3Server, seaweedfs_server

from uploadsvc.dev.weed import Push
from uploadsvc.domain.notifications import Notification, parse_notifications

KEYS = ["plain.txt", "a b+c.txt", "é😀.txt", "100%2B%.txt", "a/b.versions/v_1"]
TOKEN = "made-up-token"


class Receiver:
    """Takes SeaweedFS's webhooks."""

    def __init__(self) -> None:
        self.authorizations: set[bytes] = set()
        self._bodies: asyncio.Queue[bytes] = asyncio.Queue()

    async def next(self) -> Notification:
        """Wait for the next notification; most of what comes is none."""
        async with asyncio.timeout(30):
            while True:
                for found in parse_notifications(await self._bodies.get()):
                    return found

    async def take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve a connection."""
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                (length,) = re.findall(rb"\r\nContent-Length: (\d+)\r\n", head)
                self.authorizations.update(re.findall(rb"\r\nAuthorization: (.*)\r\n", head))
                self._bodies.put_nowait(await reader.readexactly(int(length)))
                writer.write(b"HTTP/1.1 204 No Content\r\n\r\n")
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


Pushing = tuple[S3Server, Receiver]


@pytest.fixture(scope="module")
async def pushing(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Pushing]:
    """Run a SeaweedFS that pushes what happens in its buckets."""
    directory = tmp_path_factory.mktemp("seaweedfs-pushing")
    receiver = Receiver()
    listener = await asyncio.start_server(receiver.take, "127.0.0.1", 0)
    port = listener.sockets[0].getsockname()[1]
    push = Push(url=f"http://127.0.0.1:{port}/events", secret=TOKEN)
    async with listener, seaweedfs_server(directory, push=push) as server:
        yield server, receiver


async def test_seaweedfs_pushes_what_happens_to_an_object(pushing: Pushing) -> None:
    """From its upload to its deletion."""
    server, receiver = pushing
    bucket = await server.create_bucket()
    async with server.client() as s3:
        for key in KEYS:
            place: dict[str, Any] = {"Bucket": bucket, "Key": key}
            stored = await s3.put_object(**place, Body=b"hello")
            found = await receiver.next()
            assert (found.kind, found.bucket, found.key, found.size) == ("created", bucket, key, 5)
            assert f'"{found.etag}"' == stored["ETag"]
            assert found.time is not None
            assert found.time.replace(microsecond=0) == (await s3.head_object(**place))["LastModified"]
        await s3.put_object(**place, Body=b"hello")
        assert (await receiver.next()).kind == "created"
        await s3.put_object_tagging(**place, Tagging={"TagSet": [{"Key": "state", "Value": "clean"}]})
        assert (await receiver.next()).kind == "tagged"
        await s3.delete_object(**place)
        assert await receiver.next() == Notification(kind="deleted", bucket=bucket, key=key)
        assert receiver.authorizations == {f"Bearer {TOKEN}".encode()}


async def test_seaweedfs_pushes_one_notification_of_a_multipart_upload(pushing: Pushing) -> None:
    """Its parts are files that come and go."""
    server, receiver = pushing
    bucket = await server.create_bucket()
    async with server.client() as s3:
        place: dict[str, Any] = {"Bucket": bucket, "Key": "big.bin"}
        upload_id = (await s3.create_multipart_upload(**place))["UploadId"]
        part = await s3.upload_part(**place, UploadId=upload_id, PartNumber=1, Body=b"hello")
        parts: Any = {"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]}
        stored = await s3.complete_multipart_upload(**place, UploadId=upload_id, MultipartUpload=parts)
        found = await receiver.next()
        assert (found.kind, found.key, f'"{found.etag}"') == ("created", "big.bin", stored["ETag"])
        await s3.delete_object(**place)
        assert (await receiver.next()).kind == "deleted"


async def test_seaweedfs_pushes_versions(pushing: Pushing) -> None:
    server, receiver = pushing
    bucket = await server.create_bucket()
    async with server.client() as s3:
        place: dict[str, Any] = {"Bucket": bucket, "Key": "a b.txt"}
        await s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
        expected = []
        found = []
        for body in (b"one", b"two"):
            stored = await s3.put_object(**place, Body=body)
            expected.append(("created", "a b.txt", stored["VersionId"]))
            found.append(await receiver.next())
        marker = await s3.delete_object(**place)
        expected.append(("deleted", "a b.txt", marker["VersionId"]))
        found.append(await receiver.next())
        await s3.delete_object(**place, VersionId=stored["VersionId"])
        expected.append(("deleted", "a b.txt", stored["VersionId"]))
        found.append(await receiver.next())
        assert [(one.kind, one.key, one.version_id) for one in found] == expected


async def test_s3_queues_what_happens_to_an_object(localstack: S3Server) -> None:
    """The first message of a new configuration is a test."""
    bucket = await localstack.create_bucket()
    session = aioboto3.Session(localstack.access_key_id, localstack.secret_access_key)
    async with (
        localstack.client() as s3,
        session.client("sqs", endpoint_url=localstack.endpoint_url, region_name=localstack.region) as sqs,
    ):
        queue = (await sqs.create_queue(QueueName=uuid4().hex))["QueueUrl"]
        facts = await sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])
        target: Any = {
            "QueueArn": facts["Attributes"]["QueueArn"],
            "Events": ["s3:ObjectCreated:*", "s3:ObjectRemoved:*", "s3:ObjectTagging:*"],
        }
        await s3.put_bucket_notification_configuration(
            Bucket=bucket, NotificationConfiguration={"QueueConfigurations": [target]}
        )

        async def read() -> list[Notification]:
            got = await sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=1, WaitTimeSeconds=10)
            (message,) = got["Messages"]
            await sqs.delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])
            return parse_notifications(message["Body"])

        assert await read() == []
        for key in KEYS:
            place: dict[str, Any] = {"Bucket": bucket, "Key": key}
            stored = await s3.put_object(**place, Body=b"hello")
            (found,) = await read()
            assert (found.kind, found.bucket, found.key, found.size) == ("created", bucket, key, 5)
            assert f'"{found.etag}"' == stored["ETag"]
        await s3.put_object_tagging(**place, Tagging={"TagSet": [{"Key": "state", "Value": "clean"}]})
        assert [one.kind for one in await read()] == ["tagged"]
        await s3.delete_object(**place)
        assert [(one.kind, one.key) for one in await read()] == [("deleted", key)]

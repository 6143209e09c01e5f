"""The ClamAV worker of `docs/scanning.md`, with Debian's clamd and the signature of the test file alone."""

import asyncio
import socket
import subprocess
from collections.abc import AsyncIterator
from contextlib import suppress
from shutil import which
from typing import Any, Final

import boto3
import httpx
import pytest
from tests.support.pages import examples, text_of
from tests.support.servers import S3Server, free_port
from tests.support.service import service_client, settings_for
from tests.support.transfers import create, put

from uploadsvc.bootstrap.services import build_services
from uploadsvc.domain.events import Event
from uploadsvc.domain.notifications import Kind, Notification
from uploadsvc.settings.model import Settings

CLAMD: Final = which("clamd") or which("clamd", path="/usr/sbin")
# In two pieces, so that no scanner takes this file for a virus: https://www.eicar.org/download-anti-malware-testfile/
EICAR: Final = rb"X5O!P%@AP[4\PZX54(P^)7CC)7}$" + b"EICAR-STANDARD-ANTIVIRUS-TEST-FILE!$H+H*"
SIGNATURE: Final = "44d88612fea8a8f36de82e1278abb02f:68:Eicar-Test-Signature\n"
LIMIT: Final = 1024**2
POLICY: Final = {"available_when": {"tag": "scan", "value": "clean"}}


@pytest.fixture(scope="module")
async def clamd(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[int]:
    """Run clamd with the settings of the guide, but for the limit; give its port."""
    if CLAMD is None:
        pytest.skip("clamd is not installed: apt-get install clamav-daemon")
    directory = tmp_path_factory.mktemp("clamav")
    (directory / "eicar.hdb").write_text(SIGNATURE)
    port = free_port()
    (lines,) = examples(text_of("docs/scanning.md"), "text")
    config = lines.replace("3310", str(port)).replace("100M", str(LIMIT))
    more = f"Foreground yes\nDatabaseDirectory {directory}\nTemporaryDirectory {directory}\n"
    (directory / "clamd.conf").write_text(config + more)
    with (directory / "log").open("wb") as log:
        process = subprocess.Popen(  # noqa: ASYNC220, S603 - it starts at once, and the path is the system's
            [CLAMD, "--config-file", str(directory / "clamd.conf")], stdout=log, stderr=log
        )
    try:
        async with asyncio.timeout(30):
            while not _answers(port):
                assert process.poll() is None, (directory / "log").read_text()
                await asyncio.sleep(0.05)
        yield port
    finally:
        process.terminate()
        process.wait(10)


def _answers(port: int) -> bool:
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
        connection.sendall(b"zPING\0")
        return connection.recv(16) == b"PONG\0"
    return False


def worker(server: S3Server, clamd: int, patch: pytest.MonkeyPatch, *, deletes: bool) -> dict[str, Any]:
    """Run the guide's code, and return its functions."""
    patch.setenv("CLAMD_PORT", str(clamd))
    patch.setenv("DELETE_INFECTED", "yes" if deletes else "no")
    client = boto3.client
    patch.setattr(
        boto3,
        "client",
        lambda name: client(
            name,
            endpoint_url=server.endpoint_url,
            region_name=server.region,
            aws_access_key_id=server.access_key_id,
            aws_secret_access_key=server.secret_access_key,
        ),
    )
    names: dict[str, Any] = {}
    for snippet in examples(text_of("docs/scanning.md"), "python"):
        exec(snippet, names)  # noqa: S102 - our own documentation
    return names


async def _event(settings: Settings, key: str, kind: Kind) -> Event:
    """Return the event of a notification about an object."""
    services = build_services(settings)
    async with services.open():
        notification = Notification(kind=kind, bucket=settings.s3.bucket, key=key)
        event = await services.resolver.resolve(notification)
    assert event
    return event


class Queue:
    """A queue with some messages, for `scan_all`."""

    def __init__(self, *bodies: bytes) -> None:
        self.bodies = list(bodies)

    def receive_message(self, **_: object) -> dict[str, Any]:
        """Return what is there."""
        return {"Messages": [{"MessageId": "1", "ReceiptHandle": body, "Body": body} for body in self.bodies]}

    def delete_message(self, *, ReceiptHandle: bytes, **_: object) -> None:  # noqa: N803 - SQS's name
        """Delete one."""
        self.bodies.remove(ReceiptHandle)


@pytest.mark.parametrize("s3", ["seaweedfs"], indirect=True)
@pytest.mark.parametrize(
    ("content", "deletes", "value"),
    [
        (b"hello", False, "clean"),
        (EICAR, False, "infected"),
        (EICAR, True, None),
        (bytes(LIMIT + 1), False, "too-large"),
    ],
    ids=["clean", "infected", "deleted", "too large"],
)
async def test_the_worker_releases_what_is_clean(
    s3: S3Server,
    clamd: int,
    monkeypatch: pytest.MonkeyPatch,
    content: bytes,
    *,
    deletes: bool,
    value: str | None,
) -> None:
    """From the upload to the download: the event of the service is what the worker gets."""
    raw = settings_for(s3, policies={"default": POLICY})
    async with service_client(raw, user="ann") as api, httpx.AsyncClient(trust_env=False) as http:
        upload = await create(api, filename="a.bin", size=len(content))
        (await put(http, upload, content)).raise_for_status()
        settings = Settings.model_validate(raw)
        event = (await _event(settings, upload["key"], "created")).body()
        names = worker(s3, clamd, monkeypatch, deletes=deletes)
        # Twice, as queues may deliver it.
        queue = Queue(event, event)
        await asyncio.to_thread(names["scan_all"], "https://sqs.example.com/q", queue)
        assert queue.bodies == []
        async with s3.client() as client:
            if value is None:
                listed = await client.list_objects_v2(Bucket=s3.bucket, Prefix=upload["key"])
                assert listed["KeyCount"] == 0
                return
            tags = await client.get_object_tagging(Bucket=s3.bucket, Key=upload["key"])
        assert tags["TagSet"] == [{"Key": "scan", "Value": value}]
        scanned = await _event(settings, upload["key"], "tagged")
        assert scanned.type == "upload.scanned"
        assert scanned.data["scan"] == {"tag": "scan", "value": value, "available": value == "clean"}
        answer = await api.post("/v1/downloads", json={"key": upload["key"]})
        assert answer.status_code == (201 if value == "clean" else 409)

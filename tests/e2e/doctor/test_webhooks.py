"""The doctor connects to the hosts of webhooks, and sends them an event only if told to."""

import asyncio
from typing import Any, Final

from standardwebhooks import Webhook
from tests.support.doctor import examine, settings_of
from tests.support.servers import S3Server, free_port

SECRET: Final = f"whsec_{'A' * 32}"


def receiver(port: int, path: str) -> dict[str, Any]:
    """Return a webhook on this machine, whose path is a secret."""
    return {"url": f"http://127.0.0.1:{port}/{path}?token=hidden", "secrets": [SECRET]}


async def test_each_host_is_checked_once(moto_server: S3Server) -> None:
    """Whether it accepts connections; no URL is shown whole."""
    received: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        received.append(await reader.read())
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        port, closed = server.sockets[0].getsockname()[1], free_port()
        webhooks = [receiver(port, "hidden"), receiver(port, "hidden-too"), receiver(closed, "hidden")]
        settings = settings_of(moto_server, events={"webhooks": webhooks, "allow_private_addresses": True})
        found = await examine(
            settings, only=["webhook:127.0.0.1:" + str(port), f"webhook:127.0.0.1:{closed}"]
        )
    assert [finding.status for finding in found.values()] == ["ok", "failed"]
    failed = found[f"webhook:127.0.0.1:{closed}"]
    assert failed.found == f"no connection to 127.0.0.1:{closed} (Connection refused)"
    assert failed.mend.startswith("correct host and port in UPLOADSVC_EVENTS__WEBHOOKS, start the receiver")
    assert "hidden" not in str(found)
    assert received == [b""], "nothing was sent"


async def test_a_sample_is_sent_on_demand(moto_server: S3Server) -> None:
    """It is signed like any event; a receiver that does not take it fails, and no URL is shown whole."""
    received: list[tuple[str, bytes]] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # The check of the host connects, too, and sends nothing.
        head = (await reader.read(65_536)).decode()
        if head:
            head, _, body = head.partition("\r\n\r\n")
            received.append((head, body.encode()))
            status = "204 No Content" if "/hidden " in head or "/hidden?" in head else "500 Broken"
            writer.write(f"HTTP/1.1 {status}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n".encode())
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        webhooks = [receiver(port, "hidden"), receiver(port, "broken")]
        settings = settings_of(moto_server, events={"webhooks": webhooks, "allow_private_addresses": True})
        found = await examine(settings, store=False, deliver=True)
    deliveries = [finding for check, finding in found.items() if check.startswith("delivery:127.0.0.1-")]
    assert [finding.status for finding in deliveries] == ["ok", "failed"]
    assert deliveries[1].found == "did not take a sample event: answered 500"
    assert "hidden" not in str(found)
    assert len(received) == 2
    for head, body in received:
        fields = (line.split(": ", 1) for line in head.split("\r\n")[1:])
        headers = {name.lower(): value for name, value in fields}
        Webhook(SECRET).verify(body, headers)

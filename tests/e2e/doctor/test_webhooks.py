"""The doctor connects to the hosts of webhooks, and sends them nothing."""

import asyncio
from typing import Any, Final

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

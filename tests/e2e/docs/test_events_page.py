"""The first webhook of `docs/events.md`, step by step."""

import asyncio
import json
import re
import shlex
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.support.pages import examples
from tests.support.processes import demo
from tests.support.servers import free_port
from tests.support.stories.serving import served
from tests.support.webhooks import GUIDE, SECRET

PRINT, FASTAPI = examples(GUIDE, "python")[:2]
SETTINGS = re.findall(r"^export (UPLOADSVC_\w+)=(.*?)(?: +#.*)?$", examples(GUIDE, "sh")[1], re.MULTILINE)


async def test_the_first_webhook_comes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An upload that nobody completes is printed as verified, once."""
    printed = asyncio.Queue[tuple[object, ...]]()
    monkeypatch.setenv("WEBHOOK_SECRET", SECRET)
    names: dict[str, Any] = {"print": lambda *words: printed.put_nowait(words)}
    exec(PRINT + FASTAPI, names)  # noqa: S102 - our own documentation
    async with served(names["app"]) as receiver:
        values = {name: shlex.split(value)[0] for name, value in SETTINGS}
        (webhook,) = json.loads(values["UPLOADSVC_EVENTS__WEBHOOKS"])
        assert (webhook["url"], webhook["secrets"]) == ("http://127.0.0.1:9000/webhooks", ["whsec_…"])
        webhook |= {"url": f"{receiver}/webhooks", "secrets": [SECRET]}
        environment = {**values, "UPLOADSVC_EVENTS__WEBHOOKS": json.dumps([webhook])}
        port = free_port()
        async with (
            demo(tmp_path, port, environment=environment),
            httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", trust_env=False) as client,
        ):
            users = (await client.get("/demo/users")).json()["users"]
            headers = {"Authorization": f"Bearer {users[0]['token']}"}
            request = {"filename": "first.txt", "size": 5}
            upload = (await client.post("/v1/uploads", json=request, headers=headers)).json()
            stored = await client.put(upload["url"], content=b"hello", headers=upload["headers"])
            assert stored.status_code == 200
            async with asyncio.timeout(30):
                assert await printed.get() == ("upload.completed", upload["key"], True)

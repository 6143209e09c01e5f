"""What `docs/events.md` shows to backends in Node.js does what it says, with the packages that it names."""

import asyncio
import json
from pathlib import Path
from typing import Final

import pytest
from tests.support.clients.tools import NODE, NODE_MODULES
from tests.support.pages import examples
from tests.support.webhooks import GUIDE, SECRET, assert_receives, delivery

_HANDLE: Final = """
export async function handle(id, event) {
  if (id === "evt_3") throw new Error("the work has failed");
  console.log(JSON.stringify([id, event.data.object.key]));
}
"""

_SERVE: Final = """
import { app } from "./receiver.js";
const server = app.listen(0, "127.0.0.1", () => console.log(server.address().port));
// The test may be killed.
process.stdin.resume().on("end", () => process.exit());
"""


@pytest.mark.usefixtures("_tools")
async def test_a_receiver_takes_signed_events_only(tmp_path: Path) -> None:
    """It tells the service when its work has failed."""
    (tmp_path / "node_modules").symlink_to(NODE_MODULES)
    (tmp_path / "package.json").write_text('{"type": "module"}')
    (tmp_path / "receiver.js").write_text("".join(examples(GUIDE, "js")), encoding="utf-8")
    (tmp_path / "handle.js").write_text(_HANDLE)
    process = await asyncio.create_subprocess_exec(
        *(NODE, "--input-type=module", "--eval", _SERVE),
        cwd=tmp_path,
        # Express prints errors of requests otherwise.
        env={"NODE_ENV": "test", "WEBHOOK_SECRET": SECRET},
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    assert process.stdout
    try:
        async with asyncio.timeout(30):
            url = f"http://127.0.0.1:{int(await process.stdout.readline())}/webhooks"
            await assert_receives(url)
            assert await delivery("evt_3").send(url) == 500
    finally:
        out, err = await process.communicate(b"")
    handled = [json.loads(line) for line in out.splitlines()]
    assert handled == [[name, "uploads/ann/a é.jpg"] for name in ("evt_1", "evt_1", "evt_2")]
    assert err == b""

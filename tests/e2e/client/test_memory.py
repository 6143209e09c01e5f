"""Memory use does not depend on the file size."""

import asyncio
import os
import subprocess
import sys

from tests.support.terminal import MIB, Terminal

SCRIPT = """
import resource, subprocess, sys
subprocess.run([sys.executable, "-m", "uploadsvc", "upload", *sys.argv[1:]], check=True)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
"""

STREAM = """
import os, resource, sys
from uploadsvc.client import Client

def pieces():
    for _ in range(os.stat(sys.argv[1]).st_size // 65536):
        yield bytes(65536)

with Client(os.environ["UPLOADSVC_URL"], token=os.environ["UPLOADSVC_TOKEN"]) as client:
    client.upload(pieces())
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


async def peak(term: Terminal, size: int, script: str = SCRIPT) -> int:
    """Upload a file of so many bytes, and return the most memory that the command held at once, in bytes."""
    path = term.directory / f"{size}.bin"
    with path.open("wb") as file:
        file.truncate(size)
    environment = {
        **os.environ,
        "UPLOADSVC_URL": term.url,
        "UPLOADSVC_TOKEN": term.token,
        "HOME": str(path.parent),
    }
    done = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-c", script, str(path)],
        env=environment,
        capture_output=True,
        check=True,
        text=True,
    )
    # Kilobytes on Linux, bytes on macOS: getrusage(2).
    return int(done.stdout.splitlines()[-1]) * (1 if sys.platform == "darwin" else 1024)


async def test_memory_stays_flat(term: Terminal) -> None:
    """A file eight times as large takes hardly more memory."""
    assert await peak(term, 128 * MIB) < await peak(term, 16 * MIB) + 8 * MIB


async def test_memory_stays_flat_for_an_iterator(term: Terminal) -> None:
    """Of which a temporary file keeps most."""
    assert await peak(term, 128 * MIB, STREAM) < await peak(term, 16 * MIB, STREAM) + 8 * MIB

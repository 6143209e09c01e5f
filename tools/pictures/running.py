"""A running ``uploadsvc dev`` with no files, for a while."""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final
from urllib.request import ProxyHandler, build_opener

MIB: Final = 1024**2
_STARTED: Final = "Ctrl-C ends it"


@contextmanager
def running_demo(policies: dict[str, object] | None = None) -> Iterator[tuple[str, Path]]:
    """Run it, and yield its URL and a directory for files.

    Args:
        policies: `UPLOADSVC_POLICIES`.

    Raises:
        RuntimeError: It exits at once.
    """
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    kept = {name: value for name, value in os.environ.items() if not name.startswith("UPLOADSVC_")}
    environment = {**kept, "UPLOADSVC_POLICIES": json.dumps(policies)} if policies else kept
    with TemporaryDirectory() as directory, Path(directory, "dev.log").open("w") as log:
        command = [sys.executable, "-m", "uploadsvc", "dev", "--port", str(port)]
        process = subprocess.Popen(  # noqa: S603 - our own program
            command, cwd=directory, env=environment, stdout=subprocess.PIPE, stderr=log, text=True
        )
        try:
            if not any(_STARTED in line for line in process.stdout or ()):
                message = Path(directory, "dev.log").read_text()
                raise RuntimeError(message)
            files = Path(directory) / "files"
            files.mkdir()
            yield f"http://localhost:{port}", files
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(timeout=30)


def token_of(url: str, user: str) -> str:
    """Return the token of a demo user."""
    with build_opener(ProxyHandler({})).open(f"{url}/demo/users") as answer:
        users = json.load(answer)["users"]
    (token,) = [each["token"] for each in users if each["user"] == user]
    return str(token)


def sparse(path: Path, size: int) -> Path:
    """Create a sparse file of the given size."""
    with path.open("wb") as file:
        file.truncate(size)
    return path


def chromium() -> str | None:
    """Return the system's Chromium; ``None`` to use Playwright's."""
    found = [shutil.which(name) for name in ("chromium", "chromium-browser", "google-chrome")]
    return next((path for path in found if path and not re.search("snap", path)), None)

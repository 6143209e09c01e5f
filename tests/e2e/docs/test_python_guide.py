"""The programs of docs/python.md run as they are, and pass the strictest type check."""

import asyncio
import json
import re
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from tests.support.pages import examples, text_of
from tests.support.receipt_tokens import PUBLIC, key_set, receipts_by
from tests.support.servers import ROOT, S3Server
from tests.support.terminal import API_KEY, terminal
from tests.support.webhooks import BODY, OTHER_SECRET, SECRET, delivery

PAGE: Final = text_of("docs/python.md")
PROGRAMS: Final = examples(PAGE, "python")
ADDRESS: Final = "https://uploads.example.com"


async def printed(program: str, directory: Path, **variables: str) -> str:
    """Run a program in a directory and return what it prints."""
    environment = {"PYTHONPATH": str(ROOT / "src"), "NO_PROXY": "127.0.0.1", **variables}
    done = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-W", "error", "-c", program],
        capture_output=True,
        text=True,
        cwd=directory,
        env=environment,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


async def test_each_program_runs(seaweedfs: S3Server, tmp_path: Path) -> None:
    async with terminal(seaweedfs, tmp_path) as term:
        term.file(12_000_000)
        variables = {"UPLOADSVC_TOKEN": term.token, "UPLOADSVC_API_KEY": API_KEY}
        runs = [
            await printed(one.replace(ADDRESS, term.url), tmp_path, **variables)
            for one in PROGRAMS
            if ADDRESS in one
        ]
        first, sync, backend, resumed, objects, errors = runs
        assert re.search(rf"100%\nuploads/{term.user}/\S+/film.mp4 12000000\n$", first)
        assert sync.strip().endswith("/ages.csv")
        assert backend == "True ['fields', 'id', 'url']\n"
        assert resumed == "eyJ\n"
        assert objects.count(f"uploads/{term.user}/") == 3
        assert objects.endswith("text/plain\n")
        assert (tmp_path / "copy.txt").read_text() == "hello"
        assert errors == "file_not_found There is no such file. None None\n"


async def test_the_backend_verifies() -> None:
    (program,) = [one for one in PROGRAMS if ADDRESS not in one]
    found: dict[str, Any] = {}
    exec(compile(program, "docs/python.md", "exec"), found)  # noqa: S102 - our own page
    sent = delivery()
    assert found["receive"](BODY, sent.headers, SECRET) == 204
    assert found["receive"](BODY, sent.headers, OTHER_SECRET) == 401
    key = PUBLIC["Ed25519"]
    about = {
        "bucket": "b",
        "content_type": "image/png",
        "size": 1,
        "etag": "e",
        "policy": "avatars",
        "key": "k",
    }
    receipt = receipts_by(key).sign(about, user="ann", jti="J", now=datetime.now(UTC))
    assert found["avatar_of"]("ann", receipt, json.dumps(key_set(key))) == "k"


async def test_users_code_passes_strict_mypy(tmp_path: Path) -> None:
    """And a wrong call does not: the package says that it is typed."""
    names = ["wrong.py"]
    for number, program in enumerate(PROGRAMS):
        (tmp_path / f"program_{number}.py").write_text(program)
        names.append(f"program_{number}.py")
    wrong = tmp_path / "wrong.py"
    wrong.write_text(
        "from uploadsvc.client import Client\nClient('https://a', token='t').upload(b'x').receipt + 1\n"
    )
    done = await asyncio.to_thread(
        subprocess.run,
        [
            sys.executable,
            "-m",
            "mypy",
            "--strict",
            "--no-incremental",
            "--config-file=",
            *names,
        ],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={"MYPYPATH": str(ROOT / "src")},
        check=False,
    )
    (error,) = [line for line in done.stdout.splitlines() if ": error:" in line]
    assert error.startswith("wrong.py:2")

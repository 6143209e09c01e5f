"""The first commands of `docs/terminal.md` upload what they say."""

import asyncio
import os
import shutil
import sys
from dataclasses import replace
from pathlib import Path
from typing import Final

from tests.support.pages import examples, text_of
from tests.support.servers import ROOT, S3Server
from tests.support.service import settings_for, token_for
from tests.support.stories.serving import served

from uploadsvc.app import create_app
from uploadsvc.settings import Settings

PAGE: Final = text_of("docs/terminal.md")
FILES: Final = ("film.mp4", "photo.jpg", "holidays/2026/a.jpg")


async def test_the_first_commands_upload_files_and_a_folder(seaweedfs: S3Server, tmp_path: Path) -> None:
    """In a shell, with the address and the token of this test; the package is installed already."""
    s3 = replace(seaweedfs, bucket=await seaweedfs.create_bucket())
    for name in FILES:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(name.encode())
    install, *commands = examples(PAGE, "sh")[0].splitlines()
    assert install == "pip install uploadsvc"
    (upload,) = [line for line in commands if line.startswith("uploadsvc upload")]
    commands = commands[: commands.index(upload) + 1]
    async with asyncio.timeout(60), served(create_app(Settings.model_validate(settings_for(s3)))) as service:
        script = "\n".join(commands).replace("https://uploads.example.com", service)
        script = script.replace("…", token_for("alice"))
        running = await asyncio.create_subprocess_exec(
            shutil.which("bash") or "/bin/bash",
            *("-euc", f'uploadsvc() {{ "{sys.executable}" -m uploadsvc "$@"; }}\n{script}'),
            cwd=tmp_path,
            env={
                "PATH": os.environ["PATH"],
                "PYTHONPATH": str(ROOT / "src"),
                "HOME": str(tmp_path),
                "NO_PROXY": "127.0.0.1",
            },
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        said, _ = await running.communicate()
    assert running.returncode == 0, said.decode()
    for name in FILES:
        assert f"{name} -> uploads/alice/" in said.decode()

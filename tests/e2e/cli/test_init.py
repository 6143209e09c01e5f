"""`uploadsvc init`: what it writes passes the doctor, and no secret is on the screen."""

import asyncio
import os
import subprocess
import sys
import tomllib
from pathlib import Path
from uuid import uuid4

from tests.support.processes import program
from tests.support.screen import screen
from tests.support.servers import S3Server, free_port

import uploadsvc

SECRET = "hunter2-hunter2-hunter2-hunter2-hunter2"


async def test_the_doctor_passes_with_what_was_answered(seaweedfs: S3Server, tmp_path: Path) -> None:
    """Answers come by standard input; then the commands that it names are run, and a file is uploaded."""
    bucket = f"init-{uuid4().hex}"
    answers = [
        *("seaweedfs", bucket, seaweedfs.endpoint_url, seaweedfs.region),
        *(seaweedfs.access_key_id, seaweedfs.secret_access_key),
        *("", "", "media", "1GiB", "image/*, text/plain", "https://app.example.com, http://localhost:5173"),
    ]
    source = str(Path(uploadsvc.__file__).parents[1])
    environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "PYTHONPATH": source}
    done = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-m", "uploadsvc", "init"],
        input="\n".join(answers) + "\n",
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env=environment,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert seaweedfs.secret_access_key not in done.stdout + done.stderr
    path = tmp_path / "uploadsvc.toml"
    assert path.stat().st_mode & 0o777 == 0o600
    assert tomllib.loads(path.read_text())["cors"] == {
        "allow_origins": ["https://app.example.com", "http://localhost:5173"]
    }
    commands = [line.split("#")[0].split() for line in done.stdout.splitlines() if "uploadsvc " in line]
    assert [command[1:] for command in commands[:2]] == [["bucket", "apply"], ["doctor"]]
    assert f"export UPLOADSVC_CONFIG_FILE={path}" in done.stdout
    for command in commands[:2]:
        async with program(
            *command[1:], directory=tmp_path, environment={"UPLOADSVC_CONFIG_FILE": str(path)}
        ) as running:
            assert await running.ended(seconds=60) == 0, running.out + running.err
    assert "0 failed" not in running.out
    assert "failed" not in running.out, running.out
    (tmp_path / "note.txt").write_text("hello")
    config = {"UPLOADSVC_CONFIG_FILE": str(path)}
    async with program("token", "alice", directory=tmp_path, environment=config) as running:
        assert await running.ended() == 0
        token = running.out.strip()
    url, folder = f"http://127.0.0.1:{(port := free_port())}", tmp_path / "client"
    folder.mkdir()
    async with program("serve", "--port", str(port), directory=tmp_path, environment=config) as service:
        await service.answers(f"{url}/readyz")
        caller = {"UPLOADSVC_URL": url, "UPLOADSVC_TOKEN": token, "NO_PROXY": "127.0.0.1"}
        async with program(
            "upload", str(tmp_path / "note.txt"), directory=folder, environment=caller
        ) as running:
            assert await running.ended(seconds=60) == 0, running.err
            assert " -> media/alice/" in running.out


async def test_a_person_is_asked_again_and_secrets_are_hidden(tmp_path: Path) -> None:
    """A wrong answer costs one line. Ctrl-C at a hidden question leaves the terminal as it was."""

    def interview() -> str:
        with screen("init", directory=tmp_path, environment={}) as shown:
            for question, answer in (
                ("[aws]", "\n"),
                ("Bucket:", "no bucket\n"),
                ("Bucket:", "media\n"),
                ("Region", "eu-central-1\n"),
                ("Access key", "AKIA\n"),
            ):
                shown.until(question)
                shown.type(answer)
            shown.until("Secret access key", hidden=True)
            shown.type(f"{SECRET}\n")
            shown.until("sign in")
            shown.type("\n")
            shown.until("JWTs", hidden=True)
            shown.type("\x03")
            assert shown.ended() == 130
            assert shown.echoes
            assert list(tmp_path.iterdir()) == []
            return shown.shown

    shown = await asyncio.to_thread(interview)
    assert "must be a bucket name: 3 to 255 letters, digits, . - _" in shown
    assert "nothing was written" in shown
    assert "Traceback" not in shown
    assert SECRET not in shown

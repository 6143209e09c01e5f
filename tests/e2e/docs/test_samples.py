"""The API reference's code samples: curl and Python run against a service, TypeScript compiles."""

import asyncio
import json
import os
import re
import subprocess
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

import httpx
import pytest
from tests.support.clients.tools import NODE_MODULES, STAMP, run
from tests.support.receipt_keys import ED25519, private_pem
from tests.support.servers import ROOT, S3Server
from tests.support.service import JWT_SECRET, authorization, settings_for, token_for
from tests.support.stories.serving import served

from uploadsvc.api.samples import code_samples
from uploadsvc.app import create_app
from uploadsvc.settings import Settings

ADDRESS: Final = "https://uploads.example.com"
API_KEY: Final = "the key of a support tool, which sees all users"
SAMPLES: Final = code_samples()
POLICIES: Final = {"default": {"part_size": "5MiB", "multipart_threshold": "5MiB"}}
STARTED: Final = frozenset({"signParts", "deleteUpload", "listUploads"})
"""Operations on an upload whose parts have not been sent."""

MIB: Final = 1024**2


def source(operation: str, label: str) -> str:
    """Return one sample."""
    (found,) = [one["source"] for one in SAMPLES[operation] if one["label"] == label]
    return found


@dataclass(frozen=True, slots=True)
class Service:
    """A running service, with deleting and a store that has temporary credentials in name."""

    url: str

    async def names(self, operation: str) -> dict[str, str]:
        """Return what the names in capitals stand for: a new upload of alice's, and her credentials."""
        async with httpx.AsyncClient(base_url=self.url, headers=authorization(), trust_env=False) as client:
            in_parts = operation in STARTED
            asked = {"filename": "2026.txt", "size": 12 * MIB if in_parts else 5}
            upload = (await client.post("/v1/uploads", json=asked)).raise_for_status().json()
            receipt = ""
            if not in_parts:
                sent = await _put(upload)
                sent.raise_for_status()
                done = await client.post(f"/v1/uploads/{upload['id']}/complete")
                receipt = done.raise_for_status().json()["receipt"]
        return {
            "TOKEN": token_for(),
            "API_KEY": API_KEY,
            "UPLOAD_ID": upload["id"],
            "KEY": upload["key"],
            "RECEIPT": receipt,
        }


async def _put(upload: dict[str, Any]) -> httpx.Response:
    async with httpx.AsyncClient(trust_env=False) as s3:
        return await s3.put(upload["url"], content=b"hello", headers=upload["headers"])


@pytest.fixture(scope="module")
async def service(seaweedfs: S3Server) -> AsyncIterator[Service]:
    digest = sha256(API_KEY.encode()).hexdigest()
    settings = settings_for(
        seaweedfs,
        auth={
            "jwt": {"secret": JWT_SECRET},
            "api_keys": [{"name": "support", "sha256": digest, "all_users": True}],
        },
        receipts={"secret": None, "private_key": private_pem(ED25519)},
        objects={"delete": True},
        policies=POLICIES,
    )
    async with served(create_app(Settings.model_validate(settings))) as url:
        yield Service(url)


async def done(*command: str, directory: Path, names: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """Run a command to its end."""
    return await asyncio.to_thread(
        subprocess.run,
        command,
        capture_output=True,
        text=True,
        cwd=directory,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT / "src"), "NO_PROXY": "127.0.0.1", **names},
        check=False,
        timeout=60,
    )


# Uppy's credentials need a token service, which this store has not.
RUN: Final = [one for one in SAMPLES if one != "getUppyCredentials"]


@pytest.mark.parametrize("operation", RUN)
async def test_curl(service: Service, tmp_path: Path, operation: str) -> None:
    """It succeeds, and prints JSON where there is any."""
    names = await service.names(operation)
    program = source(operation, "curl").replace(ADDRESS, service.url)
    result = await done("sh", "-ec", program, directory=tmp_path, names=names)
    assert result.returncode == 0, result.stdout + result.stderr
    if result.stdout:
        answer = json.loads(result.stdout)
        assert not [one for one in answer.get("results", []) if "problem" in one]
    used = set(re.findall(r"\$([A-Z_]+)", program))
    assert used <= names.keys()


@pytest.mark.parametrize("operation", RUN)
async def test_python(service: Service, tmp_path: Path, operation: str) -> None:
    """It runs without a warning."""
    names = await service.names(operation)
    (tmp_path / "photo.jpg").write_bytes(b"a picture")
    given = "".join(f"{name} = {value!r}\n" for name, value in names.items())
    program = given + source(operation, "Python").replace(ADDRESS, service.url)
    result = await done(sys.executable, "-W", "error", "-c", program, directory=tmp_path, names={})
    assert result.returncode == 0, result.stderr
    quiet = {"deleteUpload", "deleteObject", "deleteObjects", "createDownload", "getUploadUrl", "listObjects"}
    assert bool(result.stdout.strip()) is (operation not in quiet)
    if operation == "createDownload":
        assert (tmp_path / "holiday.jpg").read_bytes() == b"hello"


async def test_typescript(tmp_path: Path) -> None:
    """All of it passes the strictest compiler, with the types of the npm package; a wrong call does not."""
    if not STAMP.exists():
        pytest.skip("no TypeScript: make clients")
    given = "declare const TOKEN: string, API_KEY: string, UPLOAD_ID: string, KEY: string, RECEIPT: string;\n"
    given += "declare const FILE: File;\n"
    for operation in SAMPLES:
        text = given + source(operation, "TypeScript") + "\nexport {};\n"
        (tmp_path / f"{operation}.ts").write_text(text, encoding="utf-8")
    wrong = source("deleteObjects", "TypeScript").replace("[KEY]", "KEY")
    (tmp_path / "wrong.ts").write_text(given + wrong, encoding="utf-8")
    options = json.loads((ROOT / "tests/e2e/clients/tsconfig.json").read_text(encoding="utf-8"))
    types = ROOT / "src/uploadsvc/web/uploadsvc.d.ts"
    options["compilerOptions"] |= {
        "paths": {"uploadsvc": [str(types)]},
        "module": "esnext",
        "moduleResolution": "bundler",
    }
    (tmp_path / "tsconfig.json").write_text(json.dumps(options), encoding="utf-8")
    result = await run(NODE_MODULES / ".bin" / "tsc", "--pretty", "false", directory=tmp_path)
    errors = [line for line in result.stdout.splitlines() if not line.startswith(" ")]
    assert [line for line in errors if not line.startswith("wrong.ts")] == []
    assert any("error TS2345" in line for line in errors)

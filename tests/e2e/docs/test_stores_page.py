"""The commands of `docs/stores.md` set up the stores that we can run, and its doctor passes."""

import shlex
from pathlib import Path
from typing import Final
from uuid import uuid4

from tests.support.processes import program
from tests.support.servers import S3Server
from tests.support.store_guide import COMMANDS, environment_of

SECTIONS: Final = {"seaweedfs": "SeaweedFS", "localstack": "LocalStack"}


async def test_a_store_is_set_up_as_the_page_says(s3: S3Server, tmp_path: Path) -> None:
    """Elsewhere than on the page: another address, keys, bucket."""
    environment = environment_of(SECTIONS[s3.name]) | {
        "UPLOADSVC_S3__BUCKET": f"bucket-{uuid4().hex[:12]}",
        "UPLOADSVC_S3__ENDPOINT_URL": s3.endpoint_url,
        "UPLOADSVC_S3__ACCESS_KEY_ID": s3.access_key_id,
        "UPLOADSVC_S3__SECRET_ACCESS_KEY": s3.secret_access_key,
        "NO_PROXY": "127.0.0.1",
    }
    for line in COMMANDS.splitlines():
        called, *arguments = shlex.split(line, comments=True)
        assert called == "uploadsvc"
        if "apply" in arguments:
            arguments.append("--yes")
        async with program(*arguments, directory=tmp_path, environment=environment, fresh=True) as running:
            assert await running.ended(seconds=60) == 0, running.out + running.err

"""The commands of `docs/doctor.md` run, and its table has every check."""

import re
import shlex
from dataclasses import replace
from pathlib import Path
from typing import Final

import pytest
from tests.support.doctor import ORIGIN, prepare, settings_of, traces
from tests.support.processes import environment_for, program
from tests.support.servers import ROOT, S3Server
from tests.support.sts import ROLE_ARN

from uploadsvc.bootstrap.doctor import doctor_target
from uploadsvc.doctor.runner import check_names
from uploadsvc.settings import Settings

GUIDE: Final = (ROOT / "docs" / "doctor.md").read_text(encoding="utf-8")
COMMANDS: Final = [
    line for block in re.findall(r"```sh\n(.*?)```", GUIDE, re.DOTALL) for line in block.splitlines()
]


@pytest.mark.parametrize("command", COMMANDS)
async def test_the_guides_commands_run(tmp_path: Path, seaweedfs: S3Server, command: str) -> None:
    """With exit status 0 on a healthy bucket."""
    own = replace(seaweedfs, bucket=await seaweedfs.create_bucket())
    await prepare(settings_of(own, cors={"allow_origins": [ORIGIN]}))
    name, *arguments = shlex.split(command)
    assert name == "uploadsvc"
    environment = environment_for(
        own, UPLOADSVC_CORS__ALLOW_ORIGINS=ORIGIN, UPLOADSVC_S3__PROVIDER="seaweedfs", NO_PROXY="127.0.0.1"
    )
    async with program(*arguments, directory=tmp_path, environment=environment, fresh=True) as running:
        assert await running.ended(seconds=60) == 0, running.out + running.err
    assert await traces(own) == []


def test_the_guide_describes_every_check(seaweedfs: S3Server) -> None:
    uppy = {"credentials": True, "role_arn": ROLE_ARN}
    events = {
        "queue_url": "https://sqs.us-east-1.amazonaws.com/123456789012/uploads",
        "webhooks": [{"url": "https://app.example.com/webhooks", "secrets": [f"whsec_{'A' * 32}"]}],
    }
    settings = settings_of(
        seaweedfs,
        cors={"allow_origins": [ORIGIN]},
        uppy=uppy,
        events=events,
        policies={
            "default": {
                "content_types": ["image/*"],
                "verify_content": True,
                "unclaimed_expires_in": 604_800,
            }
        },
    )
    target = doctor_target(Settings.model_validate(settings), deliver=True)
    (delivery,) = (name for name in check_names(target) if name.startswith("delivery:app.example.com-"))
    table = GUIDE.split("| check |")[1].split("\n\n")[0]
    described = [
        name for row in table.splitlines()[2:] for name in re.findall(r"`([^`]+)`", row.split("|")[1])
    ]
    shown = {
        "cors:ORIGIN": f"cors:{ORIGIN}",
        "policy:NAME": "policy:default",
        "webhook:HOST": "webhook:app.example.com",
        "delivery:RECEIVER": delivery,
    }
    assert [shown.get(name, name) for name in described] == check_names(target)

"""``uploadsvc bucket`` and ``iam-policy`` as processes."""

import json
import re
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

import pytest
from tests.support.api import s3_that_is_down
from tests.support.bucket_rules import ORIGIN
from tests.support.processes import environment_for, program
from tests.support.servers import ROOT, S3Server
from tests.support.sts import ROLE_ARN

GUIDE: Final = (ROOT / "docs" / "bucket.md").read_text(encoding="utf-8")


async def ran(
    directory: Path, *arguments: str, environment: dict[str, str], fresh: bool = False
) -> tuple[int, str, str]:
    """Run a command; return its status, standard output and standard error."""
    async with program(*arguments, directory=directory, environment=environment, fresh=fresh) as running:
        status = await running.ended(seconds=60)
        return status, running.out, running.err


@pytest.fixture
def environment(moto_server: S3Server) -> dict[str, str]:
    """Settings of a service whose bucket does not exist yet."""
    return environment_for(
        moto_server,
        UPLOADSVC_S3__BUCKET=f"test-{uuid4().hex}",
        UPLOADSVC_CORS__ALLOW_ORIGINS=ORIGIN,
    )


async def test_a_bucket_is_planned_and_made_once(tmp_path: Path, environment: dict[str, str]) -> None:
    """The exit status is 2 if there is something to make, else 0."""
    status, out, err = await ran(tmp_path, "bucket", "plan", environment=environment)
    assert status == 2
    assert err == "uploadsvc: 5 to make: uploadsvc bucket apply\n"
    assert re.search(r"^bucket +missing +no bucket +test-", out, re.MULTILINE)
    assert re.search(r"^bucket-policy +unsupported +not for generic +left alone", out, re.MULTILINE)
    assert "\x1b" not in out, "colours are for terminals"
    status, out, err = await ran(tmp_path, "bucket", "apply", environment=environment)
    assert (status, err) == (0, "uploadsvc: 5 made\n")
    assert re.search(r"^cors +made +no rules +origins https://app.example.com; methods", out, re.MULTILINE)
    for verb in ("plan", "apply"):
        status, out, err = await ran(tmp_path, "bucket", verb, environment=environment)
        assert (status, err) == (0, "uploadsvc: nothing to make\n")
        assert len(re.findall(r"^\S+ +in place ", out, re.MULTILINE)) == 6


async def test_json_holds_the_whole_table(tmp_path: Path, environment: dict[str, str]) -> None:
    """Nothing else is on standard output."""
    bucket = environment["UPLOADSVC_S3__BUCKET"]
    for verb, state in (("plan", "missing"), ("apply", "made"), ("plan", "in place")):
        _, out, _ = await ran(tmp_path, "bucket", verb, "--json", environment=environment)
        printed = json.loads(out)
        assert printed["bucket"] == bucket
        first, *_ = printed["steps"]
        assert first["rule"] == "bucket"
        assert first["state"] == state
        assert first.keys() == {"rule", "state", "found", "wanted"}


async def test_a_rule_can_be_skipped(tmp_path: Path, environment: dict[str, str]) -> None:
    """By its name; the error for another name lists all."""
    skipped = ("--skip", "cors", "--skip", "public-access")
    _, out, _ = await ran(tmp_path, "bucket", "apply", "--json", *skipped, environment=environment)
    rules = {step["rule"] for step in json.loads(out)["steps"]}
    assert rules == {"bucket", "ownership", "bucket-policy", "lifecycle", "unclaimed"}
    status, out, err = await ran(tmp_path, "bucket", "plan", "--skip", "colour", environment=environment)
    assert (status, out) == (2, "")
    assert "there is no rule 'colour'; there are bucket," in re.sub(r"[\s│]+", " ", err)


async def test_a_conflict_is_status_1(
    tmp_path: Path, environment: dict[str, str], moto_server: S3Server
) -> None:
    """Such as another rule that aborts too early."""
    bucket = environment["UPLOADSVC_S3__BUCKET"]
    await moto_server.create_bucket(bucket)
    async with moto_server.client() as client:
        theirs: Any = {
            "ID": "theirs",
            "Status": "Enabled",
            "Filter": {},
            "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 1},
        }
        await client.put_bucket_lifecycle_configuration(
            Bucket=bucket, LifecycleConfiguration={"Rules": [theirs]}
        )
    for verb in ("plan", "apply"):
        status, out, err = await ran(tmp_path, "bucket", verb, environment=environment)
        assert status == 1
        assert re.search(r"^lifecycle +conflict ", out, re.MULTILINE)
        assert "uploadsvc: 1 to look at, see above\n" in err


async def test_an_unreachable_s3_is_one_line(tmp_path: Path) -> None:
    """Without S3 or credentials: status 1, no traceback."""
    for environment, named in (
        (environment_for(s3_that_is_down()), "bucket 'example-bucket' could not be looked at: "),
        (
            {
                "UPLOADSVC_S3__BUCKET": "example-bucket",
                "UPLOADSVC_S3__REGION": "eu-central-1",
                "AWS_EC2_METADATA_DISABLED": "true",
            },
            "bucket 'example-bucket' cannot be reached: No AWS credentials were found.",
        ),
    ):
        status, out, err = await ran(tmp_path, "bucket", "plan", environment=environment)
        assert (status, out) == (1, "")
        (line,) = err.splitlines()
        assert line.startswith(f"uploadsvc: {named}")


async def test_policies_are_printed(tmp_path: Path) -> None:
    """Without secrets, credentials or a bucket: for the service and for the operator."""
    environment = {"UPLOADSVC_S3__BUCKET": "media", "UPLOADSVC_S3__REGION": "cn-north-1"}
    status, out, err = await ran(tmp_path, "iam-policy", environment=environment)
    assert (status, err) == (0, "")
    objects, bucket = json.loads(out)["Statement"]
    assert objects["Resource"] == "arn:aws-cn:s3:::media/uploads/*"
    assert "s3:ListBucket" in bucket["Action"]
    _, out, _ = await ran(tmp_path, "iam-policy", "--for", "bucket", environment=environment)
    (rules,) = json.loads(out)["Statement"]
    assert "s3:PutBucketCORS" in rules["Action"]
    r2 = {"UPLOADSVC_S3__PROVIDER": "r2", "UPLOADSVC_S3__ENDPOINT_URL": "https://r2.example.com"}
    status, out, err = await ran(tmp_path, "iam-policy", environment=environment | r2)
    assert (status, out) == (1, "")
    assert err.startswith("uploadsvc: UPLOADSVC_S3__PROVIDER: r2 has no IAM policies; docs/bucket.md")


async def test_the_roles_policy_is_printed(tmp_path: Path) -> None:
    """Without a role it is refused in one line."""
    off = {"UPLOADSVC_S3__BUCKET": "media", "UPLOADSVC_S3__REGION": "eu-central-1"}
    federated = off | {"UPLOADSVC_UPPY__CREDENTIALS": "true"}
    role = federated | {"UPLOADSVC_UPPY__ROLE_ARN": ROLE_ARN}
    status, out, err = await ran(tmp_path, "iam-policy", "--for", "role", environment=role)
    assert (status, err) == (0, "")
    (uploads,) = json.loads(out)["Statement"]
    assert uploads["Resource"] == "arn:aws:s3:::media/uploads/*"
    for environment, named in (
        (off, "UPLOADSVC_UPPY__CREDENTIALS: must be true"),
        (federated, "UPLOADSVC_UPPY__ROLE_ARN: missing"),
    ):
        status, out, err = await ran(tmp_path, "iam-policy", "--for", "role", environment=environment)
        assert (status, out) == (1, "")
        (line,) = err.splitlines()
        assert line.startswith(f"uploadsvc: {named}")


async def test_the_guides_commands_run(tmp_path: Path, environment: dict[str, str]) -> None:
    """In the page's order; then the bucket is ready."""
    (shown,) = re.findall(r"```sh\n(.*?)```", GUIDE, re.DOTALL)
    queue = {"UPLOADSVC_EVENTS__QUEUE_URL": "https://sqs.us-east-1.amazonaws.com/123456789012/uploads"}
    commands = [line.partition("#")[0].partition(">")[0].split() for line in shown.splitlines()]
    statuses = []
    for command in commands:
        assert command[0] == "uploadsvc"
        status, _, err = await ran(tmp_path, *command[1:], environment=environment | queue, fresh=True)
        assert "Traceback" not in err
        statuses.append(status)
    assert statuses == [2, 0, 0, 0, 0, 0]


def test_the_guide_names_every_rule_and_status() -> None:
    from uploadsvc.provisioning.plan import RULES  # noqa: PLC0415 - beside what it is compared with

    table = GUIDE.partition("| rule |")[2].partition("\n\n")[0]
    assert re.findall(r"^\| `([a-z-]+)` \|", table, re.MULTILINE) == list(RULES)

"""The printed policies suffice, and each of their rights is needed.

What is proved how: SeaweedFS evaluates the printed policy for presigned URLs and for the service's own
calls, signatures included; moto does so for the service's own calls only, but knows each right by its name.
Rights that both lack (ACLs, tags, KMS, Block Public Access, ownership) are checked by parliament, against
AWS's own list of actions and of the resources that each of them takes.
"""

import json
import warnings
from collections.abc import AsyncIterator, Awaitable, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any, Final
from uuid import uuid4

import aioboto3
import httpx
import pytest
from moto.core.authorization import enable_iam_authentication
from tests.support.bucket_rules import required, states
from tests.support.provisioned_queues import new_queue, queue_clients
from tests.support.servers import SEAWEEDFS_KEY, S3Server
from tests.support.service import service_client, settings_for
from tests.support.sts import assume_role

from uploadsvc.domain.credentials import TEMPORARY_ACTIONS
from uploadsvc.domain.providers import PROVIDERS
from uploadsvc.domain.queue_addresses import queue_at
from uploadsvc.provisioning.iam import events_policy, provisioner_policy, role_policy, service_policy
from uploadsvc.provisioning.models import AccessRequirements
from uploadsvc.provisioning.plan import PROBLEMS, apply

with warnings.catch_warnings():
    # It leaves files open, imports pkg_resources and has invalid escapes.
    warnings.simplefilter("ignore")
    import parliament

KEY_ID: Final = "1234abcd-12ab-34cd-56ef-1234567890ab"
SERVICE: Final = (
    "s3:PutObject",
    "s3:GetObject",
    "s3:AbortMultipartUpload",
    "s3:ListMultipartUploadParts",
    "s3:DeleteObject",
    "s3:ListBucket",
    "s3:ListBucketMultipartUploads",
)
PART: Final = 5 * 1024**2
POLICIES: Final = {"default": {}, "parts": {"methods": ["multipart"], "part_size": PART}}


def access(bucket: str = "media", **changed: Any) -> AccessRequirements:  # noqa: ANN401 - any of its fields
    """Return what a service does that uses all but ACLs, tags and KMS."""
    fields: dict[str, Any] = {
        "bucket": bucket,
        "region": "us-east-1",
        "key_prefix": "uploads",
        "multipart": True,
        "delete": True,
        "acls": False,
        "tags": False,
        "claims": False,
        "verifies": False,
        "scans": False,
        "removes": False,
        "kms_keys": frozenset(),
        "sessions": False,
        "role_arn": None,
    }
    return AccessRequirements(**{**fields, **changed})


ROLE_ARN: Final = "arn:aws:iam::123456789012:role/uploads"


def actions_of(document: dict[str, Any]) -> list[str]:
    """Return all actions that a policy allows."""
    return [action for statement in document["Statement"] for action in statement["Action"]]


def without(document: dict[str, Any], action: str | None) -> dict[str, Any]:
    """Return a policy that lacks one action."""
    statements = [
        {**one, "Action": [other for other in one["Action"] if other != action]}
        for one in document["Statement"]
    ]
    return {**document, "Statement": [one for one in statements if one["Action"]]}


async def failing_at_seaweedfs(server: S3Server, document: dict[str, Any]) -> set[str]:
    """Do all that callers can do, as a service with these rights alone; return what is refused."""
    session = await assume_role(server.endpoint_url, policy=json.dumps(document))
    narrowed = replace(
        server,
        access_key_id=session.access_key_id,
        secret_access_key=session.secret_access_key,
        session_token=session.session_token,
    )
    failed: set[str] = set()

    def note(name: str, answer: httpx.Response) -> httpx.Response:
        if not answer.is_success:
            failed.add(name)
        return answer

    settings = settings_for(narrowed, policies=POLICIES, objects={"delete": True})
    async with (
        service_client(settings) as api,
        httpx.AsyncClient(trust_env=False) as http,
    ):
        note("ready", await api.get("/readyz"))
        upload = (await api.post("/v1/uploads", json={"filename": "a.txt", "size": 5})).json()
        note("put", await http.put(upload["url"], content=b"bytes", headers=upload["headers"]))
        note("status", await api.get(f"/v1/uploads/{upload['id']}"))
        note("complete", await api.post(f"/v1/uploads/{upload['id']}/complete"))
        download = (await api.post("/v1/downloads", json={"key": upload["key"]})).json()
        note("download", await http.get(download["url"]))
        note("object", await api.get("/v1/object", params={"key": upload["key"]}))
        note("objects", await api.get("/v1/objects"))
        note("unfinished", await api.get("/v1/uploads"))
        wanted = {"policy": "parts", "size": PART + 1}
        begun = note("begin", await api.post("/v1/uploads", json=wanted))
        if begun.is_success:
            upload = begun.json()
            for part, content in zip(upload["parts"], (b"x" * PART, b"y"), strict=True):
                note("part", await http.put(part["url"], content=content, headers=part["headers"]))
            note("parts", await api.get(f"/v1/uploads/{upload['id']}"))
            note("assemble", await api.post(f"/v1/uploads/{upload['id']}/complete"))
            other = (await api.post("/v1/uploads", json=wanted)).json()
            note("abort", await api.delete(f"/v1/uploads/{other['id']}"))
        note("delete", await api.delete("/v1/object", params={"key": upload["key"]}))
    return failed


@asynccontextmanager
async def bucket_at(session_s3: S3Server) -> AsyncIterator[S3Server]:
    """Give a new bucket at SeaweedFS, known by the key that may do everything."""
    admin = replace(
        session_s3,
        access_key_id=SEAWEEDFS_KEY.access_key_id,
        secret_access_key=SEAWEEDFS_KEY.secret_access_key,
        session_token=None,
        session_expires_at=None,
    )
    yield replace(admin, bucket=await admin.create_bucket())


async def test_callers_can_do_everything_with_the_printed_policy(session_s3: S3Server) -> None:
    """Presigned URLs included."""
    async with bucket_at(session_s3) as server:
        document = service_policy(access(server.bucket))
        assert tuple(sorted(actions_of(document))) == tuple(sorted(SERVICE))
        assert await failing_at_seaweedfs(server, document) == set()


@pytest.mark.parametrize(
    ("action", "failed"),
    [
        ("s3:PutObject", {"put", "begin"}),
        ("s3:GetObject", {"download", "object", "complete"}),
        ("s3:DeleteObject", {"delete"}),
        ("s3:ListBucket", {"ready", "objects"}),
        ("s3:ListBucketMultipartUploads", {"unfinished"}),
    ],
)
async def test_each_right_is_needed(session_s3: S3Server, action: str, failed: set[str]) -> None:
    """Those that SeaweedFS tells apart; moto checks two others."""
    async with bucket_at(session_s3) as server:
        document = without(service_policy(access(server.bucket)), action)
        assert failed <= await failing_at_seaweedfs(server, document)


async def test_other_prefixes_and_buckets_are_out_of_reach(session_s3: S3Server) -> None:
    """Their objects are; keys can be listed, since that right has no prefix."""
    async with bucket_at(session_s3) as server:
        document = service_policy(access("other-bucket", key_prefix="uploads"))
        assert "put" in await failing_at_seaweedfs(server, document)
        document = service_policy(access(server.bucket, key_prefix="upload"))
        assert {"put", "begin"} <= await failing_at_seaweedfs(server, document)


@asynccontextmanager
async def moto_user(moto_server: S3Server, document: dict[str, Any]) -> AsyncIterator[S3Server]:
    """Give a key of a user with these rights alone, while moto asks for them."""
    name = f"user-{uuid4().hex}"
    async with aioboto3.Session().client(
        "iam",
        endpoint_url=moto_server.endpoint_url,
        region_name="us-east-1",
        aws_access_key_id=moto_server.access_key_id,
        aws_secret_access_key=moto_server.secret_access_key,
    ) as iam:
        await iam.create_user(UserName=name)
        await iam.put_user_policy(UserName=name, PolicyName="it", PolicyDocument=json.dumps(document))
        key = (await iam.create_access_key(UserName=name))["AccessKey"]
    with enable_iam_authentication():
        yield replace(moto_server, access_key_id=key["AccessKeyId"], secret_access_key=key["SecretAccessKey"])


def with_head(document: dict[str, Any]) -> dict[str, Any]:
    """Allow HeadBucket where ListBucket is: moto has it for a right of its own, which AWS has not."""
    statements = [
        {**one, "Action": [*one["Action"], *(["s3:HeadBucket"] if "s3:ListBucket" in one["Action"] else [])]}
        for one in document["Statement"]
    ]
    return {**document, "Statement": statements}


async def failing_at_moto(moto_server: S3Server, document: dict[str, Any]) -> set[str]:
    """Have the service do all its own calls to S3 with these rights alone; return what is refused."""
    async with moto_server.client() as client:
        await client.put_object(Bucket=moto_server.bucket, Key="uploads/alice/a", Body=b"bytes")
        key = "uploads/alice/left"
        await client.create_multipart_upload(Bucket=moto_server.bucket, Key=key)
    failed: set[str] = set()
    async with moto_user(moto_server, with_head(document)) as server:
        settings = settings_for(server, policies=POLICIES, objects={"delete": True})
        async with service_client(settings) as api:

            def note(name: str, answer: httpx.Response) -> httpx.Response:
                if not answer.is_success:
                    failed.add(name)
                return answer

            note("ready", await api.get("/readyz"))
            note("object", await api.get("/v1/object", params={"key": "uploads/alice/a"}))
            note("objects", await api.get("/v1/objects"))
            listed = note("unfinished", await api.get("/v1/uploads"))
            for left in listed.json().get("uploads", []):
                note("parts", await api.get(f"/v1/uploads/{left['id']}"))
                note("abort", await api.delete(f"/v1/uploads/{left['id']}"))
            note("begin", await api.post("/v1/uploads", json={"policy": "parts", "size": 5}))
            note("delete", await api.delete("/v1/object", params={"key": "uploads/alice/a"}))
    return failed


@pytest.mark.parametrize("missing", [None, *SERVICE])
async def test_the_services_own_calls_need_each_right(moto_server: S3Server, missing: str | None) -> None:
    """With all rights nothing is refused; without one, its call is."""
    document = service_policy(access(moto_server.bucket))
    expected = {
        None: set(),
        "s3:PutObject": {"begin"},
        "s3:GetObject": {"object", "abort"},
        "s3:AbortMultipartUpload": {"abort"},
        "s3:ListMultipartUploadParts": {"parts"},
        "s3:DeleteObject": {"delete"},
        # moto's 404 to HEAD names no request, so the service asks again for the bucket.
        "s3:ListBucket": {"ready", "objects", "abort"},
        "s3:ListBucketMultipartUploads": {"unfinished"},
    }
    assert await failing_at_moto(moto_server, without(document, missing)) == expected[missing]


async def begun_at(server: S3Server) -> str:
    """Begin an upload that others go on with: so one right that is missing does not hide the next."""
    async with server.client() as s3:
        answer = await s3.create_multipart_upload(Bucket=server.bucket, Key="uploads/alice/a")
    return answer["UploadId"]


async def refused_uploads(server: S3Server, upload_id: str) -> set[str]:
    """Do what a browser with credentials of its own does, and more; tell what is refused."""
    bucket, key = server.bucket, "uploads/alice/a"
    named: Any = {"Bucket": bucket, "Key": key, "UploadId": upload_id}
    failed: set[str] = set()
    async with server.client() as s3:
        steps: dict[str, Awaitable[Any]] = {
            "put": s3.put_object(Bucket=bucket, Key=key, Body=b"bytes"),
            "begin": s3.create_multipart_upload(Bucket=bucket, Key=key),
            "part": s3.upload_part(**named, PartNumber=1, Body=b"bytes"),
            "parts": s3.list_parts(**named),
            "abort": s3.abort_multipart_upload(**named),
            "get": s3.get_object(Bucket=bucket, Key=key),
            "list": s3.list_objects_v2(Bucket=bucket, Prefix="uploads/"),
            "elsewhere": s3.put_object(Bucket=bucket, Key="other/a", Body=b"bytes"),
        }
        for name, step in steps.items():
            try:
                await step
            except s3.exceptions.ClientError as error:
                if error.response["ResponseMetadata"]["HTTPStatusCode"] != 403:
                    raise
                failed.add(name)
    return failed


BEYOND: Final = {"get", "list", "elsewhere"}


async def test_the_role_can_only_upload_below_the_prefix(session_s3: S3Server) -> None:
    """In one piece and in parts."""
    async with bucket_at(session_s3) as server:
        document = role_policy(access(server.bucket, sessions=True, role_arn=ROLE_ARN))
        session = await assume_role(server.endpoint_url, policy=json.dumps(document))
        narrowed = replace(
            server,
            access_key_id=session.access_key_id,
            secret_access_key=session.secret_access_key,
            session_token=session.session_token,
        )
        assert await refused_uploads(narrowed, await begun_at(server)) == BEYOND


@pytest.mark.parametrize(
    ("missing", "failed"),
    [
        (None, set()),
        ("s3:PutObject", {"put", "begin", "part"}),
        ("s3:ListMultipartUploadParts", {"parts"}),
        ("s3:AbortMultipartUpload", {"abort"}),
    ],
)
async def test_the_role_needs_each_right(
    moto_server: S3Server, missing: str | None, failed: set[str]
) -> None:
    document = role_policy(access(moto_server.bucket, sessions=True, role_arn=ROLE_ARN))
    assert actions_of(document) == list(TEMPORARY_ACTIONS)
    begun = await begun_at(moto_server)
    async with moto_user(moto_server, without(document, missing)) as server:
        assert await refused_uploads(server, begun) == failed | BEYOND


def test_the_roles_actions_exist() -> None:
    assert findings(role_policy(access(sessions=True, role_arn=ROLE_ARN))) == []


def test_unused_features_get_no_rights() -> None:
    document = service_policy(access(multipart=False, delete=False))
    assert sorted(actions_of(document)) == ["s3:GetObject", "s3:ListBucket", "s3:PutObject"]


@pytest.mark.parametrize(
    ("changed", "action"),
    [
        ({"multipart": True}, "s3:AbortMultipartUpload"),
        ({"multipart": True}, "s3:ListMultipartUploadParts"),
        ({"multipart": True}, "s3:ListBucketMultipartUploads"),
        ({"delete": True}, "s3:DeleteObject"),
        ({"acls": True}, "s3:PutObjectAcl"),
        ({"tags": True}, "s3:PutObjectTagging"),
        ({"claims": True}, "s3:GetObjectTagging"),
        ({"claims": True}, "s3:DeleteObjectTagging"),
        ({"claims": True}, "s3:GetObjectVersion"),
        ({"claims": True}, "s3:GetObjectVersionTagging"),
        ({"claims": True}, "s3:PutObjectVersionTagging"),
        ({"claims": True}, "s3:DeleteObjectVersionTagging"),
        ({"kms_keys": frozenset({KEY_ID})}, "kms:GenerateDataKey"),
        ({"kms_keys": frozenset({KEY_ID})}, "kms:Decrypt"),
        ({"sessions": True}, "sts:GetFederationToken"),
        ({"sessions": True}, "s3:AbortMultipartUpload"),
        ({"sessions": True}, "s3:ListMultipartUploadParts"),
        ({"sessions": True, "role_arn": ROLE_ARN}, "sts:AssumeRole"),
    ],
)
def test_each_feature_gets_its_rights(changed: dict[str, Any], action: str) -> None:
    off: dict[str, Any] = {"multipart": False, "delete": False}
    assert action not in actions_of(service_policy(access(**off)))
    assert action in actions_of(service_policy(access(**{**off, **changed})))


QUEUE: Final = queue_at("https://sqs.us-east-1.amazonaws.com/123456789012/up", region="us-east-1")
TOPIC: Final = "arn:aws:sns:us-east-1:123456789012:up"


def events_access(**changed: Any) -> AccessRequirements:  # noqa: ANN401 - any of its fields
    """Return what a service does that sends events to a queue and a topic."""
    targets = {"target_queues": frozenset({f"{QUEUE.arn}-app"}), "target_topics": frozenset({TOPIC})}
    return access(**{"queue": QUEUE, **targets, **changed})


def allowed(document: dict[str, Any]) -> dict[str, set[str]]:
    """Return the actions that a policy allows, by resource."""
    found: dict[str, set[str]] = {}
    for one in document["Statement"]:
        for resource in [one["Resource"]] if isinstance(one["Resource"], str) else one["Resource"]:
            found.setdefault(resource, set()).update(one["Action"])
    return found


def test_events_need_these_rights_and_no_others() -> None:
    """Each action exists, and goes with its resource."""
    printed = events_policy(events_access(kms_keys=frozenset({KEY_ID})))
    assert findings(printed) == []
    calls = ("GetQueueAttributes", "ReceiveMessage", "ChangeMessageVisibility", "DeleteMessage")
    reads = {f"sqs:{name}" for name in calls}
    assert allowed(printed) == {
        "arn:aws:s3:::media/uploads/*": {"s3:GetObject", "s3:GetObjectVersion"},
        "arn:aws:s3:::media": {"s3:ListBucket"},
        f"arn:aws:kms:us-east-1:*:key/{KEY_ID}": {"kms:Decrypt"},
        QUEUE.arn: reads | {"sqs:SendMessage"},
        f"{QUEUE.arn}-dead": reads | {"sqs:GetQueueUrl"},
        f"{QUEUE.arn}-app": {"sqs:SendMessage"},
        TOPIC: {"sns:Publish"},
    }


@pytest.mark.parametrize(
    ("changed", "actions"),
    [
        ({"scans": True}, {"s3:GetObjectTagging", "s3:GetObjectVersionTagging"}),
        ({"removes": True}, {"s3:DeleteObject", "s3:DeleteObjectVersion"}),
    ],
)
def test_events_of_checked_content_need_more(changed: dict[str, Any], actions: set[str]) -> None:
    printed = events_policy(events_access(**changed))
    assert findings(printed) == []
    plain = set(actions_of(events_policy(events_access())))
    assert set(actions_of(printed)) - plain == actions


@pytest.mark.parametrize(
    ("changed", "resources"),
    [
        # The worker reads the queue and sends events.
        ({}, set()),
        ({"pushed": True}, {QUEUE.arn}),
        ({"queue": None}, {f"{QUEUE.arn}-app", TOPIC}),
        ({"queue": None, "pushed": True}, {f"{QUEUE.arn}-app", TOPIC}),
    ],
)
def test_the_service_may_send_what_no_worker_does(changed: dict[str, Any], resources: set[str]) -> None:
    """Notifications that the store pushes, to the queue; without a queue, events."""
    printed = service_policy(events_access(**changed))
    assert findings(printed) == []
    sending = {
        name for name, actions in allowed(printed).items() if actions & {"sqs:SendMessage", "sns:Publish"}
    }
    assert sending == resources
    assert ("s3:GetObjectVersion" in actions_of(printed)) is changed.get("pushed", False)


def test_only_the_configured_role_may_be_assumed() -> None:
    document = service_policy(access(sessions=True, role_arn=ROLE_ARN))
    (statement,) = [one for one in document["Statement"] if one["Sid"] == "Sessions"]
    assert (statement["Action"], statement["Resource"]) == (["sts:AssumeRole"], ROLE_ARN)


@pytest.mark.parametrize(
    ("key", "resource", "alias"),
    [
        (KEY_ID, f"arn:aws:kms:us-east-1:*:key/{KEY_ID}", None),
        ("arn:aws:kms:us-east-1:111122223333:key/k", "arn:aws:kms:us-east-1:111122223333:key/k", None),
        ("alias/media", "arn:aws:kms:us-east-1:*:key/*", "alias/media"),
        ("arn:aws:kms:us-east-1:1:alias/media", "arn:aws:kms:us-east-1:1:key/*", "alias/media"),
    ],
)
def test_kms_keys_are_allowed_by_arn_or_alias(key: str, resource: str, alias: str | None) -> None:
    """An alias needs a condition."""
    *_, statement = service_policy(access(kms_keys=frozenset({key})))["Statement"]
    assert statement["Action"] == ["kms:GenerateDataKey", "kms:Decrypt"]
    assert statement["Resource"] == resource
    named = statement.get("Condition", {}).get("ForAnyValue:StringEquals", {}).get("kms:ResourceAliases")
    assert named == ([alias] if alias else None)


@pytest.mark.parametrize(
    ("region", "partition"),
    [("eu-central-1", "aws"), ("cn-northwest-1", "aws-cn"), ("us-gov-east-1", "aws-us-gov")],
)
def test_arns_have_the_regions_partition(region: str, partition: str) -> None:
    """Of buckets, objects and keys."""
    document = service_policy(access(region=region, kms_keys=frozenset({KEY_ID, "alias/a"})))
    resources = json.dumps([one["Resource"] for one in document["Statement"]])
    assert resources.count(f"arn:{partition}:") == resources.count("arn:") == 4


def test_wildcards_in_a_prefix_are_literal() -> None:
    objects, _ = service_policy(access(key_prefix="a*b?c$d"))["Statement"]
    assert objects["Resource"] == "arn:aws:s3:::media/a${*}b${?}c${$}d/*"


@pytest.fixture(
    params=[
        {},
        {"acls": True, "tags": True, "claims": True, "kms_keys": frozenset({KEY_ID})},
        {"multipart": False},
        {"verifies": True, "scans": True, "removes": True, "delete": False},
        {"claims": True, "verifies": True, "scans": True},
    ]
)
def document(request: pytest.FixtureRequest) -> Iterator[dict[str, Any]]:
    """Print policies of services that do more or less."""
    return iter([service_policy(access(**request.param))])


def findings(document: dict[str, Any]) -> list[str]:
    """Return what parliament finds wrong with a policy."""
    found = parliament.analyze_policy_string(json.dumps(document)).findings
    # Whoever may set a bucket's policy may give themselves the rest; `docs/bucket.md` says so.
    return [str(one) for one in found if one.issue != "RESOURCE_POLICY_PRIVILEGE_ESCALATION"]


def test_each_action_exists_and_goes_with_its_resource(document: Iterator[dict[str, Any]]) -> None:
    """By AWS's own list."""
    (printed,) = document
    assert findings(printed) == []
    objects, *_ = printed["Statement"]
    assert findings({**printed, "Statement": [{**objects, "Action": ["s3:PutObjects"]}]})
    assert findings({**printed, "Statement": [{**objects, "Action": ["s3:ListBucket"]}]})


@pytest.mark.parametrize("name", sorted(name for name, store in PROVIDERS.items() if store.iam))
def test_the_provisioners_policy_covers_the_stores_features(name: str, moto_server: S3Server) -> None:
    """Each action exists, and goes with a bucket."""
    printed = provisioner_policy(required(moto_server, provider=PROVIDERS[name]))
    assert findings(printed) == []
    with_queue = provisioner_policy(required(moto_server, provider=PROVIDERS[name], queue=QUEUE))
    assert findings(with_queue) == []
    queues = {resource: actions for resource, actions in allowed(with_queue).items() if ":sqs:" in resource}
    notifies = PROVIDERS[name].queue_notifications
    assert set(queues) == ({QUEUE.arn, f"{QUEUE.arn}-dead"} if notifies else set())
    assert ("s3:PutBucketNotification" in actions_of(with_queue)) is notifies
    has = PROVIDERS[name].public_access_block
    assert ("s3:PutBucketPublicAccessBlock" in actions_of(printed)) is has


MOTO_KNOWS: Final = (
    "s3:CreateBucket",
    "s3:GetBucketPolicy",
    "s3:PutBucketPolicy",
    "s3:GetBucketCORS",
    "s3:PutBucketCORS",
    "s3:GetLifecycleConfiguration",
    "s3:PutLifecycleConfiguration",
)
"""It takes requests for the rules that it has no name for as ones for the bucket."""


@pytest.mark.parametrize("missing", [None, *MOTO_KNOWS])
async def test_applying_needs_each_right(moto_server: S3Server, missing: str | None) -> None:
    """Without one, its rule fails, and the others are made."""
    server = replace(moto_server, bucket=f"test-{uuid4().hex}")
    requirements = required(server)
    printed = without(provisioner_policy(requirements), missing)
    async with moto_user(server, with_head(printed)) as user, user.client() as client:
        done = states(await apply(client, requirements))
    refused = {rule for rule, state in done.items() if state in PROBLEMS}
    if missing is None:
        assert refused == set()
    elif missing == "s3:CreateBucket":
        assert done["bucket"] == "not allowed"
    else:
        rules = {"Policy": {"bucket-policy"}, "CORS": {"cors"}, "Lifecycle": {"lifecycle", "unclaimed"}}
        assert [refused] == [found for word, found in rules.items() if word in missing]


@pytest.mark.parametrize("missing", [None, "s3:GetBucketNotification", "s3:PutBucketNotification"])
async def test_setting_notifications_needs_each_right(moto_server: S3Server, missing: str | None) -> None:
    """Those on the bucket: moto does not know the actions of SQS by name."""
    requirements = required(moto_server, queue=new_queue(moto_server))
    printed = without(provisioner_policy(requirements), missing)
    async with queue_clients(moto_server) as queues:
        async with moto_server.client() as client:
            await apply(client, requirements, rules=["queue", "queue-policy"], queues=queues)
        async with moto_user(moto_server, with_head(printed)) as user, user.client() as client:
            done = await apply(client, requirements, rules=["notifications"], queues=queues)
    assert states(done) == {"notifications": "not allowed" if missing else "made"}

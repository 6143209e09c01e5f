"""Every fix that the doctor suggests works."""

from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

import pytest
from tests.support.doctor import ORIGIN, of_status, settings_of, traces
from tests.support.doctor_fixes import all_fixes
from tests.support.doctor_walks import (
    HEALTHY,
    Step,
    Walk,
    World,
    answering,
    as_told,
    bucket,
    bucket_apply,
    cors,
    environment,
    preflights,
    queue_answering,
    queued,
    s3,
    setting,
    storing,
    take,
    tls_front,
    with_private_webhook,
    with_queue,
)
from tests.support.fault_proxy import Answer, Cut, Exchange, Fault, Rule, fault_proxy, s3_error
from tests.support.servers import S3Server, free_port
from tests.support.sts import ROLE_ARN, assume_role

from uploadsvc.bootstrap.bucket import access_requirements
from uploadsvc.doctor import runner
from uploadsvc.doctor.checks import queue as queue_check
from uploadsvc.domain.queue_addresses import Queue
from uploadsvc.provisioning import iam
from uploadsvc.settings import Settings

DENIED: Final = s3_error(403, "AccessDenied", "Access Denied")
UNKNOWN: Final = s3_error(501, "NotImplemented", "A header implies functionality that is not implemented.")
SLOW: Final = s3_error(503, "SlowDown", "Please reduce your request rate.")
PAGE: Final = Answer(status=200, body=b"<html>Welcome</html>", headers={"Content-Type": "text/html"})
STORED: Final = Answer(status=200, headers={"ETag": '"0"'})
CORS: Final = f"cors:{ORIGIN}"
GOOD_REGION: Final = "eu-central-1"


INSPECTING: Final = setting(
    {"policies": {"default": {"verify_content": True, "available_when": "guardduty"}}}
)


def first_contact(fault: Fault) -> Rule:
    """Apply a fault to the first two requests: for the bucket, and for a list of its objects."""
    return lambda one: fault if one.method == "HEAD" or "list-type=2" in one.target else None


def canary(fault: Fault, header: str = "") -> Rule:
    """Apply a fault to every PUT of an object that has a header."""
    return lambda one: (
        fault
        if one.method == "PUT" and one.part_number is None and (not header or header in one.headers)
        else None
    )


def form(fault: Fault) -> Rule:
    """Apply a fault to every form."""
    return lambda one: fault if one.method == "POST" and "?" not in one.target else None


def about(name: str, fault: Fault) -> Rule:
    """Apply a fault to every request with this name in its address."""
    return lambda one: fault if name in one.target else None


def dated(minutes: float, status: int) -> Rule:
    """Answer a HEAD with a Date that is some minutes off."""
    told = format_datetime(datetime.now(UTC) + timedelta(minutes=minutes), usegmt=True)
    return lambda one: Answer(status=status, headers={"Date": told}) if one.method == "HEAD" else None


def too_skewed(one: Exchange) -> Fault | None:
    """Refuse the first requests, as if another clock had signed them, without a Date."""
    return first_contact(s3_error(403, "RequestTimeTooSkewed", "The difference is too large."))(one)


def elsewhere(named: str, *, status: int) -> Rule:
    """Answer for a bucket in `GOOD_REGION`, and name the region or not."""
    headers = {"x-amz-bucket-region": GOOD_REGION} if named else {"x-amz-request-id": "1"}

    def rule(one: Exchange) -> Fault | None:
        right = f"/{GOOD_REGION}/s3/" in one.headers.get("authorization", "")
        asked = one.method == "HEAD" or (one.method == "GET" and status != 200)
        return Answer(status=status, headers=headers) if asked and not right else None

    return rule


def no_sts(one: Exchange) -> Fault | None:
    """Answer for STS, which does not know the key."""
    code = (
        "<ErrorResponse><Error><Type>Sender</Type><Code>InvalidClientTokenId</Code></Error></ErrorResponse>"
    )
    return Answer(status=403, body=code.encode()) if one.method == "POST" and one.target == "/" else None


def session(policy: Callable[[World], str | None]) -> Step:
    """Use the key of a session whose rights a policy narrows."""

    async def step(world: World, _: str) -> None:
        key = await assume_role(world.server.endpoint_url, policy=policy(world))
        names = ("access_key_id", "secret_access_key", "session_token")
        world.set({"s3": {name: getattr(key, name) for name in names}})

    return step


def printed(world: World) -> str:
    """Return what ``uploadsvc iam-policy`` prints for these settings."""
    on_aws = {**world.settings, "s3": {**world.settings["s3"], "provider": "minio"}}
    return str(iam.service_policy(access_requirements(Settings.model_validate(on_aws)))).replace("'", '"')


def nothing(_: World) -> str:
    """Return a policy that allows nothing on the bucket."""
    return (
        '{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": ["s3:GetObject"],'
        ' "Resource": ["arn:aws:s3:::elsewhere/*"]}]}'
    )


def late(when: str) -> Step:
    """Let the deadline pass once a request with this in its address was sent."""

    def step(world: World, _: str) -> None:
        def rule(one: Exchange) -> Fault | None:
            if when in one.target:
                world.patch.setattr(runner, "DEADLINE", 0)
            return None

        world.proxy.rule = rule

    return step


def in_time(world: World, _: str) -> None:
    """Let the store answer as soon as it does."""
    world.proxy.rule = lambda _: None
    world.patch.setattr(runner, "DEADLINE", 30.0)


async def empty(world: World, _: str) -> None:
    """Delete by hand what is in the bucket."""
    async with world.server.client() as client:
        for one in await traces(world.server):
            kind, key = one.split()
            if kind == "object":
                await client.delete_object(Bucket=world.server.bucket, Key=key)


def lifecycle(*rules: Mapping[str, Any]) -> Step:
    """Put these rules of others beside ours."""

    async def change(client: Any, name: str) -> None:  # noqa: ANN401 - a client of botocore
        present = (await client.get_bucket_lifecycle_configuration(Bucket=name))["Rules"]
        kept = [rule for rule in present if rule["ID"] != "theirs"]
        await client.put_bucket_lifecycle_configuration(
            Bucket=name, LifecycleConfiguration={"Rules": [*kept, *rules]}
        )

    return bucket(change)


def sqs(action: str, fault: Fault) -> Step:
    """Apply a fault to the calls of an action of SQS."""
    target = f"AmazonSQS.{action}"
    return queue_answering(
        lambda one: fault if one.headers.get("x-amz-target", "").startswith(target) else None
    )


async def fill(client: Any, queue: Queue) -> None:  # noqa: ANN401 - a client of botocore
    """Send messages that nobody reads."""
    for _ in range(2):
        await client.send_message(QueueUrl=queue.url, MessageBody="{}")


async def die(client: Any, queue: Queue) -> None:  # noqa: ANN401 - a client of botocore
    """Leave a dead letter."""
    await client.send_message(QueueUrl=queue.dead_letters.url, MessageBody="{}")


async def work(client: Any, queue: Queue) -> None:  # noqa: ANN401 - a client of botocore
    """Empty the queue, as workers do."""
    await client.purge_queue(QueueUrl=queue.url)


async def redrive(client: Any, queue: Queue) -> None:  # noqa: ANN401 - a client of botocore
    """Move dead letters back, as ``uploadsvc events redrive`` does."""
    await client.send_message(QueueUrl=queue.url, MessageBody="{}")
    await client.purge_queue(QueueUrl=queue.dead_letters.url)


def few(world: World, _: str) -> None:
    """Take one message for too many."""
    world.patch.setattr(queue_check, "MOST_WAITING", 1)


def soon(world: World, _: str) -> None:
    """Wait for canaries only shortly."""
    world.patch.setattr(queue_check, "ROUND", 0.1)


def long_enough(world: World, _: str) -> None:
    """Wait for canaries as long as the doctor does."""
    world.patch.setattr(queue_check, "ROUND", 3.0)


def key(name: str, *policies: str) -> dict[str, Any]:
    """Return an API key for policies."""
    return {"name": name, "sha256": sha256(name.encode()).hexdigest(), "policies": list(policies)}


THEIRS: Final[dict[str, Any]] = {
    "ID": "theirs",
    "Status": "Enabled",
    "Filter": {"Prefix": ""},
    "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 1},
}
PUT_ONLY: Final = setting({"policies": {"default": {"methods": ["put"]}}})
PARTS_ONLY: Final = setting({"policies": {"default": {"methods": ["multipart"]}}})
OVERWRITING: Final = setting({"policies": {"default": {"overwrite": True}}})
SESSIONS: Final = setting({"uppy": {"credentials": True, "role_arn": ROLE_ARN}})
NO_SESSIONS: Final = setting({"uppy": {"role_arn": None, "sts_endpoint_url": None}})
RECEIVER: Final = setting(
    lambda world: {
        "events": {
            "webhooks": [{"url": f"{world.proxy.url}/hook", "secrets": [f"whsec_{'A' * 32}"]}],
            "allow_private_addresses": True,
        }
    }
)
AT_THE_STORE: Final = setting(lambda world: {"s3": {"endpoint_url": world.proxy.url}})
AT_MOTO: Final = setting(lambda w: {"s3": {"endpoint_url": w.moto.endpoint_url, "bucket": w.moto.bucket}})
OWN_BUCKET: Final = setting(
    lambda w: {
        "s3": {"endpoint_url": w.server.endpoint_url, "bucket": w.server.bucket, "provider": "seaweedfs"}
    }
)
PUBLIC_PROXY: Final = setting(
    lambda w: {"s3": {"endpoint_url": w.server.endpoint_url, "public_endpoint_url": w.proxy.url}}
)
NO_PUBLIC: Final = s3(public_endpoint_url=None)
NO_TAGS: Final = Answer(
    status=200, body=b"<Tagging><TagSet/></Tagging>", headers={"Content-Type": "application/xml"}
)
MARKING: Final = setting({"policies": {"default": {"unclaimed_expires_in": 604_800}}})
NO_MARKING: Final = setting({"policies": {"default": {}}})
NO_KEY: Final = s3(access_key_id=None, secret_access_key=None, session_token=None)
OWN_KEY: Final = setting(
    lambda w: {
        "s3": {"access_key_id": w.server.access_key_id, "secret_access_key": w.server.secret_access_key}
    }
)
AT_ONE_BUCKET: Final = setting(
    lambda w: {
        "s3": {
            "endpoint_url": w.bound.endpoint_url,
            "bucket": w.bound.bucket,
            "public_endpoint_url": w.bound.endpoint_url.replace("localhost", "127.0.0.1"),
        }
    }
)
FRONT: Final = environment("AWS_CA_BUNDLE", lambda world: str(world.certificate))


async def at_another_store(world: World, _: str) -> None:
    """Send browsers to another store, which has a bucket of the same name."""
    await world.bound.create_bucket(world.server.bucket)
    world.set({"s3": {"public_endpoint_url": world.bound.endpoint_url}})


SQS_WELL: Final = queue_answering(lambda _: None)
NOT_ALLOWED: Final = Answer(status=403, body=b'{"__type": "com.amazonaws.sqs#AccessDenied"}')
AS_WORKER: Final = "run this with the credentials of uploadsvc events"
CREDENTIALS: Final = "check UPLOADSVC_S3__ACCESS_KEY_ID"
PROVIDER: Final = "set UPLOADSVC_S3__PROVIDER"
RIGHTS: Final = "grant these credentials the rights that uploadsvc iam-policy prints"
REFUSED: Final = "public_endpoint._refusal"
SESSION: Final = "temporary_credentials.session_findings"

WALKS: Final = (
    Walk("connection._credentials", CREDENTIALS, "credentials", (NO_KEY,), (OWN_KEY,)),
    Walk(
        "connection._credentials", CREDENTIALS, "credentials", (s3(secret_access_key="no" * 9),), (OWN_KEY,)
    ),
    Walk(
        "connection._credentials",
        CREDENTIALS,
        "credentials",
        (s3(provider="aws"), environment("AWS_ENDPOINT_URL_STS", lambda w: w.proxy.url), answering(no_sts)),
        (environment("AWS_ENDPOINT_URL_STS", lambda w: w.moto.endpoint_url),),
    ),
    Walk(
        "connection._credentials",
        "leave the access key out",
        "credentials",
        (session(lambda _: None),),
        (
            environment("AWS_ACCESS_KEY_ID", lambda w: w.server.access_key_id),
            environment("AWS_SECRET_ACCESS_KEY", lambda w: w.server.secret_access_key),
            NO_KEY,
        ),
    ),
    Walk("connection._endpoint", "look at", "endpoint", (answering(first_contact(SLOW)),), (HEALTHY,)),
    Walk("connection._clock", "set this", "clock", (answering(too_skewed),), (HEALTHY,)),
    Walk("connection._clock", "set this", "clock", (answering(dated(20, 403)),), (HEALTHY,)),
    Walk("connection._clock", "set this", "clock", (answering(dated(-2, 200)),), (HEALTHY,)),
    Walk(
        "connection._region",
        "set UPLOADSVC_S3__REGION={}",
        "region",
        (answering(elsewhere("header", status=301)),),
        (as_told,),
    ),
    Walk(
        "connection._region",
        "set UPLOADSVC_S3__REGION={}",
        "region",
        (answering(elsewhere("header", status=200)),),
        (as_told,),
    ),
    Walk(
        "connection._region",
        "set UPLOADSVC_S3__REGION to",
        "region",
        (answering(elsewhere("", status=301)),),
        (s3(region=GOOD_REGION),),
    ),
    Walk(
        "connection._bucket",
        "check UPLOADSVC_S3__BUCKET",
        "bucket",
        (s3(bucket="not-yet-there"),),
        (bucket_apply,),
    ),
    Walk("connection._bucket", RIGHTS, "bucket", (session(nothing),), (session(printed),)),
    Walk("contact._broken", "look at", "endpoint", (answering(first_contact(Cut())),), (HEALTHY,)),
    Walk(
        "contact._not_s3",
        "correct the proxy",
        "endpoint",
        (s3(provider="aws"), answering(lambda _: PAGE)),
        (HEALTHY,),
    ),
    Walk(
        "contact._not_s3",
        "set UPLOADSVC_S3__ENDPOINT_URL",
        "endpoint",
        (answering(lambda _: PAGE),),
        (setting(lambda w: {"s3": {"endpoint_url": w.server.endpoint_url}}),),
    ),
    Walk(
        "network.obstacle",
        "correct the host in",
        "endpoint",
        (s3(endpoint_url="http://s3.nowhere.invalid"),),
        (AT_THE_STORE,),
    ),
    Walk(
        "network.obstacle",
        "correct host and port",
        "endpoint",
        (setting(lambda _: {"s3": {"endpoint_url": f"http://127.0.0.1:{free_port()}"}}),),
        (AT_THE_STORE,),
    ),
    Walk(
        "network.obstacle",
        "set {} to the port where",
        "endpoint",
        (setting(lambda w: {"s3": {"endpoint_url": w.proxy.url.replace("http", "https")}}),),
        (AT_THE_STORE,),
    ),
    Walk(
        "network.obstacle",
        "set {} to a name",
        "endpoint",
        (setting(lambda w: {"s3": {"endpoint_url": w.tls}}),),
        (FRONT,),
    ),
    Walk(
        "runner._contact",
        "look at",
        "endpoint",
        (lambda w, _: w.patch.setattr(runner, "DEADLINE", 0),),
        (in_time,),
    ),
    Walk("runner._in_time", "look at", "canary:put", (late("?versioning"),), (in_time,)),
    Walk(
        "runner._rules",
        "look at",
        "lifecycle",
        (bucket_apply, answering(about("?lifecycle", Cut()))),
        (HEALTHY,),
    ),
    Walk(
        "runner._cleanup_finding",
        "delete everything",
        "cleanup",
        (
            PUT_ONLY,
            answering(lambda one: DENIED if one.method == "DELETE" and "canary.txt" in one.target else None),
        ),
        (empty, storing(allowed=False)),
        "canary:put",
    ),
    Walk(
        "public_endpoint._misplaced",
        "set UPLOADSVC_S3__PUBLIC_ADDRESSING_STYLE",
        "public-endpoint",
        (AT_ONE_BUCKET,),
        (as_told,),
    ),
    Walk(
        "public_endpoint._misplaced",
        "set UPLOADSVC_S3__PUBLIC_ENDPOINT_URL",
        "public-endpoint",
        (at_another_store,),
        (setting(lambda w: {"s3": {"public_endpoint_url": w.proxy.url}}),),
    ),
    Walk(
        "public_endpoint._mixed",
        "set UPLOADSVC_S3__PUBLIC_ENDPOINT_URL",
        "public-endpoint",
        (FRONT, s3(public_endpoint_url="http://store.invalid")),
        (setting(lambda w: {"s3": {"public_endpoint_url": w.tls}}),),
    ),
    Walk(
        REFUSED,
        "make sure",
        "public-endpoint",
        (setting(lambda _: {"s3": {"public_endpoint_url": f"http://localhost:{free_port()}"}}),),
        (setting(lambda w: {"s3": {"public_endpoint_url": w.proxy.url}}),),
    ),
    Walk(
        REFUSED,
        "let the proxy",
        "public-endpoint",
        (PUBLIC_PROXY, answering(lambda _: s3_error(403, "SignatureDoesNotMatch", "No."))),
        (NO_PUBLIC,),
    ),
    Walk(
        REFUSED,
        "check UPLOADSVC_S3__PUBLIC_ADDRESSING_STYLE",
        "public-endpoint",
        (PUBLIC_PROXY, s3(public_addressing_style="bucket_endpoint")),
        (s3(public_addressing_style="path"),),
    ),
    Walk(
        REFUSED,
        "check what answers",
        "public-endpoint",
        (PUBLIC_PROXY, answering(lambda _: PAGE)),
        (HEALTHY,),
    ),
    Walk(
        "bucket_rules.with_rule",
        "the bucket's rule",
        CORS,
        (bucket_apply, PUBLIC_PROXY, preflights(DENIED)),
        (preflights(None),),
    ),
    Walk("bucket_rules.rule_finding", "run uploadsvc bucket apply", "lifecycle", (), (bucket_apply,)),
    Walk(
        "bucket_rules.rule_finding",
        "change or remove",
        "lifecycle",
        (bucket_apply, lifecycle(THEIRS)),
        (lifecycle(),),
    ),
    Walk(
        "bucket_rules.rule_finding",
        "look at",
        "lifecycle",
        (bucket_apply, answering(about("?lifecycle", s3_error(500, "InternalError", "No.")))),
        (HEALTHY,),
    ),
    Walk(
        "bucket_rules.rule_finding",
        "to see it too",
        "lifecycle",
        (bucket_apply, answering(about("?lifecycle", DENIED))),
        (HEALTHY,),
    ),
    Walk(
        "capabilities._signatures",
        "LocalStack",
        "signatures",
        (AT_MOTO, s3(provider="localstack")),
        (OWN_BUCKET,),
    ),
    Walk("capabilities._signatures", "let the store", "signatures", (AT_MOTO,), (OWN_BUCKET,)),
    Walk(
        "capabilities._signatures",
        "use a store",
        "signatures",
        (answering(canary(STORED, "x-amz-meta-not-signed")),),
        (HEALTHY,),
    ),
    Walk(
        "capabilities._conditional_writes",
        PROVIDER,
        "conditional-writes",
        (answering(canary(STORED, "if-none-match")),),
        (as_told,),
    ),
    Walk(
        "capabilities._conditional_writes",
        PROVIDER,
        "conditional-writes",
        (OVERWRITING, answering(canary(STORED, "if-none-match"))),
        (as_told,),
    ),
    Walk(
        "capabilities._checksums",
        PROVIDER,
        "checksums",
        (answering(canary(STORED, "x-amz-checksum-crc32c")),),
        (as_told,),
    ),
    Walk(
        "capabilities._checksums",
        PROVIDER,
        "checksums",
        (
            setting({"policies": {"default": {"checksum": "off"}}}),
            answering(canary(STORED, "x-amz-checksum-crc32c")),
        ),
        (as_told,),
    ),
    Walk(
        "capabilities._claims",
        "remove unclaimed_expires_in",
        "claims",
        (MARKING, answering(about("?tagging", NO_TAGS))),
        (NO_MARKING, bucket_apply),
    ),
    Walk(
        "capabilities._claims",
        "grant these credentials the rights that uploadsvc iam-policy prints",
        "claims",
        (MARKING, answering(about("?tagging", DENIED))),
        (HEALTHY,),
    ),
    Walk(
        "inspection.inspection_findings",
        "let these credentials read objects and their tags",
        "inspection",
        (INSPECTING, answering(about("tagging", DENIED))),
        (answering(lambda _: None),),
    ),
    Walk("cors._origin", "run", CORS, (), (bucket_apply,)),
    Walk(
        "cors._origin",
        "run",
        CORS,
        (bucket_apply, cors(AllowedHeaders=["content-type", "if-none-match"])),
        (bucket_apply,),
    ),
    Walk(
        "cors.with_forms",
        "run",
        CORS,
        (
            bucket_apply,
            cors(ExposeHeaders=["ETag"]),
            answering(form(Answer(status=204, headers={"Location": "http://127.0.0.1/key"}))),
        ),
        (bucket_apply, HEALTHY),
        "canary:post",
    ),
    Walk(
        "cors._foreign",
        "name the origins",
        "cors-others",
        (bucket_apply, cors(AllowedOrigins=["*"])),
        (cors(AllowedOrigins=[ORIGIN]),),
    ),
    Walk(
        SESSION,
        "set UPLOADSVC_UPPY__ROLE_ARN",
        "uppy-credentials",
        (setting({"uppy": {"credentials": True, "role_arn": "arn:aws:iam::000000000000:role/nobody"}}),),
        (SESSIONS,),
    ),
    Walk(
        SESSION,
        "grant the role",
        "uppy-credentials",
        (SESSIONS, answering(lambda one: DENIED if "/uploads/uploadsvc-doctor-" in one.target else None)),
        (HEALTHY,),
    ),
    Walk(
        SESSION,
        "set UPLOADSVC_UPPY__CREDENTIALS=false",
        "uppy-credentials",
        (SESSIONS, answering(lambda one: STORED if "-session?" in one.target else None)),
        (as_told, NO_SESSIONS),
    ),
    Walk(
        "uploads._method",
        "set UPLOADSVC_S3__PUBLIC_ENDPOINT_URL",
        "canary:multipart",
        (AT_ONE_BUCKET, PARTS_ONLY, storing(allowed=False)),
        (s3(public_addressing_style="bucket_endpoint"),),
    ),
    Walk(
        "uploads._method", PROVIDER, "canary:put", (answering(canary(UNKNOWN, "if-none-match")),), (as_told,)
    ),
    Walk(
        "uploads._method",
        "let these credentials delete",
        "canary:put",
        (AT_MOTO, storing(allowed=False)),
        (storing(allowed=True),),
    ),
    Walk("uploads._method", "look at", "canary:put", (PUT_ONLY, answering(canary(Cut()))), (HEALTHY,)),
    Walk(
        "uploads._method",
        "{}if the store takes no forms",
        "canary:post",
        (answering(form(DENIED)),),
        (as_told,),
    ),
    Walk(
        "uploads._method",
        f"{RIGHTS}, and check what the bucket policy denies",
        "canary:put",
        (PUT_ONLY, session(nothing)),
        (session(printed),),
    ),
    Walk(
        "uploads._method",
        f"{RIGHTS}, and check what the bucket policy denies;",
        "canary:put",
        (PUT_ONLY, s3(provider="generic"), answering(canary(DENIED))),
        (HEALTHY,),
    ),
    Walk(
        "uploads._method",
        "let the store accept it",
        "canary:multipart",
        (answering(lambda one: UNKNOWN if one.method == "POST" and "?uploads" in one.target else None),),
        (as_told,),
    ),
    Walk(
        "uploads._policy",
        "change UPLOADSVC_POLICIES__",
        "policy:default",
        (
            setting({"policies": {"default": {"tags": {"a": "b"}}}}),
            answering(lambda one: DENIED if "x-amz-tagging" in one.headers else None),
        ),
        (setting({"policies": {"default": {}}}),),
    ),
    Walk(
        "uploads._policy",
        "configure who may call",
        "policy:default",
        (setting({"auth": {"jwt": {}}}),),
        (setting({"auth": {"api_keys": [key("billing", "default")]}}),),
    ),
    Walk(
        "uploads._policy",
        "list it under",
        "policy:other",
        (
            setting({"policies": {"default": {}, "other": {}}}),
            setting({"auth": {"jwt": {}, "api_keys": [key("billing", "default")]}}),
        ),
        (setting({"auth": {"api_keys": [key("billing", "default", "other")]}}),),
    ),
    Walk(
        "uploads.etag_finding",
        "run uploadsvc bucket apply",
        "etag",
        (bucket_apply, cors(ExposeHeaders=["Location"])),
        (bucket_apply,),
    ),
    Walk(
        "cors.with_forms",
        "run",
        CORS,
        (bucket_apply, cors(ExposeHeaders=["ETag"]), answering(form(Answer(status=204, readable=False)))),
        (bucket_apply, HEALTHY),
        "canary:post",
    ),
    Walk(
        "uploads.etag_finding",
        "run uploadsvc bucket apply",
        "etag",
        (
            bucket_apply,
            cors(ExposeHeaders=["ETag"]),
            PUT_ONLY,
            answering(canary(replace(STORED, readable=False))),
        ),
        (bucket_apply, HEALTHY),
    ),
    Walk(
        "webhooks._finding",
        "give the receiver a public address",
        "webhook:",
        (with_private_webhook,),
        (as_told,),
    ),
    Walk(
        "webhooks._sent",
        "find the cause in the receiver's log",
        "delivery:",
        (RECEIVER, answering(lambda one: Answer(status=500) if one.target == "/hook" else None)),
        (answering(lambda one: Answer(status=204) if one.target == "/hook" else None),),
    ),
    Walk(
        "queue.queue_findings",
        "look at",
        "queue",
        (with_queue, sqs("", Cut())),
        (SQS_WELL,),
    ),
    Walk(
        "queue.events", "start uploadsvc events", "events", (with_queue, queued(fill), few), (queued(work),)
    ),
    Walk(
        "queue.events",
        AS_WORKER,
        "events",
        (with_queue, sqs("ReceiveMessage", NOT_ALLOWED)),
        (SQS_WELL,),
    ),
    Walk(
        "queue._timed",
        "stop uploadsvc events",
        "events",
        # Another reader takes every message.
        (with_queue, sqs("ReceiveMessage", Answer(status=200, body=b"{}")), soon),
        (SQS_WELL, long_enough),
    ),
    Walk(
        "queue.dead_letters",
        AS_WORKER,
        "dead-letters",
        (with_queue, sqs("GetQueueUrl", NOT_ALLOWED)),
        (SQS_WELL,),
    ),
    Walk(
        "queue.dead_letters",
        "find the cause",
        "dead-letters",
        (with_queue, queued(die)),
        (queued(redrive),),
    ),
)


@pytest.fixture
async def world(
    sts_s3: S3Server,
    bound_s3: S3Server,
    moto_server: S3Server,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> AsyncIterator[World]:
    """Give a deployment that works, and stores in which to break it."""
    server = replace(sts_s3, bucket=await sts_s3.create_bucket())
    certificate = tmp_path / "authority.pem"
    async with (
        fault_proxy(server.endpoint_url) as proxy,
        fault_proxy(moto_server.endpoint_url) as sqs,
        tls_front(server.endpoint_url, certificate) as tls,
    ):
        yield World(
            server=server,
            bound=bound_s3,
            moto=moto_server,
            proxy=proxy,
            sqs=sqs,
            tls=tls,
            certificate=certificate,
            settings=settings_of(replace(server, endpoint_url=proxy.url), cors={"allow_origins": [ORIGIN]}),
            patch=monkeypatch,
        )


@pytest.mark.parametrize("walk", WALKS, ids=lambda walk: f"{walk.place}: {walk.fix[:30]}")
async def test_a_fix_leads_to_a_state_that_works(world: World, walk: Walk) -> None:
    """The finding appears, and is gone once its fix is followed; nothing else needs one."""
    await take(walk.broken, world)
    checks = {walk.check, walk.also or walk.check}
    before = await world.examine(*checks)
    finding = before.get(walk.check) or next(
        one for name, one in before.items() if name.startswith(walk.check)
    )
    assert walk.named().matches(finding.mend), finding
    await take(walk.mended, world, finding.mend)
    after = await world.examine(*checks)
    assert of_status(after, "failed", "warning") == set(), after
    assert [one for one in after.values() if one.mend or one.because] == []


def test_every_fix_of_the_doctor_is_followed() -> None:
    """Each place that makes a finding, as often as it makes one with this fix."""
    walked = Counter(walk.named() for walk in WALKS)
    assert walked == Counter(all_fixes())

"""What nobody has claimed has a tag in the store, and a claim takes off that tag alone."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final

import httpx
import pytest
from tests.support.servers import S3Server
from tests.support.service import JWT_SECRET, service_client, settings_for
from tests.support.transfers import create, post, put

if TYPE_CHECKING:
    from types_aiobotocore_s3 import S3Client

API_KEY: Final = "the API key of a backend"
CONTENT: Final = b"hello, bytes"
WEEK: Final = 604_800
MARK: Final = {"uploadsvc-state": "unclaimed"}
POLICIES: Final[dict[str, dict[str, Any]]] = {
    "claimed": {"unclaimed_expires_in": WEEK, "tags": {"team": "media lab"}, "unsized_multipart": True},
    "alone": {"unclaimed_expires_in": WEEK},
    "backend": {
        "unclaimed_expires_in": WEEK,
        "claim": "backend",
        "client_keys": True,
        "client_keys_prefix": "mine",
        "overwrite": True,
    },
}


@pytest.fixture(params=["seaweedfs", "localstack"])
def store(request: pytest.FixtureRequest) -> S3Server:
    """Run a test on each store."""
    server = request.getfixturevalue(request.param)
    assert isinstance(server, S3Server)
    return server


@pytest.fixture
async def s3(store: S3Server) -> S3Server:
    """Give a test a bucket of its own."""
    return replace(store, bucket=await store.create_bucket())


@pytest.fixture
async def api(s3: S3Server) -> AsyncIterator[httpx.AsyncClient]:
    """Call the service as alice."""
    key = {"name": "backend", "sha256": sha256(API_KEY.encode()).hexdigest()}
    auth = {"jwt": {"secret": JWT_SECRET}, "api_keys": [key]}
    async with service_client(settings_for(s3, policies=POLICIES, auth=auth)) as client:
        yield client


@pytest.fixture
async def admin(s3: S3Server) -> "AsyncIterator[S3Client]":
    """Look at the bucket as its operator."""
    async with s3.client() as client:
        yield client


async def tags(admin: "S3Client", s3: S3Server, key: str, version: str | None = None) -> dict[str, str]:
    """Return an object's tags."""
    named: dict[str, Any] = {} if version is None else {"VersionId": version}
    found = await admin.get_object_tagging(Bucket=s3.bucket, Key=key, **named)
    return {tag["Key"]: tag["Value"] for tag in found["TagSet"]}


async def uploaded(api: httpx.AsyncClient, http: httpx.AsyncClient, **request: object) -> dict[str, Any]:
    """Upload by PUT."""
    upload = await create(api, size=len(CONTENT), **request)
    assert (await put(http, upload, CONTENT)).status_code == 200
    return upload


async def completed(api: httpx.AsyncClient, upload: dict[str, Any]) -> str:
    """Complete an upload; return its receipt."""
    done = await api.post(f"/v1/uploads/{upload['id']}/complete")
    assert done.status_code == 200, done.text
    return str(done.json()["receipt"])


async def claim(api: httpx.AsyncClient, user: str | None = None, **body: str) -> httpx.Response:
    """Claim as a backend, for a user if there is one."""
    headers = {"X-API-Key": API_KEY} | ({} if user is None else {"X-On-Behalf-Of": user})
    request = api.build_request("POST", "/v1/objects/claim", json=body, headers=headers)
    del request.headers["Authorization"]
    return await api.send(request)


async def test_every_method_carries_the_tag_until_completion(
    api: httpx.AsyncClient, http: httpx.AsyncClient, admin: "S3Client", s3: S3Server
) -> None:
    """Beside the policy's own, which stays; the store refuses an upload without the tag."""
    theirs = {"team": "media lab"}
    upload = await create(api, size=len(CONTENT), policy="claimed")
    for tagging in (None, "team=media%20lab"):
        refused = await put(http, upload, CONTENT, headers={"x-amz-tagging": tagging})
        assert refused.status_code == 403
    uploads = [await uploaded(api, http, policy="claimed")]
    parts = await create(api, size=len(CONTENT), policy="claimed", method="multipart")
    await put(http, parts["parts"][0], CONTENT)
    if s3.name == "localstack":
        by_form = await create(api, policy="claimed", method="post", size=len(CONTENT))
        assert (await post(http, by_form, CONTENT)).is_success
        uploads.append(by_form)
    for upload in uploads:
        assert await tags(admin, s3, upload["key"]) == theirs | MARK
    for upload in (*uploads, parts):
        for _ in range(2):
            assert await completed(api, upload)
            assert await tags(admin, s3, upload["key"]) == theirs


async def test_uppys_signed_requests_carry_the_tag(
    api: httpx.AsyncClient, http: httpx.AsyncClient, admin: "S3Client", s3: S3Server
) -> None:
    """No completion follows, so a backend claims by the key. A bare URL cannot carry it."""
    asked = {"key": "a.txt", "policy": "claimed", "contentType": "text/plain"}
    begun = (await api.post("/uppy/sign", json={**asked, "method": "POST"})).json()
    answer = await http.post(begun["url"], headers=begun["headers"])
    upload_id = answer.text.partition("<UploadId>")[2].partition("<")[0]
    found = {"Bucket": s3.bucket, "Key": begun["key"], "UploadId": upload_id}
    part = await admin.upload_part(**found, PartNumber=1, Body=CONTENT)
    await admin.complete_multipart_upload(
        **found,
        MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]},
    )
    assert await tags(admin, s3, begun["key"]) == {"team": "media lab"} | MARK
    assert (await claim(api, "alice", key=begun["key"])).status_code == 200
    assert await tags(admin, s3, begun["key"]) == {"team": "media lab"}
    bare = await api.get("/uploads", params={"policy": "claimed", "size": 5})
    assert bare.json()["code"] == "method_not_available"


async def test_a_scanners_tag_stays(
    api: httpx.AsyncClient, http: httpx.AsyncClient, admin: "S3Client", s3: S3Server
) -> None:
    upload = await uploaded(api, http, policy="alone")
    scanned = {"GuardDutyMalwareScanStatus": "NO_THREATS_FOUND"}
    both: Any = [{"Key": name, "Value": value} for name, value in {**MARK, **scanned}.items()]
    await admin.put_object_tagging(Bucket=s3.bucket, Key=upload["key"], Tagging={"TagSet": both})
    await completed(api, upload)
    assert await tags(admin, s3, upload["key"]) == scanned


async def test_claims_at_the_same_time_all_succeed(
    api: httpx.AsyncClient, http: httpx.AsyncClient, admin: "S3Client", s3: S3Server
) -> None:
    upload = await uploaded(api, http, policy="backend")
    receipt = await completed(api, upload)
    assert await tags(admin, s3, upload["key"]) == MARK
    answers = await asyncio.gather(
        *(claim(api, receipt=receipt) for _ in range(3)),
        *(claim(api, "alice", key=upload["key"]) for _ in "ab"),
    )
    assert {answer.status_code for answer in answers} == {200}
    assert {answer.json()["object"]["key"] for answer in answers} == {upload["key"]}
    assert await tags(admin, s3, upload["key"]) == {}


async def test_with_versions_a_receipt_claims_its_own(
    api: httpx.AsyncClient, http: httpx.AsyncClient, admin: "S3Client", s3: S3Server
) -> None:
    """Even after the object was replaced by the same bytes, and after it was deleted."""
    await admin.put_bucket_versioning(Bucket=s3.bucket, VersioningConfiguration={"Status": "Enabled"})
    fields = {"policy": "backend", "relative_key": "a.txt"}
    receipts = [await completed(api, await uploaded(api, http, **fields)) for _ in "ab"]
    key = "uploads/alice/mine/a.txt"
    listed = await admin.list_object_versions(Bucket=s3.bucket, Prefix=key)
    newer, older = (
        one["VersionId"] for one in sorted(listed["Versions"], key=lambda one: not one["IsLatest"])
    )
    assert (await claim(api, receipt=receipts[0])).json()["object"]["version_id"] == older
    assert await tags(admin, s3, key, older) == {}
    assert await tags(admin, s3, key, newer) == MARK
    await admin.delete_object(Bucket=s3.bucket, Key=key)
    assert (await claim(api, "alice", key=key)).status_code == 404
    assert (await claim(api, receipt=receipts[1])).status_code == 200
    assert await tags(admin, s3, key, newer) == {}
    await admin.delete_object(Bucket=s3.bucket, Key=key, VersionId=older)
    assert (await claim(api, receipt=receipts[0])).status_code == 404

"""Objects on real S3 servers carry the claims of their uploads, whatever the method."""

from typing import Any, Final

import httpx
from tests.support.servers import S3Server
from tests.support.service import SECRET_KEY, service_client, settings_for
from tests.support.transfers import create, post, put

from uploadsvc.domain.parts import MIB
from uploadsvc.tokens.object_claims import ObjectClaims

EVENTS: Final = {"push_secret": "the tests' own secret for notifications, 32 bytes or more"}
POLICIES: Final[dict[str, Any]] = {"open": {"unsized_multipart": True}}
NOTE: Final = b"note"


async def told(s3: S3Server, key: str) -> tuple[str, str, int]:
    """Return policy, method and maximum size that the object's own claims name."""
    async with s3.client() as client:
        answer = await client.head_object(Bucket=s3.bucket, Key=key)
    text = answer["Metadata"]["uploadsvc-claims"]
    claims = ObjectClaims([SECRET_KEY.encode()]).verify(text, bucket=s3.bucket, key=key)
    assert claims is not None
    return claims.policy, claims.method, claims.max_size


async def test_every_method_carries_the_claims(s3: S3Server, http: httpx.AsyncClient) -> None:
    settings = settings_for(s3, events=EVENTS, policies=POLICIES)
    async with service_client(settings) as api:
        one = await create(api, filename="é.txt", size=4)
        assert (
            await put(http, one, NOTE, headers={"x-amz-meta-uploadsvc-claims": "forged"})
        ).status_code == 403
        assert (await put(http, one, NOTE)).status_code == 200
        assert await told(s3, one["key"]) == ("default", "put", 4)

        form = await create(api, filename="é.txt", method="post", size=4)
        assert (await post(http, form, NOTE)).status_code in {200, 201, 204}
        assert await told(s3, form["key"]) == ("default", "post", 4)

        film = await create(api, method="multipart", size=4)
        await http.put(film["parts"][0]["url"], content=NOTE)
        assert (await api.post(f"/v1/uploads/{film['id']}/complete")).status_code == 200
        assert await told(s3, film["key"]) == ("default", "multipart", 4)


async def test_a_multipart_upload_of_uppy_carries_the_claims(s3: S3Server, http: httpx.AsyncClient) -> None:
    """Though the service never hears of its end."""
    settings = settings_for(s3, events=EVENTS, policies=POLICIES)
    async with service_client(settings) as api:

        async def signed(method: str, **request: object) -> dict[str, Any]:
            asked = {"method": method, "policy": "open", "key": "film.mp4", **request}
            answer = (await api.post("/uppy/sign", json=asked)).json()
            assert isinstance(answer, dict)
            return answer

        begin = await signed("POST")
        created = await http.post(begin["url"], headers=begin["headers"])
        assert created.status_code == 200
        upload_id = created.text.partition("<UploadId>")[2].partition("<")[0]
        part = await signed("PUT", key=begin["key"], uploadId=upload_id, partNumber=1)
        etag = (await http.put(part["url"], content=b"x" * MIB)).headers["ETag"]
        end = await signed("POST", key=begin["key"], uploadId=upload_id)
        parts = f"<Part><PartNumber>1</PartNumber><ETag>{etag}</ETag></Part>"
        body = f"<CompleteMultipartUpload>{parts}</CompleteMultipartUpload>"
        done = await http.post(end["url"], content=body, headers=end["headers"])
        assert done.status_code == 200, done.text
        policy, method, _ = await told(s3, begin["key"])
        assert (policy, method) == ("open", "multipart")

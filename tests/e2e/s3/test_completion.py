"""Completion is verified, and a backend verifies its receipt offline."""

import gzip
from datetime import UTC, datetime, timedelta

import httpx
import pytest
from tests.support.receipt_tokens import claims_of
from tests.support.servers import S3Server
from tests.support.service import authorization, service_client, settings_for
from tests.support.transfers import create, post, put, stored

CONTENT = b"hello, bytes"


async def test_it_is_incomplete_until_the_bytes_are_there(
    api: httpx.AsyncClient, http: httpx.AsyncClient, user: str
) -> None:
    """First 409, then 200 as often as it is asked, each time for the same upload."""
    upload = await create(api, filename="a.txt", size=len(CONTENT))
    resource = f"/v1/uploads/{upload['id']}"
    before = await api.post(f"{resource}/complete")
    assert (before.status_code, before.json()["code"]) == (409, "upload_incomplete")
    assert (await api.get(resource)).json()["status"] == "pending"
    assert (await put(http, upload, CONTENT)).status_code == 200
    first, second = [await api.post(f"{resource}/complete") for _ in range(2)]
    assert (first.status_code, second.status_code) == (200, 200)
    facts, claims = first.json()["object"], claims_of(first.json()["receipt"])
    assert claims["sub"] == user
    assert (facts["key"], facts["size"], facts["content_type"]) == (upload["key"], len(CONTENT), "text/plain")
    for name in ("bucket", "key", "size", "content_type", "etag", "version_id", "checksum"):
        assert claims[name] == facts[name], name
    assert claims["policy"] == "default"
    assert claims["jti"] == claims_of(second.json()["receipt"])["jti"]
    # Callers may delete here, so its own URL could write again.
    assert first.json()["replaceable_until"] == upload["expires_at"]
    assert claims["replaceable_until"] == datetime.fromisoformat(upload["expires_at"]).timestamp()
    state = (await api.get(resource)).json()
    assert (state["status"], state["object"]["etag"]) == ("stored", facts["etag"])


@pytest.mark.parametrize(
    ("content", "content_type", "field"),
    [(b"more than was promised", "text/plain", "size"), (CONTENT, "text/html", "content_type")],
)
async def test_what_was_not_promised_is_not_verified(
    api: httpx.AsyncClient, s3: S3Server, content: bytes, content_type: str, field: str
) -> None:
    """Whoever else can write to the bucket: another size or type under the key gives no receipt."""
    upload = await create(api, filename="a.txt", content_type="text/plain", size=len(CONTENT))
    async with s3.client() as admin:
        await admin.put_object(Bucket=s3.bucket, Key=upload["key"], Body=content, ContentType=content_type)
    answer = await api.post(f"/v1/uploads/{upload['id']}/complete")
    assert (answer.status_code, answer.json()["code"]) == (422, "verification_failed")
    assert answer.json()["errors"][0]["field"] == field
    assert "receipt" not in answer.json()


@pytest.mark.parametrize("method", ["put", "post", "multipart"])
@pytest.mark.parametrize("filename", ["a.go", "a.gpx", "a.RSS", "a.xsd", "a.xht", "e.html", "no-extension"])
async def test_a_file_of_no_known_type_is_verified(
    api: httpx.AsyncClient, http: httpx.AsyncClient, s3: S3Server, filename: str, method: str
) -> None:
    """SeaweedFS guesses a type by the key in place of ``application/octet-stream``, so it gets S3's own."""
    upload = await create(
        api, filename=filename, content_type="application/octet-stream", size=len(CONTENT), method=method
    )
    if method == "put":
        assert (await put(http, upload, CONTENT)).status_code == 200
    elif method == "post":
        assert (await post(http, upload, CONTENT)).status_code in (200, 201, 204)
    else:
        assert (await http.put(upload["parts"][0]["url"], content=CONTENT)).status_code == 200
    done = await api.post(f"/v1/uploads/{upload['id']}/complete")
    assert done.status_code == 200, done.text
    kept = "binary/octet-stream" if s3.name == "seaweedfs" else "application/octet-stream"
    assert done.json()["object"]["content_type"] == kept


@pytest.mark.parametrize("method", ["put", "post", "multipart"])
async def test_a_compressed_file_is_stored_as_such(
    api: httpx.AsyncClient, http: httpx.AsyncClient, s3: S3Server, method: str
) -> None:
    """The encoding is signed, and what S3 says of it is compared."""
    body = gzip.compress(CONTENT)
    asked = {"policy": "compressed", "content_encoding": "gzip", "filename": "a.txt", "method": method}
    upload = await create(api, size=len(body), **asked)
    if method == "put":
        plain = {name: value for name, value in upload["headers"].items() if name != "Content-Encoding"}
        assert (await http.put(upload["url"], content=body, headers=plain)).status_code == 403
        assert (await put(http, upload, body)).status_code == 200
    elif method == "post":
        assert (await post(http, upload, body)).status_code in (200, 201, 204)
    else:
        assert (await http.put(upload["parts"][0]["url"], content=body)).status_code == 200
    done = await api.post(f"/v1/uploads/{upload['id']}/complete")
    assert done.status_code == 200, done.text
    download = (await api.post("/v1/downloads", json={"key": upload["key"]})).json()["url"]
    answer = await http.get(download)
    assert (answer.headers["content-encoding"], answer.content) == ("gzip", CONTENT)
    if method == "put":
        async with s3.client() as admin:
            await admin.put_object(
                Bucket=s3.bucket, Key=upload["key"], Body=body, ContentType="text/plain", ContentEncoding="br"
            )
        refused = await api.post(f"/v1/uploads/{upload['id']}/complete")
        assert (refused.status_code, refused.json()["errors"][0]["field"]) == (422, "content_encoding")


async def test_an_encoding_that_was_not_asked_for_is_not_verified(
    api: httpx.AsyncClient, http: httpx.AsyncClient
) -> None:
    """S3 takes and keeps it, because only headers that are signed must match."""
    upload = await create(api, filename="a.txt", size=len(CONTENT))
    assert (await put(http, upload, CONTENT, headers={"Content-Encoding": "br"})).status_code == 200
    answer = await api.post(f"/v1/uploads/{upload['id']}/complete")
    assert (answer.status_code, answer.json()["code"]) == (422, "verification_failed")
    assert answer.json()["errors"][0]["field"] == "content_encoding"


@pytest.mark.parametrize(("first", "second"), [("r/s", "r"), ("r/s/t", "r/s")])
async def test_a_key_that_is_a_folder_of_others_is_named(
    api: httpx.AsyncClient, http: httpx.AsyncClient, s3: S3Server, first: str, second: str
) -> None:
    """A store that keeps keys as paths takes it for a key that is used already."""
    await stored(api, http, CONTENT, policy="keys", relative_key=first)
    beside = await create(api, policy="keys", relative_key=f"{first}-2", size=len(CONTENT))
    assert (await api.post(f"/v1/uploads/{beside['id']}/complete")).json()["code"] == "upload_incomplete"
    for method in ("put", "multipart"):
        upload = await create(api, policy="keys", relative_key=second, size=len(CONTENT), method=method)
        if method == "put":
            sent = await put(http, upload, CONTENT)
            assert sent.status_code == (412 if s3.name == "seaweedfs" else 200)
        else:
            assert (await http.put(upload["parts"][0]["url"], content=CONTENT)).status_code == 200
        done = await api.post(f"/v1/uploads/{upload['id']}/complete")
        if s3.name == "seaweedfs":
            assert done.json()["code"] == "object_exists"
            assert "keeps keys as paths" in done.json()["detail"]


async def test_a_part_of_a_key_that_the_store_cannot_hold_is_refused(
    api: httpx.AsyncClient, http: httpx.AsyncClient, s3: S3Server
) -> None:
    """S3 itself has no such limit; the longest that SeaweedFS takes is stored."""
    longest = "é" * 127 + "x"
    await stored(api, http, CONTENT, policy="keys", relative_key=f"{longest}/{longest}")
    refused = await api.post(
        "/v1/uploads", json={"policy": "keys", "relative_key": f"a/{longest}x", "size": 1}
    )
    assert refused.status_code == (422 if s3.name == "seaweedfs" else 201)
    if s3.name == "seaweedfs":
        assert refused.json()["code"] == "invalid_key"
        assert "longer than 255 bytes" in refused.json()["detail"]


async def test_an_older_object_proves_nothing(
    api: httpx.AsyncClient, http: httpx.AsyncClient, s3: S3Server, user: str
) -> None:
    """Same key, size and type, but of another upload: pending, incomplete, until the new bytes are there."""
    key = f"uploads/{user}/replace/notes.txt"
    async with s3.client() as admin:
        await admin.put_object(Bucket=s3.bucket, Key=key, Body=b"older bytes!", ContentType="text/plain")
    upload = await create(
        api, policy="replace", relative_key="notes.txt", filename="notes.txt", size=len(CONTENT)
    )
    assert upload["key"] == key
    resource = f"/v1/uploads/{upload['id']}"
    assert (await api.get(resource)).json()["status"] == "pending"
    assert (await api.post(f"{resource}/complete")).json()["code"] == "upload_incomplete"
    assert (await put(http, upload, CONTENT)).status_code == 200
    done = await api.post(f"{resource}/complete")
    assert done.status_code == 200


async def test_a_policy_cannot_reach_the_objects_of_another(
    api: httpx.AsyncClient, http: httpx.AsyncClient, user: str
) -> None:
    """Not even the same user can, who may overwrite: the object stays as it was verified."""
    upload = await create(api, filename="a.txt", size=len(CONTENT))
    assert (await put(http, upload, CONTENT)).status_code == 200
    relative_key = upload["key"].removeprefix(f"uploads/{user}/")
    for policy in ("keys", "replace"):
        body = {"policy": policy, "relative_key": relative_key, "size": len(CONTENT)}
        answer = await api.post("/v1/uploads", json=body)
        if policy == "keys":
            assert (answer.status_code, answer.json()["code"]) == (422, "invalid_key")
            assert answer.json()["errors"][0]["field"] == "relative_key"
        else:
            assert answer.json()["key"] == f"uploads/{user}/replace/{relative_key}"


async def test_the_later_of_two_uploads_to_one_key_is_the_one_that_counts(
    api: httpx.AsyncClient, http: httpx.AsyncClient
) -> None:
    """The earlier one's id no longer says ``stored``: its bytes are gone."""
    request = {"policy": "replace", "relative_key": "one", "size": len(CONTENT)}
    first, second = await create(api, **request), await create(api, **request)
    for upload in (first, second):
        assert (await put(http, upload, CONTENT)).status_code == 200
        assert (await api.post(f"/v1/uploads/{upload['id']}/complete")).status_code == 200
    assert (await api.get(f"/v1/uploads/{first['id']}")).json()["status"] == "pending"


async def test_a_key_of_ones_own_is_not_overwritten(
    api: httpx.AsyncClient, http: httpx.AsyncClient, user: str
) -> None:
    """Without ``overwrite`` S3 itself refuses the second PUT, whichever upload it is of."""
    request = {"policy": "keys", "relative_key": "a/b", "size": len(CONTENT)}
    first, second = await create(api, **request), await create(api, **request)
    assert first["key"] == second["key"] == f"uploads/{user}/a/b"
    assert (await put(http, first, CONTENT)).status_code == 200
    assert (await put(http, second, CONTENT)).status_code == 412
    answer = await api.post(f"/v1/uploads/{second['id']}/complete")
    assert answer.json()["code"] == "upload_incomplete"
    forbidden = await api.post("/v1/uploads", json={**request, "overwrite": True})
    assert (forbidden.status_code, forbidden.json()["code"]) == (403, "forbidden")


async def test_overwriting_can_be_declined_where_it_is_allowed(
    api: httpx.AsyncClient, http: httpx.AsyncClient
) -> None:
    """``overwrite: false`` guards one upload of a policy that would replace."""
    request = {"policy": "replace", "relative_key": "c", "size": len(CONTENT)}
    assert (await put(http, await create(api, **request), CONTENT)).status_code == 200
    assert (await put(http, await create(api, **request), CONTENT)).status_code == 200
    no_overwrite = await create(api, **request, overwrite=False)
    assert (await put(http, no_overwrite, CONTENT)).status_code == 412


async def test_an_id_ends(s3: S3Server, http: httpx.AsyncClient) -> None:
    """After a day its id is 410, whatever S3 holds."""
    settings = settings_for(s3)
    async with service_client(settings) as api:
        upload = await create(api, size=len(CONTENT))
        assert (await put(http, upload, CONTENT)).status_code == 200
    async with service_client(settings, clock=lambda: datetime.now(UTC) + timedelta(hours=25)) as api:
        api.headers.update(authorization("alice", expires_in=26 * 3600))
        answer = await api.post(f"/v1/uploads/{upload['id']}/complete")
    assert (answer.status_code, answer.json()["code"]) == (410, "upload_expired")

"""Session credentials, and a public endpoint beside the internal one."""

from urllib.parse import urlsplit

import httpx
from tests.support.servers import S3Server, free_port
from tests.support.service import service_client, settings_for
from tests.support.transfers import content_of, create, post, put

CONTENT = b"hello, bytes"


async def test_credentials_of_a_session_sign(session_s3: S3Server, http: httpx.AsyncClient) -> None:
    """Their token is in the URL, and signed: without it, or with another, S3 refuses."""
    async with service_client(settings_for(session_s3)) as api:
        upload = await create(api, filename="a.txt", size=len(CONTENT))
        assert "X-Amz-Security-Token=" in upload["url"]
        name, _, rest = upload["url"].partition("&X-Amz-Security-Token=")
        without = {**upload, "url": name + "&" + rest.partition("&")[2]}
        assert (await put(http, without, CONTENT)).status_code == 403
        assert (await put(http, upload, CONTENT)).status_code == 200
        done = await api.post(f"/v1/uploads/{upload['id']}/complete")
        assert done.status_code == 200
        assert await content_of(api, http, upload["key"]) == CONTENT


async def test_a_form_of_a_session_has_its_token(session_s3: S3Server) -> None:
    """The field is there and has a condition; SeaweedFS itself takes no form of a session."""
    async with service_client(settings_for(session_s3)) as api:
        upload = await create(api, method="post")
        assert upload["fields"]["x-amz-security-token"] == session_s3.session_token


async def test_urls_name_the_public_endpoint(s3: S3Server, http: httpx.AsyncClient) -> None:
    """Browsers are sent to one name of the store, while the service itself asks another."""
    public = s3.endpoint_url.replace("127.0.0.1", "localhost")
    async with service_client(settings_for(s3, s3={"public_endpoint_url": public})) as api:
        upload = await create(api, filename="a.txt", size=len(CONTENT))
        form = await create(api, filename="b.txt", method="post")
        assert upload["url"].startswith(f"{public}/")
        assert form["url"].startswith(f"{public}/")
        assert (await put(http, upload, CONTENT)).status_code == 200
        assert (await post(http, form, CONTENT)).status_code in (200, 201, 204)
        for made in (upload, form):
            assert (await api.post(f"/v1/uploads/{made['id']}/complete")).status_code == 200
        download = (await api.post("/v1/downloads", json={"key": upload["key"]})).json()
        assert download["url"].startswith(f"{public}/")
        assert (await http.get(download["url"])).content == CONTENT


async def test_the_service_itself_never_asks_the_public_endpoint(
    s3: S3Server, http: httpx.AsyncClient
) -> None:
    """Nobody listens on the public one: all that the service asks still works, and only that."""
    public = f"http://127.0.0.1:{free_port()}"
    async with service_client(settings_for(s3, s3={"public_endpoint_url": public})) as api:
        assert (await api.get("/readyz")).status_code == 200
        upload = await create(api, size=len(CONTENT))
        assert urlsplit(upload["url"]).netloc == urlsplit(public).netloc
        async with s3.client() as admin:
            await admin.put_object(
                Bucket=s3.bucket,
                Key=upload["key"],
                Body=CONTENT,
                ContentType=upload["headers"]["Content-Type"],
            )
        assert (await api.post(f"/v1/uploads/{upload['id']}/complete")).status_code == 200
        internal = {**upload, "url": upload["url"].replace(public, s3.endpoint_url)}
        assert (await put(http, internal, CONTENT)).status_code == 403


async def test_an_address_of_the_bucket_alone_gets_urls_without_the_bucket(
    bound_s3: S3Server, http: httpx.AsyncClient
) -> None:
    """By each method; the store itself reads the bucket from the host, as for a custom domain."""
    public = bound_s3.endpoint_url.replace("localhost", "127.0.0.1")
    s3 = {"public_endpoint_url": public, "public_addressing_style": "bucket_endpoint"}
    async with service_client(settings_for(bound_s3, s3=s3)) as api:
        upload = await create(api, filename="a.txt", size=len(CONTENT))
        assert upload["url"].startswith(f"{public}/{upload['key']}?")
        assert (await put(http, upload, CONTENT)).status_code == 200
        form = await create(api, filename="b.txt", method="post")
        assert form["url"] == f"{public}/"
        assert (await post(http, form, CONTENT)).status_code in (200, 201, 204)
        film = await create(api, filename="c.txt", size=len(CONTENT), method="multipart")
        assert (await http.put(film["parts"][0]["url"], content=CONTENT)).status_code == 200
        for made in (upload, form, film):
            done = await api.post(f"/v1/uploads/{made['id']}/complete")
            assert done.status_code == 200, done.text
            assert await content_of(api, http, made["key"]) == CONTENT

"""A presigned form accepts a file within its size range, with exactly its fields."""

import base64
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from tests.support.servers import S3Server
from tests.support.service import service_client, settings_for
from tests.support.transfers import content_of, create, post

CONTENT = b"hello, bytes"
REFUSED = (400, 403)


async def form(api: httpx.AsyncClient, **request: object) -> dict[str, Any]:
    """Create an upload by form: 4 to 16 bytes of text, unless the request says otherwise."""
    upload = await create(
        api, **{"filename": "a.txt", "content_type": "text/plain", "policy": "ranged", **request}
    )
    assert upload["method"] == "post"
    return upload


@pytest.mark.parametrize("size", [4, 12, 16])
async def test_a_file_in_range_is_taken(api: httpx.AsyncClient, http: httpx.AsyncClient, size: int) -> None:
    """Both ends of the range count."""
    upload = await form(api)
    assert (await post(http, upload, b"x" * size)).status_code in (200, 201, 204)
    done = await api.post(f"/v1/uploads/{upload['id']}/complete")
    assert (done.json()["object"]["size"], done.json()["object"]["content_type"]) == (size, "text/plain")
    assert await content_of(api, http, upload["key"]) == b"x" * size


@pytest.mark.parametrize("size", [0, 3, 17])
async def test_a_file_out_of_range_is_refused(
    api: httpx.AsyncClient, http: httpx.AsyncClient, size: int
) -> None:
    """The policy's own sizes are in the signed range."""
    upload = await form(api)
    assert (await post(http, upload, b"x" * size)).status_code in REFUSED
    assert (await api.get(f"/v1/uploads/{upload['id']}")).json()["status"] == "pending"


@pytest.mark.parametrize(("size", "expected"), [(11, REFUSED), (12, (200, 201, 204)), (13, REFUSED)])
async def test_a_named_size_is_exact(
    api: httpx.AsyncClient, http: httpx.AsyncClient, size: int, expected: tuple[int, ...]
) -> None:
    """A form whose size was named takes that size alone."""
    upload = await form(api, method="post", size=12)
    assert (await post(http, upload, b"x" * size)).status_code in expected


@pytest.mark.parametrize(
    ("name", "value"), [("Content-Type", "text/html"), ("Content-Type", None), ("key", "uploads/other.txt")]
)
async def test_a_changed_field_is_refused(
    api: httpx.AsyncClient, http: httpx.AsyncClient, name: str, value: str | None
) -> None:
    """Every field has a condition of its own."""
    upload = await form(api)
    assert (await post(http, upload, CONTENT, fields={name: value})).status_code in REFUSED
    assert (await post(http, upload, CONTENT)).status_code in (200, 201, 204)


async def test_the_key_of_another_upload_is_refused(api: httpx.AsyncClient, http: httpx.AsyncClient) -> None:
    """A form is good for its own key, even below the same prefix."""
    upload, other = await form(api), await form(api)
    assert (await post(http, upload, CONTENT, fields={"key": other["key"]})).status_code in REFUSED
    assert (await api.get(f"/v1/uploads/{other['id']}")).json()["status"] == "pending"


async def test_an_expired_form_is_refused(s3: S3Server, http: httpx.AsyncClient) -> None:
    """Signed an hour ago for fifteen minutes."""
    settings = settings_for(s3, policies={"ranged": {"min_size": 4, "max_size": 16}})
    async with service_client(settings, clock=lambda: datetime.now(UTC) - timedelta(hours=1)) as api:
        upload = await form(api)
    assert (await post(http, upload, CONTENT)).status_code in REFUSED


async def test_a_form_can_be_replaced_for_as_long_as_it_lives(
    api: httpx.AsyncClient, http: httpx.AsyncClient
) -> None:
    """A form cannot be told not to overwrite; the completion says until when that matters."""
    upload = await form(api)
    await post(http, upload, CONTENT)
    first = (await api.post(f"/v1/uploads/{upload['id']}/complete")).json()
    assert first["replaceable_until"] == upload["expires_at"]
    assert (await post(http, upload, b"replaced")).status_code in (200, 201, 204)
    second = (await api.post(f"/v1/uploads/{upload['id']}/complete")).json()
    assert second["object"]["size"] == len(b"replaced")


async def test_a_false_signature_is_refused(strict_api: httpx.AsyncClient, http: httpx.AsyncClient) -> None:
    """The signature is the policy's own."""
    upload = await form(strict_api)
    assert (await post(http, upload, CONTENT, fields={"x-amz-signature": "0" * 64})).status_code == 403


async def test_an_edited_policy_is_refused(strict_api: httpx.AsyncClient, http: httpx.AsyncClient) -> None:
    """A wider range, a later end: whatever is edited, the signature no longer holds."""
    upload = await form(strict_api)
    policy = json.loads(base64.b64decode(upload["fields"]["policy"]))
    changed = [
        ["content-length-range", 0, 1024] if isinstance(condition, list) else condition
        for condition in policy["conditions"]
    ]
    assert changed != policy["conditions"]
    edited = base64.b64encode(json.dumps({**policy, "conditions": changed}).encode()).decode()
    assert edited != upload["fields"]["policy"]
    assert (await post(http, upload, CONTENT, fields={"policy": edited})).status_code == 403


async def test_a_field_that_is_not_listed_is_refused(
    strict_api: httpx.AsyncClient, http: httpx.AsyncClient
) -> None:
    """Nobody adds metadata of their own: a forged upload mark among it."""
    upload = await form(strict_api)
    for name in ("x-amz-meta-note", "x-amz-meta-uploadsvc-upload"):
        assert (await post(http, upload, CONTENT, fields={name: "forged"})).status_code == 403
    assert (await post(http, upload, CONTENT)).status_code in (200, 201, 204)


async def test_metadata_travels_in_a_form(api: httpx.AsyncClient, http: httpx.AsyncClient) -> None:
    """As they do in a PUT."""
    upload = await form(api, policy="notes", metadata={"note": "Grüße"})
    assert (await post(http, upload, CONTENT)).status_code in (200, 201, 204)
    done = await api.post(f"/v1/uploads/{upload['id']}/complete")
    assert done.json()["object"]["metadata"] == {"note": "Grüße", "source": "tests"}

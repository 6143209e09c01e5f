"""What a client does with the service's answers."""

from collections.abc import Mapping
from typing import Any

import httpx


async def create(api: httpx.AsyncClient, **request: object) -> dict[str, Any]:
    """Create an upload that is expected to be granted."""
    answer = await api.post("/v1/uploads", json=request)
    assert answer.status_code == 201, answer.text
    upload = answer.json()
    assert isinstance(upload, dict)
    return upload


async def put(
    http: httpx.AsyncClient,
    upload: Mapping[str, Any],
    content: bytes,
    *,
    headers: Mapping[str, str | None] | None = None,
) -> httpx.Response:
    """Send the bytes by PUT; ``headers`` replace those of the answer, or drop them by ``None``."""
    sent = {**upload["headers"], **(headers or {})}
    kept = {name: value for name, value in sent.items() if value is not None}
    return await http.put(upload["url"], content=content, headers=kept)


async def post(
    http: httpx.AsyncClient,
    upload: Mapping[str, Any],
    content: bytes,
    *,
    fields: Mapping[str, str | None] | None = None,
) -> httpx.Response:
    """Send the bytes as a form; ``fields`` replace or add to the answer's, or drop them by ``None``."""
    sent = {**upload["fields"], **(fields or {})}
    kept = {name: value for name, value in sent.items() if value is not None}
    return await http.post(upload["url"], data=kept, files={"file": ("file", content)})


async def stored(api: httpx.AsyncClient, http: httpx.AsyncClient, content: bytes, **request: object) -> str:
    """Upload by PUT and complete; give the key."""
    upload = await create(api, size=len(content), **request)
    assert (await put(http, upload, content)).status_code == 200
    assert (await api.post(f"/v1/uploads/{upload['id']}/complete")).status_code == 200
    return str(upload["key"])


async def content_of(api: httpx.AsyncClient, http: httpx.AsyncClient, key: str) -> bytes:
    """Read an object by a download URL."""
    download = await api.post("/v1/downloads", json={"key": key})
    answer = await http.get(download.json()["url"])
    assert answer.status_code == 200
    return answer.content

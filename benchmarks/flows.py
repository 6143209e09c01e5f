"""Complete uploads, as clients make them: create, send the bytes to S3, complete."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

import httpx

PART_SIZE: Final = 5 * 1024**2
"""Smallest part that S3 accepts."""

SMALL: Final = 64
PARTS: Final = 3

_UPLOADS: Final = "/v1/uploads"

Flow = Callable[[httpx.AsyncClient, httpx.AsyncClient], Awaitable[None]]
"""Makes one upload with a client of the service, signed in, and one of S3."""


async def put(service: httpx.AsyncClient, s3: httpx.AsyncClient) -> None:
    """Upload by PUT."""
    created = await _post(service, _UPLOADS, {"filename": "photo.jpg", "size": SMALL, "method": "put"})
    (await s3.put(created["url"], headers=created["headers"], content=b"x" * SMALL)).raise_for_status()
    await _post(service, f"{_UPLOADS}/{created['id']}/complete")


async def post_form(service: httpx.AsyncClient, s3: httpx.AsyncClient) -> None:
    """Upload by a form."""
    created = await _post(service, _UPLOADS, {"filename": "photo.jpg", "method": "post"})
    files = {"file": ("photo.jpg", b"x" * SMALL)}
    (await s3.post(created["url"], data=created["fields"], files=files)).raise_for_status()
    await _post(service, f"{_UPLOADS}/{created['id']}/complete")


async def multipart(service: httpx.AsyncClient, s3: httpx.AsyncClient) -> None:
    """Upload in parts."""
    size = PART_SIZE * (PARTS - 1) + SMALL
    created = await _post(service, _UPLOADS, {"filename": "film.mp4", "size": size, "method": "multipart"})
    for part in created["parts"]:
        sent = await s3.put(part["url"], headers=part["headers"], content=b"x" * part["size"])
        sent.raise_for_status()
    await _post(service, f"{_UPLOADS}/{created['id']}/complete")


async def abandoned(service: httpx.AsyncClient, _s3: httpx.AsyncClient) -> None:
    """Create a multipart upload, and cancel it."""
    asked = {"filename": "film.mp4", "size": PART_SIZE * PARTS, "method": "multipart"}
    created = await _post(service, _UPLOADS, asked)
    (await service.delete(f"{_UPLOADS}/{created['id']}")).raise_for_status()


async def listing(service: httpx.AsyncClient, _s3: httpx.AsyncClient) -> None:
    """List the user's objects."""
    (await service.get("/v1/objects")).raise_for_status()


async def _post(
    client: httpx.AsyncClient, path: str, body: Mapping[str, object] | None = None
) -> dict[str, Any]:
    answer = (await client.post(path, json=body)).raise_for_status()
    found: dict[str, Any] = answer.json()
    return found

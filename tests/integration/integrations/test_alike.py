"""Policies refuse the same requests for the same reasons in every integration."""

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final

import httpx
import pytest
from tests.support.servers import S3Server
from tests.support.service import service_client, settings_for

MIB: Final = 1024**2
POLICIES: Final[dict[str, dict[str, Any]]] = {
    "default": {},
    "sized": {"min_size": 5, "max_size": 7 * MIB},
    "images": {"content_types": ["image/*"]},
    "summed": {"checksum": "required"},
}


@dataclass(frozen=True, slots=True, kw_only=True)
class File:
    """A file to upload under a policy."""

    policy: str = "default"
    size: int = 100
    type: str = "video/mp4"


Integration = Callable[[httpx.AsyncClient, File], Awaitable[str]]


async def v1(api: httpx.AsyncClient, file: File) -> str:
    """Use `POST /v1/uploads`."""
    asked = {"filename": "a.mp4", "size": file.size, "content_type": file.type, "policy": file.policy}
    answer = await api.post("/v1/uploads", json=asked)
    return str(answer.json().get("code", "granted"))


async def batch(api: httpx.AsyncClient, file: File) -> str:
    """Use a batch with other uploads."""
    asked = {"filename": "a.mp4", "size": file.size, "content_type": file.type, "policy": file.policy}
    (result,) = (await api.post("/v1/uploads/batch", json={"uploads": [asked]})).json()["results"]
    return str(result.get("problem", {}).get("code", "granted"))


async def simple(api: httpx.AsyncClient, file: File) -> str:
    """Use `GET /uploads`."""
    query: dict[str, str | int] = {"filename": "a.mp4", "size": file.size, "content_type": file.type}
    answer = await api.get("/uploads", params={**query, "policy": file.policy})
    return str(answer.json().get("code", "granted"))


async def uppy_form(api: httpx.AsyncClient, file: File) -> str:
    """Use Companion's form, as Uppy does for single requests."""
    metadata = {"metadata[size]": str(file.size), "metadata[policy]": file.policy}
    answer = await api.get("/uppy/s3/params", params={"filename": "a.mp4", "type": file.type, **metadata})
    return str(answer.json().get("error", "granted"))


async def uppy_parts(api: httpx.AsyncClient, file: File) -> str:
    """Use Companion's multipart uploads, as Uppy does."""
    metadata = {"size": file.size, "policy": file.policy}
    asked = {"filename": "a.mp4", "type": file.type, "metadata": metadata}
    return str((await api.post("/uppy/s3/multipart", json=asked)).json().get("error", "granted"))


async def uppy_sign(api: httpx.AsyncClient, file: File) -> str:
    """Use signed requests, as an app's function for Uppy does."""
    asked = {"method": "PUT", "key": "a.mp4", "contentType": file.type, "size": file.size}
    answer = await api.post("/uppy/sign", json={**asked, "policy": file.policy})
    return str(answer.json().get("error", "granted"))


async def better_upload(api: httpx.AsyncClient, file: File) -> str:
    """Use Better Upload. It has five types of errors only, so the message tells the reason."""
    asked = {"name": "a.mp4", "size": file.size, "type": file.type}
    answer = await api.post("/better-upload", json={"route": file.policy, "files": [asked]})
    if answer.is_success:
        return "granted"
    message = answer.json()["error"]["message"].removeprefix("a.mp4: ")
    told = await api.post(
        "/v1/uploads",
        json={"filename": "a.mp4", "size": file.size, "content_type": file.type, "policy": file.policy},
    )
    assert message == told.json()["detail"]
    assert answer.status_code == told.status_code
    return str(told.json()["code"])


INTEGRATIONS: Final[tuple[Integration, ...]] = (
    *(v1, batch, simple),
    *(uppy_form, uppy_parts, uppy_sign, better_upload),
)


@pytest.fixture
async def api(moto_server: S3Server) -> AsyncIterator[httpx.AsyncClient]:
    """Serve an app that alice calls."""
    async with service_client(settings_for(moto_server, policies=POLICIES)) as client:
        yield client


@pytest.mark.parametrize("integration", INTEGRATIONS, ids=lambda integration: integration.__name__)
@pytest.mark.parametrize(
    ("file", "reason"),
    [
        (File(), "granted"),
        (File(type="video/webm;codecs=vp8,opus"), "granted"),
        (File(policy="sized", size=7 * MIB), "granted"),
        (File(policy="sized", size=7 * MIB + 1), "file_too_large"),
        (File(policy="sized", size=4), "file_too_small"),
        (File(size=6 * 1024**3), "file_too_large"),
        (File(policy="images", type="image/png"), "granted"),
        (File(policy="images"), "content_type_not_allowed"),
        (File(type="text/html"), "content_type_not_allowed"),
        (File(policy="images", type="image/svg+xml"), "content_type_not_allowed"),
        (File(type="no type"), "validation_error"),
        (File(policy="summed"), "checksum_required"),
        (File(policy="none"), "policy_not_found"),
    ],
    ids=str,
)
async def test_a_policy_refuses_alike_in_every_integration(
    api: httpx.AsyncClient, integration: Integration, file: File, reason: str
) -> None:
    assert await integration(api, file) == reason

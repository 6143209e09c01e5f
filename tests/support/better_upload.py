"""Requests of Better Upload's client, and its view of the responses."""

import json
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlsplit

import httpx

from uploadsvc.domain.parts import MIB

NOTE: Final = {"name": "note.txt", "size": 4, "type": "text/plain"}
FILM: Final = {"name": "film.mp4", "size": 11 * MIB, "type": "video/mp4"}
ETAG: Final = "9b2cf535f27731c974343645a3985328"
TYPES: Final = {"invalid_request", "too_many_files", "file_too_large", "invalid_file_type", "rejected"}
"""Those that the client's own types list, of those that a server gives."""


async def offer(
    api: httpx.AsyncClient,
    *files: Mapping[str, object],
    route: str = "default",
    headers: Mapping[str, str] | None = None,
    **more: object,
) -> httpx.Response:
    """Request the URLs of files; ``more`` are additional fields of the body."""
    headers = {"Content-Type": "application/json", **(headers or {})}
    # As escapes, with which JSON carries lone surrogates too.
    body = json.dumps({"route": route, "files": list(files), **more})
    return await api.post("/better-upload", content=body, headers=headers)


async def granted(
    api: httpx.AsyncClient,
    *files: Mapping[str, object],
    route: str = "default",
    headers: Mapping[str, str] | None = None,
    **more: object,
) -> dict[str, Any]:
    """Request the URLs of files; assert success."""
    answer = await offer(api, *files, route=route, headers=headers, **more)
    assert answer.status_code == 200, answer.text
    assert answer.headers["cache-control"] == "no-store"
    body: dict[str, Any] = answer.json()
    return body


async def begun(
    api: httpx.AsyncClient,
    file: Mapping[str, object] = FILM,
    *,
    route: str = "default",
    headers: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """Begin one file's multipart upload; ``id`` is that of the upload."""
    answer = await granted(api, file, route=route, headers=headers)
    (one,) = answer["multipart"]["files"]
    (upload_id,) = answer["metadata"]["ids"].values()
    return {**one, "id": upload_id}


def path_of(url: str) -> str:
    """Return a URL without its origin."""
    return urlsplit(url).path


async def send(one: Mapping[str, Any], *numbers: int, content: bytes | None = None) -> dict[int, str]:
    """Send parts to S3, by default all of them; return their ETags as the client reads them."""
    etags = {}
    async with httpx.AsyncClient(trust_env=False) as s3:
        for part in one["parts"]:
            if numbers and part["partNumber"] not in numbers:
                continue
            body = bytes(part["size"]) if content is None else content
            answer = (await s3.put(part["signedUrl"], content=body)).raise_for_status()
            etags[part["partNumber"]] = answer.headers["etag"].replace('"', "")
    return etags


def completion(etags: Mapping[int, str]) -> str:
    """Write the parts as the client does."""
    parts = "".join(
        f"<Part>\n    <ETag>{etag}</ETag>\n    <PartNumber>{number}</PartNumber>\n  </Part>"
        for number, etag in sorted(etags.items())
    )
    return f"\n<CompleteMultipartUpload>\n  {parts}\n</CompleteMultipartUpload>\n  "


async def complete(
    api: httpx.AsyncClient, one: Mapping[str, Any], etags: Mapping[int, str]
) -> httpx.Response:
    """Complete an upload as the client does, without a credential."""
    headers = {"Content-Type": "application/xml", "Authorization": ""}
    body = completion(etags)
    return await api.post(path_of(one["completeSignedUrl"]), content=body, headers=headers)


async def abort(api: httpx.AsyncClient, one: Mapping[str, Any]) -> httpx.Response:
    """Abort an upload as the client does."""
    return await api.delete(path_of(one["abortSignedUrl"]), headers={"Authorization": ""})


def assert_refused(answer: httpx.Response, type_: str, status: int, message: str | None = None) -> str:
    """Assert that a response is an error as the client reads it; return its message."""
    assert answer.headers["content-type"] == "application/json"
    body = answer.json()
    assert body.keys() == {"error"}
    assert body["error"].keys() == {"type", "message"}
    assert (body["error"]["type"], answer.status_code) == (type_, status), body
    told = body["error"]["message"]
    assert isinstance(told, str)
    assert told
    assert "\n" not in told
    if message is not None:
        assert told == message
    return told

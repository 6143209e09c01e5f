"""A service with objects, and its S3, without a network."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import httpx

from uploadsvc.client.connection import Connection
from uploadsvc.client.display import Lines

TIME: Final = "2026-11-23T12:00:00+00:00"


class Service:
    """A service with the objects of one user, and its S3.

    Attributes:
        prefix: Prefix of the user.
        contents: Objects by whole key.
        page: Objects on a page.
        calls: Requests so far.
        etag: Returns the ETag of an object with a key and content.
        answer: Answers S3's requests; by default with the whole object.
    """

    def __init__(self, contents: Mapping[str, bytes], *, prefix: str = "uploads/ann/") -> None:
        self.prefix = prefix
        self.contents = dict(contents)
        self.page = 1000
        self.calls: list[httpx.Request] = []
        self.etag: Callable[[str, bytes], str] = lambda key, _: f"e-{key}"
        self.answer: Callable[[httpx.Request, bytes], httpx.Response] = self._whole

    def handle(self, request: httpx.Request) -> httpx.Response:
        """Answer a request to either."""
        self.calls.append(request)
        query = request.url.params
        if request.url.host == "s3.example":
            key = query["key"]
            return self.answer(request, self.contents[key])
        if request.url.path == "/v1/objects":
            return self._listed(query)
        if request.url.path == "/v1/downloads":
            key = json.loads(request.content)["key"]
            return httpx.Response(
                201, json={"url": str(httpx.URL("https://s3.example/", params={"key": key}))}
            )
        if query["key"] not in self.contents:
            return httpx.Response(404, json={"code": "not_found", "detail": "There is no such object."})
        if request.method == "DELETE":
            del self.contents[query["key"]]
            return httpx.Response(204)
        return httpx.Response(200, json=self._object(query["key"]))

    def _listed(self, query: httpx.QueryParams) -> httpx.Response:
        start = self.prefix + query.get("prefix", "")
        keys = [
            key for key in sorted(self.contents) if key.startswith(start) and key > query.get("cursor", "")
        ]
        page = keys[: min(self.page, int(query["limit"]) if "limit" in query else 100)]
        cursor = page[-1] if len(page) < len(keys) else None
        return httpx.Response(200, json={"objects": [self._object(key) for key in page], "cursor": cursor})

    def _object(self, key: str) -> dict[str, Any]:
        content = self.contents[key]
        return {"key": key, "size": len(content), "etag": self.etag(key, content), "last_modified": TIME}

    def _whole(self, request: httpx.Request, content: bytes) -> httpx.Response:
        etag = self.etag(request.url.params["key"], content)
        return httpx.Response(200, stream=httpx.ByteStream(content), headers={"ETag": f'"{etag}"'})


def files_in(directory: Path) -> dict[str, bytes]:
    """Return all files, by their paths."""
    found = (path for path in directory.rglob("*") if path.is_file())
    return {str(path.relative_to(directory)): path.read_bytes() for path in found}


Connect = Callable[[Service], Connection]
LINES: Final = Lines(as_json=False, subject="key")

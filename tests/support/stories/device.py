"""A user's device: it has a file, and what somebody handed it."""

from collections.abc import Mapping
from typing import Any

import httpx
from tests.support.stories.second_service import Document


async def send(handed: Mapping[str, Any], filename: str, content: bytes) -> None:
    """Send a file to S3.

    Args:
        handed: A ``url``, with the ``headers`` of a PUT or the ``fields`` of a form.
        filename: The file's name.
        content: Its bytes.

    Raises:
        httpx.HTTPStatusError: S3 refused it.
    """
    async with httpx.AsyncClient(trust_env=False, timeout=30) as http:
        if "fields" in handed:
            answer = await http.post(
                handed["url"], data=handed["fields"], files={"file": (filename, content)}
            )
        else:
            answer = await http.put(handed["url"], headers=handed["headers"], content=content)
        answer.raise_for_status()


class Device:
    """A device that speaks to uploadsvc by itself, by an upload token.

    Args:
        document: The document of uploadsvc.
        base_url: Where it is.
        token: The token.
    """

    def __init__(self, *, document: Document, base_url: str, token: str) -> None:
        self._document = document
        self._base_url = base_url
        self._headers = {"Authorization": f"Bearer {token}"}

    async def call(self, operation_id: str, body: object = None, **parameters: str) -> httpx.Response:
        """Call an operation."""
        method, path = self._document.operation(operation_id, **parameters)
        async with httpx.AsyncClient(
            base_url=self._base_url, headers=self._headers, trust_env=False, timeout=30
        ) as http:
            return await http.request(method, path, json=body)

    async def upload(self, filename: str, content: bytes, **wanted: object) -> dict[str, Any]:
        """Create, send, complete; return what the service verified.

        Raises:
            httpx.HTTPStatusError: The service or S3 refused.
        """
        body = {"filename": filename, **wanted}
        created = (await self.call("createUpload", body)).raise_for_status().json()
        await send(created, filename, content)
        completed = await self.call("completeUpload", id=created["id"])
        done: dict[str, Any] = completed.raise_for_status().json()
        return done

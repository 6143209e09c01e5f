"""Where a scenario plays: services as it needs them, and requests that would be granted."""

from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any, Final

import httpx
import pytest
from tests.support.api import created, send_bare
from tests.support.contract.callers import AUTH
from tests.support.contract.document import Operation
from tests.support.servers import S3Server
from tests.support.service import service_client, settings_for

from uploadsvc.bootstrap.services import Clock, utc_now

POLICIES: Final = {
    "sized": {"min_size": 5, "max_size": 10},
    "images": {"content_types": ["image/*"]},
    "summed": {"checksum": "required"},
    "keyed": {"client_keys": True},
    "forms": {"methods": ["post"]},
}
UPPY: Final = {"credentials": True, "role_arn": "arn:aws:iam::123456789012:role/uploader"}
WITH_SESSIONS: Final = {"provider": "minio"}
"""A store of which we believe that it holds a session to its policy."""

BODIES: Final[dict[str, dict[str, Any]]] = {
    "createUpload": {"filename": "photo.jpg", "size": 5},
    "createUploads": {"uploads": [{"filename": "photo.jpg", "size": 5}, {"policy": "none"}]},
    "createToken": {"policies": ["default"]},
    "completeUpload": {"parts": None},
    "signParts": {"part_numbers": [1]},
    "signUppyRequest": {"method": "PUT", "key": "photo.jpg", "contentType": "image/jpeg"},
}
"""What each operation takes that takes a body, but for the one that names an object."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """What an operation is about.

    Attributes:
        id: An upload's id.
        key: An object's key.
    """

    id: str = "aGFuZGxl"
    key: str = "uploads/alice/no-such-object"


NOTHING: Final = Target()


def plain_settings(server: S3Server, **sections: object) -> dict[str, Any]:
    """Return settings that let every kind of caller in, and let them delete; ``sections`` replace some."""
    plain = {"auth": AUTH, "policies": POLICIES, "objects": {"delete": True}, "uppy": UPPY}
    s3 = sections.pop("s3", {})
    assert isinstance(s3, dict)
    return settings_for(server, s3={**WITH_SESSIONS, **s3}, **{**plain, **sections})


class Stage:
    """What one scenario plays with; the services that it opens are closed after it.

    Args:
        plain: A service in which nothing is wrong, alice calling; all scenarios share it.
        server: The S3 that works.
        patch: For what a scenario breaks.
        stack: What closes the services.
    """

    def __init__(
        self, plain: httpx.AsyncClient, server: S3Server, patch: pytest.MonkeyPatch, stack: AsyncExitStack
    ) -> None:
        self.plain = plain
        self.server = server
        self.patch = patch
        self._stack = stack

    async def service(
        self, server: S3Server | None = None, *, clock: Clock = utc_now, **sections: object
    ) -> httpx.AsyncClient:
        """Open a service that differs from the plain one; ``sections`` as for `settings_for`."""
        settings = plain_settings(server or self.server, **sections)
        return await self._stack.enter_async_context(service_client(settings, clock=clock))

    async def target(
        self, client: httpx.AsyncClient, content: bytes | None = None, **fields: object
    ) -> Target:
        """Create an upload of five bytes; send ``content`` for it, if any, whatever was promised.

        Args:
            client: Of the service that is asked for it.
            content: What is sent.
            **fields: Of the request.
        """
        asked = {"size": 5, "content_type": "image/jpeg", **fields}
        upload = created(await client.post("/v1/uploads", json=asked))
        if upload["method"] == "multipart":
            upload = {**upload, **upload["parts"][0]}
        if content is not None:
            async with httpx.AsyncClient(trust_env=False) as s3:
                sent = await s3.put(upload["url"], content=content, headers=upload["headers"])
                sent.raise_for_status()
        return Target(id=upload["id"], key=upload["key"])


async def ask(
    client: httpx.AsyncClient,
    operation: Operation,
    target: Target = NOTHING,
    *,
    headers: dict[str, str] | None = None,
    changes: Mapping[str, object] | None = None,
) -> httpx.Response:
    """Send a request that would be granted.

    Args:
        client: Who sends it.
        operation: What is asked for.
        target: What it is about.
        headers: What proves who calls, instead of the client's own token; empty for nothing.
        changes: Fields of the body or of the query that differ.
    """
    body = BODIES.get(operation.id)
    query: dict[str, object] = {}
    if operation.id == "createDownload":
        body = {"key": target.key}
    elif operation.id in {"getObject", "deleteObject"}:
        query = {"key": target.key}
    if body is None:
        query |= changes or {}
    else:
        body = {**body, **(changes or {})}
    url = httpx.URL(operation.path.replace("{id}", target.id), params=query or None)
    if headers is None:
        return await client.request(operation.method, url, json=body)
    return await send_bare(client, operation.method, str(url), json=body, headers=headers)

"""Services and requests for the scenarios of the contract tests."""

from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any, Final

import httpx
import pytest
from tests.support.api import created, send_bare
from tests.support.contract.callers import ALL_USERS_KEY, API_KEY, AUTH
from tests.support.contract.document import Operation
from tests.support.servers import S3Server
from tests.support.service import service_client, settings_for

from uploadsvc.bootstrap.services import Clock, utc_now

POLICIES: Final = {
    "sized": {"min_size": 5, "max_size": 10},
    "images": {"content_types": ["image/*"]},
    "summed": {"checksum": "required"},
    "keyed": {"client_keys": True, "client_keys_prefix": "keyed"},
    "named": {"key": "named/{filename}", "overwrite": True},
    "pages": {"key": "named/{uuid}{ext}", "content_types": ["text/html"]},
    "verified": {"verify_content": True},
    "forms": {"methods": ["post"]},
}
UPPY: Final = {"credentials": True, "role_arn": "arn:aws:iam::123456789012:role/uploader"}
WITH_SESSIONS: Final = {"provider": "minio"}
"""A store that is known to enforce session policies."""

BODIES: Final[dict[str, dict[str, Any]]] = {
    "createUpload": {"filename": "photo.jpg", "size": 5},
    "createUploads": {"uploads": [{"filename": "photo.jpg", "size": 5}, {"policy": "none"}]},
    "createToken": {"policies": ["default"]},
    "completeUpload": {"parts": None},
    "signParts": {"part_numbers": [1]},
    "signUppyRequest": {"method": "PUT", "key": "photo.jpg", "contentType": "image/jpeg"},
}
"""A valid body for each operation with one, except those of `NAMING_OBJECTS`."""

NAMING_OBJECTS: Final = ("createDownload", "claimObject")
"""Operations whose body names the object of the request."""

FOR_ALL: Final = {"X-API-Key": ALL_USERS_KEY}
FOR_ALICE: Final = {"X-API-Key": API_KEY, "X-On-Behalf-Of": "alice"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """The upload or object of a request.

    Attributes:
        id: Id of the upload.
        key: Key of the object.
    """

    id: str = "aGFuZGxl"
    key: str = "uploads/alice/no-such-object"


NOTHING: Final = Target()


def plain_settings(server: S3Server, **sections: object) -> dict[str, Any]:
    """Return settings that accept every credential and let callers delete; ``sections`` replace some."""
    plain = {"auth": AUTH, "policies": POLICIES, "objects": {"delete": True}, "uppy": UPPY}
    s3 = sections.pop("s3", {})
    assert isinstance(s3, dict)
    return settings_for(server, s3={**WITH_SESSIONS, **s3}, **{**plain, **sections})


class Stage:
    """Services of one scenario. Those that it opens are closed after it.

    Args:
        plain: Service without any fault, shared by all scenarios; alice calls it.
        server: S3 that works.
        patch: Undone after the scenario.
        stack: Closes the services.
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
        """Serve an app with other settings; ``sections`` as for `settings_for`."""
        settings = plain_settings(server or self.server, **sections)
        return await self._stack.enter_async_context(service_client(settings, clock=clock))

    async def target(
        self, client: httpx.AsyncClient, content: bytes | None = None, **fields: object
    ) -> Target:
        """Create an upload of five bytes, and send ``content`` if there is any.

        Args:
            client: Client of the service that creates it.
            content: Bytes to send, of any length.
            **fields: Fields of the request.
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
    """Send a request that is valid except for ``headers`` and ``changes``.

    Args:
        client: Client of the service.
        operation: Operation to call.
        target: Upload or object of the request.
        headers: Credentials in place of the client's token; empty for none.
        changes: Fields to replace in the body or the query.
    """
    body = BODIES.get(operation.id)
    query: dict[str, object] = {}
    if operation.id in NAMING_OBJECTS:
        body = {"key": target.key}
    elif operation.id == "deleteObjects":
        body = {"keys": [target.key]}
    elif operation.id in {"getObject", "deleteObject"}:
        query = {"key": target.key}
    if body is None:
        query |= changes or {}
    else:
        body = {**body, **(changes or {})}
    url = httpx.URL(operation.path.replace("{id}", target.id), params=query or None)
    if operation.id == "claimObject" and headers is None:
        headers = FOR_ALICE
    if operation.id == "listAllObjects" and headers is None:
        headers = FOR_ALL
    if headers is None:
        return await client.request(operation.method, url, json=body)
    return await send_bare(client, operation.method, str(url), json=body, headers=headers)

"""The service over an S3 that answers multipart uploads by a script."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qs, urlsplit
from xml.sax.saxutils import escape

from tests.support.api import created, s3_that_is_down
from tests.support.service import SECRET_KEY, service_client, settings_for
from tests.support.stubs import Canned, Stub, stub_s3

from uploadsvc.tokens.signed_ids import SignedIds, UploadClaims

if TYPE_CHECKING:
    import httpx

MIB: Final = 1024**2
POLICIES: Final[dict[str, Any]] = {"default": {"part_size": "5MiB", "client_keys": True}}
FILM: Final = {"size": 11 * MIB, "method": "multipart", "filename": "film.mp4"}
PARTS: Final = ((1, 5 * MIB), (2, 5 * MIB), (3, MIB))

BEGUN: Final = Canned(
    status=200,
    body="<InitiateMultipartUploadResult><UploadId>U-1</UploadId></InitiateMultipartUploadResult>",
)
DONE: Final = Canned(
    status=200, body="<CompleteMultipartUploadResult><ETag>e</ETag></CompleteMultipartUploadResult>"
)
FAILED: Final = Canned(status=200, code="InternalError")
GONE: Final = Canned(status=404, code="NoSuchUpload")
GONE_IN_CEPH: Final = Canned(status=404, code="NoSuchKey")
TAKEN: Final = Canned(status=412, code="PreconditionFailed")
DENIED: Final = Canned(status=403, code="AccessDenied")
NOTHING: Final = Canned(status=404)


def parts(*listed: tuple[int, int], more: bool = False) -> Canned:
    """Return a page of parts, by number and size."""
    entries = "".join(
        f"<Part><PartNumber>{number}</PartNumber><Size>{size}</Size><ETag>&quot;e{number}&quot;</ETag></Part>"
        for number, size in listed
    )
    truncated = f"<IsTruncated>{str(more).lower()}</IsTruncated>"
    return Canned(status=200, body=f"<ListPartsResult>{truncated}{entries}</ListPartsResult>")


def unfinished(*keys: str, following: tuple[str, str] | None = None) -> Canned:
    """Return a page of unfinished uploads with these keys."""
    entries = "".join(
        f"<Upload><Key>{escape(key)}</Key><UploadId>U-1</UploadId>"
        "<Initiated>2026-11-23T12:00:00.000Z</Initiated></Upload>"
        for key in keys
    )
    markers = ""
    if following:
        key, upload_id = (escape(marker) for marker in following)
        markers = (
            f"<NextKeyMarker>{key}</NextKeyMarker><NextUploadIdMarker>{upload_id}</NextUploadIdMarker>"
            "<IsTruncated>true</IsTruncated>"
        )
    body = f"<ListMultipartUploadsResult>{entries}{markers}</ListMultipartUploadsResult>"
    return Canned(status=200, body=body)


def stored(mark: str | None, *, size: int = 11 * MIB) -> Canned:
    """Return the HEAD of an object that names an upload, or none."""
    headers = [("ETag", '"e"'), ("Last-Modified", "Mon, 23 Nov 2026 12:00:00 GMT")]
    if mark is not None:
        headers.append(("x-amz-meta-uploadsvc-upload", mark))
    return Canned(status=200, length=size, content_type="video/mp4", headers=headers)


def operation(request: str) -> str:
    """Return the operation of a request, in one word."""
    method, _, target = request.partition(" ")
    query = parse_qs(urlsplit(target).query, keep_blank_values=True)
    if method == "GET":
        return "uploads" if "uploads" in query else "parts"
    if method == "POST":
        return "create" if "uploads" in query else "complete"
    return "abort" if "uploadId" in query else method.lower()


Answer = Canned | asyncio.Future[Canned] | Callable[[], Awaitable[Canned]] | None


class Stage:
    """The service over an S3 that plays by a script.

    Attributes:
        api: Calls the service as alice.
        script: By the operation, what S3 answers to it in turn; the last answer to all that follow.
    """

    def __init__(self) -> None:
        self.script: dict[str, list[Answer]] = {"create": [BEGUN], "parts": [parts(*PARTS)]}
        self.api: httpx.AsyncClient
        self.stub: Stub

    async def play(self, request: str) -> Canned | None:
        """Choose the answer to a request."""
        answers = self.script[operation(request)]
        answer = answers.pop(0) if len(answers) > 1 else answers[0]
        if isinstance(answer, asyncio.Future):
            return await answer
        return await answer() if callable(answer) else answer

    def asked(self, name: str) -> list[str]:
        """Return the requests for an operation."""
        return [request for request in self.stub.requests if operation(request) == name]

    async def upload(self, **fields: object) -> tuple[str, UploadClaims]:
        """Begin an upload; return its address, and what its id carries."""
        upload = created(await self.api.post("/v1/uploads", json={**FILM, **fields}))
        return f"/v1/uploads/{upload['id']}", SignedIds([SECRET_KEY.encode()]).verify(upload["id"])


@asynccontextmanager
async def performance() -> AsyncIterator[Stage]:
    """Open a stage."""
    stage = Stage()
    async with stub_s3(stage.play) as stub:
        server = replace(s3_that_is_down(), endpoint_url=stub.endpoint_url)
        async with service_client(settings_for(server, policies=POLICIES)) as api:
            stage.stub, stage.api = stub, api
            yield stage

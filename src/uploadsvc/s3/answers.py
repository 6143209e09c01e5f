"""Check that responses come from S3, and limit their size."""

import re
from collections.abc import Mapping
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

from aiobotocore.httpsession import AIOHTTPSession
from aiohttp import ClientResponse, ClientSession
from botocore.exceptions import HTTPClientError
from botocore.handlers import BUILTIN_HANDLERS
from botocore.parsers import ResponseParserError

if TYPE_CHECKING:
    from botocore.hooks import BaseEventHooks
    from botocore.model import OperationModel

MAX_BYTES: Final = 8 * 1024 * 1024
"""Maximum size of a response body in bytes. A page of 1,000 escaped keys of 1,024 bytes has 7 million."""

_ROOTS: Final[Mapping[str, str]] = {
    "ListObjectsV2": "ListBucket",
    "ListMultipartUploads": "ListMultipartUploads",
    "ListParts": "ListParts",
    "CreateMultipartUpload": "InitiateMultipartUpload",
    "CompleteMultipartUpload": "CompleteMultipartUpload",
    "GetObjectTagging": "Tagging",
}
"""Root elements of responses that must have a body, without ``Result``, which some stores spell
differently.
"""

_BODILESS: Final = frozenset({"DeleteObject", "AbortMultipartUpload", "DeleteObjectTagging"})

_ROOT: Final = re.compile(
    rb"(?:\xef\xbb\xbf)?\s*(?:<\?xml[^>]*\?>\s*)?(?:<!--.*?-->\s*)*<([A-Za-z][\w.:-]*)", re.DOTALL
)
_PAGES: Final = ("text/html", "application/xhtml")
_TRANSIENT: Final = frozenset({HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_MANY_REQUESTS})


class NotS3Error(ResponseParserError):
    """A response that does not come from S3, such as a web page."""


class BoundedSession(AIOHTTPSession):
    """Reads at most `MAX_BYTES` of a response."""

    async def _get_session(self, proxy_url: str | None) -> ClientSession:
        session: ClientSession = await super()._get_session(proxy_url)  # type: ignore[misc]
        session._response_class = _BoundedResponse  # noqa: SLF001 - aiobotocore has no option for it
        return session

    async def send(self, request: Any) -> Any:  # noqa: ANN401 - botocore's
        """Send a request.

        Raises:
            NotS3Error: The response is larger.
        """
        try:
            return await super().send(request)
        except HTTPClientError as error:
            if isinstance(cause := error.kwargs.get("error"), NotS3Error):
                raise cause from None
            raise


class _BoundedResponse(ClientResponse):
    async def read(self) -> bytes:
        if self._body is None:
            try:
                self._body = await self._bounded()
            except BaseException:
                self.close()
                raise
        return await super().read()

    async def _bounded(self) -> bytes:
        body = bytearray()
        async for chunk in self.content.iter_any():
            body += chunk
            if len(body) > MAX_BYTES:
                message = f"an answer has more than {MAX_BYTES} bytes"
                raise NotS3Error(message)
        return bytes(body)


def refuse_other_answers(events: "BaseEventHooks") -> None:
    """Check every response of a client with `check_answer`."""
    events.register_first("before-parse.s3.*", check_answer)
    for event, handler, *_ in BUILTIN_HANDLERS:
        if event.startswith("before-parse.s3"):
            # botocore would retry a web page with status 200.
            events.unregister(event, handler)
            events.register_last(event, handler)


def check_answer(*, operation_model: "OperationModel", response_dict: dict[str, Any], **_: object) -> None:
    """Reject a response that does not come from S3. A handler of botocore's ``before-parse`` event.

    Stores identify themselves differently or not at all, so only responses that no store sends are rejected.
    Errors are checked where callers rely on them, such as for a missing object.

    Raises:
        NotS3Error: The response does not come from S3.
    """
    status, body = response_dict["status_code"], response_dict["body"]
    if operation_model.has_streaming_output and status < HTTPStatus.MULTIPLE_CHOICES:
        # The bytes of an object, not read yet, can be anything. `Storage` checks for an ETag.
        return
    found = _ROOT.match(body) if body else None
    root = found[1].decode() if found else ""
    if operation_model.http["method"] == "HEAD":
        # Without a body it proves nothing; `Storage` checks for an ETag, or asks again.
        return
    if status == HTTPStatus.NOT_FOUND:
        own = not body or root == "Error"
    elif status >= HTTPStatus.MULTIPLE_CHOICES:
        # A failure in any case; a proxy in front of S3 may report it.
        return
    elif not body:
        # moto labels an empty response as HTML. A deletion must be certain.
        page = status != HTTPStatus.NO_CONTENT and _is_page(response_dict["headers"])
        own = operation_model.name not in {*_ROOTS, *(_BODILESS if page else ())}
    elif operation_model.name in _BODILESS:
        own = False
    elif _is_opaque(operation_model):
        own = not _is_page(response_dict["headers"])
    else:
        expected = _ROOTS.get(operation_model.name, root)
        own = root == "Error" or (root.startswith(expected) and root not in {"", "html"})
    if not own:
        message = f"{operation_model.name} was not answered by S3"
        raise NotS3Error(message)


def _is_page(headers: Mapping[str, str]) -> bool:
    page = headers.get("content-type", "").lower().startswith(_PAGES)
    return page and not any(name.startswith("x-amz-") for name in headers)


def _is_opaque(operation_model: "OperationModel") -> bool:
    """Return whether the operation passes the body on unparsed, as for a bucket policy."""
    shape = operation_model.output_shape
    payload = shape.serialization.get("payload") if shape else None
    return (
        shape is not None and payload is not None and shape.members[payload].type_name in {"string", "blob"}
    )

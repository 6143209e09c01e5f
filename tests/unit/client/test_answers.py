"""The client reports responses of other servers than the service or S3, and shows no credentials."""

import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

import httpx
import pytest

from uploadsvc.client.api import UploadsApi
from uploadsvc.client.auth import caller_from
from uploadsvc.client.contact import Contact
from uploadsvc.client.errors import Retries, UploadsvcError, s3_problem

SIZE: Final = 11
ENDS: Final = {"expires_at": "2099-01-01T00:00:00Z"}
URL: Final = "https://bucket.example.com/k?X-Amz-Signature=secret"
PUT: Final = {"id": "a-1_b", "method": "put", "url": URL, "headers": {"If-None-Match": "*"}}
POST: Final = {"id": "a", "method": "post", "url": URL, "fields": {"key": "k"}}
PART: Final = {"part_number": 1, "size": 5, "url": URL, "headers": {}}
PARTS: Final = {"id": "a", "method": "multipart", "part_size": 5, "part_count": 3, "parts": [PART], **ENDS}
STATE: Final = {
    "status": "uploading",
    "method": "multipart",
    "part_size": 5,
    "part_count": 3,
    "parts": [PART],
}
STORED: Final = {"object": {"key": "k", "size": SIZE, "etag": "e"}, "receipt": "r"}
DEEP: Final = "[" * 100_000
FOREIGN: Final[tuple[object, ...]] = (DEEP, [], 1, {})

Call = Callable[[UploadsApi], Awaitable[object]]


async def create(api: UploadsApi) -> object:
    return await api.create({}, SIZE)


async def state(api: UploadsApi) -> object:
    return await api.state("a", SIZE)


async def sign(api: UploadsApi) -> object:
    return await api.sign("a", [1], None)


async def complete(api: UploadsApi) -> object:
    return await api.complete("a")


async def folder_field(api: UploadsApi) -> object:
    return await api.folder_field(None)


async def result(call: Call, body: object, *, status: int = 200) -> object:
    """Make a call that gets this answer."""
    text = body if isinstance(body, str) else json.dumps(body)
    transport = httpx.MockTransport(lambda _: httpx.Response(status, text=text))
    token = {"UPLOADSVC_TOKEN": "t"}
    caller = caller_from(token, token_file=None, token_command=None, on_behalf_of=None)
    async with httpx.AsyncClient(base_url="https://uploads.example.com", transport=transport) as http:
        return await call(UploadsApi(http, caller, Retries(limit=0), Contact("The service", print)))


@pytest.mark.parametrize(
    ("call", "body"),
    [*((create, body) for body in (PUT, POST, PARTS)), (state, STATE), (sign, PARTS), (complete, STORED)],
)
async def test_the_service_is_understood(call: Call, body: object) -> None:
    assert await result(call, body)


@pytest.mark.parametrize(
    ("policy", "field"),
    [
        ({"client_keys": True, "keeps_folders": True}, "relative_key"),
        ({"client_keys": False, "keeps_folders": True}, "filename"),
        ({"client_keys": False, "keeps_folders": False}, None),
        ({"client_keys": False}, None),
        ({"name": "other", "client_keys": True, "keeps_folders": True}, None),
    ],
)
async def test_a_policy_keeps_folders_by_one_field(policy: dict[str, object], field: str | None) -> None:
    """Older services know of keys only."""
    assert await result(folder_field, {"policies": [{"name": "default", **policy}]}) == field


def each(call: Call, body: Mapping[str, Any], field: str, *values: object) -> list[tuple[Call, object]]:
    """Return an answer with each of these values in a field."""
    return [(call, {**body, field: value}) for value in values]


@pytest.mark.parametrize(
    ("call", "body"),
    [
        *((call, body) for call in (create, state, sign, complete, folder_field) for body in FOREIGN),
        *each(create, PUT, "id", None, 1, "", "../x", "//evil.example", "a b", "a?b"),
        *each(create, PUT, "method", None, [], "get", "\x1b[31m"),
        *each(
            create,
            PUT,
            "url",
            None,
            5,
            "",
            "/k",
            "file:///etc/passwd",
            "ftp://h/k",
            "https://",
            "https://h:x/",
        ),
        *each(create, PUT, "url", "https://h/\x1b", "https://h/\ud800", "https://\u2603\u202e.example/"),
        *each(create, PUT, "headers", None, [1], {"A": 1}, {"A": "€"}, {"A": "b\r\nC: d"}, {"": ""}),
        *each(create, POST, "fields", None, [], {"a": 3}, {"a": "\ud800"}),
        *each(create, PARTS, "part_size", None, 0, -5, "5", 6),
        *each(create, PARTS, "part_count", None, 0, 2, 4, "3", 10**12),
        *each(create, PARTS, "expires_at", None, "soon", "2099-01-01", 1e300),
        *each(create, PARTS, "parts", [{**PART, "url": "x"}], [{**PART, "headers": []}], [1]),
        *each(state, STATE, "part_count", 0, 10_001, 10**12, "3"),
        *each(state, STATE, "parts", [{**PART, "size": "5"}], [{**PART, "size": -1}]),
        *each(complete, STORED, "object", None, [], {"key": 5, "size": 1, "etag": ""}),
        *each(complete, STORED, "receipt", None, []),
    ],
)
async def test_any_other_answer_is_a_problem(call: Call, body: object) -> None:
    with pytest.raises(UploadsvcError) as raised:
        await result(call, body)
    assert raised.value.code == "unexpected_answer"
    assert "secret" not in raised.value.detail


async def test_a_problem_that_is_none_is_one() -> None:
    """However deep it is."""
    with pytest.raises(UploadsvcError, match="without a problem document") as raised:
        await result(create, DEEP, status=422)
    assert raised.value.code == "unexpected_answer"


@pytest.mark.parametrize("repeated", [URL, URL.replace("=", "%3D"), "x-amz-signature=secret"])
def test_a_message_of_s3_shows_no_signature(repeated: str) -> None:
    """Some stores repeat the request."""
    body = f"<Error><Code>X</Code><Message>No: {repeated}&amp;a=b</Message></Error>"
    problem = s3_problem(httpx.Response(400, text=body))
    assert problem.detail.startswith("S3 answered 400 X: No: ")
    assert "secret" not in problem.detail

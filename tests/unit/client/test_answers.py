"""The client reports responses of other servers than the service or S3, and shows no credentials."""

import io
import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

import httpx
import pytest
from typer.testing import CliRunner

from uploadsvc.cli.commands import app as cli
from uploadsvc.client import AsyncClient
from uploadsvc.client.api import UploadsApi
from uploadsvc.client.auth import caller_from
from uploadsvc.client.contact import Contact
from uploadsvc.client.download import Receiver
from uploadsvc.client.errors import Retries, UploadsvcError, s3_problem
from uploadsvc.client.session import _CERTIFICATES, _PROXIES

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
CHARSETS: Final = ("hex", "undefined", "idna", "utf-16", "none")
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


@pytest.mark.parametrize(
    "answer",
    [
        {"content": b"no gzip", "headers": {"Content-Encoding": "gzip"}},
        *(
            {"content": b"\xff", "headers": {"Content-Type": f"text/html; charset={name}"}}
            for name in CHARSETS
        ),
        {"status_code": 302, "headers": {"Location": "https://xn--a/"}},
    ],
)
async def test_an_answer_that_cannot_be_decoded_is_a_problem(answer: dict[str, Any]) -> None:
    """The service's or S3's."""

    def handle(_: httpx.Request) -> httpx.Response:
        status, content = answer.get("status_code", 404), answer.get("content", b"")
        stream = httpx.ByteStream(content)
        return httpx.Response(status, headers=answer["headers"], stream=stream)

    async with httpx.AsyncClient(transport=httpx.MockTransport(handle)) as http:
        client = AsyncClient("https://uploads.example.com", token="t", retries=0, http=http)
        with pytest.raises(UploadsvcError):
            await client.get("a")
        with pytest.raises(UploadsvcError):
            await client._session.transfer.get(URL, Receiver(io.BytesIO()))


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("ALL_PROXY", "socks5://u:secret@proxy.example:1", "ALL_PROXY needs the package socksio"),
        ("http_proxy", "foo://u:secret@proxy.example", "http_proxy must look like"),
        ("HTTP_PROXY", "http://u:secret@h\x01", "HTTP_PROXY must look like"),
        ("NO_PROXY", "a:secret:c", "NO_PROXY must look like"),
        ("SSL_CERT_FILE", "/secret", "SSL_CERT_FILE cannot be read: No such file or directory"),
        ("SSL_CERT_FILE", __file__, "SSL_CERT_FILE cannot be read: "),
    ],
)
def test_an_environment_that_cannot_be_used_is_wrong_usage(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, said: str
) -> None:
    """Named by its variable, because the value may hold a password; for the library and for commands."""
    for one in (*_PROXIES, *_CERTIFICATES):
        monkeypatch.delenv(one, raising=False)
        monkeypatch.delenv(one.lower(), raising=False)
    monkeypatch.setenv(name, value)
    with pytest.raises(ValueError, match=said) as raised:
        AsyncClient("https://uploads.example.com", token="t")
    done = CliRunner().invoke(
        cli, ["ls", "--url", "https://uploads.example.com"], env={"UPLOADSVC_TOKEN": "t", "TERM": "dumb"}
    )
    assert done.exit_code == 2
    assert said.strip() in " ".join(done.output.replace("│", " ").split())
    assert "secret" not in f"{raised.value}{done.output}"


@pytest.mark.parametrize("repeated", [URL, URL.replace("=", "%3D"), "x-amz-signature=secret"])
def test_a_message_of_s3_shows_no_signature(repeated: str) -> None:
    """Some stores repeat the request."""
    body = f"<Error><Code>X</Code><Message>No: {repeated}&amp;a=b</Message></Error>"
    problem = s3_problem(httpx.Response(400, text=body))
    assert problem.detail.startswith("S3 answered 400 X: No: ")
    assert "secret" not in problem.detail

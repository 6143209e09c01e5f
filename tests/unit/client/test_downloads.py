"""Downloads are whole, and come from where the service says."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Final

import httpx
import pytest

from uploadsvc.client import AsyncClient, UploadsvcError
from uploadsvc.client.errors import Retries

KEY = "uploads/ann/a.txt"


class Broken(httpx.AsyncByteStream):
    """Bytes of a connection that breaks."""

    def __init__(self, content: bytes = b"half of it, and more") -> None:
        self._content = content

    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield self._content
        message = "the line broke"
        raise httpx.ReadError(message)


def client_of(*answers: httpx.Response, size: int = 5) -> AsyncClient:
    """Make a client of a service that signs each download anew, and of an S3 with these answers."""
    waiting = [*answers]

    def handle(request: httpx.Request) -> httpx.Response:
        if request.url.path == "/v1/downloads":
            return httpx.Response(200, json={"url": "https://s3.example/a"})
        if request.url.path == "/v1/object":
            return httpx.Response(200, json={"key": KEY, "size": size, "etag": "e"})
        assert request.url.host == "s3.example"
        return waiting.pop(0)

    http = httpx.AsyncClient(transport=httpx.MockTransport(handle), follow_redirects=True)
    return AsyncClient("https://uploads.example", token="t", http=http)


def files_in(directory: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in directory.iterdir()}


async def test_a_download_that_broke_off_starts_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing of the first attempt is left in the file."""
    monkeypatch.setattr(Retries, "delay", lambda *_, **__: 0.0)
    answers = httpx.Response(200, stream=Broken()), httpx.Response(200, stream=httpx.ByteStream(b"whole"))
    async with client_of(*answers) as client:
        assert await client.objects.download(KEY, tmp_path / "a.txt") == 5
    assert files_in(tmp_path) == {"a.txt": b"whole"}


async def test_a_redirect_is_not_followed(tmp_path: Path) -> None:
    """Not even by a client of the caller's that follows redirects; and no file appears."""
    moved = httpx.Response(302, headers={"Location": "https://elsewhere.example/a"})
    async with client_of(moved) as client:
        with pytest.raises(UploadsvcError):
            await client.objects.download(KEY, tmp_path / "a.txt")
    assert files_in(tmp_path) == {}


def answer(body: bytes, *, broken: bool = False, **headers: str) -> httpx.Response:
    """Return a response of S3 with some of the bytes of one version."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return httpx.Response(
        206 if "Content_Range" in headers else 200,
        headers={"ETag": '"e"', **named},
        stream=Broken(body) if broken else httpx.ByteStream(body),
    )


SHORT: Final[dict[str, list[dict[str, Any]]]] = {
    "range": [
        {"body": b"01234", "broken": True, "Content_Length": "10"},
        {"body": b"567", "Content_Range": "bytes 5-7/10"},
        {"body": b"89", "Content_Range": "bytes 8-9/10"},
    ],
    "length": [{"body": b"01234", "Content_Length": "10"}, {"body": b"0123456789", "Content_Length": "10"}],
    "nothing": [
        {"body": b"01234", "Connection": "close"},
        {"body": b"56789", "Content_Range": "bytes 5-9/10"},
    ],
    "range without the whole": [
        {"body": b"01234", "broken": True},
        {"body": b"567", "Content_Range": "bytes 5-7/*"},
        {"body": b"89", "Content_Range": "bytes 8-9/*"},
    ],
}


@pytest.mark.parametrize("known", SHORT)
async def test_a_short_answer_is_not_the_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, known: str
) -> None:
    """The rest is requested, whether S3 has said the size or only the service knows it."""
    monkeypatch.setattr(Retries, "delay", lambda *_, **__: 0.0)
    # The service is asked only if S3 does not say it.
    size = 99 if known in {"range", "length"} else 10
    async with client_of(*(answer(**one) for one in SHORT[known]), size=size) as client:
        assert await client.objects.download(KEY, tmp_path / "a.txt") == 10
    assert files_in(tmp_path) == {"a.txt": b"0123456789"}


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        ({"body": b"01234", "Content_Length": "10"}, "s3_unavailable"),
        ({"body": b"01234"}, "s3_unavailable"),
        ({"body": b"0123456789!"}, "object_changed"),
    ],
)
async def test_bytes_that_do_not_make_up_the_object_are_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wrong: dict[str, Any], code: str
) -> None:
    """After all retries; and no file appears."""
    monkeypatch.setattr(Retries, "delay", lambda *_, **__: 0.0)
    async with client_of(*(answer(**wrong) for _ in range(20)), size=10) as client:
        with pytest.raises(UploadsvcError) as raised:
            await client.objects.download(KEY, tmp_path / "a.txt")
    assert raised.value.code == code
    assert files_in(tmp_path) == {}

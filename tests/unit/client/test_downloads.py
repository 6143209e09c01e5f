"""Downloads are whole, and come from where the service says."""

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from uploadsvc.client import AsyncClient, UploadsvcError
from uploadsvc.client.errors import Retries

KEY = "uploads/ann/a.txt"


class Broken(httpx.AsyncByteStream):
    """Bytes of a connection that breaks."""

    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield b"half of it, and more"
        message = "the line broke"
        raise httpx.ReadError(message)


def client_of(*answers: httpx.Response) -> AsyncClient:
    """Make a client of a service that signs each download anew, and of an S3 with these answers."""
    waiting = [*answers]

    def handle(request: httpx.Request) -> httpx.Response:
        if request.url.path == "/v1/downloads":
            return httpx.Response(200, json={"url": "https://s3.example/a"})
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

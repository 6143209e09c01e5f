"""The library with a real service and a real S3, over an unreliable connection."""

import asyncio
import io
import os
import random
import signal
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any, Final

import httpx
import pytest
from tests.support.fault_proxy import Cut, CutAnswer, Exchange, Fault, Hold
from tests.support.receipt_tokens import claims_of
from tests.support.service import RECEIPT_SECRET, token_for
from tests.support.terminal import API_KEY, MIB, PART_SIZE, Terminal

from uploadsvc.client import (
    AsyncClient,
    Client,
    NoCredential,
    Stored,
    UploadsvcError,
    verify_receipt,
)

SMALL: Final = 100_000
LARGE: Final = 2 * PART_SIZE + 1


def some(size: int) -> bytes:
    return random.Random(size).randbytes(size)  # noqa: S311 - only to tell parts apart


class Pipe(io.RawIOBase):
    """A file that cannot be read twice."""

    def __init__(self, data: bytes) -> None:
        super().__init__()
        self._rest = io.BytesIO(data)

    def readable(self) -> bool:
        """It is."""
        return True

    def readinto(self, buffer: Any) -> int:  # noqa: ANN401 - as io declares it
        """Read on."""
        return self._rest.readinto(buffer)


def pieces(data: bytes) -> Iterator[bytes]:
    """Give pieces of unequal sizes, one of them empty."""
    yield data[:1]
    yield b""
    yield data[1 : len(data) // 2]
    yield data[len(data) // 2 :]


async def later(data: bytes) -> AsyncIterator[bytes]:
    for piece in pieces(data):
        await asyncio.sleep(0)
        yield piece


def at_an_offset(data: bytes) -> io.BytesIO:
    file = io.BytesIO(b"skipped" + data)
    file.seek(len(b"skipped"))
    return file


def written(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


SOURCES: Final[dict[str, Callable[[bytes, Path], Any]]] = {
    "bytes": lambda data, _: data,
    "bytearray": lambda data, _: bytearray(data),
    "memoryview": lambda data, _: memoryview(data),
    "path": lambda data, path: written(path, data),
    "name": lambda data, path: str(written(path, data)),
    "file": lambda data, path: written(path, data).open("rb"),
    "offset": lambda data, _: at_an_offset(data),
    "pipe": lambda data, _: Pipe(data),
    "iterator": lambda data, _: pieces(data),
    "list": lambda data, _: list(pieces(data)),
    "async iterator": lambda data, _: later(data),
}


def client_of(term: Terminal, **options: Any) -> AsyncClient:  # noqa: ANN401 - as the client declares them
    return AsyncClient(term.url, **{"token": term.token, **options})


@pytest.mark.parametrize("size", [0, SMALL, LARGE], ids=["empty", "small", "large"])
@pytest.mark.parametrize("kind", SOURCES)
async def test_each_source_arrives(term: Terminal, kind: str, size: int) -> None:
    """In one request or in parts; with progress that ends at the whole."""
    data, told = some(size), list[tuple[int, int]]()
    source = SOURCES[kind](data, term.directory / "film.bin")
    try:
        async with client_of(term) as client:
            stored = await client.upload(source, on_progress=lambda *sent: told.append(sent))
    finally:
        if isinstance(source, io.IOBase):
            assert not source.closed
            source.close()
    assert await term.content(stored.key) == data
    assert stored.object.size == size
    assert told[-1] == (size, size) if size else all(one == (0, 0) for one in told)
    named = kind in {"path", "name", "file"}
    assert stored.key.endswith("/film.bin") == named
    receipt = verify_receipt(stored.receipt, secret=RECEIPT_SECRET, user=term.user, policy="default")
    assert (receipt.key, receipt.size, receipt.claims) == (stored.key, size, claims_of(stored.receipt))


async def test_an_upload_is_what_was_asked_for(term: Terminal) -> None:
    async with client_of(term) as client:
        note = await client.upload(
            b"hello",
            filename="note.txt",
            content_type="text/plain",
            policy="notes",
            metadata={"note": "mine"},
            checksum="sha256",
        )
        named = await client.upload(b"one", key="a/b.txt", policy="keys")
        again = await client.upload(b"two!", key="a/b.txt", policy="keys", checksum="crc32")
        form = await client.upload(b"form", policy="forms")
    assert (note.object.content_type, note.object.metadata) == ("text/plain", {"note": "mine"})
    assert note.object.last_modified is not None
    assert note.key.endswith("/note.txt")
    assert named.key == again.key == f"uploads/{term.user}/a/b.txt"
    assert await term.content(again.key) == b"two!"
    assert await term.content(form.key) == b"form"


@pytest.mark.parametrize(
    ("source", "message"), [(io.StringIO("x"), "binary mode"), (5, "cannot upload int"), (["x"], "bytes")]
)
async def test_what_is_not_bytes_is_refused(term: Terminal, source: Any, message: str) -> None:  # noqa: ANN401 - wrong types
    async with client_of(term) as client:
        with pytest.raises(TypeError, match=message):
            await client.upload(source)
    assert await term.stored() == []


def hold_second(exchange: Exchange) -> Fault | None:
    """Let the other parts through."""
    return Hold(until=asyncio.Event(), after=MIB) if exchange.part_number == 2 else None


async def stopped(term: Terminal, source: object, **options: object) -> None:
    """Cancel an upload of three parts when two of them are stored."""
    term.proxy.rule = hold_second
    async with client_of(term, **options) as client:
        task = asyncio.create_task(client.upload(source))  # type: ignore[arg-type] # any source
        await term.proxy.until(lambda: term.proxy.stored_parts() == [1, 3])
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    term.proxy.rule = lambda _: None
    await term.proxy.break_connections()


async def test_a_stopped_path_is_resumed_by_another_client(term: Terminal) -> None:
    """And then forgotten."""
    path = term.file(LARGE)
    await stopped(term, path, state_dir=term.directory / "state")
    assert await term.unfinished() == 1
    async with client_of(term, state_dir=term.directory / "state") as client:
        stored = await client.upload(path)
    assert term.proxy.stored_parts() == [1, 2, 3]
    assert await term.content(stored.key) == path.read_bytes()
    assert list((term.directory / "state").iterdir()) == []


async def test_the_terminal_resumes_what_the_library_started(term: Terminal) -> None:
    path = term.file(LARGE)
    await stopped(term, path, state_dir=term.states)
    result = await term.run("--json", path)
    assert result.status == 0, result.err
    assert term.proxy.stored_parts() == [1, 2, 3]


class NotReady(io.RawIOBase):
    """A pipe in non-blocking mode, which has no bytes yet after the first."""

    def __init__(self) -> None:
        super().__init__()
        self._answers = iter([b"first", None, b"second", b""])

    def read(self, _size: int = -1) -> bytes | None:
        """Read on."""
        return next(self._answers)


async def gaps() -> AsyncIterator[bytes | None]:
    for piece in (b"aaa", None, b"bbb"):
        yield piece


@pytest.mark.parametrize(
    ("make", "error", "said"),
    [
        (lambda: iter([b"aaa", None, b"bbb"]), TypeError, "must give bytes, not NoneType"),
        (gaps, TypeError, "must give bytes, not NoneType"),
        (lambda: ["text"], TypeError, "must give bytes, not str"),
        (NotReady, BlockingIOError, "non-blocking"),
    ],
    ids=["iterator", "async iterator", "text", "not ready"],
)
async def test_a_source_with_a_gap_is_not_stored(
    term: Terminal, make: Callable[[], Any], error: type[Exception], said: str
) -> None:
    """Only the end of an iterator, and `b""` from `read`, are the end."""
    async with client_of(term) as client:
        with pytest.raises(error, match=said):
            await client.upload(make(), filename="it.txt")
    assert await term.stored() == []
    assert await term.unfinished() == 0


@pytest.mark.parametrize("kind", ["bytes", "path"])
async def test_a_cancelled_upload_leaves_nothing(term: Terminal, kind: str) -> None:
    """Unless a state directory remembers it, S3 would keep its parts, and charge for them."""
    await stopped(term, SOURCES[kind](some(LARGE), term.directory / "film.bin"))
    assert await term.unfinished() == 0
    assert await term.stored() == []


async def test_a_broken_line_is_not_noticed(term: Terminal) -> None:
    """A part of an iterator, of which nothing can be read twice, is sent again."""
    broken = list[int]()

    def cut_once(exchange: Exchange) -> Fault | None:
        if exchange.part_number == 1 and not broken:
            broken.append(1)
            return Cut(after=MIB)
        return None

    term.proxy.rule = cut_once
    async with client_of(term) as client:
        stored = await client.upload(later(some(LARGE)))
    assert broken
    assert await term.content(stored.key) == some(LARGE)


async def test_errors_say_what_and_where(term: Terminal) -> None:
    """The code, the status and the id of the request; never a secret."""
    async with client_of(term) as client:
        with pytest.raises(UploadsvcError) as large:
            await client.upload(bytes(2000), policy="small")
        with pytest.raises(UploadsvcError) as missing:
            await client.objects.get(f"uploads/{term.user}/none")
        with pytest.raises(UploadsvcError) as absent:
            await client.upload(term.directory / "none")
        with pytest.raises(ValueError, match="upload_id must be an id"):
            await client.get("../objects")
    assert (large.value.code, large.value.status) == ("file_too_large", 413)
    assert large.value.request_id
    assert (missing.value.status, absent.value.status) == (404, None)
    assert absent.value.code == "file_not_found"
    async with client_of(term, token="wrong-secret", retries=0) as client:
        with pytest.raises(UploadsvcError) as refused:
            await client.upload(b"x")
        assert refused.value.status == 401
        shown = f"{client!r} {vars(client)!r} {refused.value!r} {refused.value}"
    assert "wrong-secret" not in shown


async def test_a_token_is_asked_for_again_when_it_is_rejected(term: Terminal) -> None:
    """By a function, async or not."""
    for given in (token_for(term.user, expires_in=-3600), term.token):
        tokens = iter([given, term.token])

        async def give(tokens: Iterator[str] = tokens) -> str:
            return next(tokens)

        async with client_of(term, token=give) as client:
            assert (await client.upload(b"x")).size == 1
        tokens = iter([given, term.token])
        async with client_of(term, token=lambda tokens=tokens: next(tokens)) as client:
            assert (await client.upload(b"x")).size == 1
    async with client_of(term, token="two\r\nlines") as client:
        with pytest.raises(NoCredential):
            await client.upload(b"x")


@pytest.mark.parametrize(
    ("url", "options"),
    [
        ("uploads.example.com", {"token": "t"}),
        ("https://me:secret@uploads.example.com", {"token": "t"}),
        ("https://uploads.example.com", {}),
        ("https://uploads.example.com", {"token": "t", "api_key": "k"}),
        ("https://uploads.example.com", {"token": "t", "on_behalf_of": "ann"}),
        ("https://uploads.example.com", {"token": "t", "parallel": 0}),
    ],
)
def test_a_client_is_not_made_by_halves(url: str, options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r".") as raised:
        AsyncClient(url, **options)
    assert "secret" not in str(raised.value)


async def test_a_backend_makes_a_token_for_its_user(term: Terminal) -> None:
    """With which the user's device uploads, by the policies that it names."""
    async with client_of(term, token=None, api_key=API_KEY, on_behalf_of=term.user) as backend:
        token = await backend.tokens.create(policies=["default"], expires_in=60)
        assert token.token not in repr(token)
        stored = await backend.upload(b"from the backend")
    assert f"/{term.user}/" in stored.key
    async with client_of(term, token=token.token) as device:
        assert (await device.upload(b"x")).size == 1
        with pytest.raises(UploadsvcError) as refused:
            await device.upload(b"x", policy="forms")
    assert refused.value.status == 403


async def test_many_objects_are_deleted(term: Terminal) -> None:
    """In more than one call; what is not deleted is told by key."""
    none = [f"uploads/{term.user}/none-{number}" for number in range(1001)]
    async with client_of(term) as client:
        keys = [(await client.upload(b"x")).key for _ in range(2)]
        wrong = [f"uploads/{term.user}/../x", "uploads/somebody-else/x"]
        failed = await client.objects.delete_many([*wrong, *none, *keys])
        assert {key: error.code for key, error in failed.items()} == dict(
            zip(wrong, ("invalid_key", "not_found"), strict=True)
        )
        assert [failed[key].status for key in wrong] == [422, 404]
        assert [one async for one in client.objects.list()] == []
        assert await client.objects.delete_many([]) == {}


async def test_a_repeated_key_is_sent_once(term: Terminal) -> None:
    async with client_of(term) as client:
        await client.objects.delete_many([f"uploads/{term.user}/none"] * 1001)
    assert len(term.line.exchanges) == 1


@pytest.mark.parametrize("keys", ["ab", b"ab"])
async def test_one_key_is_not_many(term: Terminal, keys: Any) -> None:  # noqa: ANN401 - wrong on purpose
    """Its characters could be the keys of others."""

    def sync() -> None:
        with Client(term.url, token=term.token) as client:
            client.objects.delete_many(keys)

    with pytest.raises(TypeError, match="several keys"):
        await asyncio.to_thread(sync)
    async with client_of(term) as client:
        with pytest.raises(TypeError, match="several keys"):
            await client.objects.delete_many(keys)
    assert term.line.exchanges == []


async def test_a_service_lists_all_users(term: Terminal) -> None:
    async with client_of(term) as client:
        keys = [(await client.upload(b"x")).key for _ in range(3)]
    async with AsyncClient(term.url, api_key=API_KEY) as client:
        found = [one async for one in client.objects.list_all_users(prefix=f"{term.user}/")]
        assert [(one.user, one.object.key, one.object.size) for one in found] == [
            (term.user, key, 1) for key in sorted(keys)
        ]
        page, cursor = await client.objects.page_of_all_users(prefix=f"{term.user}/", limit=2)
        rest, end = await client.objects.page_of_all_users(prefix=f"{term.user}/", cursor=cursor)
        assert [*page, *rest] == found
        assert (len(page), end) == (2, None)

    def sync() -> list[str]:
        with Client(term.url, api_key=API_KEY) as client:
            return [one.object.key for one in client.objects.list_all_users(prefix=f"{term.user}/")]

    assert await asyncio.to_thread(sync) == sorted(keys)
    async with client_of(term) as client:
        with pytest.raises(UploadsvcError) as refused:
            _ = [one async for one in client.objects.list_all_users()]
    assert refused.value.code == "forbidden"


async def test_objects_are_listed_downloaded_and_deleted(term: Terminal) -> None:
    """A download that breaks off starts again; a file appears only when it is whole."""
    target = term.directory / "copy.bin"
    async with client_of(term) as client:
        keys = [(await client.upload(some(SMALL + n), filename=f"{n}.bin")).key for n in range(3)]
        assert {one.key async for one in client.objects.list()} == set(keys)
        first = await client.objects.page(limit=2)
        rest = await client.objects.page(cursor=first.cursor)
        assert [len(first.objects), len(rest.objects), rest.cursor] == [2, 1, None]
        assert (await client.objects.get(keys[0])).size == SMALL
        url = await client.objects.download_url(keys[0], filename="other.bin", disposition="inline")
        async with httpx.AsyncClient() as http:
            answer = await http.get(url)
        assert answer.content == some(SMALL)
        assert "inline" in answer.headers["content-disposition"]
        cut = list[Exchange]()

        def cut_once(exchange: Exchange) -> Fault | None:
            if exchange.method == "GET" and not cut:
                cut.append(exchange)
                return CutAnswer(after=SMALL // 2)
            return None

        term.proxy.rule = cut_once
        assert await client.objects.download(keys[1], target) == SMALL + 1
        assert cut
        assert target.read_bytes() == some(SMALL + 1)
        buffer = io.BytesIO(b"start")
        buffer.seek(0, os.SEEK_END)
        await client.objects.download(keys[2], buffer)
        assert buffer.getvalue() == b"start" + some(SMALL + 2)
        with pytest.raises(UploadsvcError):
            await client.objects.download(f"uploads/{term.user}/none", term.directory / "none")
        await client.objects.delete(keys[0])
        assert {one.key async for one in client.objects.list()} == set(keys[1:])
    assert sorted(path.name for path in term.directory.iterdir()) == ["copy.bin"]


async def test_parts_can_be_sent_by_hand(term: Terminal) -> None:
    """Through an HTTP client of one's own, which stays open."""
    data = some(LARGE)
    async with httpx.AsyncClient() as http:
        async with client_of(term, http=http) as client:
            await client.objects.page()
        assert not http.is_closed
        client = client_of(term, http=http)
        grant = await client.create(filename="film.bin", size=LARGE, method="multipart")
        assert grant.layout is not None
        parts = await client.sign_parts(grant.id, [1, 2, 3])
        for number, part in parts.items():
            start = grant.layout.start_of(number)
            body = data[start : start + grant.layout.size_of(number)]
            assert (await http.put(part.url, headers=part.headers, content=body)).is_success
            assert part.url not in repr(part)
        state = await client.get(grant.id)
        assert (state.status, sorted(state.parts), state.part_count) == ("uploading", [1, 2, 3], 3)
        assert (await client.complete(grant.id)).key == grant.key
        stored = await client.get(grant.id)
        assert stored.object is not None
        other = await client.create(filename="film.bin", size=LARGE)
        await client.abort(other.id)
        form = await client.create(filename="photo.jpg")
        assert (form.method, form.layout) == ("post", None)
        assert grant.id not in repr((grant, state, other))
        assert form.fields["key"] == form.key
        assert form.url not in repr(form)
    assert await term.content(grant.key) == data


def use(client: Client, data: bytes, directory: Path) -> tuple[Stored, Stored, list[str]]:
    """Do in one thread what a script does."""
    told = list[tuple[int, int]]()
    whole = client.upload(pieces(data), on_progress=lambda *sent: told.append(sent))
    assert told[-1] == (len(data), len(data))
    small = client.upload(io.BytesIO(b"small"), filename="small.txt")
    target = directory / small.key.rsplit("/", 2)[1]
    assert client.objects.download(small.key, target) == target.stat().st_size == 5
    assert client.objects.get(small.key).etag == small.etag
    return whole, small, [one.key for one in client.objects.list()]


async def test_the_sync_client_works_in_threads_and_in_a_running_loop(term: Terminal) -> None:
    """One client for several threads, one of which runs an event loop of its own."""
    data = some(LARGE)

    async def looping() -> tuple[Stored, Stored, list[str]]:
        return use(client, data, term.directory)

    with Client(term.url, token=term.token) as client:
        assert term.token not in repr(client)
        results = await asyncio.gather(
            asyncio.to_thread(use, client, data, term.directory),
            asyncio.to_thread(lambda: asyncio.run(looping())),
        )
        for whole, small, keys in results:
            assert {whole.key, small.key} <= set(keys)
            assert await term.content(whole.key) == data
        grant = await asyncio.to_thread(client.create, filename="a", size=LARGE)
        signed = await asyncio.to_thread(client.sign_parts, grant.id, [1])
        assert list(signed) == [1]
        assert (await asyncio.to_thread(client.get, grant.id)).status in {"pending", "uploading"}
        await asyncio.to_thread(client.abort, grant.id)
        token = await asyncio.to_thread(client.tokens.create)
        assert token.token
        await asyncio.to_thread(client.objects.delete, small.key)
        with pytest.raises(UploadsvcError) as refused:
            await asyncio.to_thread(client.upload, bytes(2000), policy="small")
        assert refused.value.code == "file_too_large"
        # From the loop of this thread too: it would wait for itself, so only what needs no service.
        with pytest.raises(TypeError):
            client.upload(5)  # type: ignore[arg-type] # wrong on purpose
        await asyncio.to_thread(client.close)
    with pytest.raises(RuntimeError, match="closed"):
        client.upload(b"x")


@pytest.mark.parametrize("saved", [False, True], ids=["aborted", "resumable"])
async def test_closing_a_sync_client_ends_uploads_of_other_threads(term: Terminal, *, saved: bool) -> None:
    """They are aborted like cancelled ones, unless they can be resumed."""
    term.proxy.rule = hold_second
    path = term.directory / "film.bin"
    path.write_bytes(some(LARGE))
    state = term.directory / "state" if saved else None
    client = Client(term.url, token=term.token, state_dir=state)
    running = asyncio.create_task(asyncio.to_thread(client.upload, path))
    await term.proxy.until(lambda: term.proxy.stored_parts() == [1, 3])
    async with asyncio.timeout(30):
        await asyncio.to_thread(client.close)
        with pytest.raises(UploadsvcError) as raised:
            await running
    assert raised.value.code == "client_closed"
    assert await term.unfinished() == saved
    if saved:
        term.proxy.rule = lambda _: None
        with Client(term.url, token=term.token, state_dir=state) as again:
            stored = await asyncio.to_thread(again.upload, path)
        assert await term.content(stored.key) == some(LARGE)
        assert term.proxy.stored_parts() == [1, 2, 3]


INTERRUPTED: Final = """
import signal, sys
from uploadsvc.client import Client

# A shell lets its background jobs, and what they start, ignore Ctrl-C.
signal.signal(signal.SIGINT, signal.default_int_handler)

with Client(sys.argv[1], token=sys.argv[2]) as client:
    try:
        client.upload(bytes(int(sys.argv[3])))
    except KeyboardInterrupt:
        print("interrupted")
client = Client(sys.argv[1], token=sys.argv[2])
client.objects.page()  # not closed: the program ends all the same
"""


async def test_ctrl_c_ends_a_sync_upload(term: Terminal) -> None:
    """It is aborted, and the thread does not keep the program from ending."""
    term.proxy.rule = hold_second
    arguments = (term.url, term.token, str(LARGE))
    running = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", INTERRUPTED, *arguments), stdout=asyncio.subprocess.PIPE
    )
    await term.proxy.until(lambda: term.proxy.stored_parts() == [1, 3])
    running.send_signal(signal.SIGINT)
    async with asyncio.timeout(30):
        out, _ = await running.communicate()
    assert (running.returncode, out) == (0, b"interrupted\n")
    assert await term.unfinished() == 0

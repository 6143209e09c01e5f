"""The tests' own proxy does what it says, and no more."""

import asyncio
from collections.abc import AsyncIterator

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from tests.support.fault_proxy import SLOW_DOWN, Answer, Cut, FaultProxy, Hold, LoseAnswer, fault_proxy
from tests.support.stories.serving import served

BODY = bytes(range(256)) * 4096


@pytest.fixture
def seen() -> list[int]:
    """Tell the lengths of all bodies that arrived whole."""
    return []


@pytest.fixture
async def proxy(seen: list[int]) -> AsyncIterator[FaultProxy]:
    """Run a proxy before a server that tells what it was sent."""

    async def echo(request: Request) -> Response:
        try:
            body = await request.body()
        except ClientDisconnect:
            return Response(status_code=400)
        seen.append(len(body))
        return JSONResponse({"host": request.headers["host"], "url": request.url.query, "length": len(body)})

    app = Starlette(routes=[Route("/{path:path}", echo, methods=["GET", "PUT"])])
    async with served(app) as origin, fault_proxy(origin) as proxy:
        yield proxy


@pytest.fixture
async def client(proxy: FaultProxy) -> AsyncIterator[httpx.AsyncClient]:
    """Speak to the proxy."""
    async with httpx.AsyncClient(trust_env=False, timeout=30, base_url=proxy.url) as client:
        yield client


async def test_it_forwards_what_it_is_sent(proxy: FaultProxy, client: httpx.AsyncClient) -> None:
    """Host, query and body; several at once; and writes down what it saw."""
    answers = await asyncio.gather(
        *(client.put(f"/a?partNumber={number}", content=BODY) for number in (1, 2, 3))
    )
    for number, answer in enumerate(answers, 1):
        host = proxy.url.removeprefix("http://")
        assert answer.json() == {"host": host, "url": f"partNumber={number}", "length": len(BODY)}
    assert (await client.get("/b")).json()["length"] == 0
    await proxy.until(lambda: all(one.over for one in proxy.exchanges))
    assert proxy.stored_parts() == [1, 2, 3]
    assert [one.sent for one in proxy.sent()] == [len(BODY)] * 3
    assert [one.status for one in proxy.exchanges] == [200] * 4


async def test_it_answers_itself(proxy: FaultProxy, client: httpx.AsyncClient, seen: list[int]) -> None:
    """Without the server; pages may read it."""
    proxy.rule = lambda _: SLOW_DOWN
    answer = await client.put("/a", content=BODY, headers={"Origin": "http://app.test"})
    assert (answer.status_code, "SlowDown" in answer.text) == (503, True)
    assert answer.headers["access-control-allow-origin"] == "http://app.test"
    proxy.rule = lambda one: Answer(status=418) if one.method == "GET" else None
    assert (await client.get("/a")).status_code == 418
    assert (await client.put("/a")).status_code == 200
    assert seen == [0]


@pytest.mark.parametrize("fault", [Cut(), Cut(after=1000), LoseAnswer()], ids=str)
async def test_it_breaks_connections(
    proxy: FaultProxy, client: httpx.AsyncClient, seen: list[int], fault: Cut | LoseAnswer
) -> None:
    """Before, amid or after what is sent; only a lost answer leaves something at the server."""
    proxy.rule = lambda _: fault
    with pytest.raises(httpx.TransportError):
        await client.put("/a", content=BODY)
    await proxy.until(lambda: proxy.exchanges[0].over)
    assert proxy.exchanges[0].status == 0
    assert seen == ([len(BODY)] if isinstance(fault, LoseAnswer) else [])


async def test_it_holds_a_request(proxy: FaultProxy, client: httpx.AsyncClient, seen: list[int]) -> None:
    """Until it is told to go on, or the line breaks."""
    event = asyncio.Event()
    proxy.rule = lambda _: Hold(until=event, after=1000)
    sending = asyncio.create_task(client.put("/a", content=BODY))
    await proxy.until(lambda: bool(proxy.exchanges) and proxy.exchanges[0].sent == 1000)
    event.set()
    assert (await sending).status_code == 200
    event.clear()
    sending = asyncio.create_task(client.put("/a", content=BODY))
    await proxy.until(lambda: len(proxy.exchanges) == 2 and proxy.exchanges[1].sent == 1000)
    await proxy.break_connections()
    with pytest.raises(httpx.TransportError):
        await sending
    assert seen == [len(BODY)]

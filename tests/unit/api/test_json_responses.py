"""A large body is sent in pieces, and is the same in the end."""

import asyncio

from starlette.types import Message

from uploadsvc.api.json_responses import PiecewiseJson


async def test_other_requests_have_their_turn_between_the_pieces() -> None:
    """They are of moderate size, however small or many those of the body are."""
    body, sent, turns = [b"[", *[b"1" * 999 + b","] * 1000, b"1]"], list[Message](), list[int]()

    async def send(message: Message) -> None:
        sent.append(message)

    async def receive() -> Message:
        raise AssertionError

    async def other() -> None:
        while True:
            turns.append(len(sent))
            await asyncio.sleep(0)

    beside = asyncio.create_task(other())
    await PiecewiseJson(body)({"type": "http"}, receive, send)
    beside.cancel()
    start, *pieces = sent
    whole = b"".join(piece["body"] for piece in pieces)
    assert whole == b"".join(body)
    assert dict(start["headers"])[b"content-length"] == str(len(whole)).encode()
    assert dict(start["headers"])[b"content-type"] == b"application/json"
    assert max(len(piece["body"]) for piece in pieces) < 70_000
    assert [piece["more_body"] for piece in pieces] == [True] * (len(pieces) - 1) + [False]
    assert len(pieces) <= 16
    assert set(range(2, len(pieces) + 1)) <= set(turns)

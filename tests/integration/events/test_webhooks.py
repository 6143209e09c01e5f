"""What becomes of an event that is sent to an endpoint."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from time import monotonic

import pytest
from standardwebhooks import Webhook as Library
from tests.support import endpoints
from tests.support.certificates import certificate_for
from tests.support.endpoints import Answer, Endpoint, answer

from uploadsvc.events import slots, webhooks
from uploadsvc.events.connections import Connections, Resolve
from uploadsvc.events.receivers import Outcome
from uploadsvc.events.webhooks import MAX_RETRY_AFTER, Webhook
from uploadsvc.tokens.webhook_signatures import WebhookSigner

SECRET = "whsec_bWFkZSB1cCBmb3IgdGhlIHRlc3RzLCAzMiBieXRlcyE="
BODY = '{"type":"upload.completed","data":{"object":{"key":"uploads/ann/é.txt"}}}'.encode()


async def here(_host: str, _port: int) -> Sequence[str]:
    """Resolve every name to this machine."""
    return ["127.0.0.1"]


@asynccontextmanager
async def webhook(
    url: str,
    *,
    private: bool = True,
    resolve: Resolve = here,
    timer: Callable[[], float] = monotonic,
) -> AsyncIterator[Webhook]:
    """Open a webhook that trusts the names of this machine."""
    connections = Connections(private=private, resolve=resolve)
    async with connections.open():
        yield Webhook(
            url,
            receiver_id="app",
            signer=WebhookSigner([SECRET]),
            connections=connections,
            types=["*"],
            policies=["*"],
            clock=lambda: datetime.now(UTC),
            timer=timer,
        )


async def sent(*answers: Answer, resolve: Resolve = here) -> tuple[Outcome, Endpoint]:
    """Send an event to an endpoint that gives these answers."""
    async with (
        Endpoint(answers=list(answers)).open() as endpoint,
        webhook(f"http://localhost:{endpoint.port}/in?key=s3cret", resolve=resolve) as receiver,
    ):
        return await receiver.send("evt_1", BODY), endpoint


async def test_an_event_arrives_as_it_was_signed() -> None:
    outcome, endpoint = await sent()
    assert outcome == Outcome(state="delivered")
    (request,) = endpoint.requests
    assert request.target == "/in?key=s3cret"
    assert Library(SECRET).verify(request.body, request.headers)["type"] == "upload.completed"
    assert (request.body, request.headers["content-type"]) == (BODY, "application/json")
    assert request.headers["host"] == f"localhost:{endpoint.port}"
    assert request.headers["user-agent"].startswith("uploadsvc/")


@pytest.mark.parametrize(
    ("reply", "state", "reason"),
    [
        (answer(200, body=b"ok"), "delivered", ""),
        (answer(299), "delivered", ""),
        (answer(410), "gone", "answered 410"),
        (answer(302, "Location: http://127.0.0.1/"), "failed", "answered 302; redirects are not followed"),
        (answer(400), "failed", "answered 400"),
        (answer(500), "failed", "answered 500"),
        (endpoints.reset, "failed", "no answer ("),
        (endpoints.endless_body, "delivered", ""),
        (endpoints.endless_headers, "failed", "no answer ("),
        (b"SSH-2.0-OpenSSH\r\n\r\n", "failed", "no answer ("),
    ],
)
async def test_the_answer_decides(reply: Answer, state: str, reason: str) -> None:
    outcome, endpoint = await sent(reply)
    assert outcome.state == state
    assert outcome.reason.startswith(reason)
    assert len(endpoint.requests) == 1


async def test_nothing_takes_longer_than_an_attempt(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webhooks, "ATTEMPT_SECONDS", 0.05)
    outcome, _ = await sent(endpoints.hang)
    assert (outcome.state, outcome.reason) == ("failed", "no answer within 0 seconds")
    # The status has come, so the event is delivered, whatever becomes of the body.
    outcome, _ = await sent(endpoints.slow_body)
    assert outcome.state == "delivered"


async def test_a_connection_serves_again_if_the_body_was_short() -> None:
    async with Endpoint(answers=[answer(200, body=b"ok"), answer(500, body=b"no")]).open() as endpoint:
        async with webhook(f"http://localhost:{endpoint.port}/") as receiver:
            for _ in range(3):
                await receiver.send("evt_1", BODY)
        assert (endpoint.connections, len(endpoint.requests)) == (1, 3)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("120", 120),
        ("0", 0),
        # Python refuses to read as many digits.
        ("9" * 5000, MAX_RETRY_AFTER),
        ("-1", None),
        ("soon", None),
        ("Mon, 01 Jan 0001 00:00:00 GMT", 0),
    ],
)
async def test_retry_after(header: str, seconds: float | None) -> None:
    outcome, _ = await sent(answer(429, f"Retry-After: {header}"))
    assert (outcome.state, outcome.retry_after) == ("failed", seconds)


async def test_retry_after_may_be_a_date() -> None:
    later = datetime.now(UTC) + timedelta(hours=1)
    outcome, _ = await sent(answer(503, f"Retry-After: {format_datetime(later, usegmt=True)}"))
    assert outcome.retry_after == pytest.approx(3600, abs=60)


async def test_a_dead_endpoint_holds_up_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0
    monkeypatch.setattr(slots, "WAIT_SECONDS", 0.01)
    async with (
        Endpoint(answers=[endpoints.hang] * slots.AT_ONCE).open() as endpoint,
        webhook(f"http://localhost:{endpoint.port}/", timer=lambda: now) as receiver,
    ):
        under_way = [asyncio.create_task(receiver.send(f"evt_{i}", BODY)) for i in range(slots.AT_ONCE)]
        while len(endpoint.requests) < slots.AT_ONCE:
            endpoint.arrived.clear()
            await endpoint.arrived.wait()
        assert (await receiver.send("evt_next", BODY)).state == "busy"
        # After two seconds of silence, nothing waits any more.
        now = slots.SILENT_SECONDS
        monkeypatch.setattr(slots, "WAIT_SECONDS", 3600)
        assert (await receiver.send("evt_next", BODY)).state == "busy"
        under_way[0].cancel()
        await asyncio.wait(under_way[:1])
        assert (await receiver.send("evt_next", BODY)).state == "delivered"
        for task in under_way:
            task.cancel()
        await asyncio.gather(*under_way, return_exceptions=True)


@pytest.mark.parametrize("address", ["127.0.0.1", "10.0.0.1", "169.254.169.254", "::1", "::ffff:10.0.0.1"])
async def test_a_name_with_a_private_address_is_refused(address: str) -> None:
    async def resolve(_host: str, _port: int) -> Sequence[str]:
        return ["8.8.8.8", address]

    async with webhook("https://app.example/in?key=s3cret", private=False, resolve=resolve) as receiver:
        outcome = await receiver.send("evt_1", BODY)
    assert (outcome.state, "not public" in outcome.reason) == ("failed", True)
    assert "s3cret" not in outcome.reason


@pytest.mark.parametrize("host", ["127.0.0.1", "2130706433", "0x7f.1", "[::1]", "localhost", "0"])
async def test_every_way_to_write_this_machine_is_refused(host: str) -> None:
    connections = Connections(private=False)
    async with connections.open():
        receiver = Webhook(
            f"https://{host}/",
            receiver_id="app",
            signer=WebhookSigner([SECRET]),
            connections=connections,
            types=["*"],
            policies=["*"],
            clock=lambda: datetime.now(UTC),
        )
        outcome = await receiver.send("evt_1", BODY)
    # Numbers that are no addresses by RFC 3986 are no names either.
    assert outcome.reason.startswith(("its address is not public", "no answer (InvalidUrlClientError)"))


async def test_a_name_cannot_change_between_check_and_connection() -> None:
    answers = [["127.0.0.1"], ["169.254.169.254"]]

    async def rebinding(_host: str, _port: int) -> Sequence[str]:
        return answers.pop(0)

    async with Endpoint(answers=[answer(200, "Connection: close")]).open() as endpoint:
        async with webhook(f"http://app.example:{endpoint.port}/", resolve=rebinding) as receiver:
            # The system's own resolver knows no app.example: only the checked address can be meant.
            assert (await receiver.send("evt_1", BODY)).state == "delivered"
            assert len(answers) == 1
            assert "not public" in (await receiver.send("evt_1", BODY)).reason
        assert len(endpoint.requests) == 1


@pytest.mark.parametrize(("named", "state"), [("app.example", "delivered"), ("other.example", "failed")])
async def test_tls_verifies_the_name_and_not_the_address(
    named: str, state: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    certificate = certificate_for(named, tmp_path / "certificate.pem")
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate)
    async with (
        Endpoint().open(tls) as endpoint,
        webhook(f"https://app.example:{endpoint.port}/") as receiver,
    ):
        assert (await receiver.send("evt_1", BODY)).state == state
    assert len(endpoint.requests) == (state == "delivered")


async def test_the_next_address_is_tried() -> None:
    async def two(_host: str, _port: int) -> Sequence[str]:
        # Nothing listens at the first.
        return ["127.0.0.2", "127.0.0.1"]

    outcome, _ = await sent(resolve=two)
    assert outcome.state == "delivered"


async def test_a_name_that_dns_does_not_know() -> None:
    async def unknown(_host: str, _port: int) -> Sequence[str]:
        raise OSError

    async with webhook("https://app.example/", resolve=unknown) as receiver:
        assert await receiver.send("evt_1", BODY) == Outcome(
            state="failed", reason="no answer (ClientConnectorDNSError)"
        )

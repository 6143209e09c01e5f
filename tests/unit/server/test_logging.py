"""Logs hold no signatures, tokens or secret keys."""

import json
import logging
import os
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import pytest
import structlog

from uploadsvc.server.logging import Level, configure_logs
from uploadsvc.telemetry.records import RequestRecord

URL = (
    "https://media.s3.eu-central-1.amazonaws.com/uploads/ann/a.jpg?X-Amz-Algorithm=AWS4-HMAC-SHA256"
    "&X-Amz-Credential=AKIAhunter2%2F20261123&X-Amz-Expires=900&X-Amz-Security-Token=FwoGhunter2%2F%2B%3D"
    "&X-Amz-SignedHeaders=host&X-Amz-Signature=hunter2abcdef"
)
SECRETS = [
    URL,
    f'GET "{URL}" failed',
    URL.lower(),
    "Authorization: Bearer hunter2.eyJzdWIiOiJhbm4ifQ.c2ln-_",
    "bearer hunter2==",
    "{'x-amz-signature': 'hunter2', 'x-amz-credential': 'hunter2', 'X-Amz-Security-Token': 'hunter2'}",
    '{"x-amz-signature": "hunter2"}',
    "X-Amz-Security-Token: hunter2",
    "('x-amz-security-token', 'hunter2')",
    "SignedHeaders=host, Signature=hunter2",
]


@pytest.fixture
def _restored() -> Iterator[None]:
    """Restore logging after the test."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    hooks = sys.excepthook, threading.excepthook, sys.unraisablehook
    yield
    sys.excepthook, threading.excepthook, sys.unraisablehook = hooks
    logging.captureWarnings(capture=False)
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()


@pytest.fixture
def lines(_restored: None, capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """Run a function that logs; return what it wrote."""

    def logged(log: Callable[[], object], *, terminal: bool, level: Level = "info") -> str:
        configure_logs(terminal=terminal, level=level)
        log()
        written = capsys.readouterr()
        assert not written.out
        return written.err

    return logged


def refuse(text: str) -> None:
    """Raise an exception that holds a text."""
    raise RuntimeError(text)


def fail(text: str) -> None:
    """Log an exception that holds a text, from the service and from a library."""
    try:
        refuse(text)
    except RuntimeError:
        structlog.get_logger().exception("failed")
        logging.getLogger("library").exception("failed")


WAYS: dict[str, Callable[[str], object]] = {
    "event": lambda text: structlog.get_logger().warning(text),
    "field": lambda text: structlog.get_logger().warning("x", url=text),
    "access log": lambda text: structlog.get_logger().info("request", status=201, user=text),
    "nested": lambda text: structlog.get_logger().warning("x", request={"headers": [text]}),
    "library": lambda text: logging.getLogger("library").warning("sent %s", text),
    "exception": fail,
}


@pytest.mark.parametrize("terminal", [True, False])
@pytest.mark.parametrize("way", sorted(WAYS))
@pytest.mark.parametrize("secret", SECRETS)
def test_secrets_are_redacted(lines: Callable[..., str], secret: str, way: str, *, terminal: bool) -> None:
    written = lines(lambda: WAYS[way](secret), terminal=terminal)
    assert "[redacted]" in written
    assert "hunter2" not in written
    if not terminal:
        for line in written.splitlines():
            assert isinstance(json.loads(line), dict)


def test_the_rest_of_a_url_stays(lines: Callable[..., str]) -> None:
    written = lines(lambda: structlog.get_logger().warning("sent", url=URL, status=200), terminal=False)
    event = json.loads(written)
    assert event["event"] == "sent"
    assert event["level"] == "warning"
    assert event["status"] == 200
    assert event["url"].startswith("https://media.s3.eu-central-1.amazonaws.com/uploads/ann/a.jpg?")
    assert "X-Amz-Expires=900" in event["url"]
    assert event["url"].endswith("&X-Amz-Signature=[redacted]")


def test_libraries_log_from_warning_on(lines: Callable[..., str]) -> None:
    """The service logs from info on."""
    assert not lines(lambda: logging.getLogger("library").info("chat"), terminal=False)
    assert lines(lambda: structlog.get_logger().info("ours"), terminal=False)
    assert not lines(lambda: structlog.get_logger().debug("ours"), terminal=False)


def test_messages_about_tokens_stay_readable(lines: Callable[..., str]) -> None:
    detail = "send 'Authorization: Bearer <token>'"
    written = lines(lambda: structlog.get_logger().warning(detail), terminal=False)
    assert json.loads(written)["event"] == detail


@pytest.mark.parametrize("way", ["event", "library", "exception"])
def test_secret_keys_are_redacted_in_free_text(lines: Callable[..., str], way: str) -> None:
    key = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
    written = lines(lambda: WAYS[way](f"it was {key}"), terminal=False)
    assert "it was [redacted]" in written
    assert key not in written


def test_ids_that_look_like_keys_stay(lines: Callable[..., str]) -> None:
    """In fields of their own, such as users and request ids."""
    user, request_id = "0123456789abcdef" * 4, "Abc1" * 10
    written = lines(
        lambda: structlog.get_logger().info("request", user=user, request_id=request_id), terminal=False
    )
    event = json.loads(written)
    assert (event["user"], event["request_id"]) == (user, request_id)


@pytest.mark.usefixtures("_restored")
def test_the_access_log_is_written_behind_the_requests(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the time of the request, in order with other lines, and redacted."""
    reads, writes = os.pipe()
    with os.fdopen(reads) as written, os.fdopen(writes, "w") as stderr:
        monkeypatch.setattr(sys, "stderr", stderr)
        configure_logs(terminal=False, waits=False)
        log = structlog.get_logger().bind()
        before = datetime.now(UTC)
        log.info_later("request", lambda: {"status": 201, "user": "ann Signature=hunter2", "request_id": "1"})
        log.warning("between", path="/")
        log.info_later("request", lambda: {"status": 200, "user": "\ud800", "request_id": "2"})
        lines = [json.loads(written.readline()) for _ in range(3)]
    assert [line.get("request_id") for line in lines] == ["1", None, "2"]
    assert lines[0]["user"] == "ann Signature=[redacted]"
    assert (lines[0]["event"], lines[0]["level"], lines[1]["level"]) == ("request", "info", "warning")
    assert before <= datetime.fromisoformat(lines[0]["timestamp"]) <= datetime.now(UTC)
    assert lines[2]["user"] == "\ud800"


@pytest.mark.parametrize(
    ("now", "shown"), [(1_795_435_200.0, "12:00:00.000000"), (1_795_435_199.25, "11:59:59.250000")]
)
def test_times_have_six_digits_of_a_second(
    lines: Callable[..., str], monkeypatch: pytest.MonkeyPatch, now: float, shown: str
) -> None:
    monkeypatch.setattr("time.time", lambda: now)
    written = lines(lambda: structlog.get_logger().info("an event"), terminal=False)
    assert json.loads(written)["timestamp"] == f"2026-11-23T{shown}Z"


HOSTILE = [
    "a\nb",
    "a\r\nb",
    "\x1b[31mred",
    "a\x85b\u2028c\u2029d",
    "\ud800\n",
    '"},{"level":"error',
    "\x00",
    "\u202e",
]


@pytest.mark.parametrize("user", HOSTILE)
def test_a_line_stays_a_line(lines: Callable[..., str], user: str) -> None:
    """Whatever a user is called."""
    written = lines(lambda: structlog.get_logger().info("request", user=user), terminal=False)
    assert len(written.splitlines()) == 1
    event = json.loads(written)
    assert (event["user"], event["level"]) == (user, "info")
    plain = lines(lambda: structlog.get_logger().info("request", user=user), terminal=True)
    assert len(plain.splitlines()) == 1
    assert plain.removesuffix("\n").isprintable()


@pytest.mark.parametrize(
    ("level", "shown"),
    [
        ("debug", ["debug", "info", "warning", "error"]),
        ("info", ["info", "warning", "error"]),
        ("warning", ["warning", "error"]),
        ("error", ["error"]),
    ],
)
def test_the_level_is_the_least(lines: Callable[..., str], level: Level, shown: list[str]) -> None:
    """Libraries say nothing below a warning: botocore would log what it signs."""

    def log() -> None:
        for one in ("debug", "info", "warning", "error"):
            getattr(structlog.get_logger(), one)("ours")
            getattr(logging.getLogger("botocore"), one)("theirs")

    found = [json.loads(line) for line in lines(log, terminal=False, level=level).splitlines()]
    assert [line["level"] for line in found if line["event"] == "ours"] == shown
    theirs = [line["level"] for line in found if line["event"] == "theirs"]
    assert theirs == [one for one in shown if one in {"warning", "error"}]


@pytest.mark.parametrize("terminal", [True, False])
def test_every_line_names_its_request(lines: Callable[..., str], *, terminal: bool) -> None:
    """Those of libraries too; lines outside of requests name none."""

    def log() -> None:
        record = RequestRecord(request_id="the-request", trace_id="the-trace")
        token = record.enter()
        structlog.get_logger().warning("s3_refused", operation="head_object")
        logging.getLogger("library").warning("theirs")
        record.leave(token)
        structlog.get_logger().warning("outside")

    first, second, third = lines(log, terminal=terminal).splitlines()
    for line in (first, second):
        assert "the-request" in line
        assert "the-trace" in line
    assert "request_id" not in third


@pytest.mark.usefixtures("_restored")
@pytest.mark.filterwarnings("always")
def test_crashes_and_warnings_are_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the process, of a thread, of what Python ignores; redacted like all."""
    reads, writes = os.pipe()

    def fail_in_thread() -> None:
        refuse("Signature=hunter2")

    with os.fdopen(reads) as written, os.fdopen(writes, "w") as stderr:
        monkeypatch.setattr(sys, "stderr", stderr)
        configure_logs(terminal=False, waits=False)
        try:
            refuse("Signature=hunter2")
        except RuntimeError as error:
            sys.excepthook(type(error), error, error.__traceback__)
        thread = threading.Thread(target=fail_in_thread, name="a thread")
        thread.start()
        thread.join()
        warnings.warn("an old way", DeprecationWarning, stacklevel=1)
        lines = [json.loads(written.readline()) for _ in range(3)]
    assert [line["event"] for line in lines[:2]] == ["crashed", "thread_crashed"]
    assert lines[1]["thread"] == "a thread"
    assert all("RuntimeError: Signature=[redacted]" in line["exception"] for line in lines[:2])
    assert "DeprecationWarning: an old way" in lines[2]["event"]

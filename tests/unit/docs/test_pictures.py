"""The pictures of the README: how a terminal is drawn, and that none shows a secret or is too large."""

import re
from xml.etree import ElementTree as ET

import pytest
from rich.text import Text
from tests.support.servers import ROOT
from tools.pictures.screen import Screen
from tools.pictures.terminal import Frame, svg

NAME = "{http://www.w3.org/2000/svg}"


@pytest.mark.parametrize(
    "sent",
    [
        ["one\r\ntwo\r\n"],
        # A bar that is drawn again, in pieces that end anywhere.
        ["one\r\n\x1b[?25l\x1b[3", "2mbar 1\x1b[0m\r\x1b[2", "Ktwo\r\n"],
        ["bar\r\nbar\r\n\x1b[2A\r\x1b[2Kone\r\n\x1b[2Ktwo\r\n"],
        ["gone\r\none\r\ntwo, or three\rtwo\x1b[K\r\n"],
    ],
)
def test_a_screen_shows_what_a_terminal_would(sent: list[str]) -> None:
    """The last lines, without what was erased."""
    screen = Screen(3)
    for text in sent:
        screen.write(text)
    assert screen.shown().plain == "one\ntwo\n"


def test_colours_are_kept_and_unknown_sequences_refused() -> None:
    """Rather than drawn wrongly."""
    screen = Screen(1)
    screen.write("\x1b[1;32m$\x1b[0m ls")
    (span, *_) = screen.shown().spans
    assert (span.start, span.end) == (0, 1)
    with pytest.raises(ValueError, match="unknown control sequence"):
        screen.write("\x1b[2J")


def test_frames_follow_each_other() -> None:
    """Each is shown for its time, from the end of the one before; markup in them is text."""
    frames = [Frame(seconds=1, text=Text("a <b>")), Frame(seconds=3, text=Text("second"))]
    picture = svg(frames)
    root = ET.fromstring(picture)  # noqa: S314 - our own
    shown = [
        ["".join(text.itertext()) for text in group.iter(f"{NAME}text")] for group in root.iter(f"{NAME}g")
    ]
    assert shown[-2:] == [["a\u00a0<b>"], ["second"]]
    delays = re.findall(r"#f\d \{ animation-name: k\d; animation-delay: (\S+)s \}", picture)
    assert [float(delay) for delay in delays] == [-4, -3]
    assert re.findall(r"0%, ([\d.]+)% \{ visibility: visible", picture) == ["25.000", "75.000"]


@pytest.mark.parametrize("name", ["demo.gif", "terminal.svg", "demo.png"])
def test_pictures_are_small_and_hold_no_token(name: str) -> None:
    """Pages with them load quickly."""
    content = (ROOT / "docs" / name).read_bytes()
    assert len(content) < 1_000_000
    assert b"eyJ" not in content

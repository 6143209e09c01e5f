"""Record ``docs/terminal.svg``: ``uploadsvc`` in a terminal, as an animated picture.

The commands run in a pseudo-terminal against a running ``uploadsvc dev``; each frame is what was on the
screen then. Only the typing is simulated.
"""

import codecs
import io
import os
import pty
import re
import select
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.style import Style
from rich.terminal_theme import TerminalTheme
from rich.text import Text

from tools.pictures.running import MIB, running_demo, sparse, token_of
from tools.pictures.screen import Screen

_WIDTH: Final = 104
_HEIGHT: Final = 18
_FRAME: Final = 0.2
"""Seconds between frames."""
_PAUSE: Final = 1.2
_INTERRUPTED: Final = 130
_END: Final = 4.0
_PROMPT: Final = "\x1b[1;32m$\x1b[0m "
_BINARIES: Final = Path(sys.executable).parent
_RED, _GREEN, _YELLOW = (255, 154, 143), (92, 207, 192), (240, 201, 115)
_BLUE, _PINK, _WHITE = (127, 182, 230), (210, 150, 220), (231, 236, 239)
_COLOURS: Final = [_RED, _GREEN, _YELLOW, _BLUE, _PINK, _GREEN, _WHITE]
_THEME: Final = TerminalTheme((15, 21, 25), _WHITE, [(32, 42, 49), *_COLOURS], [(102, 117, 127), *_COLOURS])
_POLICIES: Final[dict[str, object]] = {
    "default": {"key": "{uuid}/{path}{filename}", "multipart_threshold": "8MiB", "part_size": "8MiB"}
}
_CHARACTER: Final = 7.8
_LINE: Final = 20
_MARGIN: Final = 18
_BAR: Final = 34


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """A frame of the recording.

    Attributes:
        seconds: Duration.
        text: Contents of the screen.
    """

    seconds: float
    text: Text


class Cast:
    """A recording."""

    def __init__(self) -> None:
        self.frames: list[Frame] = []
        self._screen = Screen(_HEIGHT)
        self._decoder = codecs.getincrementaldecoder("utf-8")()

    def type(self, command: str) -> None:
        """Show a command being typed."""
        self._screen.write(_PROMPT)
        self._keep(_PAUSE / 2)
        for start in range(0, len(command), 3):
            self._screen.write(command[start : start + 3])
            self._keep(0.07)
        self._screen.write("\r\n")

    def run(
        self, command: str, directory: Path, environment: dict[str, str], *, stop_at: int | None = None
    ) -> None:
        """Run a command, and record its output.

        Args:
            command: Shell command.
            directory: Working directory.
            environment: Environment variables.
            stop_at: MiB of all files after which Ctrl-C is pressed.

        Raises:
            RuntimeError: The command fails.
        """
        self.type(command)
        ours, theirs = pty.openpty()
        size = {"COLUMNS": str(_WIDTH), "LINES": "40", "TERM": "xterm-256color", "COLORTERM": "truecolor"}
        process = subprocess.Popen(  # noqa: S602 - a line of this file, for a shell
            f"exec {command}",
            shell=True,
            cwd=directory,
            env={**environment, **size},
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
        )
        os.close(theirs)
        try:
            while self._follow(ours):
                if stop_at is not None and self._arrived() >= stop_at:
                    self._screen.write("^C")
                    os.killpg(process.pid, signal.SIGINT)
                    stop_at = None
        finally:
            os.close(ours)
        if process.wait() not in {0, _INTERRUPTED}:
            message = f"{command} failed: {self._screen.shown().plain.strip()}"
            raise RuntimeError(message)
        self._keep(_PAUSE)

    def _follow(self, ours: int) -> bool:
        """Record one frame of a program's output, and return whether the program continues."""
        began, pending = time.monotonic(), b""
        while (left := began + _FRAME - time.monotonic()) > 0:
            if select.select([ours], [], [], left)[0]:
                try:
                    pending += os.read(ours, 65536)
                except OSError:  # it has ended
                    self._screen.write(self._decoder.decode(pending))
                    return False
        self._screen.write(self._decoder.decode(pending))
        self._keep(_FRAME)
        return True

    def _arrived(self) -> float:
        shown = re.search(r"^all files .* ([\d.]+)/[\d.]+ MiB", self._screen.shown().plain, re.MULTILINE)
        return float(shown[1]) if shown else 0.0

    def _keep(self, seconds: float) -> None:
        text = self._screen.shown()
        if self.frames and self.frames[-1].text == text:
            seconds += self.frames.pop().seconds
        self.frames.append(Frame(seconds=seconds, text=text))

    def end(self) -> None:
        """Show the prompt for some time before the animation restarts."""
        self._screen.write(_PROMPT)
        self._keep(_END)


def svg(frames: list[Frame]) -> str:
    """Return an animation of the frames. With reduced motion, only the last one is shown."""
    width, height = _WIDTH * _CHARACTER + 2 * _MARGIN, _HEIGHT * _LINE + 2 * _MARGIN + _BAR
    whole = sum(frame.seconds for frame in frames)
    rules, groups, start = [], [], 0.0
    for index, frame in enumerate(frames):
        until = 100 * frame.seconds / whole
        shown, hidden = (
            f"0%, {until:.3f}% {{ visibility: visible }}",
            f"{until + 0.001:.3f}%, 100% {{ visibility: hidden }}",
        )
        rules.append(f"@keyframes k{index} {{ {shown} {hidden} }}")
        # It began as long ago as the picture will take from this frame on.
        rules.append(f"#f{index} {{ animation-name: k{index}; animation-delay: {start - whole:.2f}s }}")
        groups.append(f'<g class="frame" id="f{index}">{_drawn(frame.text)}</g>')
        start += frame.seconds
    lights = "".join(
        f'<circle cx="{_MARGIN + 6 + 18 * index}" cy="20" r="5.5" fill="{colour}"/>'
        for index, colour in enumerate(("#ff9a8f", "#f0c973", "#5ccfc0"))
    )
    return f"""<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height}" role="img">
<title>uploadsvc in a terminal</title>
<style>
text {{ font: 13px ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; }}
.frame {{ visibility: hidden; animation: {whole:.2f}s step-end infinite; }}
{chr(10).join(rules)}
@media (prefers-reduced-motion: reduce) {{
  .frame {{ animation: none !important; }}
  .frame:last-child {{ visibility: visible; }}
}}
</style>
<rect width="100%" height="100%" rx="10" fill="{_THEME.background_color.hex}"/>{lights}
<g transform="translate({_MARGIN} {_BAR + _MARGIN - 6})">
{chr(10).join(groups)}
</g>
</svg>
"""


def _drawn(text: Text) -> str:
    """Draw one frame: each run of one style is a positioned text."""
    console = Console(width=_WIDTH, file=io.StringIO(), force_terminal=True, color_system="truecolor")
    drawn = []
    for row, line in enumerate(text.split("\n")):
        column = 0
        for segment in line.render(console):
            content = segment.text.rstrip("\n")
            style = segment.style or Style()
            colour = style.color.get_truecolor(_THEME).hex if style.color else _THEME.foreground_color.hex
            if content.strip():
                place = f'x="{column * _CHARACTER:.1f}" y="{(row + 1) * _LINE}"'
                # As wide as in any other font.
                length = f'textLength="{len(content) * _CHARACTER:.1f}"'
                weight = ' font-weight="bold"' if style.bold else ""
                drawn.append(f'<text {place} {length} fill="{colour}"{weight}>{_escaped(content)}</text>')
            column += len(content)
    return "".join(drawn)


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace(" ", "\u00a0")


def main() -> None:
    """Record it."""
    cast = Cast()
    with running_demo(_POLICIES) as (url, files):
        sparse(files / "film.mp4", 300 * MIB)
        (files / "photos").mkdir()
        for index in range(2):
            sparse(files / "photos" / f"lake-{index + 1}.jpg", (index + 2) * MIB)
        environment = {
            **os.environ,
            "PATH": f"{_BINARIES}:{os.environ['PATH']}",
            "UPLOADSVC_URL": url,
            "UPLOADSVC_TOKEN": token_of(url, "alice"),
            "XDG_STATE_HOME": str(files.parent / "state"),
        }
        command = "uploadsvc upload film.mp4 photos/"
        cast.run(command, files, environment, stop_at=150)
        cast.run(command, files, environment)
        cast.run("uploadsvc ls --long", files, environment)
    cast.end()
    target = Path(sys.argv[1])
    target.write_text(svg(cast.frames), encoding="utf-8")
    print(f"{target}: {len(cast.frames)} frames, {target.stat().st_size} bytes")  # noqa: T201 - for whoever runs it


if __name__ == "__main__":
    main()

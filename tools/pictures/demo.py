"""Record the demo page: ``docs/demo.png``, and the frames of ``docs/demo.gif``.

``make pictures`` runs it, and then `tools.pictures.animate` on the frames. Frames are taken at fixed shares
of the upload, and shown for fixed times, so each run makes the same film of another upload.
"""

import json
import shutil
import sys
from pathlib import Path
from typing import Any, Final

from playwright.sync_api import Browser, Page, sync_playwright

from tools.pictures.running import MIB, chromium, running_demo, sparse

_LAKE: Final = """<!doctype html><style>body { margin: 0 }</style>
<svg width="480" height="480" viewBox="0 0 48 48"><defs><linearGradient id="sky" y2="1" x2="0">
<stop stop-color="#7fb6e6"/><stop offset="1" stop-color="#f8d9a0"/></linearGradient></defs>
<rect width="48" height="27" fill="url(#sky)"/><circle cx="33" cy="17" r="6" fill="#fdeb6b"/>
<path d="M0 27 12 14l9 9 8-6 19 10z" fill="#4c7a6b"/>
<rect y="27" width="48" height="21" fill="#2f6d5c"/></svg>"""
_POLICIES: Final[dict[str, object]] = {
    "default": {"multipart_threshold": "8MiB", "part_size": "8MiB"},
    "pictures": {"content_types": ["image/jpeg", "image/png"], "max_size": "10MiB"},
}
_SHARE: Final = """(share) => {
    const { loaded, total, busy } = document.querySelector("uploadsvc-dropzone").queue.snapshot();
    return total > 0 && (loaded / total >= share || !busy);
}"""
_STEPS: Final = 20


class Film:
    """Frames, each with its duration.

    Args:
        page: The page to film.
        directory: Directory for the frames.
    """

    def __init__(self, page: Page, directory: Path) -> None:
        self._page = page
        self._directory = directory
        self._frames: list[dict[str, Any]] = []

    def shot(self, milliseconds: int) -> None:
        """Take a frame."""
        name = f"{len(self._frames):03}.png"
        self._page.screenshot(path=self._directory / name)
        self._frames.append({"file": name, "milliseconds": milliseconds})

    def scroll_to(self, selector: str) -> None:
        """Scroll the page in a few steps."""
        script = "(element) => element.getBoundingClientRect().top + scrollY - 16"
        target = self._page.locator(selector).evaluate(script)
        start = self._page.evaluate("scrollY")
        for step in range(1, 5):
            eased = 1 - (1 - step / 4) ** 2
            self._page.evaluate("(top) => scrollTo(0, top)", start + (target - start) * eased)
            self.shot(80)

    def write(self) -> None:
        """Write the list of the frames."""
        (self._directory / "frames.json").write_text(json.dumps(self._frames), encoding="utf-8")


def main() -> None:
    """Record both, in the given directory."""
    directory = Path(sys.argv[1])
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium())
        lake = _lake(browser)
        with running_demo(_POLICIES) as (url, files):
            _film(browser, url, _files(files, lake), directory)
        with running_demo(_POLICIES) as (url, files):
            _picture(browser, url, _files(files, lake))
        browser.close()


def _lake(browser: Browser) -> bytes:
    page = browser.new_page(viewport={"width": 480, "height": 480})
    page.set_content(_LAKE)
    picture = page.screenshot()
    page.close()
    return picture


def _files(directory: Path, lake: bytes) -> list[Path]:
    (directory / "lake-at-dawn.png").write_bytes(lake)
    return [
        directory / "lake-at-dawn.png",
        sparse(directory / "lecture.mp4", 36 * MIB),
        sparse(directory / "drone.mov", 48 * MIB),
    ]


def _opened(browser: Browser, url: str, *, width: int, height: int) -> Page:
    page = browser.new_page(viewport={"width": width, "height": height})
    page.goto(url)
    page.get_by_text("up to 5 GiB").wait_for()
    page.get_by_test_id("empty").wait_for()
    return page


def _slow_down(page: Page, bytes_per_second: int) -> None:
    session = page.context.new_cdp_session(page)
    session.send("Network.enable")
    limits = {"offline": False, "latency": 0, "downloadThroughput": -1, "uploadThroughput": bytes_per_second}
    session.send("Network.emulateNetworkConditions", limits)


def _film(browser: Browser, url: str, files: list[Path], directory: Path) -> None:
    page = _opened(browser, url, width=860, height=720)
    film = Film(page, directory)
    film.shot(1200)
    _slow_down(page, 10 * MIB)
    page.locator("[part~=input]").set_input_files(files)
    for step in range(1, _STEPS):
        page.wait_for_function(_SHARE, arg=step / _STEPS)
        film.shot(140)
    page.get_by_text("3 of 3 files done").wait_for()
    page.get_by_test_id("event").nth(2).wait_for()
    film.shot(1200)
    page.get_by_test_id("happened-upload").select_option("lake-at-dawn.png")
    page.get_by_text("Valid: signed").wait_for()
    film.scroll_to("#happened-heading")
    film.shot(1500)
    page.get_by_test_id("request").first.locator("summary").click()
    page.mouse.move(0, 0)
    film.shot(2600)
    film.scroll_to("#receipt")
    film.shot(2600)
    film.scroll_to("#events-heading")
    film.shot(2400)
    film.write()
    page.close()


def _picture(browser: Browser, url: str, files: list[Path]) -> None:
    page = _opened(browser, url, width=1100, height=1000)
    lake, lecture, drone = files
    page.locator("[part~=input]").set_input_files([lake])
    page.get_by_text("1 of 1 file done").wait_for()
    page.get_by_text("Valid: signed").wait_for()
    page.get_by_test_id("its-event").wait_for()
    _slow_down(page, 8 * MIB)
    page.locator("[part~=input]").set_input_files([lecture])
    page.wait_for_function(_SHARE, arg=0.3)
    page.get_by_role("button", name="Pause lecture.mp4").click()
    page.locator("[part~=input]").set_input_files([drone])
    page.wait_for_function(_SHARE, arg=0.48)
    page.get_by_test_id("happened-upload").select_option("lake-at-dawn.png")
    page.get_by_text("Complete and verify the upload").wait_for()
    page.mouse.move(0, 0)
    bottom = page.locator("#happened").evaluate(
        "(part) => part.closest('section').getBoundingClientRect().bottom"
    )
    page.screenshot(
        path="docs/demo.png", full_page=True, clip={"x": 0, "y": 0, "width": 1100, "height": bottom + 24}
    )
    page.close()


if __name__ == "__main__":
    main()

"""Make ``docs/demo.gif`` from the frames that `tools.pictures.demo` took.

Run it in the environment of ``locks/bench.txt``, which has Pillow.
"""

import json
import sys
from pathlib import Path
from typing import Final

from PIL import Image

_COLOURS: Final = 96
_MAX_BYTES: Final = 1_000_000


def main() -> None:
    """Write the GIF, with one palette for all frames, so that unchanged areas are not stored again."""
    directory, target = Path(sys.argv[1]), Path(sys.argv[2])
    frames = json.loads((directory / "frames.json").read_text(encoding="utf-8"))
    pictures = [Image.open(directory / frame["file"]).convert("RGB") for frame in frames]
    palette = _palette(pictures)
    flat = [each.quantize(palette=palette, dither=Image.Dither.NONE) for each in pictures]
    flat[0].save(
        target,
        save_all=True,
        append_images=flat[1:],
        duration=[frame["milliseconds"] for frame in frames],
        loop=0,
        optimize=True,
        disposal=1,
    )
    size = target.stat().st_size
    print(f"{target}: {len(frames)} frames, {size} bytes")  # noqa: T201 - for whoever runs it
    if size > _MAX_BYTES:
        sys.exit(f"{target} has more than {_MAX_BYTES} bytes")


def _palette(pictures: list[Image.Image]) -> Image.Image:
    some = pictures[:: max(1, len(pictures) // 8)]
    width, height = some[0].size
    together = Image.new("RGB", (width, height * len(some)))
    for index, picture in enumerate(some):
        together.paste(picture, (0, index * height))
    return together.quantize(_COLOURS, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)


if __name__ == "__main__":
    main()

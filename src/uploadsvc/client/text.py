"""Detect UTF-8 text files. Browsers show text without a charset in a legacy encoding."""

import codecs
from pathlib import PurePath
from typing import Final

from uploadsvc.client.file import Content

_MAX_SIZE: Final = 8 * 1024**2
"""Maximum size in bytes of a file to read for its encoding."""

_TYPES: Final = {
    ".csv": "text/csv",
    ".log": "text/plain",
    ".md": "text/markdown",
    ".tsv": "text/tab-separated-values",
    ".txt": "text/plain",
    ".vtt": "text/vtt",
}


async def text_type(file: Content, name: str) -> str | None:
    """Return the content type of a text file that is UTF-8, or ``None`` to leave the type to the service.

    ASCII needs no charset. Other encodings are left alone.

    Args:
        file: The file.
        name: Its name, which tells whether it is text.

    Raises:
        UploadsvcError: The file cannot be read.
    """
    media_type = _TYPES.get(PurePath(name).suffix.lower())
    if media_type is None or file.size > _MAX_SIZE:
        return None
    decoder, is_ascii = codecs.getincrementaldecoder("utf-8")(), True
    try:
        async for chunk in file.chunks(0, file.size):
            decoder.decode(chunk)
            is_ascii = is_ascii and chunk.isascii()
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return None
    return None if is_ascii else f"{media_type}; charset=utf-8"

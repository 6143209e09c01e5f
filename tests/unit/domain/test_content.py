"""A file is accepted only with the type of its format."""

from contextlib import suppress
from typing import Final

import pytest
from tests.support.corpus import FILES, OOXML, OPENDOCUMENT, a_zip

from uploadsvc.domain.content import check_coding, check_content
from uploadsvc.domain.errors import ContentMismatch
from uploadsvc.domain.formats import HEAD_BYTES, ZIP, recognize

TEXTS: Final = {
    *("json", "csv", "text", "text of Windows", "text in utf-16", "text like signatures", "javascript"),
}
SCRIPTS: Final = {"shell", "php"}
PAGES: Final = {"html", "html after a comment", "html of one script", "html after a mark", "html in utf-16"}
VECTORS: Final = {"svg", "svg with entities", "svg of a prefix"}
XML: Final = {*VECTORS, "xml", "xml without a declaration", "xhtml"}
MOVIES: Final = {"mp4", "mp4 in fragments", "quicktime", "quicktime before 2001", "3gp", "m4a"}
ZIPS: Final = {
    *("zip", "empty zip", "jar", "android", "word", "excel", "powerpoint", "opendocument", "epub"),
}
MP3: Final = {"mp3", "mp3 with tags", "mp3 of speech"}
ACTIVE: Final = {*PAGES, *XML, "flash"}
UNKNOWN: Final = {"noise", "utf-16 without a mark"}

PASS: Final[dict[str, set[str]]] = {
    "image/png": {"png"},
    "image/jpg": {"jpeg", "jpeg of a camera"},
    "image/tiff": {"tiff", "tiff of a Mac", "canon raw"},
    "image/x-canon-cr2": {"tiff", "tiff of a Mac", "canon raw"},
    "image/heif": {"heic", "heic by its second brand", "avif"},
    "image/svg+xml": VECTORS,
    "audio/mp3": {*MP3, "aac"},
    "audio/x-m4a": MOVIES,
    "video/mp4": MOVIES,
    "video/webm; codecs=vp8": {"webm", "matroska"},
    "video/ogg": {"ogg"},
    "video/x-ms-wmv": {"wmv"},
    "font/otf": {"ttf", "otf"},
    "application/pdf": {"pdf", "pdf of text", "pdf after a header"},
    "application/zip": ZIPS,
    f"{OOXML}wordprocessingml.document": {"word", "zip", "empty zip", "word 97"},
    f"{OPENDOCUMENT}text": {"opendocument", "zip", "empty zip", "xml", "xml without a declaration"},
    "application/epub+zip": {"epub"},
    "application/msword": {"word 97", "rtf"},
    "application/vnd.ms-excel": {"word 97", "empty", *TEXTS - {"json"}},
    "application/json": {*TEXTS, "empty"},
    "application/geo+json": {*TEXTS, "empty"},
    "application/gpx+xml": XML,
    "text/csv": {*TEXTS, *SCRIPTS, "xml", "xml without a declaration", "empty"},
    "text/plain;charset=utf-8": {*TEXTS, *SCRIPTS, *PAGES, *XML, "empty"},
    "text/html": {*PAGES, "xhtml", "empty", *TEXTS - {"json"}},
    "text/javascript": {*TEXTS, *SCRIPTS, "empty"},
    "application/x-msdownload": {"exe", "elf", "mac", "java"},
    # Nothing is known about these: they pass as what is not known either, or as what formats are made of.
    "image/x-portable-pixmap": {
        *(*UNKNOWN, "empty", *MP3, "aac", "jpeg xl", *TEXTS - {"json"}),
        *("tiff", "tiff of a Mac", "canon raw"),
    },
    "audio/x-mpegurl": {*UNKNOWN, "empty", *MP3, "aac", "jpeg xl", *TEXTS - {"json"}},
    "application/x-custom": {
        *(*UNKNOWN, "empty", *MP3, "aac", "jpeg xl", *ZIPS, *TEXTS, *SCRIPTS, "gzip", "sqlite"),
        *("word 97", "xml", "xml without a declaration"),
    },
    # Everything that browsers do not run.
    "application/octet-stream": FILES.keys() - ACTIVE,
    "binary/octet-stream": FILES.keys() - ACTIVE,
}
"""Files of the corpus that pass as each type: all others are refused."""


@pytest.mark.parametrize("claimed", PASS)
def test_a_file_passes_only_as_what_it_is(claimed: str) -> None:
    passed = set()
    for name, (content, _) in FILES.items():
        with suppress(ContentMismatch):
            check_content(claimed, recognize(content[:HEAD_BYTES]), empty=not content)
            passed.add(name)
    assert passed == PASS[claimed]


@pytest.mark.parametrize("name", [name for name, (_, found) in FILES.items() if found])
def test_a_file_passes_as_the_type_that_is_found(name: str) -> None:
    content, found = FILES[name]
    if found not in {"application/x-executable", "application/x-ole-storage"}:
        check_content(str(found), found, empty=not content)


def test_the_error_says_what_the_file_is() -> None:
    for found, empty, detail in (
        ("text/html", False, "The file was sent as image/jpeg, but is text/html."),
        (None, False, "The file was sent as image/jpeg, but its first bytes do not match."),
        (None, True, "The file is empty, so it is not image/jpeg."),
    ):
        with pytest.raises(ContentMismatch) as refused:
            check_content("image/JPG", found, empty=empty)
        assert (refused.value.code, refused.value.field) == ("content_mismatch", "content_type")
        assert refused.value.detail == detail


def test_compressed_bytes_begin_as_their_coding_says() -> None:
    check_coding("GZIP", FILES["gzip"][0])
    # Brotli has no signature.
    check_coding("br", b"anything")
    for coding, content in (("gzip", b"<html>"), ("zstd", FILES["gzip"][0]), ("gzip", b"")):
        with pytest.raises(ContentMismatch) as refused:
            check_coding(coding, content)
        assert refused.value.field == "content_encoding"


@pytest.mark.parametrize(
    "claimed",
    ["application/pdf", "application/json", "application/xml", "application/wasm", "application/gzip"],
)
def test_an_archive_cannot_pass_for_another_format(claimed: str) -> None:
    """Its first entry may hold any text."""
    head = a_zip("Evil.class", mimetype=claimed)
    with pytest.raises(ContentMismatch, match="is application/zip"):
        check_content(claimed, recognize(head), empty=False)


@pytest.mark.parametrize("said", [f"{OPENDOCUMENT}<b>\n", "application/<b>+zip", "application/x\0+zip"])
def test_what_an_archive_says_is_a_media_type(said: str) -> None:
    """It gets into receipts and messages."""
    assert recognize(a_zip(mimetype=said)) == ZIP

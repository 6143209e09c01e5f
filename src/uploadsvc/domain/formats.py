"""Recognize a file's format by its first bytes.

Every check takes linear time. The signatures come from
https://mimesniff.spec.whatwg.org/ and the registrations at https://www.iana.org/assignments/media-types/.
"""

import re
from collections.abc import Sequence
from typing import Final, NamedTuple

HEAD_BYTES: Final = 4096
"""Number of bytes to inspect."""

TEXT: Final = "text/plain"
HTML: Final = "text/html"
SVG: Final = "image/svg+xml"
XHTML: Final = "application/xhtml+xml"
XML: Final = "application/xml"
JSON: Final = "application/json"
SCRIPT: Final = "text/x-script"
ZIP: Final = "application/zip"
OLE: Final = "application/x-ole-storage"
PDF: Final = "application/pdf"
POSTSCRIPT: Final = "application/postscript"
RTF: Final = "application/rtf"
PROGRAM: Final = "application/x-executable"

OOXML: Final = "application/vnd.openxmlformats-officedocument."
WORD: Final = f"{OOXML}wordprocessingml.document"
EXCEL: Final = f"{OOXML}spreadsheetml.sheet"
POWERPOINT: Final = f"{OOXML}presentationml.presentation"
OPENDOCUMENT: Final = "application/vnd.oasis.opendocument."


class _Signature(NamedTuple):
    """A signature: bytes at an offset."""

    type: str
    magic: bytes
    offset: int = 0


_SIGNATURES: Final = (
    _Signature("image/png", b"\x89PNG\r\n\x1a\n"),
    _Signature("image/jpeg", b"\xff\xd8\xff"),
    _Signature("image/gif", b"GIF87a"),
    _Signature("image/gif", b"GIF89a"),
    _Signature("image/webp", b"WEBP", 8),
    _Signature("image/tiff", b"II*\0"),
    _Signature("image/tiff", b"MM\0*"),
    _Signature("image/tiff", b"II+\0"),
    _Signature("image/tiff", b"MM\0+"),
    # Raw pictures of Olympus and Panasonic: TIFF with another number.
    _Signature("image/tiff", b"IIRO"),
    _Signature("image/tiff", b"IIRS"),
    _Signature("image/tiff", b"IIU\0"),
    _Signature("image/x-fuji-raf", b"FUJIFILMCCD-RAW"),
    _Signature("image/vnd.microsoft.icon", b"\0\0\1\0"),
    _Signature("image/vnd.microsoft.icon", b"\0\0\2\0"),
    _Signature("image/vnd.adobe.photoshop", b"8BPS"),
    _Signature("image/jp2", b"\0\0\0\x0cjP  \r\n\x87\n"),
    _Signature("image/jp2", b"\xff\x4f\xff\x51"),
    _Signature("image/jxl", b"\0\0\0\x0cJXL \r\n\x87\n"),
    _Signature("image/jxl", b"\xff\x0a"),
    _Signature("audio/ogg", b"OggS"),
    _Signature("audio/flac", b"fLaC"),
    _Signature("audio/wav", b"WAVE", 8),
    _Signature("audio/aiff", b"AIFF", 8),
    _Signature("audio/aiff", b"AIFC", 8),
    _Signature("audio/midi", b"MThd"),
    _Signature("audio/amr", b"#!AMR"),
    _Signature("audio/x-caf", b"caff\0"),
    _Signature("audio/mpeg", b"ID3"),
    _Signature("audio/aac", b"ADIF"),
    _Signature("video/x-msvideo", b"AVI ", 8),
    _Signature("video/x-flv", b"FLV\1"),
    _Signature("video/mpeg", b"\0\0\1\xba"),
    _Signature("video/mpeg", b"\0\0\1\xb3"),
    _Signature("video/x-ms-asf", b"\x30\x26\xb2\x75\x8e\x66\xcf\x11"),
    _Signature("font/ttf", b"\0\1\0\0"),
    _Signature("font/ttf", b"true"),
    _Signature("font/otf", b"OTTO"),
    _Signature("font/collection", b"ttcf"),
    _Signature("font/woff", b"wOFF"),
    _Signature("font/woff2", b"wOF2"),
    _Signature(PDF, b"%PDF-"),
    _Signature(POSTSCRIPT, b"%!PS"),
    _Signature(RTF, b"{\\rtf"),
    _Signature(OLE, b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"),
    _Signature("application/gzip", b"\x1f\x8b\x08"),
    _Signature("application/x-bzip2", b"BZh"),
    _Signature("application/x-xz", b"\xfd7zXZ\0"),
    _Signature("application/zstd", b"\x28\xb5\x2f\xfd"),
    _Signature("application/x-7z-compressed", b"7z\xbc\xaf\x27\x1c"),
    _Signature("application/vnd.rar", b"Rar!\x1a\x07"),
    _Signature("application/vnd.sqlite3", b"SQLite format 3\0"),
    _Signature("application/vnd.apache.parquet", b"PAR1"),
    _Signature("application/wasm", b"\0asm"),
    _Signature("application/x-shockwave-flash", b"FWS"),
    _Signature("application/x-shockwave-flash", b"CWS"),
    _Signature("application/x-shockwave-flash", b"ZWS"),
    _Signature(PROGRAM, b"\x7fELF"),
    _Signature(PROGRAM, b"MZ"),
    # Java classes and universal binaries start with the same bytes.
    _Signature(PROGRAM, b"\xca\xfe\xba\xbe"),
    _Signature(PROGRAM, b"\xfe\xed\xfa\xce"),
    _Signature(PROGRAM, b"\xfe\xed\xfa\xcf"),
    _Signature(PROGRAM, b"\xce\xfa\xed\xfe"),
    _Signature(PROGRAM, b"\xcf\xfa\xed\xfe"),
)
_RIFF: Final = frozenset({"image/webp", "audio/wav", "video/x-msvideo"})
_TEXT_SIGNATURES: Final = frozenset({PDF, POSTSCRIPT, RTF, "audio/amr"})
"""Formats that may consist of text alone. Text may start with the signatures of others: BMW, MZ, CWS."""

_BRANDS: Final = (
    (frozenset({b"avif", b"avis"}), "image/avif"),
    (frozenset({b"heic", b"heix", b"hevc", b"hevx", b"heim", b"heis"}), "image/heic"),
    (frozenset({b"crx "}), "image/x-canon-cr3"),
    (frozenset({b"mif1", b"msf1", b"heif"}), "image/heif"),
    (frozenset({b"qt  "}), "video/quicktime"),
    (frozenset({b"M4A ", b"M4B ", b"M4P ", b"F4A ", b"F4B "}), "audio/mp4"),
)
"""Brands of ISO base media files: https://mp4ra.org/registered-types/brands"""

_QUICKTIME_ATOMS: Final = frozenset({b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot"})
_BMP_HEADERS: Final = frozenset({12, 16, 40, 52, 56, 64, 108, 124})

# https://mimesniff.spec.whatwg.org/#binary-data-byte
_BINARY: Final = re.compile(rb"[\x00-\x08\x0b\x0e-\x1a\x1c-\x1f]")
_BOMS: Final = (
    (b"\xef\xbb\xbf", "utf-8"),
    (b"\xff\xfe", "utf-16-le"),
    (b"\xfe\xff", "utf-16-be"),
)
# https://mimesniff.spec.whatwg.org/#identifying-a-resource-with-an-unknown-mime-type
_HTML: Final = re.compile(
    r"<(?:!doctype html|html|head|script|iframe|h1|div|font|table|a|style|title|b|body|br|p)[\s>/]",
    re.IGNORECASE,
)
_ROOT: Final = re.compile(r"<(?:[\w.-]{1,100}:)?([A-Za-z_][\w.-]{0,100})")
_XHTML_NAMESPACE: Final = "http://www.w3.org/1999/xhtml"
# Other formats contain their own type too; as ZIP, they match everything based on it.
_TYPE_IN_ZIP: Final = re.compile(r"application/(?:vnd\.oasis\.opendocument\.[a-z0-9.-]+|[a-z0-9.-]+\+zip)")
_PHP: Final = re.compile(r"<\?(?:php\b|=)", re.IGNORECASE)


def recognize(head: bytes) -> str | None:
    """Return the media type of a file, or ``None``.

    Text is ``text/plain``, unless it is HTML, XML, JSON, a script or another known format. Programs are
    `PROGRAM`, old Microsoft Office formats `OLE`.

    Args:
        head: The first `HEAD_BYTES` of the file, or the whole of a shorter one.
    """
    if not head:
        return None
    text = decoded(head)
    if text is not None:
        by_signature = _by_signature(head)
        return by_signature if by_signature in _TEXT_SIGNATURES else _kind_of_text(text)
    return _container(head) or _by_signature(head) or _by_structure(head)


def decoded(head: bytes) -> str | None:
    """Decode text, or return ``None`` if browsers would not treat the bytes as text.

    Without a byte order mark, text may have any encoding that extends ASCII. UTF-16 requires the mark.
    """
    for mark, encoding in _BOMS:
        if head.startswith(mark):
            try:
                # The head may end within a character.
                text = head[len(mark) :].decode(
                    encoding, errors="ignore" if encoding == "utf-8" else "replace"
                )
            except UnicodeDecodeError:
                return None
            return None if "\0" in text else text
    return None if _BINARY.search(head) else head.decode("utf-8", errors="replace")


def _by_signature(head: bytes) -> str | None:
    for kind, magic, offset in _SIGNATURES:
        if head.startswith(magic, offset):
            if kind in _RIFF and not head.startswith((b"RIFF", b"RF64", b"BW64")):
                continue
            if kind == "audio/aiff" and not head.startswith(b"FORM"):
                continue
            return kind
    return None


def _kind_of_text(text: str) -> str:
    text = text.lstrip()
    if text.startswith("%PDF-"):
        return PDF
    if text.startswith("#!") or _PHP.match(text):
        return SCRIPT
    if text.startswith("<"):
        return _kind_of_markup(text)
    return JSON if text[:1] in {"{", "["} else TEXT


def _kind_of_markup(text: str) -> str:
    """Return the format of the first element."""
    declared = text.startswith("<?xml")
    rest = _after_prolog(text)
    root = _ROOT.match(rest)
    name = root[1].lower() if root else ""
    if name == "svg":
        return SVG
    if name == "html" and (declared or _XHTML_NAMESPACE in rest[:1000]):
        return XHTML
    if not declared and (_HTML.match(text) or _HTML.match(rest) or name == "html"):
        return HTML
    if declared or root:
        return XML
    # Browsers treat a page that starts with a comment as HTML.
    return HTML if text.startswith("<!--") else TEXT


def _after_prolog(text: str) -> str:
    """Return a document without its declaration, comments and processing instructions, if they end.

    Also skips a document type other than HTML's, up to the first ``[`` or ``>``.
    """
    position = 0
    while True:
        while text[position : position + 1].isspace():
            position += 1
        if text.startswith("<!--", position):
            end = text.find("-->", position)
            skip = 3
        elif text.startswith("<?", position):
            end, skip = text.find("?>", position), 2
        elif text[position : position + 9].upper() == "<!DOCTYPE" and not _HTML.match(text, position):
            end, skip = _doctype_end(text, position), 1
        else:
            return text[position:]
        if end < 0:
            return ""
        position = end + skip


def _doctype_end(text: str, position: int) -> int:
    close, subset = text.find(">", position), text.find("[", position)
    if 0 <= subset < close:
        return text.find(">", max(text.find("]", subset), position)) if "]" in text[subset:] else -1
    return close


def _container(head: bytes) -> str | None:
    if head.startswith((b"PK\x03\x04", b"PK\x05\x06", b"PK\x07\x08")):
        return _kind_of_zip(head)
    if head.startswith(b"\x1a\x45\xdf\xa3"):
        return "video/webm" if b"webm" in head[:64] else "video/matroska"
    if head[4:8] == b"ftyp":
        return _kind_of_movie(head)
    if head[4:8] in _QUICKTIME_ATOMS and head[0] == 0:
        return "video/quicktime"
    return None


def _kind_of_zip(head: bytes) -> str:
    names = _zip_names(head)
    if names[:1] == ["mimetype"] and head[8:10] == b"\0\0":
        # The first entry of OpenDocument and EPUB is their type, not compressed.
        start = 30 + len("mimetype") + int.from_bytes(head[28:30], "little")
        size = int.from_bytes(head[18:22], "little")
        declared = head[start : start + min(size, 100)].decode("ascii", errors="replace").strip().lower()
        # It can be any text, such as the type of a format that is not based on ZIP.
        if _TYPE_IN_ZIP.fullmatch(declared):
            return declared
    for name in names:
        if name.startswith("word/"):
            return WORD
        if name.startswith("xl/"):
            return EXCEL
        if name.startswith("ppt/"):
            return POWERPOINT
        if name in {"AndroidManifest.xml", "classes.dex"}:
            return "application/vnd.android.package-archive"
    return "application/java-archive" if "META-INF/MANIFEST.MF" in names else ZIP


def _zip_names(head: bytes) -> list[str]:
    """Return the names of entries with headers in the head."""
    names, position = [], head.find(b"PK\x03\x04")
    while position >= 0:
        length = int.from_bytes(head[position + 26 : position + 28], "little")
        names.append(head[position + 30 : position + 30 + length].decode("utf-8", errors="replace"))
        position = head.find(b"PK\x03\x04", position + 30)
    return names


def _kind_of_movie(head: bytes) -> str:
    size = int.from_bytes(head[:4], "big")
    brands = head[8:12], *_fours(head[16 : max(16, min(size, 256))])
    for known, kind in _BRANDS:
        # QuickTime's and M4A's are also listed by other, compatible movies.
        counted = brands if kind.startswith("image/") else brands[:1]
        if not known.isdisjoint(counted):
            return kind
    return "video/3gpp" if head[8:10] == b"3g" else "video/mp4"


def _fours(data: bytes) -> Sequence[bytes]:
    return [data[start : start + 4] for start in range(0, len(data) - 3, 4)]


def _by_structure(head: bytes) -> str | None:
    """Recognize formats whose signature alone is too short."""
    if head.startswith(b"BM") and int.from_bytes(head[14:18], "little") in _BMP_HEADERS:
        return "image/bmp"
    sound = _kind_of_frames(head.lstrip(b"\0"))
    if sound is not None:
        return sound
    for start, packet in ((0, 188), (4, 192), (0, 204)):
        if len(head) > start + 2 * packet and set(head[start : start + 3 * packet : packet]) == {0x47}:
            return "video/mp2t"
    if _is_tar(head):
        return "application/x-tar"
    # Readers of PDF look for its header in the first kilobyte.
    return PDF if b"%PDF-" in head[:1024] else None


def _kind_of_frames(head: bytes) -> str | None:
    """Recognize MPEG audio by the header of its first frame.

    http://www.mp3-tech.org/programmer/frame_header.html
    """
    if len(head) < 4 or head[0] != 0xFF or head[1] & 0xE0 != 0xE0:  # noqa: PLR2004 - 11 bits of ones
        return None
    layer, version = head[1] >> 1 & 3, head[1] >> 3 & 3
    if layer == 0:
        return "audio/aac" if head[1] & 0xF6 == 0xF0 and head[2] >> 2 & 15 < 13 else None  # noqa: PLR2004
    bitrate, rate = head[2] >> 4, head[2] >> 2 & 3
    return "audio/mpeg" if version != 1 and bitrate not in {0, 15} and rate != 3 else None  # noqa: PLR2004


def _is_tar(head: bytes) -> bool:
    """Check the checksum of the header, because old archives have no other signature."""
    block = head[:512]
    if len(block) < 512 or not block[0]:  # noqa: PLR2004
        return False
    try:
        expected = int(block[148:156].strip(b" \0") or b"x", 8)
    except ValueError:
        return False
    return sum(block) - sum(block[148:156]) + 8 * ord(" ") == expected

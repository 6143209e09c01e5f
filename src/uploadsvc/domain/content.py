"""Compare a file's format with its media type.

A comparison of the first bytes finds mislabelled files, such as a program with the type of a picture. It does
not prove that a file is well-formed or harmless, and a file can have two formats.
"""

from typing import Final

from uploadsvc.domain import media_types
from uploadsvc.domain.errors import ContentMismatch
from uploadsvc.domain.formats import (
    EXCEL,
    HTML,
    JSON,
    OLE,
    OOXML,
    OPENDOCUMENT,
    PDF,
    POSTSCRIPT,
    POWERPOINT,
    PROGRAM,
    RTF,
    SCRIPT,
    SVG,
    TEXT,
    WORD,
    XHTML,
    XML,
    ZIP,
)

_XML_FORMATS: Final = frozenset({XML, SVG, XHTML})
_ACTIVE: Final = frozenset({HTML, *_XML_FORMATS, "application/x-shockwave-flash"})
_MOVIES: Final = frozenset({"video/mp4", "audio/mp4", "video/quicktime", "video/3gpp"})
_MATROSKA: Final = frozenset({"video/webm", "video/matroska"})
_OGG: Final = frozenset({"audio/ogg"})
_TIFF: Final = frozenset({"image/tiff"})
_ASF: Final = frozenset({"video/x-ms-asf"})
_FONTS: Final = frozenset({"font/ttf", "font/otf", "font/collection"})
_HEIF: Final = frozenset({"image/heif", "image/heic"})
_JPEG_2000: Final = frozenset({"image/jp2"})
_ICONS: Final = frozenset({"image/vnd.microsoft.icon"})
_PROGRAMS: Final = frozenset({PROGRAM})
_PLAIN: Final = frozenset({TEXT, JSON})
_ANY_TEXT: Final = frozenset({TEXT, JSON, HTML, SCRIPT, *_XML_FORMATS})
_APK: Final = frozenset({"application/vnd.android.package-archive", "application/java-archive", ZIP})
_WORD: Final = frozenset({WORD, ZIP, OLE})
_EXCEL: Final = frozenset({EXCEL, ZIP, OLE})
_POWERPOINT: Final = frozenset({POWERPOINT, ZIP, OLE})

_ACCEPTED: Final[dict[str, frozenset[str]]] = {
    # ID3 tags may precede other audio formats too.
    "audio/aac": frozenset({"audio/aac", "audio/mpeg"}),
    "audio/flac": frozenset({"audio/flac", "audio/mpeg", "audio/ogg"}),
    "audio/mpeg": frozenset({"audio/mpeg", "audio/aac"}),
    "audio/3gpp": _MOVIES,
    "audio/3gpp2": _MOVIES,
    "audio/mp4": _MOVIES,
    "audio/x-m4b": _MOVIES,
    "audio/x-m4r": _MOVIES,
    "video/3gpp": _MOVIES,
    "video/3gpp2": _MOVIES,
    "video/mp4": _MOVIES,
    "video/quicktime": _MOVIES,
    "application/x-matroska": _MATROSKA,
    "audio/matroska": _MATROSKA,
    "audio/x-matroska": _MATROSKA,
    "audio/webm": _MATROSKA,
    "video/matroska": _MATROSKA,
    "video/webm": _MATROSKA,
    "application/ogg": _OGG,
    "audio/ogg": _OGG,
    "video/ogg": _OGG,
    "application/vnd.ms-asf": _ASF,
    "audio/x-ms-wma": _ASF,
    "video/x-ms-asf": _ASF,
    "video/x-ms-wmv": _ASF,
    "image/apng": frozenset({"image/png"}),
    "image/avif": frozenset({"image/avif", "image/heif"}),
    "image/heic": _HEIF,
    "image/heic-sequence": _HEIF,
    "image/heif": _HEIF | {"image/avif"},
    "image/heif-sequence": _HEIF,
    "image/j2c": _JPEG_2000,
    "image/jp2": _JPEG_2000,
    "image/jpm": _JPEG_2000,
    "image/jpx": _JPEG_2000,
    "image/vnd.microsoft.icon": _ICONS,
    "image/x-win-bitmap": _ICONS,
    "image/x-adobe-dng": _TIFF,
    "image/x-canon-cr2": _TIFF,
    "application/font-sfnt": _FONTS,
    "application/vnd.ms-opentype": _FONTS,
    "font/collection": _FONTS,
    "font/otf": _FONTS,
    "font/sfnt": _FONTS,
    "font/ttf": _FONTS,
    # With a password, Office wraps its newer formats in the older one.
    "application/msword": frozenset({OLE, RTF}),
    # Windows gives CSV files this type.
    "application/vnd.ms-excel": frozenset({OLE, TEXT}),
    "application/vnd.ms-powerpoint": frozenset({OLE}),
    "application/vnd.ms-outlook": frozenset({OLE}),
    "application/vnd.visio": frozenset({OLE}),
    "application/x-msi": frozenset({OLE}),
    "application/eps": frozenset({POSTSCRIPT}),
    "application/x-eps": frozenset({POSTSCRIPT}),
    "image/x-eps": frozenset({POSTSCRIPT}),
    "application/illustrator": frozenset({PDF, POSTSCRIPT}),
    "application/vnd.adobe.illustrator": frozenset({PDF, POSTSCRIPT}),
    "application/vnd.comicbook-rar": frozenset({"application/vnd.rar"}),
    "application/x-cbr": frozenset({"application/vnd.rar"}),
    "application/x-gtar": frozenset({"application/x-tar"}),
    # Illustrator files have the type of PostScript on some systems, and contain PDF.
    "application/postscript": frozenset({POSTSCRIPT, PDF}),
    # Windows uses one name for several formats.
    "application/x-compressed": frozenset(
        {ZIP, "application/gzip", "application/x-7z-compressed", "application/vnd.rar", "application/x-bzip2"}
    ),
    "application/java-archive": frozenset({"application/java-archive", ZIP}),
    "application/vnd.android.package-archive": _APK,
    "application/java-vm": _PROGRAMS,
    "application/vnd.microsoft.portable-executable": _PROGRAMS,
    "application/x-dosexec": _PROGRAMS,
    "application/x-elf": _PROGRAMS,
    "application/x-mach-binary": _PROGRAMS,
    "application/x-msdos-program": _PROGRAMS,
    "application/x-msdownload": _PROGRAMS,
    "application/x-sharedlib": _PROGRAMS,
    "application/x-sqlite3": frozenset({"application/vnd.sqlite3"}),
    "application/x-compressed-tar": frozenset({"application/gzip"}),
    # Browsers never run plain text, whatever its content.
    "text/plain": _ANY_TEXT,
    # Markdown may begin with HTML.
    "text/markdown": _ANY_TEXT,
    "text/html": frozenset({HTML, XHTML, TEXT}),
    "application/xml": _XML_FORMATS,
    "text/rdf": _XML_FORMATS,
    "text/xml": _XML_FORMATS,
    "text/xsl": _XML_FORMATS,
    "application/xhtml+xml": frozenset({XHTML, HTML}),
    "application/json": _PLAIN,
    "application/yaml": _PLAIN,
    "application/javascript": _PLAIN | {SCRIPT},
}
"""Accepted formats for each media type. An unlisted type accepts only itself."""

_BY_START: Final = (
    ("application/vnd.openxmlformats-officedocument.wordprocessingml.", _WORD),
    ("application/vnd.openxmlformats-officedocument.spreadsheetml.", _EXCEL),
    ("application/vnd.openxmlformats-officedocument.presentationml.", _POWERPOINT),
    ("application/vnd.ms-word.", _WORD),
    ("application/vnd.ms-excel.", _EXCEL),
    ("application/vnd.ms-powerpoint.", _POWERPOINT),
)

_ITSELF: Final = frozenset(
    {
        *("application/epub+zip", "application/gzip", "application/pdf"),
        *("application/rtf", "application/vnd.apache.parquet", "application/vnd.rar", "application/wasm"),
        *("application/vnd.sqlite3", "application/x-7z-compressed", "application/x-bzip2"),
        *("application/x-tar", "application/x-xz", "application/zstd", "application/x-shockwave-flash"),
        *("audio/aiff", "audio/amr", "audio/midi", "audio/wav", "audio/x-caf"),
        *("font/woff", "font/woff2", "image/bmp", "image/gif", "image/jpeg", "image/jxl", "image/png"),
        *("image/svg+xml", "image/tiff", "image/vnd.adobe.photoshop", "image/webp"),
        *("image/x-canon-cr3", "image/x-fuji-raf"),
        *("video/mp2t", "video/mpeg", "video/x-flv", "video/x-msvideo"),
    }
)
"""Formats that are always recognized, and not accepted as each other."""

_MEDIA: Final = ("image", "audio", "video", "font")
_RAW_MATERIAL: Final = frozenset({OLE, XML, SCRIPT, "application/gzip", "application/vnd.sqlite3", *_PLAIN})
"""Containers of application formats, besides ZIP."""

_TOO_SHORT: Final = frozenset({"audio/mpeg", "audio/aac", "image/jxl"})
"""Formats with short signatures, which one in a few thousand random files has."""

_SIGNED_CODINGS: Final = {"gzip": b"\x1f\x8b", "x-gzip": b"\x1f\x8b", "zstd": b"\x28\xb5\x2f\xfd"}


def check_content(claimed: str, found: str | None, *, empty: bool) -> None:
    """Check that a file has the format of its media type.

    Args:
        claimed: Media type of the object.
        found: What `formats.recognize` found; ``None`` if nothing.
        empty: Whether the file has no bytes.

    Raises:
        ContentMismatch: It has another format.
    """
    name = media_types.registered(claimed)
    if _is_open(name):
        fits = found not in _ACTIVE
    elif _is_any_zip(name):
        fits = found is not None and is_zip(found)
    elif (accepted := _accepted(name)) is not None:
        fits = found in accepted or (empty and TEXT in accepted)
    elif empty or found is None or found == name or found in _TOO_SHORT:
        fits = True
    else:
        fits = _may_be_made_of(name, found)
    if not fits:
        raise ContentMismatch(_detail(name, found, empty=empty))


def check_rare_content(claimed: str, found: str, *, known: bool) -> None:
    """Check a file that `formats` does not recognize, but another list of signatures does.

    Rare formats have many type names, so two types count as different only if the list has both, or if one is
    a picture, sound, movie or font and the other is not.

    Args:
        claimed: Media type of the object.
        found: The recognized type.
        known: Whether that list also has the claimed type.

    Raises:
        ContentMismatch: It has another format.
    """
    name = media_types.registered(claimed)
    kind, other = name.partition("/")[0], found.partition("/")[0]
    if found == name or _is_open(name):
        return
    certain = known or _is_any_zip(name) or _accepted(name) is not None
    if certain or (kind in _MEDIA and other != kind):
        raise ContentMismatch(_detail(name, found, empty=False))


def check_coding(coding: str, head: bytes) -> None:
    """Check that compressed bytes match their ``Content-Encoding``. Their content is not checked.

    Raises:
        ContentMismatch: They do not match.
    """
    magic = _SIGNED_CODINGS.get(coding.lower())
    if magic is not None and not head.startswith(magic):
        detail = f"The file is sent as {coding.lower()}, but its bytes are not."
        raise ContentMismatch(detail, field="content_encoding")


def _is_open(name: str) -> bool:
    return name in {media_types.DEFAULT, media_types.UNTYPED, ""}


def _is_any_zip(name: str) -> bool:
    return name == ZIP or (name.endswith("+zip") and name not in _ITSELF)


def _accepted(name: str) -> frozenset[str] | None:
    """Return the accepted formats for a type; ``None`` if nothing is known about it."""
    if name in _ACCEPTED:
        return _ACCEPTED[name]
    if name in _ITSELF:
        return frozenset({name})
    for start, accepted in _BY_START:
        if name.startswith(start):
            return accepted
    # Flat OpenDocument files are XML.
    return frozenset({name, ZIP, XML}) if name.startswith(OPENDOCUMENT) else _accepted_text(name)


def _accepted_text(name: str) -> frozenset[str] | None:
    if name.endswith("+xml"):
        return _XML_FORMATS
    if name.endswith("+json"):
        return _PLAIN
    if media_types.is_active(name):
        # Every JavaScript type.
        return _PLAIN | {SCRIPT}
    return _PLAIN | {SCRIPT, XML} if name.startswith("text/") else None


def is_zip(found: str) -> bool:
    """Return whether a format is based on ZIP."""
    other = found.startswith((OOXML, OPENDOCUMENT)) or found.endswith("+zip")
    return other or found in {ZIP, "application/java-archive", "application/vnd.android.package-archive"}


def _may_be_made_of(name: str, found: str) -> bool:
    """Return whether an unknown format may be based on the one that was found."""
    kind = name.partition("/")[0]
    if kind in _MEDIA:
        # Playlists and some pictures are text, and cameras write TIFF with many type names.
        return found == TEXT or (kind == "image" and found in _TIFF)
    return found in _RAW_MATERIAL or is_zip(found)


def _detail(name: str, found: str | None, *, empty: bool) -> str:
    if empty:
        return f"The file is empty, so it is not {name}."
    if found is None:
        return f"The file was sent as {name}, but its first bytes do not match."
    return f"The file was sent as {name}, but is {found}."

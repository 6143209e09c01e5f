"""Small files of many formats, made here. Each begins as real ones do; few hold anything."""

import bz2
import gzip
import io
import lzma
import sqlite3
import struct
import tarfile
import wave
import zipfile
import zlib
from typing import Final


def _png() -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 1, 1, 8, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(b"\0\0")) + chunk(b"IEND", b"")


def _jpeg(first: bytes) -> bytes:
    return b"\xff\xd8" + first + b"\xff\xdb\0\x43\0" + b"\x08" * 64 + b"\xff\xd9"


def a_zip(*names: str, mimetype: str = "") -> bytes:
    """Return an archive with these entries, after one that holds the type if there is one."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        if mimetype:
            archive.writestr("mimetype", mimetype)
        for name in names:
            archive.writestr(name, f"<x>{name}</x>")
    return buffer.getvalue()


def _tar() -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        entry = tarfile.TarInfo("a.txt")
        entry.size = 2
        archive.addfile(entry, io.BytesIO(b"hi"))
    return buffer.getvalue()


def _wav() -> bytes:
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(1)
        sound.setframerate(8000)
        sound.writeframes(b"\x80" * 16)
    return buffer.getvalue()


def _sqlite() -> bytes:
    connection = sqlite3.connect(":memory:")
    connection.execute("CREATE TABLE a (b)")
    data = connection.serialize()
    connection.close()
    return data


def _movie(*brands: bytes) -> bytes:
    body = brands[0] + struct.pack(">I", 512) + b"".join(brands)
    return struct.pack(">I", len(body) + 8) + b"ftyp" + body + struct.pack(">I", 8) + b"mdat"


def _matroska(kind: bytes) -> bytes:
    body = b"\x42\x86\x81\x01\x42\x82" + bytes([0x80 | len(kind)]) + kind + b"\x42\x87\x81\x04"
    return b"\x1a\x45\xdf\xa3" + bytes([0x80 | len(body)]) + body + b"\x18\x53\x80\x67\x01" + b"\xff" * 7


def _ogg(packet: bytes) -> bytes:
    return b"OggS\0\x02" + bytes(8) + struct.pack("<III", 1, 0, 0) + bytes([1, len(packet)]) + packet


def _riff(kind: bytes) -> bytes:
    return b"RIFF" + struct.pack("<I", 20) + kind + b"LIST" + bytes(12)


def _bmp() -> bytes:
    file = b"BM" + struct.pack("<IHHI", 58, 0, 0, 54)
    return file + struct.pack("<IiiHHIIiiII", 40, 1, 1, 1, 24, 0, 4, 2835, 2835, 0, 0) + b"\xff\xff\xff\0"


def _transport_stream(before: bytes = b"") -> bytes:
    return (before + b"\x47\x40\0\x10" + b"\xff" * 184) * 4


OOXML: Final = "application/vnd.openxmlformats-officedocument."
OPENDOCUMENT: Final = "application/vnd.oasis.opendocument."

_DOS: Final = b"MZ\x90\0\3\0\0\0\4\0\0\0\xff\xff\0\0\xb8" + bytes(43) + b"\x80\0\0\0" + bytes(64) + b"PE\0\0"
_WMA: Final = bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c") + bytes(32)

FILES: Final[dict[str, tuple[bytes, str | None]]] = {
    # Pictures
    "png": (_png(), "image/png"),
    "jpeg": (_jpeg(b"\xff\xe0\0\x10JFIF\0\1\1\0\0\1\0\1\0\0"), "image/jpeg"),
    "jpeg of a camera": (_jpeg(b"\xff\xe1\0\x10Exif\0\0MM\0*\0\0\0\x08"), "image/jpeg"),
    "gif": (b"GIF89a\1\0\1\0\x80\0\0\0\0\0\xff\xff\xff,\0\0\0\0\1\0\1\0\0\2\2D\1\0;", "image/gif"),
    "webp": (_riff(b"WEBP"), "image/webp"),
    "bmp": (_bmp(), "image/bmp"),
    "tiff": (b"II*\0\x08\0\0\0\1\0\0\1\3\0\1\0\0\0\1\0\0\0\0\0\0\0", "image/tiff"),
    "tiff of a Mac": (b"MM\0*\0\0\0\x08\0\1\1\0\0\3\0\0\0\1\0\1\0\0", "image/tiff"),
    "canon raw": (b"II*\0\x10\0\0\0CR\2\0" + bytes(40), "image/tiff"),
    "icon": (b"\0\0\1\0\1\0\x10\x10\0\0\1\0\x20\0" + bytes(64), "image/vnd.microsoft.icon"),
    "photoshop": (b"8BPS\0\1" + bytes(6) + b"\0\3", "image/vnd.adobe.photoshop"),
    "jpeg 2000": (b"\0\0\0\x0cjP  \r\n\x87\n\0\0\0\x14ftypjp2 ", "image/jp2"),
    "jpeg xl": (b"\xff\x0a\xfa\x1f\1\x91\x08\6\1\0", "image/jxl"),
    "heic": (_movie(b"heic", b"mif1"), "image/heic"),
    "heic by its second brand": (_movie(b"mif1", b"heic"), "image/heic"),
    "avif": (_movie(b"avif", b"mif1", b"miaf"), "image/avif"),
    # Sound
    "ogg": (_ogg(b"\1vorbis"), "audio/ogg"),
    "flac": (b"fLaC\0\0\0\x22" + bytes(34), "audio/flac"),
    "wav": (_wav(), "audio/wav"),
    "aiff": (b"FORM\0\0\0\x2eAIFFCOMM" + bytes(38), "audio/aiff"),
    "mp3 with tags": (b"ID3\4\0\0\0\0\0\x0a" + bytes(10) + b"\xff\xfb\x90\x64", "audio/mpeg"),
    "mp3": (b"\xff\xfb\x90\x64" + bytes(413), "audio/mpeg"),
    "mp3 of speech": (b"\xff\xf3\x40\xc4" + bytes(413), "audio/mpeg"),
    "aac": (b"\xff\xf1\x50\x80\4\x1f\xfc" + bytes(32), "audio/aac"),
    "midi": (b"MThd\0\0\0\6\0\1\0\1\0\x60", "audio/midi"),
    "m4a": (_movie(b"M4A ", b"mp42", b"isom"), "audio/mp4"),
    # Movies
    "mp4": (_movie(b"isom", b"iso2", b"avc1", b"mp41"), "video/mp4"),
    "mp4 in fragments": (_movie(b"iso5", b"dash"), "video/mp4"),
    "quicktime": (_movie(b"qt  "), "video/quicktime"),
    "quicktime before 2001": (b"\0\0\0\x08wide\0\0\0\x10mdat", "video/quicktime"),
    "3gp": (_movie(b"3gp4", b"isom"), "video/3gpp"),
    "webm": (_matroska(b"webm"), "video/webm"),
    "matroska": (_matroska(b"matroska"), "video/matroska"),
    "avi": (_riff(b"AVI "), "video/x-msvideo"),
    "mpeg": (b"\0\0\1\xba\x44\0\4\0\4\1", "video/mpeg"),
    "transport stream": (_transport_stream(), "video/mp2t"),
    "blu-ray": (_transport_stream(bytes(4)), "video/mp2t"),
    "wmv": (_WMA, "video/x-ms-asf"),
    # Documents
    "pdf": (b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n1 0 obj<<>>endobj", "application/pdf"),
    "pdf of text": (b"\r\n%PDF-1.4\n1 0 obj<<>>endobj", "application/pdf"),
    "pdf after a header": (b"\1\2\3 mail header\n%PDF-1.4\n", "application/pdf"),
    "postscript": (b"%!PS-Adobe-3.0\nshowpage\n", "application/postscript"),
    "rtf": (b"{\\rtf1\\ansi hello}", "application/rtf"),
    "word 97": (bytes.fromhex("d0cf11e0a1b11ae1") + bytes(504), "application/x-ole-storage"),
    "word": (
        a_zip("[Content_Types].xml", "_rels/.rels", "word/document.xml"),
        f"{OOXML}wordprocessingml.document",
    ),
    "excel": (a_zip("[Content_Types].xml", "xl/workbook.xml"), f"{OOXML}spreadsheetml.sheet"),
    "powerpoint": (a_zip("ppt/presentation.xml"), f"{OOXML}presentationml.presentation"),
    "opendocument": (a_zip("content.xml", mimetype=f"{OPENDOCUMENT}text"), f"{OPENDOCUMENT}text"),
    "epub": (a_zip("META-INF/container.xml", mimetype="application/epub+zip"), "application/epub+zip"),
    # Archives and data
    "zip": (a_zip("a.txt"), "application/zip"),
    "empty zip": (b"PK\5\6" + bytes(18), "application/zip"),
    "jar": (a_zip("META-INF/MANIFEST.MF"), "application/java-archive"),
    "android": (a_zip("AndroidManifest.xml"), "application/vnd.android.package-archive"),
    "gzip": (gzip.compress(b"hi"), "application/gzip"),
    "bzip2": (bz2.compress(b"hi"), "application/x-bzip2"),
    "xz": (lzma.compress(b"hi"), "application/x-xz"),
    "zstd": (bytes.fromhex("28b52ffd2002110000") + b"hi", "application/zstd"),
    "7z": (b"7z\xbc\xaf\x27\x1c\0\4" + bytes(24), "application/x-7z-compressed"),
    "rar": (b"Rar!\x1a\7\1\0" + bytes(16), "application/vnd.rar"),
    "tar": (_tar(), "application/x-tar"),
    "sqlite": (_sqlite(), "application/vnd.sqlite3"),
    "parquet": (b"PAR1\x15\4\x15\x10" + bytes(16), "application/vnd.apache.parquet"),
    # Fonts
    "ttf": (b"\0\1\0\0\0\1\0\x10\0\0\0\0head" + bytes(12), "font/ttf"),
    "otf": (b"OTTO\0\1\0\x10\0\0\0\0head" + bytes(12), "font/otf"),
    "woff2": (b"wOF2\0\1\0\0" + bytes(40), "font/woff2"),
    # Programs
    "exe": (_DOS, "application/x-executable"),
    "elf": (b"\x7fELF\2\1\1" + bytes(9) + b"\2\0\x3e\0" + bytes(40), "application/x-executable"),
    "mac": (bytes.fromhex("cffaedfe0700000103000000"), "application/x-executable"),
    "java": (b"\xca\xfe\xba\xbe\0\0\0\x34\0\x10", "application/x-executable"),
    "wasm": (b"\0asm\1\0\0\0", "application/wasm"),
    "flash": (b"CWS\x0a\x10\0\0\0" + bytes(8), "application/x-shockwave-flash"),
    # Text
    "html": (b"<!DOCTYPE html>\n<title>x</title>hi", "text/html"),
    "html after a comment": (b"<!-- x --><html><body onload=alert(1)>", "text/html"),
    "html of one script": (b"\n  <ScRiPt>alert(1)</script>", "text/html"),
    "html after a mark": (b"\xef\xbb\xbf<html>", "text/html"),
    "html in utf-16": ("\ufeff<html><script>".encode("utf-16-le"), "text/html"),
    "svg": (b'<?xml version="1.0"?>\n<!-- x -->\n<svg xmlns="http://www.w3.org/2000/svg"/>', "image/svg+xml"),
    "svg with entities": (b'<!DOCTYPE svg [<!ENTITY a "x>y">]><svg/>', "image/svg+xml"),
    "svg of a prefix": (b'<s:svg xmlns:s="http://www.w3.org/2000/svg"/>', "image/svg+xml"),
    "xml": (b'<?xml version="1.0"?>\n<note/>', "application/xml"),
    "xml without a declaration": (b"<note><to>Ann</to></note>", "application/xml"),
    "xhtml": (b'<?xml version="1.0"?><html/>', "application/xhtml+xml"),
    "json": (b'{"a": [1, 2]}', "application/json"),
    "csv": (b"id,name\n1,Ann\n", "text/plain"),
    "text": ("Grüße\n".encode(), "text/plain"),
    "text of Windows": ("Grüße\n".encode("cp1252"), "text/plain"),
    "text in utf-16": ("Grüße\n".encode("utf-16"), "text/plain"),
    "text like signatures": (b"BMW, MZ, II* and CWS are no files", "text/plain"),
    "javascript": (b"import x from './x.js';\n", "text/plain"),
    "shell": (b"#!/bin/sh\necho hi\n", "text/x-script"),
    "php": (b"<?php echo 1; ?>", "text/x-script"),
    # Nothing
    "noise": (bytes((index * 37 + 11) % 256 for index in range(256)), None),
    "utf-16 without a mark": ("hello".encode("utf-16-le"), None),
    "empty": (b"", None),
}
"""Bytes and the type that is found, by name."""

"""Media types (RFC 9110 section 8.3.1), parsed before they are compared."""

import re
from functools import lru_cache

from uploadsvc.domain.filenames import file_extension

DEFAULT = "application/octet-stream"
UNTYPED = "binary/octet-stream"
"""S3's type for objects without one. No store replaces it by a guess."""

MAX_LENGTH = 255

_NAME = r"[A-Za-z0-9!#$%&'*+.^_`|~-]+"
# Only policies use wildcards.
_TYPE = re.compile(rf"(?!\*)({_NAME})/(?!\*)({_NAME})")
# Recorders write unquoted lists: "video/webm;codecs=vp8,opus". Each item is a token, so that none looks like
# a second type if a browser splits the header at commas.
_PARAMETER = re.compile(
    rf'[ \t]*;[ \t]*({_NAME})=({_NAME}(?:,{_NAME})*|"(?:[\t \x21\x23-\x5b\x5d-\x7e]|\\[\t \x21-\x7e])*")'
)
# A star is a token character, but "image/p*" would be a wildcard that matches nothing.
_PATTERN_NAME = _NAME.replace("*", "", 1)
_PATTERN = re.compile(rf"\*/\*|{_PATTERN_NAME}/(?:\*|{_PATTERN_NAME})")

_ACTIVE = frozenset(
    {
        # Browsers sniff unknown types and may find HTML:
        # https://mimesniff.spec.whatwg.org/#mime-type-sniffing-algorithm
        "application/unknown",
        "unknown/unknown",
        # Every JavaScript MIME type: https://mimesniff.spec.whatwg.org/#javascript-mime-type
        "application/ecmascript",
        "application/javascript",
        "application/mathml+xml",
        "application/x-ecmascript",
        "application/x-javascript",
        "application/x-shockwave-flash",
        "application/xhtml+xml",
        "application/xml",
        "image/svg+xml",
        "multipart/x-mixed-replace",
        "text/ecmascript",
        "text/html",
        "text/javascript",
        "text/javascript1.0",
        "text/javascript1.1",
        "text/javascript1.2",
        "text/javascript1.3",
        "text/javascript1.4",
        "text/javascript1.5",
        "text/jscript",
        "text/livescript",
        "text/rdf",
        "text/vbscript",
        "text/x-ecmascript",
        "text/x-javascript",
        "text/xml",
        "text/xsl",
    }
)

# Extensions of active types in Debian's and freedesktop.org's tables, which stores use to guess.
_ACTIVE_EXTENSIONS = frozenset(
    {
        *("atom", "atomcat", "atomsrv", "atomsvc", "bmml", "ccxml", "cjs", "cml", "csl", "dae"),
        *("davmount", "dbk", "docbook", "emma", "es", "fb2", "fo", "gml", "gpx", "grxml", "htm", "html"),
        *("ink", "inkml", "its", "js", "jsm", "kml", "link66", "lostxml", "mads", "mathml", "meta4"),
        *("metalink", "mets", "mjs", "mml", "mods", "mpd", "mrcx", "mxml", "musicxml", "odd", "opf"),
        *("opml", "osm", "owl", "owx", "rdf", "rdfs", "rng", "rss", "sbml", "shf", "shtml", "smi"),
        *("smil", "sml", "sru", "srx", "ssml", "svg", "svgz", "swf", "swidtag", "td", "tei", "teicorpus"),
        *("ttml", "uoml", "vbs", "vxml", "wadl", "wbs", "wif", "wsdl", "wspolicy", "x3d", "xbl", "xdm"),
        *("xdp", "xdssc", "xel", "xer", "xht", "xhtm", "xhtml", "xhvml", "xlf", "xliff", "xml", "xmls"),
        *("xop", "xsd", "xsf", "xsl", "xslt", "xsm", "xspf", "xul", "xvm", "xvml", "yin", "zaz", "zmm"),
    }
)

# Names of the same format that browsers and systems send, the registered name first. None is active.
_SYNONYMS = (
    ("application/gzip", "application/x-gzip"),
    ("application/msword", "application/doc", "application/x-msword", "application/vnd.msword"),
    ("application/pdf", "application/x-pdf"),
    ("application/rtf", "application/x-rtf", "text/rtf"),
    ("application/vnd.ms-excel", "application/excel", "application/msexcel", "application/x-msexcel"),
    ("application/vnd.ms-powerpoint", "application/mspowerpoint", "application/powerpoint"),
    ("application/vnd.rar", "application/rar", "application/x-rar", "application/x-rar-compressed"),
    ("application/x-7z-compressed", "application/7z", "application/x-7z"),
    ("application/x-bzip2", "application/bzip2", "application/x-bz2"),
    ("application/yaml", "application/x-yaml", "text/yaml", "text/x-yaml"),
    ("application/zip", "application/x-zip", "application/x-zip-compressed"),
    ("application/zstd", "application/x-zstd"),
    ("audio/aac", "audio/x-aac"),
    ("audio/aiff", "audio/x-aiff"),
    ("audio/flac", "audio/x-flac"),
    ("audio/midi", "audio/mid", "audio/x-midi"),
    ("audio/mp4", "audio/m4a", "audio/x-m4a"),
    ("audio/mpeg", "audio/mp3", "audio/mpeg3", "audio/x-mp3", "audio/x-mpeg"),
    ("audio/ogg", "audio/opus", "audio/vorbis", "audio/x-ogg"),
    ("audio/wav", "audio/vnd.wave", "audio/wave", "audio/x-pn-wav", "audio/x-wav"),
    ("font/otf", "application/x-font-otf", "application/x-font-opentype"),
    ("font/ttf", "application/x-font-ttf", "application/x-font-truetype"),
    ("font/woff", "application/font-woff", "application/x-font-woff"),
    ("image/bmp", "image/x-bmp", "image/x-ms-bmp"),
    ("image/jpeg", "image/jpg", "image/pjpeg", "image/x-jpeg"),
    ("image/png", "image/x-png"),
    ("image/tiff", "image/tif", "image/x-tif", "image/x-tiff"),
    ("image/vnd.adobe.photoshop", "application/x-photoshop", "image/psd", "image/x-photoshop"),
    ("image/vnd.microsoft.icon", "image/ico", "image/x-icon"),
    ("image/x-adobe-dng", "image/dng"),
    ("text/calendar", "application/ics"),
    ("text/csv", "application/csv", "application/x-csv", "text/comma-separated-values", "text/x-csv"),
    ("text/markdown", "text/x-markdown"),
    ("text/vcard", "text/directory", "text/x-vcard"),
    ("video/matroska", "video/x-matroska"),
    ("video/mp2t", "video/vnd.dlna.mpeg-tts"),
    ("video/mp4", "video/x-m4v", "application/mp4"),
    ("video/mpeg", "video/mpg", "video/x-mpeg"),
    ("video/x-msvideo", "video/avi", "video/msvideo", "video/vnd.avi"),
)
_OTHER_NAMES = {name: frozenset(group) for group in _SYNONYMS for name in group}
_REGISTERED_NAMES = {name: group[0] for group in _SYNONYMS for name in group}

# Windows with Excel gives this type to CSV files. Other files with it are not CSV.
_SYNONYMS_FOR_EXTENSION = {("application/vnd.ms-excel", ".csv"): _OTHER_NAMES["text/csv"]}

# A fixed table: the system's differs between machines.
_BY_EXTENSION = {
    "3g2": "video/3gpp2",
    "3gp": "video/3gpp",
    "3gpp": "video/3gpp",
    "7z": "application/x-7z-compressed",
    "aac": "audio/aac",
    "aif": "audio/aiff",
    "aiff": "audio/aiff",
    "amr": "audio/amr",
    "apng": "image/apng",
    "arw": "image/x-sony-arw",
    "avi": "video/x-msvideo",
    "avif": "image/avif",
    "bmp": "image/bmp",
    "bz2": "application/x-bzip2",
    "caf": "audio/x-caf",
    "cr2": "image/x-canon-cr2",
    "cr3": "image/x-canon-cr3",
    "css": "text/css",
    "csv": "text/csv",
    "dng": "image/x-adobe-dng",
    "doc": "application/msword",
    "docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    "epub": "application/epub+zip",
    "flac": "audio/flac",
    "flv": "video/x-flv",
    "gif": "image/gif",
    "gz": "application/gzip",
    "heic": "image/heic",
    "heif": "image/heif",
    "hif": "image/heif",
    "htm": "text/html",
    "html": "text/html",
    "ico": "image/vnd.microsoft.icon",
    "ics": "text/calendar",
    "jfif": "image/jpeg",
    "jp2": "image/jp2",
    "jpe": "image/jpeg",
    "jpeg": "image/jpeg",
    "jpg": "image/jpeg",
    "js": "text/javascript",
    "json": "application/json",
    "jsonl": "application/jsonl",
    "jxl": "image/jxl",
    "log": "text/plain",
    "m2ts": "video/mp2t",
    "m4a": "audio/mp4",
    "m4b": "audio/mp4",
    "m4v": "video/mp4",
    "md": "text/markdown",
    "mid": "audio/midi",
    "midi": "audio/midi",
    "mjs": "text/javascript",
    "mka": "audio/matroska",
    "mkv": "video/matroska",
    "mov": "video/quicktime",
    "mp3": "audio/mpeg",
    "mp4": "video/mp4",
    "mpeg": "video/mpeg",
    "mpg": "video/mpeg",
    "mts": "video/mp2t",
    "nef": "image/x-nikon-nef",
    "odp": "application/vnd.oasis.opendocument.presentation",
    "ods": "application/vnd.oasis.opendocument.spreadsheet",
    "odt": "application/vnd.oasis.opendocument.text",
    "oga": "audio/ogg",
    "ogg": "audio/ogg",
    "ogv": "video/ogg",
    "opus": "audio/ogg",
    "orf": "image/x-olympus-orf",
    "otf": "font/otf",
    "parquet": "application/vnd.apache.parquet",
    "pdf": "application/pdf",
    "pjp": "image/jpeg",
    "pjpeg": "image/jpeg",
    "png": "image/png",
    "ppt": "application/vnd.ms-powerpoint",
    "pptx": "application/vnd.openxmlformats-officedocument.presentationml.presentation",
    "psd": "image/vnd.adobe.photoshop",
    "qt": "video/quicktime",
    "raf": "image/x-fuji-raf",
    "rar": "application/vnd.rar",
    "rtf": "application/rtf",
    "rw2": "image/x-panasonic-rw2",
    "svg": "image/svg+xml",
    "tar": "application/x-tar",
    "tgz": "application/gzip",
    "tif": "image/tiff",
    "tiff": "image/tiff",
    "tsv": "text/tab-separated-values",
    "ttf": "font/ttf",
    "txt": "text/plain",
    "vcf": "text/vcard",
    "vtt": "text/vtt",
    "wasm": "application/wasm",
    "wav": "audio/wav",
    "weba": "audio/webm",
    "webm": "video/webm",
    "webp": "image/webp",
    "wma": "audio/x-ms-wma",
    "wmv": "video/x-ms-wmv",
    "woff": "font/woff",
    "woff2": "font/woff2",
    "xhtml": "application/xhtml+xml",
    "xls": "application/vnd.ms-excel",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "xml": "application/xml",
    "yaml": "application/yaml",
    "yml": "application/yaml",
    "zip": "application/zip",
    "zst": "application/zstd",
}


# Clients send the same few types again and again.
@lru_cache(maxsize=256)
def parse(value: str) -> str:
    """Normalize a media type for signing: type and subtype in lower case, then ``; name=value``.

    Raises:
        ValueError: Not a media type by RFC 9110, a wildcard, longer than `MAX_LENGTH`, or with a ``${``.
    """
    if len(value) > MAX_LENGTH:
        message = f"longer than {MAX_LENGTH} characters"
        raise ValueError(message)
    value = value.strip(" \t")
    match = _TYPE.match(value)
    if match is None:
        message = "not of the form type/subtype, for example image/jpeg"
        raise ValueError(message)
    if match.end() == len(value):
        return value.lower()
    if "${" in value:
        message = "holding '${', which an S3 form would expand"
        raise ValueError(message)
    parsed, position = match[0].lower(), match.end()
    while position < len(value):
        parameter = _PARAMETER.match(value, position)
        if parameter is None:
            message = "malformed: its parameters are not of the form '; name=value'"
            raise ValueError(message)
        text = parameter[2]
        if "," in text and not text.startswith('"'):
            # RFC 9110 section 5.6.6 has a list in quotes.
            text = f'"{text}"'
        parsed += f"; {parameter[1].lower()}={text}"
        position = parameter.end()
    return parsed


def parse_pattern(value: str) -> str:
    """Normalize a policy's pattern to lower case: ``image/png``, ``image/*`` or ``*/*``.

    Raises:
        ValueError: It has another form.
    """
    if not _PATTERN.fullmatch(value):
        message = f"{value!r} is not a media type: type/subtype, type/* or */*, without parameters"
        raise ValueError(message)
    return value.lower()


def from_filename(filename: str) -> str:
    """Return the media type of the file extension, or `DEFAULT`."""
    return _BY_EXTENSION.get(file_extension(filename)[1:].lower(), DEFAULT)


def essence(media_type: str) -> str:
    """Return a parsed media type without its parameters."""
    return media_type.partition(";")[0]


def registered(value: str) -> str:
    """Return the registered name of a media type, without parameters, in lower case; never raises."""
    name = essence(value).strip().lower()
    return _REGISTERED_NAMES.get(name, name)


def is_active(media_type: str) -> bool:
    """Return whether browsers run code in such a file."""
    name = essence(media_type)
    return name in _ACTIVE or name.endswith("+xml")


def extension_is_active(filename: str) -> bool:
    """Return whether a store that guesses types by extension may serve this file as code."""
    return file_extension(filename)[1:].lower() in _ACTIVE_EXTENSIONS


def allowed(media_type: str, patterns: frozenset[str], *, filename: str = "") -> bool:
    """Return whether a parsed media type, or another name of the same format, matches a policy's patterns.

    HTML, SVG, XML and JavaScript match only their exact names: an operator who writes ``*/*`` or ``image/*``
    means files, not pages that run on the bucket's domain.
    """
    name = essence(media_type)
    if name in patterns:
        return True
    if is_active(name):
        return False
    if "*/*" in patterns or f"{name.partition('/')[0]}/*" in patterns:
        return True
    extension = file_extension(filename).lower()
    others = _OTHER_NAMES.get(name, frozenset()) | _SYNONYMS_FOR_EXTENSION.get((name, extension), frozenset())
    return not others.isdisjoint(patterns)

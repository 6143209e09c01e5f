"""``Content-Disposition`` (RFC 6266) with ``filename*`` (RFC 8187)."""

import re
import unicodedata
from urllib.parse import quote

from uploadsvc.domain.characters import STRAY_JOINER, is_unsafe

_MAX_CHARACTERS = 200
_CONSIDERED_CHARACTERS = 1024
# Without braces: an S3 form would expand "${filename}".
_QUOTABLE = re.compile(r"[A-Za-z0-9!#$&'()+,.;=@^_`~ -]+")
# attr-char of RFC 8187 section 3.2.1, beyond letters and digits (and ``-._~``, which quote() keeps anyway).
_ATTR_CHARS = "!#$&+^`|"


def content_disposition(kind: str, filename: str | None) -> str:
    """Return the header value. It is printable ASCII for every filename.

    A filename outside a safe ASCII set appears twice: simplified for old clients (RFC 6266 section 4.3 and
    appendix D), and exact in ``filename*``.
    """
    name = _displayable(filename or "")
    if not name:
        return kind
    if _QUOTABLE.fullmatch(name):
        return f'{kind}; filename="{name}"'
    flat = unicodedata.normalize("NFKD", name).encode("ascii", errors="ignore").decode()
    flat = "".join(c if _QUOTABLE.fullmatch(c) else "_" for c in flat).strip()
    if not flat.rstrip(".") or (flat.startswith(".") and not name.startswith(".")):
        # Only the extension is left, which would hide the file.
        flat = f"file{flat.rstrip('.')}"
    return f"{kind}; filename=\"{flat}\"; filename*=UTF-8''{quote(name, safe=_ATTR_CHARS)}"


def _displayable(filename: str) -> str:
    # Cut before normalizing, which takes quadratic time for a long run of combining marks.
    name = filename[:_CONSIDERED_CHARACTERS].encode(errors="replace").decode()
    # Drop paths, control characters and formatting characters, which can reverse the displayed name.
    name = "".join("_" if c in "/\\" else c for c in name if not is_unsafe(c))
    name = STRAY_JOINER.sub("", " ".join(name.split()))
    return unicodedata.normalize("NFC", name)[:_MAX_CHARACTERS]

"""What a canary is made of: its bytes, their digests, right and wrong, and a type that its policy allows."""

import base64
import hashlib
import zlib
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import replace
from typing import Final

from uploadsvc.domain.checksums import ALGORITHMS, Algorithm, checksum_header
from uploadsvc.domain.keys import Namespace
from uploadsvc.domain.media_types import DEFAULT
from uploadsvc.domain.planner import Planner
from uploadsvc.domain.policy import Method, Policy
from uploadsvc.domain.providers import Provider

BODY: Final = b"uploadsvc doctor"
"""A canary's bytes."""

_OTHER_BODY: Final = b"not the bytes that are sent"
_OWN: Final[tuple[Algorithm, ...]] = ("sha256", "crc32")
"""What Python computes by itself; every store that checks any checksum of an upload checks one of them."""

_LENGTHS: Final[Mapping[Algorithm, int]] = {"sha256": 32, "crc32": 4, "crc32c": 4, "crc64nvme": 8}
_OF_A_FAMILY: Final = {"image": "image/png", "text": "text/plain", "video": "video/mp4", "audio": "audio/mp4"}


def canary_planner(policy: Policy, provider: Provider, folder: str) -> Planner:
    """Return a policy's planner for canaries: theirs is another folder, and they are smaller than any file.

    S3 sees nothing of the sizes that a policy allows but the one that is signed.
    """
    small = replace(policy, min_size=0, max_size=max(policy.max_size, len(BODY)))
    return Planner(policy=small, provider=provider, namespace=Namespace(folder))


def content_type(planner: Planner) -> str:
    """Return a media type that a policy allows."""
    if planner.policy.all_types:
        return DEFAULT
    pattern = min(planner.policy.content_types)
    family, _, kind = pattern.partition("/")
    return pattern if kind != "*" else _OF_A_FAMILY.get(family, f"{family}/x-canary")


def algorithm_for(policy: Policy, provider: Provider, method: Method) -> Algorithm | None:
    """Return the checksum that a canary brings, where its policy asks for one."""
    if policy.checksum != "required":
        return None
    known = provider.part_checksums if method == "multipart" else provider.checksum_algorithms
    return next((algorithm for algorithm in _OWN if algorithm in known), None)


def digest(algorithm: Algorithm, body: bytes) -> str:
    """Return a checksum in base64; of the CRCs only the one that Python knows."""
    raw = hashlib.sha256(body).digest() if algorithm == "sha256" else zlib.crc32(body).to_bytes(4, "big")
    return base64.b64encode(raw).decode()


def wrong_digest(algorithm: Algorithm) -> str:
    """Return what no canary's bytes have."""
    return base64.b64encode(b"\x5a" * _LENGTHS[algorithm]).decode()


def spoilt(present: Mapping[str, str], known: AbstractSet[str]) -> dict[str, str]:
    """Return headers by which S3 refuses a canary's bytes, once it has checked all else.

    Args:
        present: Headers that there are; a checksum among them is replaced, as S3 takes one alone.
        known: The checksums that the store is taken to check.
    """
    # MD5 is what every store has checked from the beginning: https://www.rfc-editor.org/rfc/rfc1864
    md5 = hashlib.md5(_OTHER_BODY, usedforsecurity=False).digest()
    wrong = {"Content-MD5": base64.b64encode(md5).decode()}
    brought = [algorithm for algorithm in ALGORITHMS if checksum_header(algorithm) in present]
    for algorithm in brought or [one for one in _OWN if one in known][:1]:
        wrong[checksum_header(algorithm)] = wrong_digest(algorithm)
    return wrong

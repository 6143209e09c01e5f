"""Look into stored objects: what their first bytes are, and whether a scanner has released them."""

import importlib
from collections.abc import Callable
from typing import Any, Final

from uploadsvc.domain import media_types
from uploadsvc.domain.content import check_coding, check_content, check_rare_content
from uploadsvc.domain.errors import UploadIncomplete
from uploadsvc.domain.formats import HEAD_BYTES, recognize
from uploadsvc.domain.objects import StoredObject
from uploadsvc.domain.policy import Availability
from uploadsvc.s3.storage import Storage
from uploadsvc.services.policies import PolicyRegistry
from uploadsvc.tokens.signed_ids import UploadClaims

_LEAST_MAGIC: Final = 4
"""Bytes of a signature, below which it is found in too many files."""


class RareFormats:
    """Formats that puremagic knows besides `domain.formats`. Its tables are loaded once, here.

    Raises:
        ImportError: puremagic is not installed.
    """

    def __init__(self) -> None:
        # Imported only where a policy needs it: it reads 160 KB of JSON.
        table: Any = importlib.import_module("puremagic.main").magic_header_array
        rows = [row for row in table if len(row.byte_match) >= _LEAST_MAGIC and "/" in row.mime_type]
        self._signatures = sorted(
            (
                (row.byte_match, row.offset, media_types.registered(row.mime_type))
                for row in rows
                if not row.mime_type.startswith(("text/", media_types.DEFAULT))
            ),
            key=lambda row: -len(row[0]),
        )
        self._types = frozenset(row[2] for row in self._signatures)

    def find(self, head: bytes, *, preferred: str) -> str | None:
        """Return the media type whose signature the bytes have, or ``None``.

        Args:
            head: The first bytes of a file.
            preferred: The type to return if it is among several that have the same signature.
        """
        found = [kind for magic, offset, kind in self._signatures if head.startswith(magic, offset)]
        return preferred if preferred in found else next(iter(found), None)

    def knows(self, media_type: str) -> bool:
        """Tell whether a type, by its registered name, has a signature here."""
        return media_type in self._types


class Inspector:
    """Inspects objects as their policies ask.

    Args:
        storage: The bucket.
        policies: Policies of the service.
        rare_formats: Loads the table of rare formats.
    """

    def __init__(
        self,
        *,
        storage: Storage,
        policies: PolicyRegistry,
        rare_formats: Callable[[], RareFormats] = RareFormats,
    ) -> None:
        self._storage = storage
        self._policies = policies
        self._rare_formats = rare_formats() if any(one.verify_content for one in policies.all()) else None
        self._rules = frozenset(one.available_when for one in policies.all() if one.available_when)

    def rules(self, claims: UploadClaims | None) -> frozenset[Availability]:
        """Return the tags that an object must have to be downloaded.

        An object of which nobody knows the policy must have those of all policies.

        Args:
            claims: Its upload; ``None`` if the object carries no valid claims.
        """
        planner = self._policies.get(claims.policy) if claims else None
        if planner is None:
            return self._rules
        rule = planner.policy.available_when
        return frozenset({rule} if rule else ())

    @property
    def waits(self) -> bool:
        """Whether any policy has objects wait for a tag."""
        return bool(self._rules)

    def deletes_mismatched(self, policy: str | None) -> bool:
        """Tell whether a policy has files deleted that are something else than their content type says."""
        planner = self._policies.get(policy) if policy else None
        return planner is not None and planner.policy.delete_mismatched

    async def lacking(
        self, claims: UploadClaims | None, stored: StoredObject
    ) -> list[tuple[Availability, str | None]]:
        """Return the tags that an object lacks to be downloaded, each with the value that it has instead.

        Raises:
            UploadsvcError: S3 denies the call, fails or does not answer.
        """
        rules = self.rules(claims)
        if not rules:
            return []
        tags = await self._storage.tags(stored)
        return [(rule, tags.get(rule.tag)) for rule in sorted(rules) if tags.get(rule.tag) != rule.value]

    async def scan(
        self, claims: UploadClaims, stored: StoredObject
    ) -> tuple[Availability, str | None] | None:
        """Return the tag that an upload waits for and the value that it has now, ``None`` without a tag.

        The whole is ``None`` if the upload waits for none.

        Raises:
            UploadsvcError: S3 denies the call, fails or does not answer.
        """
        planner = self._policies.get(claims.policy)
        rule = planner.policy.available_when if planner else None
        if rule is None:
            return None
        return rule, (await self._storage.tags(stored)).get(rule.tag)

    async def inspect(self, claims: UploadClaims, stored: StoredObject) -> dict[str, object]:
        """Look into the object of an upload, and return the claims that this adds to its receipt.

        These are ``detected_type`` where the policy verifies content, and ``available`` where it waits for a
        tag.

        Raises:
            ContentMismatch: It is something else than its content type says.
            UploadIncomplete: It has been replaced or deleted meanwhile.
            UploadsvcError: S3 denies a call, fails or does not answer.
        """
        planner = self._policies.get(claims.policy)
        policy = planner.policy if planner else None
        facts: dict[str, object] = {}
        if policy is not None and policy.verify_content:
            facts["detected_type"] = await self._detected_type(claims, stored)
        if self.rules(claims):
            facts["available"] = not await self.lacking(claims, stored)
        return facts

    async def _detected_type(self, claims: UploadClaims, stored: StoredObject) -> str | None:
        head = await self._storage.read_head(stored, HEAD_BYTES)
        if head is None:
            detail = "The object has been replaced or deleted meanwhile; complete again."
            raise UploadIncomplete(detail)
        if coding := claims.content_encoding or stored.content_encoding:
            check_coding(coding, head)
            return None
        # A store may have guessed a type for one that was left open.
        claimed = media_types.registered(claims.content_type or stored.content_type)
        found = recognize(head)
        if found is None and self._rare_formats is not None:
            rare = self._rare_formats.find(head, preferred=claimed)
            if rare is not None:
                check_rare_content(claimed, rare, known=self._rare_formats.knows(claimed))
                return rare
        check_content(claimed, found, empty=not head)
        return found

"""Inspect stored objects: their first bytes, and whether a scanner has released them."""

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
"""Minimum length of a signature in bytes; shorter ones match too many files."""


class RareFormats:
    """Formats that puremagic knows in addition to `domain.formats`. Its tables are loaded once, here.

    Raises:
        ImportError: puremagic is not installed.
    """

    def __init__(self) -> None:
        # Imported only if a policy needs it, because it reads 160 KB of JSON.
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
        """Return the media type whose signature matches, or ``None``.

        Args:
            head: The first bytes of a file.
            preferred: The type to return if several share the signature.
        """
        found = [kind for magic, offset, kind in self._signatures if head.startswith(magic, offset)]
        return preferred if preferred in found else next(iter(found), None)

    def knows(self, media_type: str) -> bool:
        """Return whether there is a signature for a type, given by its registered name."""
        return media_type in self._types


class Inspector:
    """Inspects objects as their policies require.

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
        """Return the tags that an object needs before it can be downloaded.

        An object of unknown policy needs those of all policies.

        Args:
            claims: Claims of its upload; ``None`` if the object carries no valid ones.
        """
        planner = self._policies.get(claims.policy) if claims else None
        if planner is None:
            return self._rules
        rule = planner.policy.available_when
        return frozenset({rule} if rule else ())

    @property
    def waits(self) -> bool:
        """Whether any policy requires a tag."""
        return bool(self._rules)

    def deletes_mismatched(self, policy: str | None) -> bool:
        """Return whether a policy deletes files whose content does not match their type."""
        planner = self._policies.get(policy) if policy else None
        return planner is not None and planner.policy.delete_mismatched

    async def lacking(
        self, claims: UploadClaims | None, stored: StoredObject
    ) -> list[tuple[Availability, str | None]]:
        """Return the tags that an object lacks for a download, each with its current value.

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
        """Return the tag that an upload waits for, and its current value, ``None`` without one.

        Returns ``None`` if it waits for no tag.

        Raises:
            UploadsvcError: S3 denies the call, fails or does not answer.
        """
        planner = self._policies.get(claims.policy)
        rule = planner.policy.available_when if planner else None
        if rule is None:
            return None
        return rule, (await self._storage.tags(stored)).get(rule.tag)

    async def inspect(self, claims: UploadClaims, stored: StoredObject) -> dict[str, object]:
        """Inspect the object of an upload, and return additional claims for its receipt.

        These are ``detected_type`` if the policy verifies content, and ``available`` if it requires a tag.

        Raises:
            ContentMismatch: Its format does not match its content type.
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
        # The store may have guessed a type if the request named none.
        claimed = media_types.registered(claims.content_type or stored.content_type)
        found = recognize(head)
        if found is None and self._rare_formats is not None:
            rare = self._rare_formats.find(head, preferred=claimed)
            if rare is not None:
                check_rare_content(claimed, rare, known=self._rare_formats.knows(claimed))
                return rare
        check_content(claimed, found, empty=not head)
        return found

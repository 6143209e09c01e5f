"""Policies: the operator's rules for uploads, checked once at the start."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final, Literal, NamedTuple, get_args

from uploadsvc.domain import media_types
from uploadsvc.domain.errors import InvalidKey
from uploadsvc.domain.keys import (
    MAX_KEY_BYTES,
    MAX_USER_SEGMENT_BYTES,
    KeyArea,
    KeyTemplate,
    Namespace,
    check_key,
    longest_segment,
)
from uploadsvc.domain.metadata import MAX_METADATA_BYTES, encoded_size, is_metadata_name
from uploadsvc.domain.parts import MAX_PART_SIZE, MIN_PART_SIZE
from uploadsvc.domain.providers import GIB, MAX_SINGLE_PUT, Provider
from uploadsvc.domain.quotas import MAX_UNFINISHED
from uploadsvc.domain.rates import Rate
from uploadsvc.domain.unclaimed import DAY, MAX_UNCLAIMED_EXPIRES_IN, TAG, UNCLAIMED, Claim

Method = Literal["put", "post", "multipart"]
ChecksumRule = Literal["off", "optional", "required"]
Acl = Literal[
    "private",
    "public-read",
    "public-read-write",
    "authenticated-read",
    "aws-exec-read",
    "bucket-owner-read",
    "bucket-owner-full-control",
]
Encryption = Literal["AES256", "aws:kms", "aws:kms:dsse"]
Disposition = Literal["attachment", "inline"]

MAX_EXPIRES_IN = 604_800
"""Seven days, in seconds: no signature outlives its signing key. ``X-Amz-Expires`` in
https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-query-string-auth.html
"""

MAX_MULTIPART_EXPIRES_IN = 2_592_000
"""Thirty days, in seconds: parts of an upload that is never completed cost money until then."""

MAX_TAGS = 10
"""https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-tagging.html"""

_READABLE: Final = frozenset({"public-read", "public-read-write", "authenticated-read", "aws-exec-read"})

_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
_STORAGE_CLASS = re.compile(r"[A-Z0-9_]{1,64}")
# RFC 9110 section 8.4.1. S3 interprets "aws-chunked" itself, and does not store it.
_CODING = re.compile(r"[a-z0-9][a-z0-9-]{0,31}")
# An S3 form would expand "${filename}".
_HEADER_VALUE = re.compile(r"(?!.*\$\{)[\x21-\x7e](?:[\x20-\x7e]{0,1022}[\x21-\x7e])?")
_TAG_NAME = re.compile(r"[\w .:/=+@-]{1,128}")
_UNCLAIMED: Final = "unclaimed_expires_in"
_TAG_VALUE = re.compile(r"[\w .:/=+@-]{0,256}")


class PolicyError(ValueError):
    """The policy contradicts itself or its provider.

    Args:
        field: The policy's field at fault.
        message: What is wrong, and what is allowed.
        policy: Name of the policy, in checks of several.
    """

    def __init__(self, field: str, message: str, *, policy: str = "") -> None:
        super().__init__(message)
        self.field = field
        self.message = message
        self.policy = policy


class Availability(NamedTuple):
    """Tag that a scanner sets on objects that may be downloaded."""

    tag: str
    value: str


GUARDDUTY: Final = Availability("GuardDutyMalwareScanStatus", "NO_THREATS_FOUND")
"""https://docs.aws.amazon.com/guardduty/latest/ug/monitor-with-s3-object-tags.html"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """Rules for one kind of upload. Sizes are in bytes, durations in seconds.

    Attributes:
        name: Name in requests.
        min_size: Minimum file size.
        max_size: Maximum file size.
        content_types: Patterns: ``image/png``, ``image/*``, ``*/*``.
        content_encodings: Values of ``Content-Encoding`` that a request may name.
        methods: Allowed upload methods.
        expires_in: Lifetime of URLs, unless a request sets one.
        max_expires_in: Maximum lifetime that a request may set.
        key: Template for keys of new objects, below the user's prefix.
        client_keys: Whether callers may choose the key below their prefix.
        client_keys_prefix: Folder of these keys below the user's prefix, without slashes; empty for the
            prefix itself.
        overwrite: Whether an upload may replace an object.
        metadata: User metadata by name: a fixed value, or ``None`` for one that the caller may give.
        acl: Canned ACL of new objects.
        storage_class: Storage class of new objects.
        server_side_encryption: Encryption of new objects.
        kms_key_id: The KMS key, with an ``aws:kms`` encryption.
        cache_control: ``Cache-Control`` of new objects.
        content_disposition: ``Content-Disposition`` of new objects; the filename is added.
        tags: Object tags of new objects.
        checksum: Whether requests may or must give a checksum.
        multipart_threshold: ``auto`` chooses multipart above this size.
        multipart_expires_in: Time within which a multipart upload must be completed.
        part_size: Minimum part size, doubled until the file fits into 10,000 parts.
        unsized_multipart: Whether a multipart upload may start without its size, for uploaders that do not
            send it. Its parts can have any size; the total is checked at the end.
        unclaimed_expires_in: Time after which S3 deletes unclaimed objects; ``None`` for never.
        claim: How an object is claimed.
        verify_content: Whether the first bytes of a stored file are compared with its content type.
        delete_mismatched: Whether a file of another format is deleted.
        available_when: Tag that an object needs before it can be downloaded; ``None`` for none.
        quota: Bytes that a user may upload per day; ``None`` for no limit.
        max_unfinished: Unfinished multipart uploads that a user may have; ``None`` for no limit.
        rate: Uploads that a user can create; ``None`` for no limit.
    """

    name: str
    min_size: int = 0
    max_size: int = 5 * GIB
    content_types: frozenset[str] = frozenset({"*/*"})
    content_encodings: frozenset[str] = frozenset()
    methods: frozenset[Method] = frozenset(get_args(Method))
    expires_in: int = 900
    max_expires_in: int = 3600
    key: KeyTemplate = field(default_factory=lambda: KeyTemplate("{uuid}/{filename}"))
    client_keys: bool = False
    client_keys_prefix: str = ""
    overwrite: bool = False
    metadata: Mapping[str, str | None] = field(default_factory=dict)
    acl: Acl | None = None
    storage_class: str | None = None
    server_side_encryption: Encryption | None = None
    kms_key_id: str | None = None
    cache_control: str | None = None
    content_disposition: Disposition | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    checksum: ChecksumRule = "optional"
    multipart_threshold: int = 64 * 1024**2
    multipart_expires_in: int = 604_800
    part_size: int = 8 * 1024**2
    unsized_multipart: bool = False
    unclaimed_expires_in: int | None = None
    claim: Claim = "complete"
    verify_content: bool = False
    delete_mismatched: bool = False
    available_when: Availability | None = None
    quota: int | None = None
    max_unfinished: int | None = None
    rate: Rate | None = None

    @property
    def all_types(self) -> bool:
        """Whether every media type is allowed."""
        return "*/*" in self.content_types

    @property
    def signed_tags(self) -> Mapping[str, str]:
        """All tags of new objects, including that of unclaimed objects."""
        return self.tags if self.unclaimed_expires_in is None else {**self.tags, TAG: UNCLAIMED}

    @property
    def metadata_is_fixed(self) -> bool:
        """Whether the operator fixes the value of some metadata."""
        return any(value is not None for value in self.metadata.values())

    @property
    def client_folder(self) -> str:
        """``client_keys_prefix`` with a trailing slash, or an empty string."""
        return f"{self.client_keys_prefix}/" if self.client_keys_prefix else ""

    @property
    def own_keys_replaced(self) -> bool:
        """Whether callers may replace even objects with a ``{uuid}`` from the template."""
        return self.client_keys and self.overwrite

    @property
    def chosen_keys(self) -> Iterator[tuple[str, KeyArea]]:
        """Keys that callers can reuse, with the policy's field that allows it."""
        if self.client_keys:
            yield "client_keys", KeyArea.below(self.client_keys_prefix)
        if not self.key.unique:
            yield "key", self.key.area(self.name)

    def check(self, *, provider: Provider, namespace: Namespace) -> None:
        """Check the policy against itself, the store and the key prefix.

        Raises:
            PolicyError: No upload can satisfy it, or it needs a feature that the store lacks.
        """
        self._check_ranges()
        self._check_multipart()
        self._check_keys(namespace)
        self._check_values()
        self._check_attributes()
        self._check_unclaimed(provider)
        self._check_quota()
        self._check_provider(provider)

    def _check_ranges(self) -> None:
        if not _NAME.fullmatch(self.name):
            _refuse("name", f"{self.name!r}: a policy's name is 1 to 64 of A-Z a-z 0-9 _ -")
        if self.min_size < 0:
            _refuse("min_size", "must not be negative")
        if self.max_size < 1:
            _refuse("max_size", "must be at least 1 byte")
        if self.max_size < self.min_size:
            _refuse("max_size", f"{self.max_size} is below min_size ({self.min_size})")
        if not 1 <= self.max_expires_in <= MAX_EXPIRES_IN:
            _refuse("max_expires_in", f"must be 1 to {MAX_EXPIRES_IN} seconds (7 days, S3's own limit)")
        if not 1 <= self.expires_in <= self.max_expires_in:
            _refuse("expires_in", f"must be 1 to max_expires_in ({self.max_expires_in}) seconds")
        if not self.content_types:
            _refuse("content_types", "must list at least one media type; ['*/*'] allows all")
        for pattern in self.content_types:
            try:
                media_types.parse_pattern(pattern)
            except ValueError as error:
                _refuse("content_types", str(error))

    def _check_multipart(self) -> None:
        if self.multipart_threshold < 0:
            _refuse("multipart_threshold", "must not be negative")
        if not 1 <= self.multipart_expires_in <= MAX_MULTIPART_EXPIRES_IN:
            _refuse("multipart_expires_in", f"must be 1 to {MAX_MULTIPART_EXPIRES_IN} seconds (30 days)")
        if not MIN_PART_SIZE <= self.part_size <= MAX_PART_SIZE:
            _refuse("part_size", f"must be {MIN_PART_SIZE} to {MAX_PART_SIZE} bytes (S3's own limits)")

    def _check_quota(self) -> None:
        if self.quota is not None and self.quota < 1:
            _refuse("quota", "must be at least 1 byte a day")
        if self.quota is not None and self.quota < self.min_size:
            _refuse("quota", f"{self.quota} bytes a day are below min_size ({self.min_size})")
        if self.max_unfinished is not None and not 1 <= self.max_unfinished <= MAX_UNFINISHED:
            _refuse(
                "max_unfinished",
                f"must be 1 to {MAX_UNFINISHED}; to allow none, leave multipart out of methods",
            )

    def _check_keys(self, namespace: Namespace) -> None:
        room = MAX_KEY_BYTES - len(f"{namespace.key_prefix}//".encode()) - MAX_USER_SEGMENT_BYTES
        if (longest := len(self.key.longest(self.name).encode())) > room:
            _refuse("key", f"it can give {longest} bytes; prefix and user leave {room}")
        if self.client_keys_prefix:
            if not self.client_keys:
                _refuse("client_keys_prefix", "needs client_keys beside it")
            try:
                check_key(self.client_keys_prefix, field="client_keys_prefix")
            except InvalidKey as error:
                _refuse("client_keys_prefix", f"{error.detail} Write it like 'site'.")
            if len(self.client_folder.encode()) >= room:
                _refuse("client_keys_prefix", f"prefix and user leave {room} bytes for the whole key")

    def _check_values(self) -> None:
        for coding in self.content_encodings:
            if not _CODING.fullmatch(coding) or coding == "aws-chunked":
                _refuse("content_encodings", f"{coding!r}: a coding such as gzip, br or zstd, in lower case")
        if self.storage_class is not None and not _STORAGE_CLASS.fullmatch(self.storage_class):
            _refuse("storage_class", f"{self.storage_class!r}: letters A-Z, digits and _")
        if self.kms_key_id is not None:
            if not (self.server_side_encryption or "").startswith("aws:kms"):
                _refuse("kms_key_id", "needs server_side_encryption 'aws:kms' or 'aws:kms:dsse'")
            if not _HEADER_VALUE.fullmatch(self.kms_key_id):
                _refuse("kms_key_id", "must be printable ASCII without '${'")
        if self.cache_control is not None and not _HEADER_VALUE.fullmatch(self.cache_control):
            _refuse("cache_control", "must be printable ASCII without '${'")

    def _check_attributes(self) -> None:
        for name in self.metadata:
            if not is_metadata_name(name):
                _refuse("metadata", f"{name!r}: 1 to 64 of a-z 0-9 -, not starting with uploadsvc-")
        fixed = {name: value for name, value in self.metadata.items() if value is not None}
        if encoded_size(fixed) > MAX_METADATA_BYTES:
            _refuse("metadata", f"its fixed values are over {MAX_METADATA_BYTES} bytes")
        if len(self.signed_tags) > MAX_TAGS:
            and_ours = "" if self.unclaimed_expires_in is None else f", and {TAG} is one of them"
            _refuse("tags", f"S3 takes at most {MAX_TAGS}{and_ours}")
        if TAG in self.tags:
            _refuse("tags", f"{TAG!r} is the service's own tag; set unclaimed_expires_in instead")
        for name, value in self.tags.items():
            if not (_TAG_NAME.fullmatch(name) and _TAG_VALUE.fullmatch(value)):
                _refuse(
                    "tags", f"{name!r}: 1 to 128 and 0 to 256 letters, digits, spaces and + - = . _ : / @"
                )
        self._check_content()

    def _check_content(self) -> None:
        if self.delete_mismatched and not self.verify_content:
            _refuse("delete_mismatched", "needs verify_content beside it")
        if self.available_when is None:
            return
        tag, value = self.available_when
        if not (_TAG_NAME.fullmatch(tag) and _TAG_VALUE.fullmatch(value) and value):
            _refuse(
                "available_when",
                "tag and value: 1 to 128 and 1 to 256 letters, digits, spaces and + - = . _ : / @",
            )
        if self.acl in _READABLE:
            _refuse("acl", f"{self.acl} lets others read what available_when holds back")
        if len(self.signed_tags) >= MAX_TAGS:
            _refuse("tags", f"S3 takes at most {MAX_TAGS}, and the scanner needs one of them")

    def _check_unclaimed(self, provider: Provider) -> None:
        lives = self.unclaimed_expires_in
        if lives is None:
            if self.claim != "complete":
                _refuse("claim", "needs unclaimed_expires_in beside it")
            return
        if not provider.tagging:
            _refuse(
                "unclaimed_expires_in", f"{provider.name} has no object tags, which mark unclaimed uploads"
            )
        if not DAY <= lives <= MAX_UNCLAIMED_EXPIRES_IN:
            allowed = f"{DAY} to {MAX_UNCLAIMED_EXPIRES_IN} seconds (1 to 365 days)"
            _refuse(_UNCLAIMED, f"must be {allowed}, of which S3 makes whole days")
        usable = self.usable_methods(provider, may_replace=self.key.unique or self.overwrite)
        if "multipart" in usable and lives < self.multipart_expires_in:
            # The object's age: https://docs.aws.amazon.com/AmazonS3/latest/userguide/UsingMetadata.html
            _refuse(
                _UNCLAIMED,
                f"is below multipart_expires_in ({self.multipart_expires_in}); S3 counts from the start of a "
                "multipart upload, and would delete an object that is completed late",
            )

    def _check_provider(self, provider: Provider) -> None:
        if self.max_size > provider.max_object_size:
            _refuse("max_size", f"{provider.name} stores at most {provider.max_object_size} bytes")
        if (longest := longest_segment(self.key.longest(self.name))) > provider.max_segment_bytes:
            most = provider.max_segment_bytes
            _refuse("key", f"{provider.name} takes {most} bytes between slashes; it can give {longest}")
        if not provider.acls and self.acl is not None:
            _refuse("acl", f"{provider.name} has no ACLs")
        if not provider.tagging and self.tags:
            _refuse("tags", f"{provider.name} has no object tags")
        if not provider.tagging and self.available_when is not None:
            _refuse("available_when", f"{provider.name} has no object tags")
        if not provider.checksum_algorithms and self.checksum == "required":
            _refuse("checksum", f"{provider.name} checks none")
        if not self.overwrite and self.client_keys and not provider.conditional_writes:
            _refuse("client_keys", f"{provider.name} cannot refuse to overwrite; set overwrite to true")
        if not self.overwrite and not self.key.unique and not provider.conditional_writes:
            _refuse(
                "key", f"{provider.name} cannot refuse to overwrite; use {{uuid}} or set overwrite to true"
            )
        self._check_methods(provider)

    def _check_methods(self, provider: Provider) -> None:
        if not self.methods:
            _refuse("methods", "must list at least one of put, post, multipart")
        usable = self.usable_methods(provider, may_replace=self.key.unique or self.overwrite)
        if not usable:
            _refuse(
                "methods", f"none of {', '.join(sorted(self.methods))} can work here: {self._why(provider)}"
            )
        if self.unsized_multipart and "multipart" not in usable:
            _refuse("unsized_multipart", "needs the method multipart, which this policy cannot use here")
        if self.min_size > MAX_SINGLE_PUT and "multipart" not in usable:
            _refuse("min_size", f"one request carries at most {MAX_SINGLE_PUT} bytes")

    def usable_methods(self, provider: Provider, *, may_replace: bool) -> frozenset[Method]:
        """Return the methods that can enforce this policy at this store.

        Args:
            provider: The store.
            may_replace: Whether overwriting is harmless: the key is new, or overwriting is allowed. Otherwise
                S3 must refuse to overwrite, which a form cannot request.
        """
        usable = self.methods
        if not provider.post_policies or not may_replace:
            usable -= {"post"}
        if self.checksum == "required" and not provider.form_checksums:
            usable -= {"post"}
        if self.signed_tags and not provider.form_tags:
            usable -= {"post"}
        if self.checksum == "required" and not provider.part_checksums:
            usable -= {"multipart"}
        if not provider.conditional_writes and not may_replace:
            usable -= {"put", "multipart"}
        return usable

    def _why(self, provider: Provider) -> str:
        if not provider.post_policies:
            return f"{provider.name} takes no POST policies"
        if not (self.key.unique or self.overwrite):
            return "a form cannot be told not to overwrite, and the key has no {uuid}"
        if self.checksum == "required" and "post" in self.methods:
            return f"{provider.name} checks no checksum in a form"
        if self.checksum == "required" and "multipart" in self.methods:
            return f"{provider.name} checks no checksum of parts"
        if not provider.form_tags and self.signed_tags:
            return f"{provider.name} takes no tags in a form"
        return "they do not go together"


def _refuse(field: str, message: str) -> None:
    raise PolicyError(field, message)

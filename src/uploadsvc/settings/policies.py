"""The settings of an upload policy. Names and defaults are the contract."""

from typing import Annotated

from pydantic import BeforeValidator, Field

from uploadsvc.domain.keys import KeyTemplate
from uploadsvc.domain.policy import Acl, ChecksumRule, Disposition, Encryption, Method, Policy
from uploadsvc.domain.providers import GIB
from uploadsvc.settings.errors import SettingsError
from uploadsvc.settings.section import Section
from uploadsvc.settings.values import Size, split_list


class PolicySettings(Section):
    """What one kind of upload may be. A policy that contradicts itself stops the start.

    Where none is set, there is one: `default`, with the values below. Requests that name no policy mean
    `default`.
    """

    min_size: Size = 0
    """The smallest file."""

    max_size: Size = 5 * GIB
    """The largest file; at least 1, and at most what the store takes."""

    content_types: Annotated[frozenset[str], BeforeValidator(split_list)] = frozenset({"*/*"})
    """Media types: `image/png`, `image/*`, `*/*`. HTML, SVG, XML and JavaScript only where they are named
    exactly.
    """

    methods: Annotated[frozenset[Method], BeforeValidator(split_list)] = frozenset(
        {"put", "post", "multipart"}
    )
    """How it may be uploaded."""

    expires_in: int = 900
    """How many seconds its URLs live when a request does not say; at most `max_expires_in`."""

    max_expires_in: int | None = None
    """The most seconds that a request may ask for, up to 604800 (7 days); not set: 3600, or `expires_in`
    where that is more.
    """

    key: str = "{uuid}/{filename}"
    """Where new objects go below the user's prefix: text with any of `{uuid}`, `{filename}`, `{ext}` (with
    its dot), `{date}`, `{policy}`.
    """

    client_keys: bool = False
    """May callers choose the key below their prefix (`relative_key`)?"""

    overwrite: bool = False
    """May an upload replace an object?"""

    metadata: dict[str, str | None] = Field(default={})
    """User metadata by name: a fixed value, or null for one that callers may give (TOML has no null: use the
    variable).
    """

    acl: Acl | None = None
    """The canned ACL of new objects; the service's own rights need `s3:PutObjectAcl` then."""

    storage_class: str | None = None
    """The storage class of new objects, such as `STANDARD_IA`."""

    server_side_encryption: Encryption | None = None
    """The encryption of new objects; not set: the bucket's default."""

    kms_key_id: str | None = None
    """The KMS key, with `aws:kms` or `aws:kms:dsse`."""

    cache_control: str | None = None
    """The `Cache-Control` of new objects."""

    content_disposition: Disposition | None = None
    """The `Content-Disposition` of new objects; the filename is added."""

    tags: dict[str, str] = Field(default={})
    """Tags of new objects, up to 10; the service's own rights need `s3:PutObjectTagging` then."""

    checksum: ChecksumRule = "optional"
    """Whether requests may, must or must not bring a checksum, which S3 compares."""

    multipart_threshold: Size = 64 * 1024**2
    """Files above this go in parts, where a request leaves the method open."""

    multipart_expires_in: int = 604_800
    """How many seconds a multipart upload may take from its creation to its completion, up to 2592000 (30
    days).
    """

    part_size: Size = 8 * 1024**2
    """The size of a part, 5 MiB to 5 GiB; doubled until 10,000 parts hold the file."""

    unsized_multipart: bool = False
    """May a multipart upload begin without its size, for uploaders whose own format does not tell it? What
    lands is measured at the end.
    """

    def policy(self, name: str) -> Policy:
        """Return the policy, unchecked.

        Raises:
            SettingsError: The key template is none.
        """
        try:
            key = KeyTemplate(self.key)
        except ValueError as error:
            raise SettingsError(("policies", name, "key"), str(error)) from None
        fields = {field: getattr(self, field) for field in type(self).model_fields}
        fields["content_types"] = frozenset(pattern.lower() for pattern in self.content_types)
        if self.max_expires_in is None:
            # One hour is the most by default, unless the operator's own figure is higher.
            fields["max_expires_in"] = max(3600, self.expires_in)
        return Policy(**{**fields, "name": name, "key": key})

"""Policy settings. Names and defaults are part of the contract."""

from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from uploadsvc.domain.keys import KeyTemplate
from uploadsvc.domain.policy import (
    GUARDDUTY,
    Acl,
    Availability,
    ChecksumRule,
    Disposition,
    Encryption,
    Method,
    Policy,
)
from uploadsvc.domain.providers import GIB
from uploadsvc.domain.quotas import parse_daily_bytes
from uploadsvc.domain.unclaimed import Claim
from uploadsvc.settings.limits import LimitSettings, RateText
from uploadsvc.settings.types import FORM, Section, SettingsError, Size, split_list


class AvailabilityTag(BaseModel):
    """Tag that a scanner sets on objects that may be downloaded."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    tag: str
    value: str


def _preset(value: object) -> object:
    if not isinstance(value, str):
        return value
    if value != "guardduty":
        message = "must be 'guardduty', or a table with tag and value"
        raise ValueError(message)
    return AvailabilityTag(tag=GUARDDUTY.tag, value=GUARDDUTY.value)


def _daily_bytes(value: object) -> object:
    if not isinstance(value, str):
        message = "must be a size a day, such as '10GiB/day'"
        raise ValueError(message)  # noqa: TRY004 - pydantic's own
    return parse_daily_bytes(value)


AvailableWhen = Annotated[
    AvailabilityTag,
    BeforeValidator(_preset),
    Field(json_schema_extra={FORM: "`guardduty`, or a table with `tag` and `value`"}),
]


DailyBytes = Annotated[
    int,
    BeforeValidator(_daily_bytes),
    Field(ge=0, json_schema_extra={FORM: "a size a day, such as `10GiB/day`"}),
]


class PolicySettings(Section):
    """Rules for one kind of upload. The service does not start with a policy that contradicts itself.

    Without any policy, there is one named `default`, with the default values below. Requests that name no
    policy use `default`.
    """

    min_size: Size = 0
    """Minimum file size."""

    max_size: Size = 5 * GIB
    """Maximum file size: at least 1, at most what the store supports."""

    content_types: Annotated[frozenset[str], BeforeValidator(split_list)] = frozenset({"*/*"})
    """Allowed media types: `image/png`, `image/*`, `*/*`. Other names of the same format count too, such as
    `image/jpg` for `image/jpeg`. HTML, SVG, XML and JavaScript are allowed only if named exactly.
    """

    content_encodings: Annotated[frozenset[str], BeforeValidator(split_list)] = frozenset()
    """Allowed values of `Content-Encoding`, such as `gzip`, for files that are already compressed."""

    methods: Annotated[frozenset[Method], BeforeValidator(split_list)] = frozenset(
        {"put", "post", "multipart"}
    )
    """Allowed upload methods."""

    expires_in: int = 900
    """Lifetime of URLs in seconds, unless the request sets one. At most `max_expires_in`."""

    max_expires_in: int | None = None
    """Maximum lifetime in seconds that a request can set, up to 604800 (7 days). If not set: 3600, or
    `expires_in` if that is more.
    """

    key: str = "{uuid}/{filename}"
    """Key of new objects below the user's prefix: text with any of `{uuid}`, `{filename}`, `{ext}` (with its
    dot), `{path}`, `{date}` (`2026/11/23`, UTC), `{policy}`. Listings are sorted by key, and
    `{uuid}` puts the newest first; `{date}/{uuid}/{filename}` groups objects by day. `{path}` is the folders
    of a filename such as `photos/2026/a.jpg`, with a slash at the end, or empty. Use it once, at the start of
    a segment and directly before text or another placeholder: `{uuid}/{path}{filename}`. See
    [folders](browser.md#folders).
    """

    client_keys: bool = False
    """Let callers choose the key below their prefix (`relative_key`). Keys that a template with `{uuid}` can
    produce are refused, so that callers cannot overwrite the objects of another policy.
    """

    client_keys_prefix: str = ""
    """Folder for these keys below the user's prefix, such as `site`. No other policy accepts keys in it. If a
    policy has `overwrite`, all policies with `client_keys` need different folders, and so does a `key`
    without `{uuid}` (`docs/{filename}`).
    """

    overwrite: bool = False
    """Let uploads replace existing objects."""

    metadata: dict[str, str | None] = Field(default={})
    """User metadata by name: a fixed value, or null if callers may set it. TOML has no null, so use the
    environment variable for that.
    """

    acl: Acl | None = None
    """Canned ACL of new objects. Requires `s3:PutObjectAcl`."""

    storage_class: str | None = None
    """Storage class of new objects, such as `STANDARD_IA`."""

    server_side_encryption: Encryption | None = None
    """Encryption of new objects. If not set: the bucket's default."""

    kms_key_id: str | None = None
    """KMS key for `aws:kms` and `aws:kms:dsse`."""

    cache_control: str | None = None
    """`Cache-Control` of new objects."""

    content_disposition: Disposition | None = None
    """`Content-Disposition` of new objects; the filename is added."""

    tags: dict[str, str] = Field(default={})
    """Tags of new objects, at most 10. Requires `s3:PutObjectTagging`."""

    checksum: ChecksumRule = "optional"
    """Checksums in requests, which S3 verifies: `off`, `optional` or `required`."""

    multipart_threshold: Size = 64 * 1024**2
    """Files larger than this are uploaded in parts, unless the request chooses a method."""

    multipart_expires_in: int = 604_800
    """Seconds within which a multipart upload must be completed, up to 2592000 (30 days)."""

    part_size: Size = 8 * 1024**2
    """Part size, 5 MiB to 5 GiB. It is doubled until the file fits into 10,000 parts."""

    unsized_multipart: bool = False
    """Allow multipart uploads whose size is unknown at the start, for clients that do not send it. The size
    is checked at the end.
    """

    unclaimed_expires_in: int | None = None
    """Seconds after which S3 deletes an [unclaimed](unclaimed.md) upload: 86400 to 31536000, in whole days,
    and at least `multipart_expires_in` if multipart uploads are allowed. All policies that set it need the
    same value. Run `uploadsvc bucket apply` after a change. If not set, nothing is deleted.
    """

    claim: Claim = "complete"
    """How an upload is claimed: by its completion (`complete`), or only by `POST /v1/objects/claim`
    (`backend`).
    """

    verify_content: bool = False
    """Compare the first 4 KiB of each file with its content type on completion, and refuse a mismatch
    ([scanning](scanning.md#content-types)).
    """

    delete_mismatched: bool = False
    """Delete files that `verify_content` refuses. Requires `s3:DeleteObject`."""

    available_when: AvailableWhen | None = None
    """Tag that an object must have before it can be downloaded: `{"tag": "scan", "value": "clean"}`, or
    `guardduty` for the tag of GuardDuty Malware Protection ([scanning](scanning.md)). Requires
    `s3:GetObjectTagging`.
    """

    rate: RateText | None = None
    """Uploads that one user can create under this policy, such as `60/minute` ([limits](limits.md)). If not
    set, there is no limit.
    """

    quota: DailyBytes | None = None
    """Bytes that one user can upload per day (UTC), such as `10GiB/day` ([quotas](limits.md#quotas)). If not
    set, there is no limit.
    """

    max_unfinished: int | None = None
    """Unfinished multipart uploads that one user can have, 1 to 10000. If not set, there is no limit."""

    def policy(self, name: str) -> Policy:
        """Return the policy, not checked yet.

        Raises:
            SettingsError: The key template is malformed.
        """
        try:
            key = KeyTemplate(self.key)
        except ValueError as error:
            raise SettingsError(("policies", name, "key"), str(error)) from None
        fields = {field: getattr(self, field) for field in type(self).model_fields}
        fields["content_types"] = frozenset(pattern.lower() for pattern in self.content_types)
        if self.max_expires_in is None:
            # One hour, or the operator's lifetime if longer.
            fields["max_expires_in"] = max(3600, self.expires_in)
        if self.available_when is not None:
            fields["available_when"] = Availability(self.available_when.tag, self.available_when.value)
        fields["rate"] = LimitSettings.rate(self.rate)
        return Policy(**{**fields, "name": name, "key": key})

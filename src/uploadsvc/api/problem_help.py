"""Meaning, cause and fix of each problem code, for its page and docs/problems.md.

Texts are Markdown: code spans and links, which are relative to ``docs/``.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Help:
    """What a reader of a problem needs.

    Attributes:
        meaning: What it says, in one sentence.
        cause: Why it usually happens.
        fix: What to do.
    """

    meaning: str
    cause: str
    fix: str


_LINK: Final = re.compile(r"\[([^\]]+)\]\([^)]+\)")

HELP: Final[Mapping[str, Help]] = {
    "unauthenticated": Help(
        "The request has no credential, or one that is not valid.",
        "The token is missing, has expired, or is signed with another key, or for another issuer "
        "or audience. The service's log has the exact `reason`.",
        "Get a new token and repeat the request once. If new tokens fail too, compare the "
        "service's [`auth.jwt` settings](settings.md#authjwt) with what your login issues.",
    ),
    "forbidden": Help(
        "The caller is authenticated, but not allowed to do this.",
        "The credential is limited to other policies, or to uploads. Deletion is off "
        "(`UPLOADSVC_OBJECTS__DELETE`). A cookie came from another origin. An API key names no "
        "user.",
        "Read `detail`, which names the rule. Use a credential with this permission, send "
        "`X-On-Behalf-Of` with an API key, or change the setting.",
    ),
    "quota_exceeded": Help(
        "The upload exceeds the user's quota.",
        "Too many bytes today, or too many unfinished uploads. The member `quota` has the numbers.",
        "Wait until `quota.frees_at`, complete or cancel unfinished uploads, or [raise the "
        "quota](limits.md#quotas).",
    ),
    "not_found": Help(
        "The upload, object or address does not exist, or belongs to another user.",
        "The id or key is wrong or another user's, or the object was deleted. The response does not "
        "say which.",
        "Use the `id` and `key` exactly as the service returned them, with a token of the same "
        "user. Percent-encode keys in query strings.",
    ),
    "policy_not_found": Help(
        "No policy has this name.",
        "`policy` is misspelt, or is missing and there is no policy `default`.",
        "Use a name from `GET /v1/policies`.",
    ),
    "method_not_allowed": Help(
        "The address exists, but not with this HTTP method.",
        "Usually a GET in place of a POST, or a redirect that changed the method.",
        "Use a method from the response's `Allow` header.",
    ),
    "upload_incomplete": Help(
        "S3 does not have all the bytes yet.",
        "`complete` was called before the PUT or all parts were done, or one of them failed.",
        "Send the missing bytes, then call `complete` again. For multipart uploads, "
        "`GET /v1/uploads/{id}` lists the parts that arrived.",
    ),
    "upload_aborted": Help(
        "The multipart upload was aborted, and its parts were deleted.",
        "Someone called `DELETE /v1/uploads/{id}`, or the bucket's lifecycle rule removed an "
        "unfinished upload.",
        "Create a new upload.",
    ),
    "object_exists": Help(
        "An object with this key exists, and the upload may not replace it.",
        "The policy's `key` has no `{uuid}`, or the caller chose a key that is taken.",
        "Choose another name, or allow `overwrite` in the policy. If your own upload put the "
        "object there, it is stored already.",
    ),
    "object_unavailable": Help(
        "The object cannot be downloaded until a scanner approves it.",
        "The policy has `available_when`, and the object lacks that tag: it is not scanned yet, or rejected.",
        "Retry after `Retry-After` seconds. Without that header, the scanner has rejected the file. See "
        "[scanning](scanning.md#wait-for-a-scanner).",
    ),
    "upload_expired": Help(
        "The upload's `id` has expired.",
        "The request came after `upload_expires_at`.",
        "Create a new upload. For slow uploads, raise the policy's `multipart_expires_in`.",
    ),
    "file_too_large": Help(
        "The file is larger than the policy allows.",
        "The declared `size` or the stored file is above the policy's `max_size`.",
        "Check `max_size` from `GET /v1/policies` before uploading, or raise it in the policy.",
    ),
    "body_too_large": Help(
        "The body of the API request is too large.",
        "The body has more than 1 MiB. Often, file bytes were sent to the service.",
        "Send bytes to the presigned URL, and only JSON to the service.",
    ),
    "content_type_not_allowed": Help(
        "The policy does not allow this media type.",
        "The type is not in `content_types`. Types that browsers execute (`text/html`, "
        "`image/svg+xml`) must be listed by name; `*/*` does not include them.",
        "Send an allowed type, or add this one to the policy.",
    ),
    "validation_error": Help(
        "The request is malformed.",
        "A field is unknown, missing, of the wrong type or out of range, or the body is not JSON.",
        "`errors` lists each field with its allowed values. See also [the API reference](api.md).",
    ),
    "size_required": Help(
        "This upload needs the file's size.",
        "A PUT or multipart upload was requested without `size`.",
        'Send `size` in bytes, or ask for a form (`"method": "post"`), which allows a range.',
    ),
    "content_type_required": Help(
        "This upload needs the file's media type.",
        "The policy restricts types, and neither `content_type` nor the filename's extension gives one.",
        "Send `content_type`.",
    ),
    "checksum_required": Help(
        "This upload needs a checksum.",
        'The policy has `checksum = "required"`.',
        "Send `checksum` with an algorithm from the policy's `checksum_algorithms`. `uploadsvc.js` "
        'computes it with `{ checksum: "crc32" }`.',
    ),
    "file_too_small": Help(
        "The file is smaller than the policy allows.",
        "The declared `size` or the stored file is below the policy's `min_size`. Often, the file is empty.",
        "Check `min_size` from `GET /v1/policies` before uploading.",
    ),
    "invalid_key": Help(
        "The file cannot have this key.",
        "`relative_key` or a folder in it is empty, is `.` or `..`, contains `${`, or is too long for "
        "S3 or the store; or the policy has no `client_keys`.",
        "Correct `relative_key`, or omit it and let the policy choose the key.",
    ),
    "metadata_not_allowed": Help(
        "The metadata is not allowed, or too large.",
        "A name is not in the policy's `metadata`, or the total is more than 2 KB.",
        "Send only names that the policy lists, with short values.",
    ),
    "method_not_available": Help(
        "This upload cannot use this method.",
        "The store has no forms (R2, B2, GCS), the file is too large for one PUT, or the method "
        "cannot enforce the policy.",
        "Omit `method` to let the service choose. `methods` from `GET /v1/policies` lists the choices.",
    ),
    "verification_failed": Help(
        "The object in S3 is not the one that the upload declared.",
        "The bytes, type, encoding or checksum differ, or the object was replaced.",
        "Create a new upload and send the file again. If it fails again, look for another program "
        "that writes to the same keys.",
    ),
    "content_mismatch": Help(
        "The file's first bytes do not match its type.",
        "A file was renamed (`.exe` to `.jpg`), and the policy has `verify_content`.",
        "Send the file's real type. See [content types](scanning.md#content-types).",
    ),
    "rate_limited": Help(
        "Too many requests, or too many new uploads.",
        "One of the operator's [rates](limits.md#rates) is exceeded.",
        "Wait `Retry-After` seconds. Create many uploads with one `POST /v1/uploads/batch`.",
    ),
    "internal_error": Help(
        "The service has a bug.",
        "An unexpected error. The log has its details, with the same `X-Request-ID`.",
        "Retry once. If it fails again, report it with the log lines for that id.",
    ),
    "storage_denied": Help(
        "S3 refuses the service's own credentials.",
        "The keys are wrong or expired, or lack a permission.",
        "Run [`uploadsvc doctor`](doctor.md). `uploadsvc iam-policy` prints the required permissions.",
    ),
    "storage_misconfigured": Help(
        "The bucket does not match the settings.",
        "The bucket does not exist or is in another region, or the store lacks a feature of its profile.",
        "Run [`uploadsvc doctor`](doctor.md) and [`uploadsvc bucket plan`](bucket.md).",
    ),
    "storage_unavailable": Help(
        "A server that uploads depend on does not answer.",
        "S3, or the server with your login's keys, is unreachable or overloaded; or S3 is still "
        "assembling parts.",
        "Retry the same request after `Retry-After` seconds. Nothing is lost. If this persists, see "
        "the [runbook](operations.md).",
    ),
    "overloaded": Help(
        "The process has too many requests in progress.",
        "The load exceeds the limit of one process (`UPLOADSVC_SERVER__MAX_CONCURRENCY`).",
        "Retry after `Retry-After` seconds. Add workers or replicas: see [scale](scale.md).",
    ),
    "bad_request": Help(
        "The request is not valid HTTP/1.1.",
        "A handwritten request, a proxy that changes requests, or TLS sent to a port without TLS.",
        "Use an HTTP library, and `https://` only for addresses with TLS.",
    ),
    "request_timeout": Help(
        "The request took too long to arrive.",
        "The connection is slow or broken, or file bytes were sent to the service.",
        "Retry the request. Send file bytes to the presigned URL, and only JSON to the service.",
    ),
    "url_too_long": Help(
        "The URL is too long.",
        "The URL has more than 16 KiB, usually because the query holds a token or a whole body.",
        "Send tokens in `Authorization`, and data in the body.",
    ),
    "headers_too_large": Help(
        "The request has too many or too large headers.",
        "More than 100 header fields, or more than 64 KiB with the URL. Often, cookies have piled up.",
        "Set fewer cookies for this host. If a proxy adds headers, make it add fewer.",
    ),
    "too_many_requests": Help(
        "Too many requests are waiting on one connection.",
        "The client sent more than 16 requests without reading the responses (HTTP pipelining).",
        "Read responses as they arrive, or open more connections.",
    ),
}


def without_links(text: str) -> str:
    """Return a text whose links, which lead to pages of the documentation, are only their labels."""
    return _LINK.sub(r"\1", text)

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
        "The caller is known, but may not do this.",
        "The credential is limited to other policies, or to uploads. Deleting is off "
        "(`UPLOADSVC_OBJECTS__DELETE`). A cookie came from another origin. An API key names no "
        "user.",
        "Read `detail`, which names the rule. Use a credential with this right, send "
        "`X-On-Behalf-Of` with an API key, or change the setting.",
    ),
    "quota_exceeded": Help(
        "The upload does not fit into the user's quota.",
        "Too many bytes today, or too many unfinished uploads. The member `quota` has the numbers.",
        "Wait until `quota.frees_at`, complete or cancel unfinished uploads, or [raise the "
        "quota](limits.md#quotas).",
    ),
    "not_found": Help(
        "There is no such upload, object or address, or it belongs to another user.",
        "The id or key is wrong, another user's, or the object was deleted. Another user's look "
        "like ones that do not exist.",
        "Use the `id` and `key` exactly as the service returned them, with a token of the same "
        "user. Percent-encode a key in a query.",
    ),
    "policy_not_found": Help(
        "There is no policy of this name.",
        "`policy` is misspelt, or was left out where no policy is called `default`.",
        "Use a name from `GET /v1/policies`.",
    ),
    "method_not_allowed": Help(
        "The address exists, but not with this HTTP method.",
        "Usually a GET in place of a POST, or a redirect that changed the method.",
        "Use a method of the response's `Allow` header.",
    ),
    "upload_incomplete": Help(
        "S3 does not have all the bytes yet.",
        "`complete` was called before the PUT or the parts had ended, or one of them failed.",
        "Send what is missing, then call `complete` again. For parts, `GET /v1/uploads/{id}` "
        "lists those that arrived.",
    ),
    "upload_aborted": Help(
        "The multipart upload was cancelled, and its parts are gone.",
        "Someone called `DELETE /v1/uploads/{id}`, or the bucket's lifecycle rule removed an "
        "unfinished upload.",
        "Create a new upload.",
    ),
    "object_exists": Help(
        "An object has this key, and the upload may not replace it.",
        "The policy's `key` has no `{uuid}`, or the caller chose a key that is taken.",
        "Choose another name, or allow `overwrite` in the policy. If your own upload put the "
        "object there, it is stored already.",
    ),
    "object_unavailable": Help(
        "The object cannot be downloaded until a scanner has passed it.",
        "The policy has `available_when`, and the object lacks that tag: not scanned yet, or refused.",
        "Repeat after `Retry-After`. Without that header, the scanner has refused the file. See "
        "[scanning](scanning.md#wait-for-a-scanner).",
    ),
    "upload_expired": Help(
        "The upload's `id` has expired.",
        "More time has passed than `upload_expires_at` allowed.",
        "Create a new upload. For slow uploads, raise the policy's `multipart_expires_in`.",
    ),
    "file_too_large": Help(
        "The file is larger than the policy allows.",
        "`size`, or what arrived, is above the policy's `max_size`.",
        "Check against `max_size` of `GET /v1/policies` before uploading, or raise it in the policy.",
    ),
    "body_too_large": Help(
        "The body of the API request is too large.",
        "A request of more than 1 MiB. Often file bytes were sent to the service.",
        "Send bytes to the presigned URL, and only JSON to the service.",
    ),
    "content_type_not_allowed": Help(
        "The policy does not allow this media type.",
        "The type is not in `content_types`. Types that browsers run (`text/html`, "
        "`image/svg+xml`) must be listed by name; `*/*` does not include them.",
        "Send an allowed type, or add this one to the policy.",
    ),
    "validation_error": Help(
        "The request is malformed.",
        "A field is unknown, missing, of another type or out of range, or the body is not JSON.",
        "`errors` lists each field with what is allowed. Compare it with [the API reference](api.md).",
    ),
    "size_required": Help(
        "This upload needs the file's size.",
        "A PUT or multipart upload was requested without `size`.",
        'Send `size` in bytes, or ask for a form (`"method": "post"`), which allows a range.',
    ),
    "content_type_required": Help(
        "This upload needs the file's media type.",
        "The policy restricts types, and neither `content_type` nor the filename's extension tells one.",
        "Send `content_type`.",
    ),
    "checksum_required": Help(
        "This upload needs a checksum.",
        'The policy has `checksum = "required"`.',
        "Send `checksum` with an algorithm of the policy's `checksum_algorithms`. `uploadsvc.js` "
        'computes it with `{ checksum: "crc32" }`.',
    ),
    "file_too_small": Help(
        "The file is smaller than the policy allows.",
        "`size`, or what arrived, is below the policy's `min_size`. Often an empty file.",
        "Check against `min_size` of `GET /v1/policies`.",
    ),
    "invalid_key": Help(
        "The file cannot have this key.",
        "`relative_key` or a folder is empty, is `.` or `..`, holds `${`, or is too long for S3 "
        "or the store; or the policy has no `client_keys`.",
        "Correct `relative_key`, or leave it out and let the policy name the object.",
    ),
    "metadata_not_allowed": Help(
        "The metadata is not allowed, or too large.",
        "A name is not in the policy's `metadata`, or all of it takes more than 2 KB.",
        "Send only names of the policy, with short values.",
    ),
    "method_not_available": Help(
        "This upload cannot use this method.",
        "The store has no forms (R2, B2, GCS), the file is too large for one PUT, or the method "
        "cannot enforce the policy.",
        "Leave `method` out: the service then chooses. `methods` of `GET /v1/policies` lists what works.",
    ),
    "verification_failed": Help(
        "S3 holds something else than the upload promised.",
        "The bytes, type, encoding or checksum changed on the way, or the object was replaced.",
        "Create a new upload and send the file again. If it repeats, another program writes to "
        "the same keys.",
    ),
    "content_mismatch": Help(
        "The file's first bytes are of another format than its type.",
        "A file was renamed (`.exe` to `.jpg`), and the policy has `verify_content`.",
        "Send the type that the file really has. See [content types](scanning.md#content-types).",
    ),
    "rate_limited": Help(
        "Too many requests, or too many new uploads.",
        "One of the operator's [rates](limits.md#rates) was reached.",
        "Wait for `Retry-After` seconds. Create many uploads with one `POST /v1/uploads/batch`.",
    ),
    "internal_error": Help(
        "The service has a bug.",
        "An error that nobody expected. The log has it, with the same `X-Request-ID`.",
        "Retry once. Report it with the log's lines for that id.",
    ),
    "storage_denied": Help(
        "S3 refuses the service's own credentials.",
        "The keys are wrong or expired, or lack a permission.",
        "Run [`uploadsvc doctor`](doctor.md). `uploadsvc iam-policy` prints the permissions that are needed.",
    ),
    "storage_misconfigured": Help(
        "The bucket is not as the settings say.",
        "It does not exist, is in another region, or the store lacks a feature that its profile promises.",
        "Run [`uploadsvc doctor`](doctor.md), and [`uploadsvc bucket plan`](bucket.md).",
    ),
    "storage_unavailable": Help(
        "Something that uploads need does not answer now.",
        "S3, or the keys of your login, cannot be reached or are overloaded; or S3 is still "
        "assembling parts.",
        "Repeat the same request after `Retry-After` seconds. Nothing is lost. If it lasts, see "
        "the [runbook](operations.md).",
    ),
    "overloaded": Help(
        "The process has too many requests in progress.",
        "More load than one process takes (`UPLOADSVC_SERVER__MAX_CONCURRENCY`).",
        "Repeat after `Retry-After`. Add workers or replicas: see [scale](scale.md).",
    ),
    "bad_request": Help(
        "The request is not valid HTTP/1.1.",
        "A program wrote the request by hand, or a proxy changed it. TLS was sent to a port without TLS.",
        "Send requests with an HTTP library, and `https://` only to an address that takes it.",
    ),
    "request_timeout": Help(
        "The request took too long to arrive.",
        "The connection is slow or broken, or file bytes were sent to the service.",
        "Send the request again. Send bytes to the presigned URL, and only JSON to the service.",
    ),
    "url_too_long": Help(
        "The URL is too long.",
        "A URL of more than 16 KiB, usually because a token or a whole body was put into the query.",
        "Send tokens in `Authorization`, and data in the body.",
    ),
    "headers_too_large": Help(
        "The request has too many headers, or too large ones.",
        "More than 100 header fields, or 64 KiB with the URL. Often cookies that have piled up.",
        "Send fewer cookies to this host. If a proxy adds headers, let it add fewer.",
    ),
    "too_many_requests": Help(
        "Too many requests wait for their answers on one connection.",
        "A client sent more than 16 requests ahead without reading the answers (HTTP pipelining).",
        "Read answers as they come, or open more connections.",
    ),
}


def without_links(text: str) -> str:
    """Return a text whose links, which lead to pages of the documentation, are only their labels."""
    return _LINK.sub(r"\1", text)

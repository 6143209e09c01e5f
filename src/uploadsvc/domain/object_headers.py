"""Headers and form fields that describe a new object to S3."""

from collections.abc import Mapping
from urllib.parse import quote, urlencode
from xml.sax.saxutils import escape

from uploadsvc.domain.policy import Policy


def object_headers(policy: Policy) -> dict[str, str]:
    """Return the headers for all objects of a policy."""
    headers = {
        "Cache-Control": policy.cache_control,
        "x-amz-acl": policy.acl,
        "x-amz-storage-class": policy.storage_class,
        "x-amz-server-side-encryption": policy.server_side_encryption,
        "x-amz-server-side-encryption-aws-kms-key-id": policy.kms_key_id,
    }
    return {name: value for name, value in headers.items() if value is not None}


def tagging_header(tags: Mapping[str, str]) -> str:
    """Format tags for the header ``x-amz-tagging``; empty if there are none."""
    return urlencode(tags, quote_via=quote)


def tagging_field(tags: Mapping[str, str]) -> str:
    """Format tags for the form field ``tagging``; empty if there are none.

    https://docs.aws.amazon.com/AmazonS3/latest/API/RESTObjectPOST.html
    """
    pairs = "".join(f"<Tag><Key>{escape(k)}</Key><Value>{escape(v)}</Value></Tag>" for k, v in tags.items())
    return f"<Tagging><TagSet>{pairs}</TagSet></Tagging>" if pairs else ""


def put_headers(
    headers: dict[str, str], *, size: int | None, tagging: str, no_overwrite: bool
) -> dict[str, str]:
    """Add the headers of a PUT of the whole file; ``size`` is in bytes."""
    headers["Content-Length"] = str(size)
    if no_overwrite:
        headers["If-None-Match"] = "*"
    if tagging:
        headers["x-amz-tagging"] = tagging
    return headers


def multipart_headers(headers: dict[str, str], *, tagging: str) -> dict[str, str]:
    """Add the headers of the request that starts a multipart upload."""
    if tagging:
        headers["x-amz-tagging"] = tagging
    return headers


def form_fields(headers: dict[str, str], *, key: str, tagging: str) -> dict[str, str]:
    """Return the fields of a form, where two of the headers have other names.

    https://docs.aws.amazon.com/AmazonS3/latest/API/RESTObjectPOST.html
    """
    fields = {"key": key, **headers}
    if "x-amz-acl" in fields:
        fields["acl"] = fields.pop("x-amz-acl")
    if tagging:
        fields["tagging"] = tagging
    return fields

"""Plan uploads, from a policy and a request."""

from collections.abc import Collection, Mapping
from datetime import date
from typing import Final

from uploadsvc.domain import errors, media_types
from uploadsvc.domain.checksums import ALGORITHMS, Algorithm, checksum_header
from uploadsvc.domain.disposition import content_disposition
from uploadsvc.domain.filenames import file_extension, last_part, safe_filename, safe_folders
from uploadsvc.domain.keys import Namespace, check_segments
from uploadsvc.domain.metadata import (
    MAX_CLAIMS_BYTES,
    MAX_METADATA_BYTES,
    UPLOAD_CLAIMS,
    UPLOAD_MARK,
    encode,
    encoded_size,
    is_text,
)
from uploadsvc.domain.methods import Methods, check_one_request
from uploadsvc.domain.object_headers import (
    form_fields,
    multipart_headers,
    object_headers,
    put_headers,
    tagging_field,
    tagging_header,
)
from uploadsvc.domain.parts import MAX_PART_SIZE, MAX_PARTS, MIN_PART_SIZE, Parts, cut
from uploadsvc.domain.plan import Plan, UploadRequest
from uploadsvc.domain.policy import Method, Policy
from uploadsvc.domain.providers import MAX_SINGLE_PUT, Provider
from uploadsvc.domain.reserved_keys import ReservedKeys

UPLOAD_EXPIRES_IN: Final = 86_400
"""Lifetime of the id of a PUT or POST upload in seconds, unless its URL has a longer one."""


class Planner:
    """Plans uploads under a policy. Everything that does not depend on the request is computed once, here.

    Args:
        policy: The policy.
        provider: The store.
        namespace: The key prefix.
        others: The other policies, whose keys are reserved.
        carries_claims: Whether objects carry the claims of their uploads (`UPLOAD_CLAIMS`).
    """

    def __init__(
        self,
        *,
        policy: Policy,
        provider: Provider,
        namespace: Namespace,
        others: Collection[Policy] = (),
        carries_claims: bool = False,
    ) -> None:
        self.policy = policy
        self._provider = provider
        self._namespace = namespace
        self._headers = object_headers(policy)
        self._tagging = tagging_header(policy.signed_tags)
        self._form_tagging = tagging_field(policy.signed_tags)
        self._fixed_metadata = {k: v for k, v in policy.metadata.items() if v is not None}
        self._reserved = ReservedKeys(policy, others)
        self._methods = Methods(policy, provider)
        self._carries_claims = carries_claims
        self._max_metadata = MAX_METADATA_BYTES - (MAX_CLAIMS_BYTES if carries_claims else 0)
        self._unique_keys = policy.key.unique
        self._shared_folders = policy.key.shares_folders

    @property
    def methods(self) -> frozenset[Method]:
        """Methods for uploads with a key from the template."""
        return self._methods.for_made_keys

    @property
    def max_size(self) -> int:
        """Maximum file size in bytes."""
        if "multipart" in self.methods:
            return self.policy.max_size
        return min(self.policy.max_size, MAX_SINGLE_PUT)

    @property
    def no_overwrite_headers(self) -> dict[str, str]:
        """Header that tells S3 not to overwrite, if the policy forbids it and the store supports it."""
        no_overwrite = not self.policy.overwrite and self._provider.conditional_writes
        return {"If-None-Match": "*"} if no_overwrite else {}

    @property
    def checksum_algorithms(self) -> frozenset[str]:
        """Checksum algorithms that a request may use."""
        if self.policy.checksum == "off":
            return frozenset()
        return self._provider.checksum_algorithms | self._provider.part_checksums

    @property
    def metadata_names(self) -> frozenset[str]:
        """Metadata names that a request may use."""
        return frozenset(self.policy.metadata.keys() - self._fixed_metadata.keys())

    @property
    def browser_headers(self) -> frozenset[str]:
        """Lower-case names of all headers that clients send to S3 for uploads by this policy.

        These are the headers of a PUT of a file or a part, and, with ``unsized_multipart``, of the requests
        that create and complete a multipart upload.
        """
        names = set[str]()
        unsized = self.policy.unsized_multipart
        if "put" in self.methods or unsized:
            key = self.policy.key
            tags_object = self.policy.client_keys or not key.unique or key.shares_folders or unsized
            metadata = {
                **dict.fromkeys(self.policy.metadata, ""),
                **({UPLOAD_MARK: ""} if tags_object else {}),
                **({UPLOAD_CLAIMS: ""} if self._carries_claims else {}),
            }
            described = self._describe(UploadRequest(), media_types.DEFAULT, metadata)
            if "put" in self.methods and self.policy.all_types:
                # A file without a type gets a disposition.
                described |= self._describe(UploadRequest(), "", metadata)
            if self.policy.content_encodings:
                names.add("Content-Encoding")
            # A request may ask not to overwrite even if the policy allows it.
            no_overwrite = self._provider.conditional_writes
            names |= put_headers(described, size=0, tagging=self._tagging, no_overwrite=no_overwrite).keys()
            names |= self._checksum_headers(self._provider.checksum_algorithms)
        if "multipart" in self.methods:
            names |= self._checksum_headers(self._provider.part_checksums)
        # Browsers set the length themselves, without a preflight.
        return frozenset(name.lower() for name in names - {"Content-Length"})

    def _checksum_headers(self, checked: frozenset[str]) -> set[str]:
        return {checksum_header(name) for name in ALGORITHMS if name in checked & self.checksum_algorithms}

    def plan(self, request: UploadRequest, *, user: str, upload_uuid: str, unique: str, today: date) -> Plan:
        """Plan an upload.

        Args:
            request: The request.
            user: The caller's user id.
            upload_uuid: UUID of the upload.
            unique: Value of ``{uuid}``.
            today: Value of ``{date}``, UTC.

        Raises:
            UploadsvcError: The policy or the store does not allow it; the error names the field.
        """
        policy = self.policy
        type_open = request.client.type_open and policy.all_types
        content_type = "" if type_open else self._content_type(request)
        self._check_size(request.size)
        content_encoding = self._content_encoding(request) if request.content_encoding is not None else ""
        self._check_checksum(request.checksum_algorithm)
        overwrite = self._overwrite(request)
        key = self._key(request, user=user, unique=unique, today=today)
        key_is_new = request.relative_key is None and self._unique_keys
        method = self._methods.choose(request, may_replace=key_is_new or overwrite)
        if type_open and method != "put":
            # Only with a PUT, the client sends its own content type.
            content_type = self._content_type(request)
        content_type = self._kept_type(content_type, request, key)
        # S3 forgets the id of a finished multipart upload, so its object always carries the UUID. In stores
        # that keep keys as paths, completing a tagged upload also looks for an object in place of a folder.
        tags_object = not key_is_new or method == "multipart" or self._shared_folders
        no_overwrite = method != "post" and not overwrite and self._provider.conditional_writes
        metadata = self._metadata(request, {UPLOAD_MARK: upload_uuid} if tags_object else {})
        described = self._describe(request, content_type, metadata)
        if content_encoding:
            described["Content-Encoding"] = content_encoding
        headers, fields, parts = self._by_method(
            method, request, described, key=key, no_overwrite=no_overwrite
        )
        min_size, max_size = self._size_range(request, method)
        expires_in, upload_expires_in = self._lifetimes(request, method)
        return Plan(
            method=method,
            key=key,
            content_type=content_type,
            content_encoding=content_encoding,
            min_size=min_size,
            max_size=max_size,
            checksum=request.checksum,
            headers=headers,
            fields=fields,
            expires_in=expires_in,
            tags_object=tags_object,
            no_overwrite=no_overwrite,
            parts=parts,
            upload_expires_in=upload_expires_in,
            part_checksum=request.checksum_algorithm if method == "multipart" else None,
        )

    def _by_method(
        self,
        method: Method,
        request: UploadRequest,
        described: dict[str, str],
        *,
        key: str,
        no_overwrite: bool,
    ) -> tuple[dict[str, str], dict[str, str], Parts | None]:
        """Return headers, form fields and parts."""
        if method == "multipart":
            parts = self._cut(request)
            return multipart_headers(described, tagging=self._tagging), {}, parts
        if request.checksum is not None:
            described[request.checksum.header] = request.checksum.value
        if method == "put":
            headers = put_headers(
                described, size=request.size, tagging=self._tagging, no_overwrite=no_overwrite
            )
            return headers, {}, None
        fields = form_fields(described, key=key, tagging=self._form_tagging)
        if request.client.form_status is not None:
            fields["success_action_status"] = str(request.client.form_status)
        return {}, fields, None

    def _size_range(self, request: UploadRequest, method: Method) -> tuple[int, int]:
        if request.size is not None:
            return request.size, request.size
        most = self.max_size if method == "multipart" else min(self.max_size, MAX_SINGLE_PUT)
        return self.policy.min_size, most

    def _lifetimes(self, request: UploadRequest, method: Method) -> tuple[int, int]:
        """Return the lifetimes of URLs and of the id, in seconds."""
        policy = self.policy
        expires_in = min(request.expires_in or policy.expires_in, policy.max_expires_in)
        if method != "multipart":
            return expires_in, UPLOAD_EXPIRES_IN
        # A part is useless after its upload has expired.
        return min(expires_in, policy.multipart_expires_in), policy.multipart_expires_in

    def plan_bare(
        self, request: UploadRequest, *, user: str, unique: str, today: date
    ) -> tuple[str, dict[str, str]]:
        """Plan a PUT with only the headers that the request names.

        Only those are signed, so the request must name everything that the policy restricts.

        Returns:
            The key and the headers to be signed.

        Raises:
            UploadsvcError: The policy restricts a value that the request does not name, or sets one that
                needs a header.
        """
        policy = self.policy
        extras = self._headers or policy.metadata_is_fixed or self._tagging or policy.content_disposition
        key = self._key(request, user=user, unique=unique, today=today)
        key_is_new = request.relative_key is None and policy.key.unique
        if "put" not in policy.methods or extras or not (key_is_new or policy.overwrite):
            detail = f"Policy {policy.name!r} signs more than a bare URL can carry; use POST /v1/uploads."
            raise errors.MethodNotAvailable(detail, field="policy")
        headers = {}
        if request.content_type:
            content_type = self._kept_type(self._content_type(request), request, key)
            headers["Content-Type"] = _as_sent(request, content_type)
        elif not policy.all_types:
            detail = f"Policy {policy.name!r} restricts content types, so the request must name one."
            raise errors.ContentTypeRequired(detail, field="content_type")
        self._check_size(request.size)
        self._check_checksum(None)
        if request.size is not None:
            check_one_request(request.size)
            headers["Content-Length"] = str(request.size)
        elif policy.max_size < MAX_SINGLE_PUT or policy.min_size > 0:
            detail = f"Policy {policy.name!r} restricts sizes, so the request must name one."
            raise errors.SizeRequired(detail, field="size")
        return key, headers

    def check_content_type(self, value: str, *, field: str = "content_type", filename: str = "") -> str:
        """Return a media type, parsed.

        Args:
            value: The type.
            field: Name of the request field, for errors.
            filename: Filename, to distinguish two formats with the same type.

        Raises:
            ValidationFailed: It is not a media type.
            ContentTypeNotAllowed: The policy does not allow it.
        """
        try:
            parsed = media_types.parse(value)
        except ValueError as error:
            detail = f"The content type is {error}."
            raise errors.ValidationFailed(detail, field=field) from None
        if not media_types.allowed(parsed, self.policy.content_types, filename=filename):
            raise errors.ContentTypeNotAllowed(self._not_allowed(parsed), field=field)
        return parsed

    def _not_allowed(self, content_type: str) -> str:
        types = self.policy.content_types
        allowed = "any other type" if "*/*" in types else ", ".join(sorted(types))
        refused = f"Policy {self.policy.name!r} does not allow {media_types.essence(content_type)}"
        if not media_types.is_active(content_type):
            return f"{refused}; it allows {allowed}."
        reason = "browsers run HTML, SVG, XML and JavaScript, so a policy must name each of these types"
        return f"{refused}: {reason}. It allows {allowed}."

    def _cut(self, request: UploadRequest) -> Parts | None:
        if request.size is None:
            return None
        wanted = request.client.part_size
        least = wanted or self.policy.part_size
        if not MIN_PART_SIZE <= least <= MAX_PART_SIZE:
            detail = f"A part may have {MIN_PART_SIZE} to {MAX_PART_SIZE} bytes."
            raise errors.ValidationFailed(detail, field="part_size")
        parts = cut(request.size, least_part_size=least)
        if wanted is not None and parts.part_size != wanted:
            detail = f"A file of {request.size} bytes would have more than {MAX_PARTS} parts of this size."
            raise errors.ValidationFailed(detail, field="part_size")
        return parts

    def _content_type(self, request: UploadRequest) -> str:
        if request.content_type:
            return self.check_content_type(request.content_type, filename=request.filename or "")
        guessed = media_types.from_filename(request.filename or "")
        return self.check_content_type(guessed, field="filename" if request.filename else "content_type")

    def _content_encoding(self, request: UploadRequest) -> str:
        coding = (request.content_encoding or "").lower()
        if coding not in self.policy.content_encodings:
            listed = ", ".join(sorted(self.policy.content_encodings)) or "none"
            detail = f"Policy {self.policy.name!r} does not allow this content encoding; it allows: {listed}."
            raise errors.ValidationFailed(detail, field="content_encoding")
        return coding

    def _kept_type(self, content_type: str, request: UploadRequest, key: str) -> str:
        """Return the type to sign. Some stores replace ``application/octet-stream`` by a guess."""
        if content_type != media_types.DEFAULT or self._provider.keeps_octet_stream:
            return content_type
        if not (request.client.type_as_sent and request.content_type):
            return media_types.UNTYPED
        if media_types.extension_is_active(key.rpartition("/")[2]):
            detail = (
                f"{self._provider.name} replaces {media_types.DEFAULT} by what the extension stands for, and "
                "browsers would run that; name the file's own type."
            )
            raise errors.ContentTypeNotAllowed(detail, field="content_type")
        return media_types.DEFAULT

    def _check_size(self, size: int | None) -> None:
        if size is None:
            return
        if size > self.policy.max_size:
            detail = f"The file has {size} bytes; policy {self.policy.name!r} allows {self.policy.max_size}."
            raise errors.FileTooLarge(detail, field="size")
        if size < self.policy.min_size:
            detail = f"The file has {size} bytes; policy {self.policy.name!r} wants {self.policy.min_size}."
            raise errors.FileTooSmall(detail, field="size")

    def _check_checksum(self, algorithm: Algorithm | None) -> None:
        if algorithm is None:
            if self.policy.checksum == "required":
                detail = f"Policy {self.policy.name!r} needs the file's checksum."
                raise errors.ChecksumRequired(detail, field="checksum")
            return
        known = self._provider.checksum_algorithms | self._provider.part_checksums
        if self.policy.checksum == "off":
            detail = f"Policy {self.policy.name!r} takes no checksum; leave it out."
            raise errors.ValidationFailed(detail, field="checksum")
        if algorithm not in known:
            detail = f"The store does not check {algorithm}; it checks {', '.join(sorted(known)) or 'none'}."
            raise errors.ValidationFailed(detail, field="checksum.algorithm")

    def _overwrite(self, request: UploadRequest) -> bool:
        if request.overwrite and not self.policy.overwrite:
            detail = f"Policy {self.policy.name!r} does not allow overwriting."
            raise errors.Forbidden(detail, field="overwrite")
        return self.policy.overwrite if request.overwrite is None else request.overwrite

    def _key(self, request: UploadRequest, *, user: str, unique: str, today: date) -> str:
        if request.relative_key is not None:
            if not self.policy.client_keys:
                detail = f"Policy {self.policy.name!r} chooses keys itself; leave relative_key out."
                raise errors.Forbidden(detail, field="relative_key")
            key = self._namespace.relative_key(user, request.relative_key, folder=self.policy.client_folder)
            self._reserved.check(self.policy.client_folder + request.relative_key, field="relative_key")
            return check_segments(key, self._provider.max_segment_bytes, field="relative_key")
        filename, template = safe_filename(request.filename or "file"), self.policy.key
        values = {
            "uuid": unique,
            "path": safe_folders(request.filename or "") if "{path}" in template.text else "",
            "filename": filename,
            "ext": file_extension(filename).lower() if "{ext}" in template.text else "",
            "date": f"{today:%Y/%m/%d}" if "{date}" in template.text else "",
            "policy": self.policy.name,
        }
        # Template and prefix were checked at the start, and user segment, folders and filename are safe.
        rest = template.expand(values)
        if not self._unique_keys:
            self._reserved.check(rest, field="filename")
        elif self._shared_folders:
            self._reserved.check_folder(rest, field="filename")
        return self._namespace.user_prefix(user) + rest

    def _metadata(self, request: UploadRequest, mark: Mapping[str, str]) -> dict[str, str]:
        given = request.metadata
        if not (given or mark or self._fixed_metadata):
            return {}
        if request.client.drop_metadata:
            given = {name: value for name, value in given.items() if name in self.metadata_names}
        for name, value in given.items():
            if not is_text(value):
                detail = "A metadata value is not valid Unicode (it holds a lone surrogate)."
                raise errors.MetadataNotAllowed(detail, field="metadata")
            if name not in self.policy.metadata or name in self._fixed_metadata:
                free = ", ".join(sorted(self.metadata_names)) or "none"
                detail = f"Policy {self.policy.name!r} does not take this metadata; it takes: {free}."
                raise errors.MetadataNotAllowed(detail, field="metadata")
        metadata = {**given, **self._fixed_metadata, **mark}
        if (size := encoded_size(metadata)) > self._max_metadata:
            detail = f"The metadata has {size} bytes once encoded; up to {self._max_metadata} are allowed."
            raise errors.MetadataNotAllowed(detail, field="metadata")
        return metadata

    def _describe(
        self, request: UploadRequest, content_type: str, metadata: Mapping[str, str]
    ) -> dict[str, str]:
        headers = dict(self._headers)
        if content_type:
            headers["Content-Type"] = _as_sent(request, content_type)
        # Without a type, the object may be a page, which browsers must not show.
        disposition = self.policy.content_disposition or (None if content_type else "attachment")
        if disposition is not None:
            headers["Content-Disposition"] = content_disposition(
                disposition, last_part(request.filename or "")
            )
        for name, value in metadata.items():
            headers[f"x-amz-meta-{name}"] = encode(value)
        return headers


def _as_sent(request: UploadRequest, content_type: str) -> str:
    if request.client.type_as_sent and request.content_type:
        # HTTP clients trim header values.
        return request.content_type.strip(" \t")
    return content_type

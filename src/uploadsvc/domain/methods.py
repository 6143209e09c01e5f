"""Choose the method of an upload: PUT, form or multipart."""

from uploadsvc.domain import errors
from uploadsvc.domain.checksums import Algorithm, is_composite
from uploadsvc.domain.plan import UploadRequest
from uploadsvc.domain.policy import Method, Policy
from uploadsvc.domain.providers import MAX_SINGLE_PUT, Provider


class Methods:
    """The methods that can enforce a policy at a store."""

    def __init__(self, policy: Policy, provider: Provider) -> None:
        self._policy = policy
        self._provider = provider
        self._usable = {free: policy.usable_methods(provider, may_replace=free) for free in (True, False)}

    @property
    def for_made_keys(self) -> frozenset[Method]:
        """Methods for uploads with a key from the template."""
        return self._usable[self._policy.key.unique or self._policy.overwrite]

    def choose(self, request: UploadRequest, *, may_replace: bool) -> Method:
        """Return the requested method, or the best one for ``auto``.

        Args:
            request: The request.
            may_replace: Whether overwriting is harmless: the key is new, or overwriting is allowed.

        Raises:
            MethodNotAvailable: The method cannot enforce the policy here.
            SizeRequired: The method needs the size.
            ValidationFailed: The method needs the value of the checksum.
        """
        usable = self._usable_methods(request, may_replace=may_replace)
        wanted = self._automatic(request, usable) if request.method == "auto" else request.method
        if wanted == "multipart" and not self._can_cut(request) and "multipart" in self._usable[may_replace]:
            detail = "A multipart upload is planned for one exact size; give the file's size in bytes."
            raise errors.SizeRequired(detail, field="size")
        if request.checksum_algorithm and request.checksum is None and wanted in {"put", "post"}:
            detail = "Only a multipart upload can begin before its checksum is known; give the value."
            raise errors.ValidationFailed(detail, field="checksum.value")
        if wanted not in usable:
            can = ", ".join(sorted(usable)) or "none"
            detail = f"This upload cannot be done by {wanted}; methods that can: {can}."
            raise errors.MethodNotAvailable(detail, field="method")
        if wanted == "put" and request.size is None:
            detail = "A PUT URL is signed for one exact size; give the file's size in bytes."
            raise errors.SizeRequired(detail, field="size")
        return wanted

    def _usable_methods(self, request: UploadRequest, *, may_replace: bool) -> frozenset[Method]:
        usable = self._usable[may_replace]
        if request.checksum_algorithm is not None:
            usable -= self._without_checksum(request, request.checksum_algorithm)
        if not self._can_cut(request):
            usable -= {"multipart"}
        if request.size is not None and request.size > MAX_SINGLE_PUT:
            if "multipart" not in usable:
                check_one_request(request.size)
            usable -= {"put", "post"}
        return usable

    def _can_cut(self, request: UploadRequest) -> bool:
        return request.size is not None or (request.client.size_open and self._policy.unsized_multipart)

    def _automatic(self, request: UploadRequest, usable: frozenset[Method]) -> Method:
        size, checksum = request.size, request.checksum
        if checksum is not None and is_composite(checksum.algorithm):
            # With `auto`, the checksum is that of the file, not of its parts.
            usable -= {"multipart"}
        if size is not None and size > self._policy.multipart_threshold and "multipart" in usable:
            return "multipart"
        preferred: tuple[Method, ...] = ("post", "put") if size is None else ("put", "post", "multipart")
        return next((method for method in preferred if method in usable), "put")

    def _without_checksum(self, request: UploadRequest, algorithm: Algorithm) -> set[Method]:
        """Return the methods that cannot check the requested checksum."""
        lacking = set[Method]()
        if algorithm not in self._provider.part_checksums:
            lacking.add("multipart")
        if request.checksum is None or algorithm not in self._provider.checksum_algorithms:
            lacking |= {"put", "post"}
        if not self._provider.form_checksums:
            lacking.add("post")
        return lacking


def check_one_request(size: int) -> None:
    """Check that this many bytes fit into one request.

    Raises:
        MethodNotAvailable: It needs a multipart upload.
    """
    if size > MAX_SINGLE_PUT:
        detail = f"One request carries at most {MAX_SINGLE_PUT} bytes; more needs a multipart upload."
        raise errors.MethodNotAvailable(detail, field="size")

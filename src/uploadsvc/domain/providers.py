"""Profiles of S3-compatible stores.

A missing capability is rejected at the start or never used, so that it does not fail in the browser.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

GIB = 1024**3
TIB = 1024**4

MAX_SINGLE_PUT = 5 * GIB
"""Maximum body size of one PUT or POST, in bytes: https://docs.aws.amazon.com/general/latest/gr/s3.html"""


Capability: TypeAlias = Literal[
    "post_policies",
    "conditional_writes",
    "checksums",
    "form_checksums",
    "sha256",
    "crc32",
    "crc32c",
    "crc64nvme",
]
"""Capabilities that operators can remove from a profile. ``checksums`` stands for all checksums."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Provider:
    """Capabilities of one kind of store.

    Attributes:
        name: As in the setting ``s3.provider``.
        default_region: Region for signatures, if none is set.
        post_policies: It accepts browser forms with a signed POST policy.
        conditional_writes: It honours ``If-None-Match: *`` on a PUT.
        form_checksums: It checks an ``x-amz-checksum-*`` field of a form.
        form_tags: It accepts a ``tagging`` field in a form.
        keeps_octet_stream: It keeps the type ``application/octet-stream`` instead of guessing one from the
            key.
        acls: It accepts canned ACLs.
        tagging: It accepts object tags.
        checksum_algorithms: Checksums that it verifies on a PUT.
        part_checksums: Checksums that it verifies on the parts of a multipart upload.
        session_policies: It has a token service (STS) that enforces session policies.
        max_object_size: Largest object in bytes.
        max_segment_bytes: Maximum length of a key segment, in UTF-8 bytes.
        keys_are_paths: It keeps keys as files and folders, so ``a`` and ``a/b`` exclude each other.
        cors_rules: It accepts CORS rules through the S3 API.
        lifecycle_rules: It accepts S3's lifecycle rules, including `AbortIncompleteMultipartUpload`.
        public_access_block: It has S3's Block Public Access.
        blocks_public_acls: Its ``BlockPublicAcls`` refuses only requests that set a public ACL; ``None`` if
            that is not known, and the switch is left as it is.
        ownership_controls: It has S3's Object Ownership.
        policy_conditions: It implements the bucket policy conditions ``aws:SecureTransport`` and
            ``s3:signatureversion`` like AWS. Other stores may treat a denial with them as a denial of
            everything.
        kms: It uses AWS KMS keys, with separate permissions.
        queue_notifications: Its buckets can notify a queue of SQS.
        iam: Rights of access keys come from IAM policies in AWS's policy language.
    """

    name: str
    default_region: str = "us-east-1"
    post_policies: bool = True
    conditional_writes: bool = True
    form_checksums: bool = True
    form_tags: bool = True
    keeps_octet_stream: bool = True
    acls: bool = True
    tagging: bool = True
    checksum_algorithms: frozenset[str] = frozenset({"sha256", "crc32", "crc32c", "crc64nvme"})
    part_checksums: frozenset[str] = frozenset()
    session_policies: bool = False
    max_object_size: int = 5 * TIB
    max_segment_bytes: int = 1024
    keys_are_paths: bool = False
    cors_rules: bool = True
    lifecycle_rules: bool = True
    public_access_block: bool = True
    blocks_public_acls: bool | None = True
    ownership_controls: bool = True
    policy_conditions: bool = False
    kms: bool = False
    queue_notifications: bool = False
    iam: bool = True

    def without(self, lacking: Iterable[Capability]) -> "Provider":
        """Return this profile without some capabilities."""
        missing = frozenset(lacking)
        dropped = _ALL_CHECKSUMS if "checksums" in missing else missing
        checksums = self.checksum_algorithms - dropped
        return replace(
            self,
            post_policies=self.post_policies and "post_policies" not in missing,
            conditional_writes=self.conditional_writes and "conditional_writes" not in missing,
            form_checksums=self.form_checksums and bool(checksums) and "form_checksums" not in missing,
            checksum_algorithms=checksums,
            part_checksums=self.part_checksums - dropped,
        )


_ALL_CHECKSUMS = frozenset({"sha256", "crc32", "crc32c", "crc64nvme"})

PROVIDERS = {
    provider.name: provider
    for provider in (
        # 50,000 GB: https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html
        Provider(
            name="aws",
            session_policies=True,
            max_object_size=50_000 * GIB,
            part_checksums=_ALL_CHECKSUMS,
            policy_conditions=True,
            kms=True,
            queue_notifications=True,
        ),
        Provider(name="generic", blocks_public_acls=None),
        # https://developers.cloudflare.com/r2/api/s3/api/
        Provider(
            name="r2",
            default_region="auto",
            public_access_block=False,
            ownership_controls=False,
            iam=False,
            post_policies=False,
            form_checksums=False,
            acls=False,
            tagging=False,
        ),
        # https://www.backblaze.com/docs/cloud-storage-s3-compatible-api
        Provider(
            name="b2",
            public_access_block=False,
            ownership_controls=False,
            iam=False,
            post_policies=False,
            conditional_writes=False,
            form_checksums=False,
            tagging=False,
            checksum_algorithms=frozenset(),
        ),
        # Its XML API has its own precondition header, signature algorithm of forms, and XML of CORS and
        # lifecycle rules: https://cloud.google.com/storage/docs/xml-api/put-bucket-metadata
        Provider(
            name="gcs",
            default_region="auto",
            cors_rules=False,
            lifecycle_rules=False,
            public_access_block=False,
            ownership_controls=False,
            iam=False,
            post_policies=False,
            conditional_writes=False,
            form_checksums=False,
            acls=False,
            tagging=False,
            checksum_algorithms=frozenset(),
        ),
        # https://min.io/docs/minio/linux/reference/s3-api-compatibility.html
        # https://min.io/docs/minio/linux/operations/concepts/thresholds.html
        Provider(
            name="minio",
            session_policies=True,
            max_segment_bytes=255,
            keys_are_paths=True,
            cors_rules=False,
            lifecycle_rules=False,
            public_access_block=False,
            ownership_controls=False,
        ),
        # Older gateways treat a PUT of ownership controls as a PUT of the bucket, and report success. With
        # BlockPublicAcls, they refuse every upload.
        Provider(
            name="ceph",
            session_policies=True,
            form_checksums=False,
            checksum_algorithms=frozenset(),
            blocks_public_acls=False,
            ownership_controls=False,
        ),
        # It lists no checksums of parts, but requires all of them for a composite one. It treats a denial by
        # signature version as a denial of everything, including the removal of the policy.
        Provider(
            name="seaweedfs",
            session_policies=True,
            form_tags=False,
            keeps_octet_stream=False,
            max_segment_bytes=255,
            keys_are_paths=True,
            part_checksums=_ALL_CHECKSUMS - {"sha256"},
            public_access_block=False,
        ),
        # Its STS issues keys with all rights.
        Provider(
            name="localstack",
            form_checksums=False,
            part_checksums=_ALL_CHECKSUMS,
            policy_conditions=True,
            kms=True,
            queue_notifications=True,
        ),
    )
}

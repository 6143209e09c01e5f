"""What the settings ask of the bucket and of its IAM policies."""

from dataclasses import dataclass

from uploadsvc.domain.providers import Provider


@dataclass(frozen=True, slots=True, kw_only=True)
class BucketRequirements:
    """What uploads need of their bucket.

    Attributes:
        bucket: Its name.
        region: Where it is, or is to be made.
        provider: What the store can do.
        key_prefix: What all keys start with, without a slash at its end.
        origins: Of the pages that upload and download, exactly as browsers send them; or ``*``.
        cors_methods: HTTP methods that those pages use at the bucket.
        cors_headers: Names of the request headers that they send, in lower case.
        abort_days: Days after which an unfinished multipart upload is of no use; ``None`` where no policy
            uploads in parts.
        needs_acls: Some policy sets an ACL that a bucket with ACLs disabled refuses.
        allows_public_acl: Some policy sets an ACL that lets the public read or write.
        tls: The store is reached by HTTPS, by the service and by browsers, so all else may be denied.
    """

    bucket: str
    region: str
    provider: Provider
    key_prefix: str
    origins: tuple[str, ...]
    cors_methods: frozenset[str]
    cors_headers: frozenset[str]
    abort_days: int | None
    needs_acls: bool
    allows_public_acl: bool
    tls: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessNeeds:
    """What the service needs to be allowed.

    Attributes:
        bucket: The bucket's name.
        region: The bucket's region; it tells the partition of ARNs.
        key_prefix: What all keys start with, without a slash at its end.
        multipart: Some policy uploads in parts.
        delete: Callers may delete their own objects.
        acls: Some policy sets an ACL.
        tags: Some policy sets tags.
        kms_keys: The KMS keys that policies name: id, ARN, alias or alias ARN.
        sessions: Callers are handed credentials of their own.
        role_arn: The role that is assumed for those; ``None`` for federation.
    """

    bucket: str
    region: str
    key_prefix: str
    multipart: bool
    delete: bool
    acls: bool
    tags: bool
    kms_keys: frozenset[str]
    sessions: bool
    role_arn: str | None

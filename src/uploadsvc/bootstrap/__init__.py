"""From settings to parts, with one plain line for whatever does not fit."""

from uploadsvc.bootstrap.addresses import public_url
from uploadsvc.bootstrap.auth import allowed_origins, authenticator
from uploadsvc.bootstrap.bucket import access_requirements, bucket_client, bucket_requirements
from uploadsvc.bootstrap.clock import now
from uploadsvc.bootstrap.jwt import jwt_verifier
from uploadsvc.bootstrap.lifetimes import check_lifetimes
from uploadsvc.bootstrap.policies import namespace, planners, provider
from uploadsvc.bootstrap.receipts import receipts
from uploadsvc.bootstrap.secrets import secrets
from uploadsvc.bootstrap.storage import storage_and_presigner
from uploadsvc.bootstrap.temporary_credentials import credential_issuer

__all__ = [
    "access_requirements",
    "allowed_origins",
    "authenticator",
    "bucket_client",
    "bucket_requirements",
    "check_lifetimes",
    "credential_issuer",
    "jwt_verifier",
    "namespace",
    "now",
    "planners",
    "provider",
    "public_url",
    "receipts",
    "secrets",
    "storage_and_presigner",
]

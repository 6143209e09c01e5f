"""From settings to parts, with one plain line for whatever does not fit."""

from uploadsvc.wiring.addresses import public_url
from uploadsvc.wiring.bucket import access_needs, bucket_client, bucket_needs
from uploadsvc.wiring.callers import allowed_origins, authenticator
from uploadsvc.wiring.clock import now
from uploadsvc.wiring.delegation import delegation
from uploadsvc.wiring.jwt import jwt_verifier
from uploadsvc.wiring.lifetimes import check_lifetimes
from uploadsvc.wiring.policies import namespace, planners, provider
from uploadsvc.wiring.receipts import receipts
from uploadsvc.wiring.secrets import secrets
from uploadsvc.wiring.storage import storage_and_signer

__all__ = [
    "access_needs",
    "allowed_origins",
    "authenticator",
    "bucket_client",
    "bucket_needs",
    "check_lifetimes",
    "delegation",
    "jwt_verifier",
    "namespace",
    "now",
    "planners",
    "provider",
    "public_url",
    "receipts",
    "secrets",
    "storage_and_signer",
]

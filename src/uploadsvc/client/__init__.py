"""Client library of uploadsvc, and the commands of the terminal client. Both use only its HTTP API.

Guide: docs/python.md.
"""

from uploadsvc.client.aio import AsyncClient
from uploadsvc.client.api import Grant, Layout, SignedPart
from uploadsvc.client.auth import NoCredential
from uploadsvc.client.errors import Lost, Refused, Transient, UploadsvcError
from uploadsvc.client.models import (
    Checksum,
    ListedObject,
    Stored,
    StoredObject,
    Token,
    UploadState,
    UserObject,
)
from uploadsvc.client.objects import ObjectPage
from uploadsvc.client.sync import Client
from uploadsvc.client.verification import (
    Event,
    Receipt,
    VerificationError,
    verify_receipt,
    verify_webhook,
)

__all__ = [
    "AsyncClient",
    "Checksum",
    "Client",
    "Event",
    "Grant",
    "Layout",
    "ListedObject",
    "Lost",
    "NoCredential",
    "ObjectPage",
    "Receipt",
    "Refused",
    "SignedPart",
    "Stored",
    "StoredObject",
    "Token",
    "Transient",
    "UploadState",
    "UploadsvcError",
    "UserObject",
    "VerificationError",
    "verify_receipt",
    "verify_webhook",
]

"""The use cases, put together from the settings."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, nullcontext
from dataclasses import dataclass

from uploadsvc import bootstrap as wiring
from uploadsvc.s3.multipart import MultipartStorage
from uploadsvc.s3.presigner import Presigner
from uploadsvc.s3.storage import Storage
from uploadsvc.s3.sts import Sts
from uploadsvc.services.create_upload import UploadCreator
from uploadsvc.services.objects import Objects
from uploadsvc.services.policies import PolicyRegistry
from uploadsvc.services.request_signing import RequestSigner
from uploadsvc.services.temporary_credentials import CredentialIssuer
from uploadsvc.services.upload_tokens import UploadTokenIssuer
from uploadsvc.services.uploads import Uploads
from uploadsvc.settings import Settings
from uploadsvc.tokens.jwts import ACTION, UPLOAD, ServiceTokens
from uploadsvc.tokens.receipts import Receipts
from uploadsvc.tokens.signed_ids import SignedIds
from uploadsvc.tokens.signed_uuids import SignedUuids


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """All that callers can ask for.

    Attributes:
        creator: Creates uploads.
        uploads: Goes on with them: look, complete, give up.
        objects: What lies under a caller's prefix.
        tokens: Upload tokens.
        actions: Tokens for the addresses at which other uploaders send no credential.
        public_url: Where callers reach the service, if the settings say so.
        receipts: What proves an upload.
        request_signer: Requests of browsers that speak S3 themselves.
        credential_issuer: S3 credentials for callers.
        sts: Begins the sessions of those; ``None`` where none are handed out.
        storage: The bucket.
        presigner: Signs for the bucket's public address.
    """

    creator: UploadCreator
    uploads: Uploads
    objects: Objects
    tokens: UploadTokenIssuer
    actions: ServiceTokens
    public_url: str | None
    receipts: Receipts
    request_signer: RequestSigner
    credential_issuer: CredentialIssuer
    sts: Sts | None
    storage: Storage
    presigner: Presigner

    @asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        """Open what talks to S3; the others are asked for nothing before."""
        async with self.storage, self.sts or nullcontext():
            yield


def build_services(settings: Settings) -> Services:
    """Return the use cases by the settings. Nothing is opened yet.

    Raises:
        SettingsError: The settings contradict themselves or each other.
    """
    wiring.check_lifetimes(settings)
    secrets = wiring.secrets(settings)
    storage, presigner = wiring.storage_and_presigner(settings, clock=wiring.now)
    namespace = wiring.namespace(settings)
    policies = PolicyRegistry(wiring.planners(settings))
    receipts = wiring.receipts(settings)
    multipart = MultipartStorage(storage)
    ids = SignedIds(secrets)
    creator = UploadCreator(
        policies=policies,
        presigner=presigner,
        multipart=multipart,
        ids=ids,
        clock=wiring.now,
    )
    uploads = Uploads(
        policies=policies,
        namespace=namespace,
        presigner=presigner,
        storage=storage,
        multipart=multipart,
        ids=ids,
        receipts=receipts,
        keeps_octet_stream=wiring.provider(settings).keeps_octet_stream,
        may_delete=settings.objects.delete,
        clock=wiring.now,
    )
    objects = Objects(
        namespace=namespace,
        presigner=presigner,
        storage=storage,
        may_delete=settings.objects.delete,
        download_expires_in=settings.downloads.expires_in,
        max_download_expires_in=settings.downloads.max_expires_in,
        clock=wiring.now,
    )
    tokens = UploadTokenIssuer(
        policies=settings.policies.keys(),
        namespace=namespace,
        tokens=ServiceTokens(secrets, kind=UPLOAD, clock=wiring.now),
        expires_in=settings.tokens.expires_in,
        max_expires_in=settings.tokens.max_expires_in,
        clock=wiring.now,
    )
    request_signer = RequestSigner(
        creator=creator,
        names=SignedUuids(secrets),
        namespace=namespace,
        presigner=presigner,
        multipart=multipart,
        clock=wiring.now,
    )
    credential_issuer, sts = wiring.credential_issuer(
        settings, storage=storage, presigner=presigner, namespace=namespace
    )
    return Services(
        creator=creator,
        uploads=uploads,
        objects=objects,
        tokens=tokens,
        actions=ServiceTokens(secrets, kind=ACTION, clock=wiring.now),
        public_url=wiring.public_url(settings),
        receipts=receipts,
        request_signer=request_signer,
        credential_issuer=credential_issuer,
        sts=sts,
        storage=storage,
        presigner=presigner,
    )

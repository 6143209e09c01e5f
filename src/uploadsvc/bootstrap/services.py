"""The use cases, put together from the settings."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, nullcontext
from dataclasses import dataclass

from uploadsvc import bootstrap as wiring
from uploadsvc.s3.multipart import MultipartStorage
from uploadsvc.s3.presigner import Signer
from uploadsvc.s3.storage import Storage
from uploadsvc.s3.sts import Sts
from uploadsvc.services.create_upload import Creation
from uploadsvc.services.multipart import Multipart
from uploadsvc.services.objects import Objects
from uploadsvc.services.policies import Planners
from uploadsvc.services.request_signing import DirectRequests
from uploadsvc.services.temporary_credentials import Delegation
from uploadsvc.services.tokens import Tokens
from uploadsvc.services.uploads import Uploads
from uploadsvc.settings import Settings
from uploadsvc.tokens.action_tokens import ActionTokens
from uploadsvc.tokens.receipts import Receipts
from uploadsvc.tokens.signed_ids import UploadIds
from uploadsvc.tokens.signed_uuids import UnwatchedNames
from uploadsvc.tokens.upload_tokens import UploadTokens


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """All that callers can ask for.

    Attributes:
        creation: Creates uploads.
        uploads: Goes on with them: look, complete, give up.
        objects: What lies under a caller's prefix.
        tokens: Upload tokens.
        actions: Tokens for the addresses at which other uploaders send no credential.
        public_url: Where callers reach the service, if the settings say so.
        receipts: What proves an upload.
        direct: Requests of browsers that speak S3 themselves.
        delegation: S3 credentials for callers.
        sts: Begins the sessions of those; ``None`` where none are handed out.
        storage: The bucket.
        signer: Signs for the bucket's public address.
    """

    creation: Creation
    uploads: Uploads
    objects: Objects
    tokens: Tokens
    actions: ActionTokens
    public_url: str | None
    receipts: Receipts
    direct: DirectRequests
    delegation: Delegation
    sts: Sts | None
    storage: Storage
    signer: Signer

    @asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        """Open what talks to S3; the others are asked for nothing before."""
        async with self.storage, self.sts or nullcontext():
            yield


def build_service(settings: Settings) -> Service:
    """Return the use cases by the settings. Nothing is opened yet.

    Raises:
        SettingsError: The settings contradict themselves or each other.
    """
    wiring.check_lifetimes(settings)
    secrets = wiring.secrets(settings)
    storage, signer = wiring.storage_and_signer(settings, clock=wiring.now)
    namespace = wiring.namespace(settings)
    planners = Planners(wiring.planners(settings))
    receipts = wiring.receipts(settings)
    in_parts = MultipartStorage(storage)
    multipart = Multipart(storage=in_parts, signer=signer)
    ids = UploadIds(secrets)
    creation = Creation(
        planners=planners, signer=signer, storage=storage, multipart=multipart, ids=ids, clock=wiring.now
    )
    uploads = Uploads(
        planners=planners,
        namespace=namespace,
        signer=signer,
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
        signer=signer,
        storage=storage,
        may_delete=settings.objects.delete,
        download_expires_in=settings.downloads.expires_in,
        max_download_expires_in=settings.downloads.max_expires_in,
        clock=wiring.now,
    )
    tokens = Tokens(
        policies=settings.policies.keys(),
        namespace=namespace,
        tokens=UploadTokens(secrets, clock=wiring.now),
        expires_in=settings.tokens.expires_in,
        max_expires_in=settings.tokens.max_expires_in,
        clock=wiring.now,
    )
    direct = DirectRequests(
        creation=creation,
        names=UnwatchedNames(secrets),
        namespace=namespace,
        signer=signer,
        storage=storage,
        multipart=in_parts,
        clock=wiring.now,
    )
    delegation, sts = wiring.delegation(settings, storage=storage, signer=signer, namespace=namespace)
    return Service(
        creation=creation,
        uploads=uploads,
        objects=objects,
        tokens=tokens,
        actions=ActionTokens(secrets, clock=wiring.now),
        public_url=wiring.public_url(settings),
        receipts=receipts,
        direct=direct,
        delegation=delegation,
        sts=sts,
        storage=storage,
        signer=signer,
    )

"""A clock that tests move, and a bucket in memory, for unit tests of the use cases."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from uploadsvc.domain.checksums import Algorithm
from uploadsvc.domain.credentials import Credentials
from uploadsvc.domain.endpoints import bucket_endpoint
from uploadsvc.domain.errors import UploadsvcError
from uploadsvc.domain.keys import Namespace
from uploadsvc.domain.objects import StoredObject
from uploadsvc.domain.parts import UploadedPart
from uploadsvc.domain.planner import Planner
from uploadsvc.domain.policy import Policy
from uploadsvc.domain.providers import PROVIDERS
from uploadsvc.events.resolver import EventResolver
from uploadsvc.limiting.ledger import Ledger
from uploadsvc.s3.multipart import MultipartStorage, NoSuchUploadError
from uploadsvc.s3.presigner import Presigner
from uploadsvc.s3.storage import Storage
from uploadsvc.s3.tagging import StoredTags
from uploadsvc.services.claiming import Claimer
from uploadsvc.services.create_upload import UploadCreator
from uploadsvc.services.inspection import Inspector
from uploadsvc.services.policies import PolicyRegistry
from uploadsvc.services.quotas import Quotas, quotas_of
from uploadsvc.services.uploads import Uploads
from uploadsvc.services.verification import Verifier
from uploadsvc.telemetry.metrics import Metrics
from uploadsvc.tokens.object_claims import ObjectClaims
from uploadsvc.tokens.receipts import Receipts
from uploadsvc.tokens.signed_ids import SignedIds

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
BUCKET = "media"


class Clock:
    """A clock that stands still until a test moves it."""

    def __init__(self) -> None:
        self.now = NOON

    def __call__(self) -> datetime:
        """Return the time."""
        return self.now

    def move(self, seconds: float) -> None:
        """Move the clock forward."""
        self.now += timedelta(seconds=seconds)


class FakeStorage(Storage):
    """Objects in memory.

    Attributes:
        objects: Objects by key.
        failures: Errors that the next calls raise, in order.
        on_call: Runs at each call.
        contents: Bytes by key.
        tags_of: Tags by key.
    """

    def __init__(self) -> None:
        self.bucket = BUCKET
        self.objects: dict[str, StoredObject] = {}
        self.failures: list[UploadsvcError] = []
        self.calls = 0
        self.on_call: Callable[[], None] = lambda: None
        self.contents: dict[str, bytes] = {}
        self.tags_of: dict[str, dict[str, str]] = {}

    async def read_head(self, stored: StoredObject, size: int) -> bytes | None:
        """Return the first bytes of an object that has not changed."""
        return self.contents[stored.key][:size] if self.objects.get(stored.key) == stored else None

    async def tags(self, stored: StoredObject) -> dict[str, str]:
        """Return an object's tags."""
        return self.tags_of.get(stored.key, {})

    async def delete(self, key: str, *, version_id: str | None = None) -> None:
        """Delete an object."""
        assert self.objects.pop(key).version_id == version_id

    async def head(self, key: str, *, version_id: str | None = None) -> StoredObject | None:
        """Return an object, or raise the next failure."""
        self.calls += 1
        self.on_call()
        if self.failures:
            raise self.failures.pop(0)
        stored = self.objects.get(key)
        return stored if stored is None or version_id in {None, stored.version_id} else None


class FakeTags(StoredTags):
    """Tags in memory.

    Attributes:
        tags: Tags by key and version.
        failures: Errors that the next calls raise, in order.
    """

    def __init__(self) -> None:
        self.tags: dict[tuple[str, str | None], dict[str, str]] = {}
        self.failures: list[UploadsvcError] = []
        self.calls = 0

    async def remove(self, key: str, name: str, value: str, *, version_id: str | None) -> bool:
        """Remove a tag, or raise the next failure."""
        self.calls += 1
        if self.failures:
            raise self.failures.pop(0)
        tags = self.tags.get((key, version_id))
        if tags is not None and tags.get(name) == value:
            del tags[name]
        return tags is not None


class FakeMultipart(MultipartStorage):
    """Multipart uploads in memory.

    Attributes:
        uploads: Keys of the uploads by id, without those that were aborted.
        aborted: Ids of aborted uploads.
        failures: Errors by the number of the creation that they stop, from 0.
        on_create: Runs at each creation.
    """

    def __init__(self) -> None:
        self.uploads: dict[str, str] = {}
        self.aborted: list[str] = []
        self.failures: dict[int, UploadsvcError] = {}
        self.created = 0
        self.on_create: Callable[[], None] = lambda: None

    async def create(self, key: str, headers: Mapping[str, str], *, checksum: Algorithm | None) -> str:
        """Create an upload, or raise the failure of this creation."""
        del headers, checksum
        self.on_create()
        number, self.created = self.created, self.created + 1
        if number in self.failures:
            raise self.failures[number]
        self.uploads[f"upload-{number}"] = key
        return f"upload-{number}"

    async def list_parts(
        self, key: str, upload_id: str, *, checksum: Algorithm | None, part_count: int
    ) -> list[UploadedPart]:
        """Know an upload, but none of its parts."""
        del checksum, part_count
        if self.uploads.get(upload_id) != key:
            raise NoSuchUploadError
        return []

    async def joined(self, upload_id: str) -> bool:
        """Know of no assembly."""
        del upload_id
        return False

    async def abort(self, key: str, upload_id: str) -> None:
        """Forget an upload. Like S3, say nothing of one that is complete or aborted."""
        assert self.uploads.pop(upload_id, key) == key
        self.aborted.append(upload_id)


class FakeBucket:
    """The use cases over a bucket in memory, with one policy named ``default``.

    Attributes:
        clock: The clock of everything.
        credentials: The credentials that sign; an error is raised.
        asked: Number of times that credentials were asked for.
        ids: Signer of the upload ids.
        object_claims: Signer of the claims that objects carry.
        inspector: Looks into the objects.
        verifier: Verifies them.
        resolver: Makes events about the objects.
    """

    def __init__(
        self,
        policy: Policy | None = None,
        *,
        may_write: bool = False,
        may_delete: bool = False,
        ledger: Ledger | None = None,
        changeable: bool = False,
    ) -> None:
        self.clock = Clock()
        self.metrics = Metrics()
        self.storage = FakeStorage()
        self.multipart = FakeMultipart()
        self.tags = FakeTags()
        self.credentials: Credentials | UploadsvcError = Credentials(
            access_key_id="AKIAEXAMPLE", secret_access_key="s" * 40
        )
        self.asked = 0
        namespace = Namespace("uploads")
        planner = Planner(
            policy=policy or Policy(name="default"),
            provider=PROVIDERS["aws"],
            namespace=namespace,
            carries_claims=True,
        )
        self.presigner = Presigner(
            endpoint=bucket_endpoint(endpoint_url="https://s3.example.com", bucket=BUCKET, style="path"),
            bucket=BUCKET,
            region="eu-central-1",
            credentials=self._credentials,
            clock=self.clock,
        )
        policies = PolicyRegistry({"default": planner})
        quotas = None
        if ledger is not None:
            quotas = Quotas(
                policies=quotas_of(policies.all()),
                changeable=changeable,
                ledger=ledger,
                account=lambda *names: " ".join(names),
                on_refusal=lambda limit, name: self.metrics.limits_hit.add(1, limit, name),
                clock=self.clock,
            )
        self.ids = SignedIds([b"s" * 32])
        self.object_claims = ObjectClaims([b"s" * 32])
        self.inspector = Inspector(storage=self.storage, policies=policies)
        self.creator = UploadCreator(
            policies=policies,
            presigner=self.presigner,
            multipart=self.multipart,
            ids=self.ids,
            object_claims=self.object_claims,
            quotas=quotas,
            clock=self.clock,
            metrics=self.metrics,
        )
        receipts = Receipts(key=b"r" * 32, issuer="uploadsvc", audience="backend", expires_in=600)
        self.verifier = Verifier(
            policies=policies,
            namespace=namespace,
            receipts=receipts,
            inspector=self.inspector,
            keeps_octet_stream=True,
            may_delete=may_delete,
            may_write=may_write,
        )
        self.resolver = EventResolver(
            storage=self.storage,
            namespace=namespace,
            object_claims=self.object_claims,
            verifier=self.verifier,
            inspector=self.inspector,
            quotas=quotas,
            clock=self.clock,
        )
        self.claimer = Claimer(
            policies=policies,
            namespace=namespace,
            storage=self.storage,
            tags=self.tags,
            receipts=receipts,
            clock=self.clock,
        )
        self.uploads = Uploads(
            policies=policies,
            namespace=namespace,
            presigner=self.presigner,
            storage=self.storage,
            multipart=self.multipart,
            ids=self.ids,
            verifier=self.verifier,
            claimer=self.claimer,
            keys_are_paths=False,
            may_delete=may_delete,
            quotas=quotas,
            clock=self.clock,
            metrics=self.metrics,
        )

    async def _credentials(self) -> Credentials:
        self.asked += 1
        if isinstance(self.credentials, UploadsvcError):
            raise self.credentials
        return self.credentials

    def store(self, key: str, *, size: int, tags: Mapping[str, str] | None = None, **properties: Any) -> None:  # noqa: ANN401 - any of an object
        """Put an object into the bucket."""
        self.tags.tags[key, properties.get("version_id")] = dict(tags or {})
        self.storage.objects[key] = StoredObject(
            **{
                "key": key,
                "bucket": BUCKET,
                "size": size,
                "content_type": "text/plain",
                "etag": "e",
                "version_id": None,
                "checksums": (),
                "last_modified": self.clock(),
                "metadata": {},
                "upload": None,
                **properties,
            }
        )

"""Walks: break a deployment, read the doctor's fix, and do what it says."""

import asyncio
import contextlib
import inspect
import ipaddress
import re
import socket
import ssl
from asyncio import StreamReader, StreamWriter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from copy import deepcopy
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from tests.support.doctor import examine, prepare
from tests.support.doctor_fixes import Fix, all_fixes
from tests.support.fault_proxy import Fault, FaultProxy, Rule
from tests.support.provisioned_queues import new_queue, queue_clients
from tests.support.servers import S3Server

from uploadsvc.bootstrap.doctor import doctor_target
from uploadsvc.doctor.findings import Finding
from uploadsvc.doctor.runner import check_names
from uploadsvc.domain.queue_addresses import Queue, queue_at
from uploadsvc.provisioning.plan import apply
from uploadsvc.settings import Settings

if TYPE_CHECKING:
    from types_aiobotocore_s3 import S3Client


PRIVATE_NAME: Final = "hooks.internal.test"
"""A name whose address is private: this machine's."""


@dataclass(slots=True, kw_only=True)
class World:
    """One deployment that a walk breaks and mends.

    Attributes:
        server: The store, with a bucket of its own.
        bound: A store that has an address for one bucket alone.
        moto: A store that verifies neither signatures nor checksums.
        proxy: Through which the service reaches the store.
        sqs: Through which the service reaches the queues of moto.
        tls: Address of the store by TLS, with a certificate of an authority of its own.
        certificate: File with that authority's certificate.
        settings: The service's settings.
        patch: Changes the environment until the walk ends.
        store: Whether canaries may be stored.
    """

    server: S3Server
    bound: S3Server
    moto: S3Server
    proxy: FaultProxy
    sqs: FaultProxy
    tls: str
    certificate: Path
    settings: dict[str, Any]
    patch: pytest.MonkeyPatch
    store: bool = True

    async def examine(self, *checks: str) -> dict[str, Finding]:
        """Run checks. A name that ends with a colon stands for all of its kind."""
        deliver = "delivery:" in checks
        kinds, chosen = tuple(check for check in checks if check.endswith(":")), [*checks]
        if kinds:
            settings = Settings.model_validate(self.settings)
            names = check_names(doctor_target(settings, deliver=deliver))
            chosen += [name for name in names if name.startswith(kinds)]
        return await examine(self.settings, only=chosen, store=self.store, deliver=deliver)

    def set(self, sections: Mapping[str, Any]) -> None:
        """Change settings: dictionaries are merged, everything else replaces."""
        for name, section in sections.items():
            present = self.settings.get(name)
            merged = isinstance(present, dict) and isinstance(section, dict)
            self.settings[name] = {**present, **section} if merged and present is not None else section


Step = Callable[[World, str], Awaitable[None] | None]
"""Part of breaking or mending; gets the fix that was told."""


@dataclass(frozen=True, slots=True)
class Walk:
    """How a finding comes about, and how its fix is followed.

    Attributes:
        place: The place that makes the finding, and
        fix: the beginning of the fix that it names: see `Fix`.
        check: The finding's check.
        broken: Steps that break a healthy deployment.
        mended: Steps that do what the fix says, and no more.
        also: Another check that the finding needs.
    """

    place: str
    fix: str
    check: str
    broken: tuple[Step, ...]
    mended: tuple[Step, ...]
    also: str = ""

    def named(self) -> Fix:
        """Return the fix, as the code has it."""
        here = {one for one in all_fixes() if one.place == self.place and one.text.startswith(self.fix)}
        (fix,) = {one for one in here if one.text == self.fix} or here
        return fix


async def take(steps: tuple[Step, ...], world: World, told: str = "") -> None:
    """Take steps, one after the other."""
    for step in steps:
        taken = step(world, told)
        if inspect.isawaitable(taken):
            await taken


def setting(sections: Mapping[str, Any] | Callable[[World], Mapping[str, Any]]) -> Step:
    """Change settings."""
    return lambda world, _: world.set(sections(world) if callable(sections) else sections)


def s3(**settings: Any) -> Step:  # noqa: ANN401 - any setting
    """Change settings of the section S3."""
    return setting({"s3": settings})


def answering(rule: Rule) -> Step:
    """Let the store, or what is before it, behave by a rule."""

    def step(world: World, _: str) -> None:
        world.proxy.rule = rule

    return step


HEALTHY: Final = answering(lambda _: None)
"""The store behaves as it should again."""


def preflights(fault: Fault | None) -> Step:
    """Apply a fault to preflights, or remove it."""

    def step(world: World, _: str) -> None:
        world.proxy.preflights = fault

    return step


def environment(variable: str, value: Callable[[World], str]) -> Step:
    """Set a variable of the environment."""
    return lambda world, _: world.patch.setenv(variable, value(world))


def storing(*, allowed: bool) -> Step:
    """Leave ``--no-store`` out, or not."""

    def step(world: World, _: str) -> None:
        world.store = allowed

    return step


def queue_answering(rule: Rule) -> Step:
    """Let SQS behave by a rule."""

    def step(world: World, _: str) -> None:
        world.sqs.rule = rule

    return step


async def with_queue(world: World, _: str) -> None:
    """Send S3's notifications to a queue, as ``uploadsvc bucket apply`` does."""
    queue = new_queue(world.moto)
    moto = {"endpoint_url": world.moto.endpoint_url, "bucket": world.moto.bucket, "provider": "localstack"}
    world.set({"s3": moto, "events": {"queue_url": queue.url, "endpoint_url": world.sqs.url}})
    target = doctor_target(Settings.model_validate(world.settings))
    async with target.storage, target.queue_clients() as queues:
        client, needed = target.storage.client, target.requirements
        await apply(client, needed, queues=queues, rules=["queue", "queue-policy", "notifications"])


def with_private_webhook(world: World, _: str) -> None:
    """Send events to a receiver in a private network, whose certificate is trusted."""
    lookup = socket.getaddrinfo

    def known(host: Any, *arguments: Any, **options: Any) -> Any:  # noqa: ANN401 - as Python's own
        return lookup("127.0.0.1" if host == PRIVATE_NAME else host, *arguments, **options)

    world.patch.setattr(socket, "getaddrinfo", known)
    world.patch.setenv("SSL_CERT_FILE", str(world.certificate))
    url = world.tls.replace("127.0.0.1", PRIVATE_NAME)
    world.set({"events": {"webhooks": [{"url": url, "secrets": [f"whsec_{'A' * 32}"]}]}})


def queued(act: Callable[[Any, Queue], Awaitable[Any]]) -> Step:
    """Do something with the queue, by a client of SQS."""

    async def step(world: World, _: str) -> None:
        queue = queue_at(world.settings["events"]["queue_url"], region=world.moto.region)
        async with queue_clients(world.moto) as clients:
            await act(clients.sqs, queue)

    return step


async def bucket_apply(world: World, _: str) -> None:
    """Run ``uploadsvc bucket apply``."""
    await prepare(world.settings)


def bucket(change: Callable[["S3Client", str], Awaitable[Any]]) -> Step:
    """Change the bucket by hand."""

    async def step(world: World, _: str) -> None:
        async with world.server.client() as client:
            await change(client, world.server.bucket)

    return step


def cors(**changed: Any) -> Step:  # noqa: ANN401 - parts of a rule
    """Change the bucket's CORS rule by hand."""

    async def change(client: "S3Client", name: str) -> None:
        (rule,) = (await client.get_bucket_cors(Bucket=name))["CORSRules"]
        one: Any = {**rule, **changed}
        await client.put_bucket_cors(Bucket=name, CORSConfiguration={"CORSRules": [one]})

    return bucket(change)


def as_told(world: World, told: str) -> None:
    """Set the variable that the fix names to the value that it names."""
    world.settings = applied(world.settings, told)


def applied(settings: Mapping[str, Any], fix: str) -> dict[str, Any]:
    """Return settings after a fix that names a variable and its value."""
    named = re.search(r"UPLOADSVC_([A-Z0-9_]+)=([a-z0-9_,-]+)", fix)
    assert named, fix
    changed = deepcopy(dict(settings))
    *path, last = named[1].lower().split("__")
    section = changed
    for name in path:
        section = section.setdefault(name, {})
    section[last] = named[2].rstrip(",")
    return changed


@asynccontextmanager
async def tls_front(upstream: str, certificate: Path) -> AsyncIterator[str]:
    """Run a TLS proxy before a server, and write its self-signed certificate to a file."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(_certificate(certificate))
    host, port = urlsplit(upstream).hostname, urlsplit(upstream).port
    tasks = set[asyncio.Task[None]]()

    async def pipe(reader: StreamReader, writer: StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while block := await reader.read(65536):
                writer.write(block)
                await writer.drain()

    async def serve(reader: StreamReader, writer: StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        answers, sink = await asyncio.open_connection(host, port)
        both = [asyncio.create_task(pipe(reader, sink)), asyncio.create_task(pipe(answers, writer))]
        try:
            await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
        finally:
            # First, since a second cancellation may end the wait below.
            sink.transport.abort()
            writer.transport.abort()
            for one in both:
                one.cancel()
            await asyncio.gather(*both, return_exceptions=True)
            tasks.discard(task)

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    try:
        yield f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
        for task in list(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await server.wait_closed()


def _certificate(path: Path) -> Path:
    """Write a certificate; return the file with its key too."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "an authority of our own")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(
            x509.SubjectAlternativeName(
                [x509.IPAddress(ipaddress.ip_address("127.0.0.1")), x509.DNSName(PRIVATE_NAME)]
            ),
            critical=False,
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    public = made.public_bytes(serialization.Encoding.PEM)
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.write_bytes(public)
    both = path.with_suffix(".both")
    both.write_bytes(public + private)
    return both

"""The targets: uploadsvc under several kinds of load, and its peers."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import httpx

from benchmarks import credentials, servers, storage
from benchmarks.credentials import STRANGERS, USERS, Headers, bearer
from benchmarks.load import Target
from benchmarks.machine import PAIR, SERVER
from benchmarks.servers import Server

BATCH: Final = 100
PARTS: Final = 1_000
FEW: Final = 2
"""Connections for slow calls."""

FILE: Final = {"filename": "photo.jpg", "content_type": "image/jpeg", "size": 123_456}

_UPLOADS: Final = "/v1/uploads"
_OK: Final = 200
_CREATED: Final = 201
_PEER_SETTINGS: Final = {
    "AWS_ACCESS_KEY_ID": servers.KEY.access_key_id,
    "AWS_SECRET_ACCESS_KEY": servers.KEY.secret_access_key,
    "AWS_REGION": "eu-central-1",
    "AWS_DEFAULT_REGION": "eu-central-1",
    "AWS_EC2_METADATA_DISABLED": "true",
}

Check = Callable[[Any], bool]


def is_signed(url: object) -> bool:
    """Return whether this is a URL with a signature."""
    return isinstance(url, str) and bool(urlsplit(url).netloc) and "X-Amz-Signature=" in url


def _is_put(answer: Any) -> bool:  # noqa: ANN401 - JSON
    return answer["method"] == "put" and is_signed(answer["url"]) and len(answer["id"]) > 0


def _is_form(answer: Any) -> bool:  # noqa: ANN401 - JSON
    return bool(answer["url"]) and any(name.lower() == "x-amz-signature" for name in answer["fields"])


class Stage:
    """Starts servers, which run until the stack is closed, and returns the targets for them.

    Args:
        stack: Stops the servers.
        directory: Directory for logs.
        endpoint_url: The embedded S3.
    """

    def __init__(self, stack: ExitStack, directory: Path, endpoint_url: str) -> None:
        self._stack = stack
        self._directory = directory
        self._s3 = servers.s3_settings(endpoint_url)
        self.main = self._service("uploadsvc", credentials.secret_settings())

    def _service(
        self,
        name: str,
        settings: Mapping[str, str],
        *,
        workers: int = 1,
        cores: frozenset[int] = SERVER,
    ) -> Server:
        started = servers.service(
            name, {**self._s3, **settings}, directory=self._directory, workers=workers, cores=cores
        )
        return self._stack.enter_context(started)

    def own(self) -> list[Target]:
        """Return the creation of uploads by PUT and by POST form."""
        form = {**FILE, "method": "post"}
        return [
            _creation("put", "uploadsvc, PUT", self.main, bearer),
            _creation("post", "uploadsvc, POST form", self.main, bearer, body=form, check=_is_form),
        ]

    def two_workers(self) -> Target:
        """Return the creation of uploads by two workers."""
        pair = self._service("two-workers", credentials.secret_settings(), workers=2, cores=PAIR)
        return _creation("two_workers", "uploadsvc, PUT, two workers", pair, bearer)

    def bare(self) -> Target:
        """Return FastAPI alone, with an answer as large as uploadsvc's."""
        (put, _) = self.own()
        environment = {"BENCH_ANSWER": put.try_once().decode()}
        server = self._stack.enter_context(
            servers.python_peer("bare", environment, directory=self._directory)
        )
        return _peer("bare", "FastAPI alone, same body and answer", server, FILE, _is_put, status=_CREATED)

    def aioboto3(self) -> Target:
        """Return FastAPI with a shared client of aioboto3."""
        peer = servers.python_peer("with_aioboto3", _PEER_SETTINGS, directory=self._directory)
        server = self._stack.enter_context(peer)
        title = "FastAPI and one aioboto3 client, PUT"
        return _peer("aioboto3", title, server, FILE, lambda found: is_signed(found["url"]), status=_CREATED)

    def node_peers(self) -> list[Target]:
        """Return Better Upload and Companion."""
        better, companion = (
            self._stack.enter_context(servers.node_peer(name, _PEER_SETTINGS, directory=self._directory))
            for name in ("better_upload", "companion")
        )
        files = [{"name": FILE["filename"], "size": FILE["size"], "type": FILE["content_type"]}]
        return [
            _peer(
                "better_upload",
                "Better Upload, PUT",
                better,
                {"route": "default", "files": files},
                lambda found: is_signed(found["files"][0]["signedUrl"]),
                path="/upload",
            ),
            Target(
                name="companion",
                title="Uppy Companion, POST form",
                server=companion,
                method="GET",
                calls=[("/s3/params?filename=photo.jpg&type=image%2Fjpeg", {}, None)],
                status=_OK,
                check=_is_form,
            ),
        ]

    def credentials(self) -> list[Target]:
        """Return the creation of uploads by callers with other credentials, and with new tokens."""
        other = self._service("other-credentials", credentials.other_settings())
        jwks_url = self._stack.enter_context(credentials.published_keys())
        jwks = self._service("jwks", credentials.jwks_settings(jwks_url))
        targets = [
            _creation("api_key", "API key", other, credentials.api_key),
            _creation("cookie", "JWT cookie, HS256", other, credentials.cookie),
            _creation("proxy_header", "header of a proxy", other, credentials.proxy_header),
        ]
        for algorithm in credentials.ALGORITHMS:
            known, new = algorithm.lower(), f"{algorithm.lower()}_new"

            def by(number: int, algorithm: str = algorithm) -> Headers:
                return bearer(number, algorithm)

            targets += [
                _creation(known, f"JWKS, {algorithm}", jwks, by),
                _creation(new, f"JWKS, {algorithm}, each token new", jwks, by, users=STRANGERS),
            ]
        new_tokens = _creation("hs256_new", "HS256, each token new", self.main, bearer, users=STRANGERS)
        return [new_tokens, *targets]

    def many(self) -> list[Target]:
        """Return calls for many URLs at once: a batch of uploads, and the parts of one."""
        batch = {"uploads": [FILE] * BATCH}
        headers = bearer(0)
        film = {"filename": "film.mp4", "size": PARTS * 5 * 1024**2, "method": "multipart"}
        with httpx.Client(trust_env=False, timeout=30) as http:
            answer = http.post(f"{self.main.url}{_UPLOADS}", headers=dict(headers), json=film)
        upload = answer.raise_for_status().json()
        numbers = [1 + number % upload["part_count"] for number in range(PARTS)]
        return [
            Target(
                name="batch",
                title=f"batch of {BATCH}, in uploads",
                server=self.main,
                method="POST",
                calls=[(f"{_UPLOADS}/batch", bearer(number), batch) for number in range(USERS)],
                status=_OK,
                check=_has_all_uploads,
                units=BATCH,
                connections=FEW,
            ),
            Target(
                name="parts",
                title=f"{PARTS:,} parts in one call, in URLs",
                server=self.main,
                method="POST",
                calls=[(f"{_UPLOADS}/{upload['id']}/parts", headers, {"part_numbers": numbers})],
                status=_OK,
                check=_has_all_parts,
                units=PARTS,
                connections=FEW,
            ),
        ]

    def stored(self, uploads: Sequence[storage.Stored]) -> list[Target]:
        """Return the calls that query S3."""

        def asks(
            name: str, title: str, method: str, check: Check, calls: Sequence[tuple[str, Headers, object]]
        ) -> Target:
            return Target(
                name=name,
                title=title,
                server=self.main,
                method=method,
                calls=calls,
                status=_OK,
                check=check,
            )

        return [
            asks(
                "status",
                "GET /v1/uploads/{id}",
                "GET",
                lambda found: bool(found["status"] == "stored"),
                [(one.path, one.headers, None) for one in uploads],
            ),
            asks(
                "complete",
                "POST /v1/uploads/{id}/complete",
                "POST",
                lambda found: bool(found["receipt"]),
                [(f"{one.path}/complete", one.headers, {}) for one in uploads],
            ),
            self.listing("objects", storage.LISTED),
        ]

    def listing(self, name: str, limit: int) -> Target:
        """Return a listing of ``limit`` objects."""
        return Target(
            name=name,
            title=f"GET /v1/objects, {limit:,} of them",
            server=self.main,
            method="GET",
            calls=[(f"/v1/objects?limit={limit}", bearer(storage.COLLECTOR), None)],
            status=_OK,
            check=lambda found: len(found["objects"]) == limit,
            connections=FEW,
        )


@contextmanager
def stage(directory: Path, endpoint_url: str) -> Iterator[Stage]:
    """Start uploadsvc, and other servers on demand; stop them all at the end."""
    with ExitStack() as stack:
        yield Stage(stack, directory, endpoint_url)


def _has_all_uploads(answer: Any) -> bool:  # noqa: ANN401 - JSON
    return len(answer["results"]) == BATCH and all(_is_put(one["upload"]) for one in answer["results"])


def _has_all_parts(answer: Any) -> bool:  # noqa: ANN401 - JSON
    return len(answer["parts"]) == PARTS and all(is_signed(part["url"]) for part in answer["parts"])


def _creation(
    name: str,
    title: str,
    server: Server,
    headers: Callable[[int], Headers],
    *,
    body: Mapping[str, object] = FILE,
    check: Check = _is_put,
    users: int = USERS,
) -> Target:
    """Return the creation of uploads, each user's in turn."""
    return Target(
        name=name,
        title=title,
        server=server,
        method="POST",
        calls=[(_UPLOADS, headers(number), body) for number in range(users)],
        status=_CREATED,
        check=check,
    )


def _peer(
    name: str,
    title: str,
    server: Server,
    body: Mapping[str, object],
    check: Check,
    *,
    path: str = _UPLOADS,
    status: int = _OK,
) -> Target:
    return Target(
        name=name,
        title=title,
        server=server,
        method="POST",
        calls=[(path, {}, body)],
        status=status,
        check=check,
    )

"""The service under test: its settings, its users' tokens, and a client that speaks to it in this process."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import httpx
import jwt
from tests.support.servers import S3Server

from uploadsvc.app import create_app
from uploadsvc.bootstrap.services import Clock, utc_now
from uploadsvc.settings import Settings

JWT_SECRET: Final = "the tests' own secret for bearer tokens, of 32 bytes or more"
RECEIPT_SECRET: Final = "the tests' own secret for receipts, of 32 bytes or more"
SECRET_KEY: Final = "the tests' own secret key of the service, 32 bytes or more"
BASE_URL: Final = "http://uploads.test"


def settings_for(server: S3Server, /, **sections: object) -> dict[str, Any]:
    """Return settings that reach an S3 server, as `Settings.model_validate` takes them.

    Args:
        server: The S3 server and its bucket.
        **sections: Top-level settings that replace or extend these; dictionaries are merged one level deep,
            so ``s3={"public_endpoint_url": …}`` keeps the bucket, and ``policies={…}`` adds to ``default``.
    """
    provider = server.name if server.name in {"seaweedfs", "localstack"} else "generic"
    settings: dict[str, Any] = {
        "secret_key": SECRET_KEY,
        "s3": {
            "bucket": server.bucket,
            "region": server.region,
            "endpoint_url": server.endpoint_url,
            "access_key_id": server.access_key_id,
            "secret_access_key": server.secret_access_key,
            "session_token": server.session_token,
            "addressing_style": "path",
            "provider": provider,
        },
        "auth": {"jwt": {"secret": JWT_SECRET}},
        "receipts": {"secret": RECEIPT_SECRET},
        "policies": {"default": {}},
    }
    for name, section in sections.items():
        present = settings.get(name)
        if isinstance(present, dict) and isinstance(section, dict):
            settings[name] = {**present, **section}
        else:
            settings[name] = section
    return settings


def token_for(
    user: str = "alice", *, expires_in: int = 3600, secret: str = JWT_SECRET, **claims: object
) -> str:
    """Return a bearer token that speaks for a user; ``claims`` add to its claims or replace them."""
    ends = datetime.now(UTC) + timedelta(seconds=expires_in)
    return jwt.encode({"sub": user, "exp": ends, **claims}, secret, algorithm="HS256")


def authorization(user: str = "alice", *, expires_in: int = 3600) -> dict[str, str]:
    """Return the header with which a user calls."""
    return {"Authorization": f"Bearer {token_for(user, expires_in=expires_in)}"}


@asynccontextmanager
async def service_client(
    settings: Mapping[str, Any], *, user: str | None = "alice", clock: Clock = utc_now
) -> AsyncIterator[httpx.AsyncClient]:
    """Run the app, its lifespan included, and give a client that calls it as a user.

    Args:
        settings: As `settings_for` returns them.
        user: Who calls by default; ``None`` for nobody. One request may say otherwise by
            ``headers=authorization("bob")``.
        clock: The clock of the service.
    """
    app = create_app(Settings.model_validate(dict(settings)), clock=clock)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(
            transport=httpx.ASGITransport(app=app),
            base_url=BASE_URL,
            headers=authorization(user) if user else None,
            trust_env=False,
        ) as client,
    ):
        yield client

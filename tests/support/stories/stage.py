"""An app on its origin, the service on another, and a bucket that both know of."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Literal

import httpx
from tests.support.buckets import set_up
from tests.support.identity_provider import AUDIENCE
from tests.support.receipt_keys import ED25519, private_pem
from tests.support.servers import S3Server
from tests.support.service import settings_for
from tests.support.stories.serving import served
from tests.support.stories.single_page_app import COOKIE, SinglePageApp

from uploadsvc.app import create_app
from uploadsvc.settings import Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """All that takes part, but the browser.

    Attributes:
        app: The app's origin.
        service: The service's.
        s3: The S3, with a bucket that nobody else uses.
    """

    app: str
    service: str
    s3: S3Server

    async def stored(self) -> list[bytes]:
        """Ask S3 itself what the bucket holds; the shortest comes first."""
        async with self.s3.client() as client:
            listed = await client.list_objects_v2(Bucket=self.s3.bucket)
            keys = [entry["Key"] for entry in listed.get("Contents", [])]
            found = [await client.get_object(Bucket=self.s3.bucket, Key=key) for key in keys]
            return sorted([await one["Body"].read() for one in found], key=len)

    async def status_for(self, token: str) -> int:
        """Return how the service answers a program that brings a token."""
        headers = {"Authorization": f"Bearer {token}"}
        async with httpx.AsyncClient(base_url=self.service, headers=headers, trust_env=False) as http:
            return (await http.get("/v1/policies")).status_code


@asynccontextmanager
async def staged(
    server: S3Server, spa: SinglePageApp, *, keys: Literal["issuer", "jwks_url"] = "issuer"
) -> AsyncIterator[Stage]:
    """Run an app, and the service for it, as their operators would.

    Args:
        server: Gets a bucket for this.
        spa: The app; it is told where the service is, and reads what receipts are checked with.
        keys: How the service finds the keys of the app's identity provider.
    """
    s3 = replace(server, bucket=await server.create_bucket())
    by_cookie = spa.signed_in_by == "cookie"
    jwt = {
        keys: spa.provider.issuer if keys == "issuer" else spa.provider.jwks_url,
        "audience": AUDIENCE,
        "cookie": COOKIE if by_cookie else None,
    }
    async with served(spa.app) as app:
        settings = settings_for(
            s3,
            auth={"jwt": jwt},
            cors={"allow_origins": [app], "allow_credentials": by_cookie},
            receipts={"secret": None, "private_key": private_pem(ED25519)},
        )
        await set_up(s3, settings)
        async with served(create_app(Settings.model_validate(settings))) as service:
            spa.service = service
            async with httpx.AsyncClient(base_url=service, trust_env=False) as http:
                spa.receipt_keys = (await http.get("/.well-known/jwks.json")).json()
            yield Stage(app=app, service=service, s3=s3)

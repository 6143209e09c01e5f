"""The npm package in apps, and a service that they upload to."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path

import pytest
from tests.support.buckets import set_up
from tests.support.npm_package import STAMP, Apps, install, pack
from tests.support.npm_site import Site
from tests.support.servers import ROOT, S3Server
from tests.support.service import settings_for
from tests.support.stories.serving import served

from uploadsvc.app import create_app
from uploadsvc.settings import Settings


@pytest.fixture(scope="session")
async def site(seaweedfs: S3Server) -> AsyncIterator[Site]:
    """Run the service; pages of two other origins may call it."""
    site = Site(s3=replace(seaweedfs, bucket=await seaweedfs.create_bucket()))
    async with AsyncExitStack() as stack:
        site.pages = await stack.enter_async_context(served(site.app))
        origins = [site.pages, f"http://127.0.0.1:{site.next_port}"]
        settings = settings_for(
            site.s3, cors={"allow_origins": origins}, policies={"default": {"key": "{uuid}/{path}{filename}"}}
        )
        await set_up(site.s3, settings)
        site.service = await stack.enter_async_context(served(create_app(Settings.model_validate(settings))))
        yield site


@pytest.fixture(scope="session")
async def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pack the package."""
    if not STAMP.exists():
        pytest.skip(f"the apps' packages are not installed: make {STAMP.relative_to(ROOT)}")
    return await pack(tmp_path_factory.mktemp("archive"))


@pytest.fixture(scope="session")
async def apps(archive: Path, site: Site, tmp_path_factory: pytest.TempPathFactory) -> Apps:
    """Install the package into the apps."""
    async with asyncio.timeout(60):
        return await install(archive, tmp_path_factory.mktemp("installed") / "apps", service=site.service)

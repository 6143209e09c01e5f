"""Fixtures of all tiers."""

import functools
import gc
import os
import ssl
from collections.abc import Iterator
from typing import Any

import botocore.session
import httpx
import pytest
from tests.support.properties import load_profile

pytest_plugins = ["pytester", "tests.support.skips"]

load_profile()


def pytest_collection_finish() -> None:
    """Take modules and test items, which live as long as the run, out of the garbage collector's sight."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session", autouse=True)
def _one_loader() -> Iterator[None]:
    """Let all S3 clients share what botocore reads from disk: 60 ms for each, and memory it never frees."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(botocore.session, "create_loader", functools.cache(botocore.session.create_loader))
        yield


@pytest.fixture(scope="session", autouse=True)
def _one_trust_store() -> Iterator[None]:
    """Let all HTTP clients share the certificates that are trusted by default: 20 ms to read for each."""
    trusted = httpx.create_ssl_context(trust_env=False)
    made = httpx.create_ssl_context

    def shared(verify: Any = True, cert: Any = None, trust_env: bool = True) -> ssl.SSLContext:  # noqa: ANN401, FBT001, FBT002 - httpx's own
        return trusted if (verify, cert, trust_env) == (True, None, False) else made(verify, cert, trust_env)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("httpx._transports.default.create_ssl_context", shared)
        yield


@pytest.fixture(scope="session", autouse=True)
def _own_environment() -> Iterator[None]:
    """Hide the AWS, uploadsvc and proxy settings of whoever runs the tests."""
    with pytest.MonkeyPatch.context() as patch:
        for name in list(os.environ):
            if name.startswith(("AWS_", "UPLOADSVC_")):
                patch.delenv(name)
        patch.setenv("AWS_CONFIG_FILE", os.devnull)
        patch.setenv("AWS_SHARED_CREDENTIALS_FILE", os.devnull)
        patch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        patch.setenv("NO_PROXY", "127.0.0.1,localhost")
        patch.setenv("no_proxy", "127.0.0.1,localhost")
        yield

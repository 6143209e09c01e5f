"""Fixtures of all tiers."""

import os
from collections.abc import Iterator

import pytest

pytest_plugins = ["pytester", "tests.support.skips"]


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

"""The settings in `docs/better-upload.md` are valid; its JavaScript runs in `tests/e2e/uploaders`."""

import re
from pathlib import Path
from typing import Final

import pytest
from tests.support.servers import ROOT
from tests.support.service import JWT_SECRET, SECRET_KEY

from uploadsvc.app import create_app
from uploadsvc.settings import Settings, load_settings

GUIDE: Final = (ROOT / "docs" / "better-upload.md").read_text(encoding="utf-8")
SNIPPETS: Final = re.findall(r"```toml\n(.*?)```", GUIDE, re.DOTALL)


def loaded(snippet: str, directory: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Load a snippet together with the required settings."""
    file = directory / "uploadsvc.toml"
    file.write_text(snippet, encoding="utf-8")
    variables = {
        "CONFIG_FILE": str(file),
        "SECRET_KEY": SECRET_KEY,
        "AUTH__JWT__SECRET": JWT_SECRET,
        "S3__BUCKET": "media",
        "S3__REGION": "eu-central-1",
    }
    for name, value in variables.items():
        monkeypatch.setenv(f"UPLOADSVC_{name}", value)
    return load_settings()


def test_the_guides_settings_are_valid(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    policies, proxied = (loaded(snippet, tmp_path, monkeypatch) for snippet in SNIPPETS)
    create_app(policies)
    assert policies.cors.allow_origins == ("https://app.example.com",)
    assert policies.policies["default"].part_size == 16 * 1024**2
    assert proxied.public_url == "https://uploads.example.com"

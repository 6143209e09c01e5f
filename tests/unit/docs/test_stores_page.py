"""The settings of `docs/stores.md` are whole: with those of a section, the service is built."""

import re
from typing import Final

import pytest
from tests.support.store_guide import INTRODUCTION, SECTIONS, environment_of

from uploadsvc.app import create_app, load_settings
from uploadsvc.domain.providers import PROVIDERS

WITHOUT_PROFILE: Final = {"Garage", "RustFS"}


@pytest.mark.parametrize("name", SECTIONS)
def test_a_sections_settings_start_the_service(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its default policy included, which a store that lacks something could refuse."""
    for variable, value in environment_of(name).items():
        monkeypatch.setenv(variable, value)
    settings = load_settings()
    create_app(settings)
    assert (settings.s3.provider == "generic") == (name in WITHOUT_PROFILE)


def test_every_profile_has_a_section() -> None:
    """And the page's table names each section."""
    shown = {environment_of(name).get("UPLOADSVC_S3__PROVIDER", "aws") for name in SECTIONS}
    assert shown == set(PROVIDERS)
    linked = re.findall(r"\[([^]]+)\]\(#", INTRODUCTION)
    assert linked
    assert set(linked) <= set(SECTIONS)

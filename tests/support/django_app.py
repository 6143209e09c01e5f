"""Django apps of examples in the docs. A process has one set of settings, which tests share."""

from collections.abc import Sequence
from importlib import import_module
from typing import Any

import pytest


def django_app(urls: str, monkeypatch: pytest.MonkeyPatch, *, middleware: Sequence[str] = ()) -> Any:  # noqa: ANN401 - an app
    """Return the app of a Django project.

    Args:
        urls: Name of the module with its URLs.
        monkeypatch: Takes the settings back.
        middleware: Names of its middleware.
    """
    # They have no types.
    settings = import_module("django.conf").settings
    if not settings.configured:
        settings.configure(LOGGING_CONFIG=None)
    monkeypatch.setattr(settings, "ROOT_URLCONF", urls, raising=False)
    monkeypatch.setattr(settings, "ALLOWED_HOSTS", ["127.0.0.1"])
    monkeypatch.setattr(settings, "MIDDLEWARE", [*middleware])
    import_module("django.urls").clear_url_caches()
    return import_module("django.core.asgi").get_asgi_application()

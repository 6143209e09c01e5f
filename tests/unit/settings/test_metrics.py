"""The address of the metrics, as operators write it."""

import pytest

from uploadsvc.settings import Settings, SettingsError, load_settings


def loaded(monkeypatch: pytest.MonkeyPatch, address: str) -> Settings:
    monkeypatch.setenv("UPLOADSVC_S3__BUCKET", "media")
    monkeypatch.setenv("UPLOADSVC_S3__REGION", "eu-central-1")
    monkeypatch.setenv("UPLOADSVC_METRICS__ADDRESS", address)
    return load_settings()


@pytest.mark.parametrize(
    ("address", "listen"),
    [
        ("127.0.0.1:9464", ("127.0.0.1", 9464)),
        ("0.0.0.0:1", ("0.0.0.0", 1)),  # noqa: S104 - nothing listens
        ("[::1]:65535", ("::1", 65_535)),
        ("[::]:9464", ("::", 9464)),
        ("localhost:9464", ("localhost", 9464)),
        ("", None),
    ],
)
def test_an_address_has_host_and_port(
    monkeypatch: pytest.MonkeyPatch, address: str, listen: tuple[str, int] | None
) -> None:
    assert loaded(monkeypatch, address).metrics.listen == listen


@pytest.mark.parametrize(
    "address",
    [
        "9464",
        ":9464",
        "127.0.0.1",
        "127.0.0.1:",
        "127.0.0.1:0",
        "127.0.0.1:65536",
        "127.0.0.1:٣",
        "127.0.0.1:-1",
        "::1:9464",
        "[::1]",
        "[127.0.0.1]:9464",
        "http://127.0.0.1:9464",
        "127.0.0.1:9464/metrics",
    ],
)
def test_any_other_address_stops_the_start(monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    with pytest.raises(SettingsError) as caught:
        loaded(monkeypatch, address)
    assert str(caught.value) == (
        f"UPLOADSVC_METRICS__ADDRESS: {address!r} is not an address to listen on; "
        "write host:port, such as 127.0.0.1:9464, 0.0.0.0:9464 or [::1]:9464"
    )

"""Values in files of their own, as Docker and Kubernetes provide secrets."""

import json
import os
from pathlib import Path

import pytest

from uploadsvc.settings import Settings, SettingsError, load_settings
from uploadsvc.settings import files as files_module

SECRET = "hunter2-hunter2-hunter2-hunter2-hunter2"
OTHER = "hunter3-hunter3-hunter3-hunter3-hunter3"
WEBHOOK_SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


@pytest.fixture(autouse=True)
def env(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Set the variables that have no default."""
    monkeypatch.setenv("UPLOADSVC_S3__BUCKET", "media")
    monkeypatch.setenv("UPLOADSVC_S3__REGION", "eu-central-1")
    return monkeypatch


def loaded(env: pytest.MonkeyPatch, **variables: str | Path) -> Settings:
    """Load the settings with some variables set."""
    for name, value in variables.items():
        env.setenv(f"UPLOADSVC_{name}", str(value))
    return load_settings()


def refused(env: pytest.MonkeyPatch, **variables: str | Path) -> str:
    """Return the error of invalid settings: one line without secrets."""
    with pytest.raises(SettingsError) as caught:
        loaded(env, **variables)
    message = str(caught.value)
    assert "\n" not in message
    assert "hunter" not in message
    return message


def written(folder: Path, name: str, content: str | bytes) -> Path:
    """Write a file."""
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def test_any_setting_can_be_in_a_file(env: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """At every level, lists and objects as JSON; line ends at the end are dropped."""
    hooks = [{"url": "https://a.example", "secrets_file": str(written(tmp_path, "w", f"{WEBHOOK_SECRET}\n"))}]
    settings = loaded(
        env,
        SECRET_KEYS_FILE=written(tmp_path, "keys", json.dumps([SECRET, OTHER]) + "\r\n"),
        S3__ACCESS_KEY_ID="AKIDEXAMPLE",
        S3__SECRET_ACCESS_KEY_FILE=written(tmp_path, "s3", "hunter2\n\n"),
        AUTH__JWT__AUDIENCE_FILE=written(tmp_path, "aud", "web, ios\n"),
        AUTH__JWT__SECRET_FILE=written(tmp_path, "jwt", SECRET),
        AUTH__API_KEYS_FILE=written(tmp_path, "api", json.dumps([{"name": "b", "sha256": "a" * 64}])),
        RECEIPTS__PRIVATE_KEY_FILE=written(tmp_path, "pem", "-----BEGIN\nline\n-----END\n"),
        EVENTS__WEBHOOKS=json.dumps(hooks),
        POLICIES__P__MAX_SIZE_FILE=written(tmp_path, "size", "5MB\n"),
    )
    assert settings.secrets == [SECRET.encode(), OTHER.encode()]
    assert settings.s3.secret_access_key is not None
    assert settings.s3.secret_access_key.get_secret_value() == "hunter2"
    assert settings.auth.jwt.audience == ("web", "ios")
    assert settings.auth.api_keys[0].name == "b"
    assert settings.receipts.private_key is not None
    assert settings.receipts.private_key.get_secret_value() == "-----BEGIN\nline\n-----END"
    assert settings.events.webhooks[0].secrets[0].get_secret_value() == WEBHOOK_SECRET
    assert settings.policies["p"].max_size == 5_000_000


def test_toml_names_files_too(env: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The environment wins over both forms."""
    key, digest = written(tmp_path, "key", SECRET), written(tmp_path, "digest", "b" * 64)
    toml = f"secret_key_file = '{key}'\n[[auth.api_keys]]\nname = 'b'\nsha256_file = '{digest}'\n"
    config = written(tmp_path, "config.toml", toml)
    settings = loaded(env, CONFIG_FILE=config)
    assert settings.secrets == [SECRET.encode()]
    assert settings.auth.api_keys[0].sha256 == "b" * 64
    assert loaded(env, SECRET_KEY=OTHER).secrets == [OTHER.encode()]


def test_a_link_is_followed_each_time(env: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Kubernetes points it at another folder when the secret changes."""
    for name, secret in (("old", SECRET), ("new", OTHER)):
        (tmp_path / name).mkdir()
        written(tmp_path / name, "key", secret)
    data = tmp_path / "..data"
    data.symlink_to(tmp_path / "old")
    assert loaded(env, SECRET_KEY_FILE=data / "key").secrets == [SECRET.encode()]
    (tmp_path / "next").symlink_to(tmp_path / "new")
    (tmp_path / "next").replace(data)
    assert load_settings().secrets == [OTHER.encode()]


def test_a_name_that_the_operator_chose_is_no_file(env: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Of a policy, or of a tag."""
    settings = loaded(
        env,
        POLICIES__MY_FILE__MAX_SIZE="1MB",
        POLICIES__P__TAGS__SOURCE_FILE="x",
        SECRET_KEY_FILE="",
        RECEIPTS__ISSUER_FILE=written(tmp_path, "issuer", "me"),
    )
    assert settings.policies["my_file"].max_size == 10**6
    assert settings.policies["p"].tags == {"source_file": "x"}
    assert settings.receipts.issuer == "me"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "cannot read {}: no such file or directory"),
        (b"", "{} is empty"),
        (b"\n\r\n", "{} is empty"),
        (b"hunter2\xff", "{} is not text in UTF-8"),
        (b"hunter2" * 10, "{} has more than 64 bytes"),
    ],
)
def test_a_file_that_cannot_be_used_is_named(
    env: pytest.MonkeyPatch, tmp_path: Path, content: bytes | None, message: str
) -> None:
    env.setattr(files_module, "MAX_BYTES", 64)
    path = tmp_path / "secret" if content is None else written(tmp_path, "secret", content)
    for name in ("SECRET_KEY_FILE", "AUTH__JWT__SECRET_FILE", "AUTH__API_KEYS_FILE"):
        assert refused(env, **{name: path}) == f"UPLOADSVC_{name}: {message.format(path)}"
        env.delenv(f"UPLOADSVC_{name}")


def test_only_a_file_is_read(env: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A pipe would keep the service waiting."""
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path, tmp_path / "pipe"):
        assert refused(env, SECRET_KEY_FILE=path) == f"UPLOADSVC_SECRET_KEY_FILE: {path} is not a file"


@pytest.mark.parametrize("value", [SECRET, f"/{SECRET}\nx", "secrets/hunter2", '["hunter2"]'])
def test_what_is_no_absolute_path_is_not_shown(env: pytest.MonkeyPatch, value: str) -> None:
    """It may be the secret itself."""
    allowed = "must be the absolute path of a file, such as /run/secrets/secret_key_file"
    assert refused(env, SECRET_KEY_FILE=value) == f"UPLOADSVC_SECRET_KEY_FILE: {allowed}"


def test_a_setting_and_its_file_exclude_each_other(env: pytest.MonkeyPatch, tmp_path: Path) -> None:
    path = written(tmp_path, "key", SECRET)
    message = refused(env, SECRET_KEY=SECRET, SECRET_KEY_FILE=path)
    assert message == "UPLOADSVC_SECRET_KEY_FILE: set this or UPLOADSVC_SECRET_KEY, not both"


def test_a_wrong_value_names_its_file(env: pytest.MonkeyPatch, tmp_path: Path) -> None:
    path = written(tmp_path, "key", "hunter2")
    message = refused(env, SECRET_KEY_FILE=path)
    assert message == f"UPLOADSVC_SECRET_KEY: has 7 bytes; 32 or more are needed (read from {path})"
    path = written(tmp_path, "api", '[{"name": "b", "sha256": "hunter2"}]')
    message = refused(env, AUTH__API_KEYS_FILE=path, SECRET_KEY_FILE=written(tmp_path, "good", SECRET))
    assert message.startswith("UPLOADSVC_AUTH__API_KEYS__0__SHA256: must be")
    assert message.endswith(f"(read from {path})")
    message = refused(env, AUTH__API_KEYS_FILE=written(tmp_path, "api", "hunter2, x"))
    assert "not JSON (line 1, column 1" in message


def test_one_unreadable_file_is_one_mistake(env: pytest.MonkeyPatch) -> None:
    """What follows from it is not reported."""
    message = refused(env, S3__ACCESS_KEY_ID="AKIDEXAMPLE", S3__SECRET_ACCESS_KEY_FILE="/nowhere")
    expected = "UPLOADSVC_S3__SECRET_ACCESS_KEY_FILE: cannot read /nowhere: no such file or directory"
    assert message == expected

"""Settings files that scripts make, and what they are told when an answer is wrong."""

import tomllib
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from uploadsvc.cli.commands import app

SECRET = "hunter2-hunter2-hunter2-hunter2-hunter2"
STORE = ("--bucket", "media", "--region", "eu-central-1")


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def init(*arguments: str, answers: str | None = None) -> Result:
    """Run the command: without ``answers``, it asks nothing."""
    asked = () if answers is not None else ("--no-input",)
    result = CliRunner().invoke(app, ["init", *asked, *arguments], input=answers)
    assert "Traceback" not in result.output
    assert "hunter2" not in result.output
    return result


def written(name: str = "uploadsvc.toml") -> dict[str, Any]:
    return tomllib.loads(Path(name).read_text())


def test_defaults_are_those_of_the_service() -> None:
    """On AWS, with the AWS chain; JWTs are signed with a new secret."""
    result = init(*STORE)
    assert result.exit_code == 0, result.output
    settings = written()
    secrets = {settings.pop("secret_key"), settings["auth"]["jwt"].pop("secret")}
    assert len(secrets) == 2
    assert all(len(secret) >= 32 and secret not in result.output for secret in secrets)
    assert settings == {
        "key_prefix": "uploads",
        "s3": {"provider": "aws", "bucket": "media", "region": "eu-central-1"},
        "auth": {"jwt": {}},
        "policies": {"default": {"max_size": "5GiB", "content_types": ["*/*"]}},
    }
    assert "uploadsvc doctor" in result.stdout


def test_an_api_key_is_in_a_file_of_its_own(folder: Path) -> None:
    """The settings have its hash; nobody else can read either."""
    result = init(*STORE, "--sign-in", "api-key", "--file", "mine.toml")
    assert result.exit_code == 0, result.output
    key = (folder / "mine.api-key").read_text().strip()
    (entry,) = written("mine.toml")["auth"]["api_keys"]
    assert entry == {"name": "backend", "sha256": sha256(key.encode()).hexdigest()}
    assert key not in result.output
    assert [path.stat().st_mode & 0o777 for path in sorted(folder.iterdir())] == [0o600, 0o600]


def test_secrets_come_from_files(folder: Path) -> None:
    """Other users can read options."""
    (folder / "key").write_text(f"{SECRET}\n")
    arguments = ("--access-key-id", "AK", "--secret-access-key-file", "key", "--jwt-secret-file", "key")
    assert init(*STORE, *arguments).exit_code == 0
    settings = written()
    assert settings["s3"]["secret_access_key"] == settings["auth"]["jwt"]["secret"] == SECRET


@pytest.mark.parametrize("way", ["jwks", "issuer"])
def test_a_login_that_publishes_its_keys(way: str) -> None:
    option = {"jwks": "jwks-url", "issuer": "issuer"}[way]
    url = "https://login.example.com/keys"
    result = init(*STORE, "--sign-in", way, f"--{option}", url, "--audience", "uploads")
    assert result.exit_code == 0, result.output
    assert written()["auth"]["jwt"] == {option.replace("-", "_"): url, "audience": "uploads"}


@pytest.mark.parametrize("target", ["uploadsvc.toml", "uploadsvc.api-key", "link"])
def test_nothing_is_replaced_without_force(folder: Path, target: str) -> None:
    """Neither file, nor what a link names that leads nowhere."""
    name = "uploadsvc.toml"
    if target == "link":
        (folder / name).symlink_to("elsewhere")
    else:
        (folder / target).write_text("mine")
    before = sorted(folder.iterdir())
    result = init(*STORE, "--sign-in", "api-key")
    assert result.exit_code == 1
    assert "--force" in result.output
    assert sorted(folder.iterdir()) == before
    assert init(*STORE, "--sign-in", "api-key", "--force").exit_code == 0
    assert written()["s3"]["bucket"] == "media"
    assert not (folder / "elsewhere").exists()
    assert not (folder / name).is_symlink()
    assert (folder / name).stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        ((), "--bucket: missing"),
        (("--bucket", "media"), "--region: missing"),
        (("--bucket", "-", "--region", "x"), "--bucket: must be a bucket name"),
        ((*STORE, "--provider", "ftp"), "--provider: must be 'aws',"),
        ((*STORE, "--provider", "minio"), "--endpoint-url: missing"),
        ((*STORE, "--provider", "minio", "--endpoint-url", "minio:9000"), "--endpoint-url: "),
        ((*STORE, "--access-key-id", "AK"), "--secret-access-key-file: missing"),
        ((*STORE, "--secret-access-key-file", "none"), "needs --access-key-id"),
        (
            (*STORE, "--access-key-id", "AK", "--secret-access-key-file", "none"),
            "--secret-access-key-file: cannot read 'none': No such file or directory",
        ),
        ((*STORE, "--sign-in", "magic"), "--sign-in: must be one of jwt-secret, jwks"),
        ((*STORE, "--sign-in", "jwks"), "--jwks-url: missing"),
        ((*STORE, "--sign-in", "jwks", "--jwks-url", "nonsense"), "--jwks-url: not an absolute http(s) URL"),
        ((*STORE, "--sign-in", "jwks", "--jwks-url", "https://a.example/k"), "--audience: missing"),
        ((*STORE, "--issuer", "https://a.example"), "--issuer: not allowed with --sign-in jwt-secret"),
        ((*STORE, "--jwt-secret-file", "short"), "--jwt-secret-file: HS256 needs a secret of at least 32"),
        ((*STORE, "--key-prefix", "/a"), "--key-prefix: "),
        ((*STORE, "--max-size", "big"), "--max-size: not a size"),
        ((*STORE, "--max-size", "0"), "--max-size: must be at least 1 byte"),
        ((*STORE, "--content-types", "images"), "--content-types: "),
        ((*STORE, "--allow-origins", "app.example.com/x"), "--allow-origins: "),
        ((*STORE, "--region", ""), "--region: must be a region"),
    ],
)
def test_a_wrong_answer_is_one_line(folder: Path, arguments: tuple[str, ...], line: str) -> None:
    """Named by its option, in the words of the service; nothing is written."""
    (folder / "short").write_text("too short")
    result = init(*arguments)
    assert result.exit_code == 2, result.output
    (said,) = result.stderr.splitlines()
    assert line in said
    assert [path.name for path in folder.iterdir()] == ["short"]


@pytest.mark.parametrize(
    ("answers", "line"),
    [
        ("", "no answer for 'Kind of store"),
        ("aws\nmedia\n", "give --region"),
        ("aws\nmedia\nMars!\n", "--region: must be a region"),
        ("aws\n\n", "--bucket: missing"),
    ],
)
def test_lines_of_a_script_are_asked_for_once(folder: Path, answers: str, line: str) -> None:
    """A wrong one does not make the next one the answer to the same question."""
    result = init(answers=answers)
    assert result.exit_code == 2
    assert line in result.stderr.splitlines()[-1]
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("way", ["jwt-secret", "api-key"])
def test_the_key_does_not_take_the_place_of_the_settings(folder: Path, way: str) -> None:
    result = init(*STORE, "--sign-in", way, "--file", "mine.api-key", "--force")
    assert result.exit_code == 1
    assert "mine.api-key is the name of the file for the API key" in result.output
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("name", ["uploadsvc.toml", "uploadsvc.api-key"])
def test_nothing_is_asked_if_a_file_is_there(folder: Path, name: str) -> None:
    """The answers would be lost."""
    (folder / name).touch()
    result = init(answers="aws\nmedia\n")
    assert result.exit_code == 1
    (said,) = result.output.splitlines()
    assert said.startswith(f"uploadsvc: {name} exists")


@pytest.mark.parametrize("name", [".", "", "none/uploadsvc.toml"])
def test_a_file_that_cannot_be_written_is_one_line(name: str) -> None:
    result = init(*STORE, "--file", name)
    assert result.exit_code == 1
    (said,) = result.output.splitlines()
    assert said.startswith("uploadsvc: ")


def test_variables_that_win_over_the_file_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those of the client, and the name of the file, do not."""
    monkeypatch.setenv("UPLOADSVC_S3__BUCKET", "other")
    monkeypatch.setenv("UPLOADSVC_TOKEN", SECRET)
    result = init(*STORE)
    assert result.exit_code == 0
    assert result.stderr.splitlines()[-1].endswith("override the file: UPLOADSVC_S3__BUCKET")

"""Settings come from the environment and a file. Every mistake is reported in one line."""

import json
from pathlib import Path

import pytest
from pydantic import ValidationError

from uploadsvc.settings import Settings, SettingsError, load_settings

SECRET = "hunter2-hunter2-hunter2-hunter2-hunter2"


@pytest.fixture(autouse=True)
def _bucket(monkeypatch: pytest.MonkeyPatch) -> None:
    """Set the variables that have no default."""
    monkeypatch.setenv("UPLOADSVC_S3__BUCKET", "media")
    monkeypatch.setenv("UPLOADSVC_S3__REGION", "eu-central-1")


@pytest.fixture
def env(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Return the monkeypatch that sets variables."""
    return monkeypatch


def loaded(env: pytest.MonkeyPatch, **variables: str) -> Settings:
    """Load the settings with some variables set."""
    for name, value in variables.items():
        env.setenv(f"UPLOADSVC_{name}", value)
    return load_settings()


def refused(env: pytest.MonkeyPatch, **variables: str) -> SettingsError:
    """Return the error of invalid settings: one line without secrets."""
    with pytest.raises(SettingsError) as caught:
        loaded(env, **variables)
    message = str(caught.value)
    assert "\n" not in message
    assert "hunter2" not in message
    assert message.startswith(f"{caught.value.variable}: ")
    return caught.value


def test_only_bucket_and_region_are_required() -> None:
    """Everything else has a default, policies included."""
    settings = load_settings()
    assert settings.s3.bucket == "media"
    assert settings.key_prefix == "uploads"
    assert settings.policies["default"].max_size == 5 * 1024**3
    assert settings.objects.delete is False
    assert settings.demo is False


def test_the_environment_sets_every_level(env: pytest.MonkeyPatch) -> None:
    """Two underscores go one level down. Upper and lower case are alike."""
    env.setenv("uploadsvc_s3__region", "eu-central-1")
    settings = loaded(
        env,
        SECRET_KEY=SECRET,
        AUTH__JWT__SECRET=SECRET,
        AUTH__API_KEYS=json.dumps([{"name": "billing", "sha256": "a" * 64}]),
        OBJECTS__DELETE="true",
        POLICIES__AVATARS__MAX_SIZE="5MB",
        POLICIES__AVATARS__CONTENT_TYPES="image/png, image/jpeg",
        DOWNLOADS__EXPIRES_IN="60",
    )
    assert settings.s3.region == "eu-central-1"
    assert settings.secret_key is not None
    assert settings.secret_key.get_secret_value() == SECRET
    assert settings.auth.jwt.secret is not None
    assert settings.auth.api_keys[0].policies == ("*",)
    assert settings.objects.delete
    assert settings.policies["avatars"].max_size == 5_000_000
    assert settings.policies["avatars"].content_types == {"image/png", "image/jpeg"}
    assert settings.downloads.expires_in == 60


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        (
            "CORS__ALLOW_ORIGINS",
            "https://a.example, https://b.example",
            ("https://a.example", "https://b.example"),
        ),
        ("CORS__ALLOW_ORIGINS", '["https://a.example"]', ("https://a.example",)),
        ("CORS__ALLOW_ORIGINS", "https://a.example,", ("https://a.example",)),
        ("CORS__ALLOW_ORIGINS", "*", ("*",)),
    ],
)
def test_a_list_is_json_or_commas(
    env: pytest.MonkeyPatch, name: str, value: str, expected: tuple[str, ...]
) -> None:
    """People write commas, programs write JSON."""
    assert loaded(env, **{name: value}).cors.allow_origins == expected


@pytest.mark.parametrize(
    ("value", "size"),
    [
        ("0", 0),
        ("5242880", 5_242_880),
        ("5MB", 5_000_000),
        ("5MiB", 5 * 1024**2),
        ("5 mib", 5 * 1024**2),
        (" 1GB ", 10**9),
        ("7B", 7),
        ("2TiB", 2 * 1024**4),
    ],
)
def test_a_size_is_bytes_or_has_a_unit(env: pytest.MonkeyPatch, value: str, size: int) -> None:
    """MB is a million, MiB is 1024 squared."""
    settings = loaded(env, POLICIES__P__PART_SIZE="5MiB", POLICIES__P__MULTIPART_THRESHOLD=value)
    assert settings.policies["p"].multipart_threshold == size


def test_a_policy_says_how_files_are_cut(env: pytest.MonkeyPatch) -> None:
    """Sizes have units, times are in seconds, and the rest has the defaults of docs/settings.md."""
    settings = loaded(
        env,
        POLICIES__VIDEO__MULTIPART_THRESHOLD="1GiB",
        POLICIES__VIDEO__PART_SIZE="16MiB",
        POLICIES__VIDEO__MULTIPART_EXPIRES_IN="86400",
        POLICIES__PLAIN__MAX_SIZE="1TiB",
    )
    policies = {name: policy.policy(name) for name, policy in settings.policies.items()}
    found = {
        name: (policy.multipart_threshold, policy.part_size, policy.multipart_expires_in)
        for name, policy in policies.items()
    }
    assert found["video"] == (1024**3, 16 * 1024**2, 86_400)
    assert found["plain"] == (64 * 1024**2, 8 * 1024**2, 604_800)
    assert policies["plain"].methods == {"put", "post", "multipart"}


@pytest.mark.parametrize("value", ["5M", "MB", "1.5GB", "-1", "5 000", "5iB", "1e6", "x", "9" * 19])
def test_a_bad_size_is_refused(env: pytest.MonkeyPatch, value: str) -> None:
    """The error names the variable and shows valid sizes."""
    error = refused(env, POLICIES__P__MAX_SIZE=value)
    assert error.variable == "UPLOADSVC_POLICIES__P__MAX_SIZE"
    assert "'5MB' or '5MiB'" in str(error)


def test_pem_text_may_be_in_one_line(env: pytest.MonkeyPatch) -> None:
    """Many places for variables cannot hold line ends."""
    settings = loaded(env, AUTH__JWT__PUBLIC_KEY="-----BEGIN PUBLIC KEY-----\\nAAAA\\n")
    assert settings.auth.jwt.public_key == "-----BEGIN PUBLIC KEY-----\nAAAA\n"


def test_an_empty_variable_is_not_set(env: pytest.MonkeyPatch) -> None:
    """Compose files and charts set empty variables."""
    assert loaded(env, SECRET_KEY="", S3__ENDPOINT_URL="", KEY_PREFIX="").key_prefix == "uploads"


CONFIG = """
key_prefix = "files"
secret_key = "hunter2-hunter2-hunter2-hunter2-hunter2"
[s3]
bucket = "from-file"
region = "eu-west-1"
[policies.avatars]
max_size = "5MB"
content_types = ["image/*"]
[policies.avatars.metadata]
origin = "upload"
"""


def test_a_file_sets_what_the_environment_does_not(env: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The environment wins value by value, and overrides win over both."""
    path = tmp_path / "uploadsvc.toml"
    path.write_text(CONFIG)
    env.delenv("UPLOADSVC_S3__REGION")
    settings = loaded(env, CONFIG_FILE=str(path), POLICIES__AVATARS__MIN_SIZE="1")
    assert settings.s3.bucket == "media"
    assert settings.s3.region == "eu-west-1"
    assert settings.key_prefix == "files"
    avatars = settings.policies["avatars"]
    assert (avatars.min_size, avatars.max_size, avatars.metadata) == (1, 5_000_000, {"origin": "upload"})
    layered = load_settings(
        {"s3": {"bucket": "override"}}, {"key_prefix": "default", "s3": {"addressing_style": "path"}}
    )
    assert (layered.s3.bucket, layered.key_prefix) == ("override", "files")
    assert layered.s3.addressing_style == "path"


@pytest.mark.parametrize(
    ("content", "variable", "reason"),
    [
        (b"secret_key = hunter2", "UPLOADSVC_CONFIG_FILE", "is not TOML"),
        (b'secret_key = "hunter2', "UPLOADSVC_CONFIG_FILE", "is not TOML"),
        (b"\xff", "UPLOADSVC_CONFIG_FILE", "is not TOML"),
        (b"a = " + b"[" * 100_000, "UPLOADSVC_CONFIG_FILE", "nested too deeply"),
        (b"a = " + b"1" * 5000, "UPLOADSVC_CONFIG_FILE", "too long"),
        (b"[s4]\nbucket = 'x'", "UPLOADSVC_S4", "no such setting"),
        (b"[s3]\nbuckets = 'x'", "UPLOADSVC_S3__BUCKETS", "no such setting"),
        (b"secret_key = 7", "UPLOADSVC_SECRET_KEY", "must be text"),
        (b"secret_key = ['hunter2']", "UPLOADSVC_SECRET_KEY", "must be text"),
        (b"secret_keys = ['hunter2', 7]", "UPLOADSVC_SECRET_KEYS__1", "must be text"),
    ],
)
def test_a_bad_file_is_refused(
    env: pytest.MonkeyPatch, tmp_path: Path, content: bytes, variable: str, reason: str
) -> None:
    """The error tells malformed, misspelt and wrongly typed apart."""
    path = tmp_path / "uploadsvc.toml"
    path.write_bytes(content)
    error = refused(env, CONFIG_FILE=str(path))
    assert error.variable == variable
    assert reason in str(error)


def test_a_missing_file_is_refused(env: pytest.MonkeyPatch) -> None:
    """A file that the environment names must exist."""
    error = refused(env, CONFIG_FILE="nowhere.toml")
    assert str(error) == "UPLOADSVC_CONFIG_FILE: cannot read 'nowhere.toml': No such file or directory"


@pytest.mark.parametrize(
    ("name", "value", "variable", "allowed"),
    [
        ("S3__BUCKET", "a/b", "S3__BUCKET", "a bucket name"),
        ("S3__REGION", "eu central", "S3__REGION", "for example eu-central-1"),
        ("S3__ADDRESSING_STYLE", "dns", "S3__ADDRESSING_STYLE", "'auto', 'path' or 'virtual'"),
        ("S3__PROVIDER", "azure", "S3__PROVIDER", "'minio'"),
        ("OBJECTS__DELETE", "maybe", "OBJECTS__DELETE", "must be true or false"),
        ("DEMO", "hunter2", "DEMO", "must be true or false"),
        ("RECEIPTS__EXPIRES_IN", "0", "RECEIPTS__EXPIRES_IN", "1 or more"),
        ("DOWNLOADS__MAX_EXPIRES_IN", "604801", "DOWNLOADS__MAX_EXPIRES_IN", "604800"),
        (
            "POLICIES",
            "hunter2",
            "POLICIES",
            "not JSON (line 1, column 1: Expecting value); must be a JSON",
        ),
        ("POLICIES", "{}", "POLICIES", "must not be empty"),
        ("POLICIES", "[]", "POLICIES", 'must be a JSON object by name, such as {"default": '),
        ("POLICIES", "17", "POLICIES", "must be a JSON object by name"),
        ("POLICIES", '{"default": {\n "key" "hunter2"}}', "POLICIES", "line 2, column 8: Expecting ':' "),
        ("POLICIES", '{"default": "hunter2\\d"}', "POLICIES", "line 1, column 21: Invalid \\escape); must"),
        ("POLICIES", "[" * 100_000, "POLICIES", "nested too deeply"),
        ("POLICIES__P", "hunter2", "POLICIES__P", "must be a JSON object"),
        ("POLICIES__P__METHODS", "get", "POLICIES__P__METHODS__0", "'put', 'post' or 'multipart'"),
        ("POLICIES__P__PART_SIZE", "5M", "POLICIES__P__PART_SIZE", "'5MB' or '5MiB'"),
        ("POLICIES__P__MULTIPART_THRESHOLD", "-1", "POLICIES__P__MULTIPART_THRESHOLD", "'5MB' or '5MiB'"),
        (
            "POLICIES__P__MULTIPART_EXPIRES_IN",
            "7d",
            "POLICIES__P__MULTIPART_EXPIRES_IN",
            "must be a whole number",
        ),
        ("POLICIES__P__ACL", "public", "POLICIES__P__ACL", "'public-read'"),
        ("POLICIES__P__MAXSIZE", "5", "POLICIES__P__MAXSIZE", "no such setting"),
        ("AUTH__API_KEYS", "hunter2", "AUTH__API_KEYS", "must be a JSON list of objects"),
        ("AUTH__API_KEYS", "{}", "AUTH__API_KEYS", "must be a JSON list of objects"),
        (
            "AUTH__API_KEYS",
            '[{"name": "b", "sha256": "hunter2"}]',
            "AUTH__API_KEYS__0__SHA256",
            "hexadecimal",
        ),
        ("AUTH__API_KEYS", '[{"name": "b"}]', "AUTH__API_KEYS__0__SHA256", "missing"),
        ("AUTH__JWT", '{"secret": "hunter2"', "AUTH__JWT", "column 21: Expecting ',' delimiter"),
        ("AUTH__JWT", '{"secret": ["hunter2"]}', "AUTH__JWT__SECRET", "must be text"),
        ("AUTH__JWT__SECRETS", "hunter2", "AUTH__JWT__SECRETS", "no such setting"),
        ("AUTH__JWT__USER_CLAIM__X", "hunter2", "AUTH__JWT__USER_CLAIM", ""),
        ("SECRET_KEYS", "hunter2", "SECRET_KEYS", "must be a JSON list of strings"),
        ("SECRET_KEYS", '["hunter2"', "SECRET_KEYS", "line 1, column 11: Expecting ',' delimiter"),
        ("AUTH__JWT__KEYS_MAX_AGE", "600", "AUTH__JWT__KEYS_MAX_AGE", "1200"),
        ("AUTH__JWT__LEEWAY", "-1", "AUTH__JWT__LEEWAY", "0 to 300"),
    ],
)
def test_an_invalid_setting_is_reported_in_one_line(
    env: pytest.MonkeyPatch, name: str, value: str, variable: str, allowed: str
) -> None:
    """The line names the variable and what is allowed, without secrets."""
    error = refused(env, **{name: value})
    assert error.variable == f"UPLOADSVC_{variable}"
    assert allowed in str(error)


def test_every_mistake_has_its_line(env: pytest.MonkeyPatch) -> None:
    """Whether a name is unknown, a value is wrong, or values do not go together."""
    keys = [
        {"name": "b", "key": "hunter2"},
        {"name": "c", "sha256": "hunter2"},
    ]
    with pytest.raises(SettingsError) as caught:
        loaded(
            env,
            SECRETKEY=SECRET,
            POLICY="x",
            S3__REGION="",
            S3__ENDPOINT_URL="minio:9000",
            S3__ACCESS_KEY_ID="AKIDEXAMPLE",
            AUTH__API_KEYS=json.dumps(keys),
            DEMO="hunter2",
        )
    error = caught.value
    assert str(error).splitlines() == [f"{one.variable}: {one.message}" for one in error.errors]
    assert [one.variable.removeprefix("UPLOADSVC_") for one in error.errors] == [
        "SECRETKEY",
        "POLICY",
        "S3__ENDPOINT_URL",
        "S3__SECRET_ACCESS_KEY",
        "AUTH__API_KEYS__0__SHA256",
        "AUTH__API_KEYS__0__KEY",
        "AUTH__API_KEYS__1__SHA256",
        "DEMO",
    ]
    assert (error.path, error.message) == (error.errors[0].path, error.errors[0].message)
    assert "hunter2" not in str(error)


def test_every_policy_that_contradicts_itself_is_named(env: pytest.MonkeyPatch) -> None:
    with pytest.raises(SettingsError) as caught:
        loaded(
            env,
            POLICIES__A__MIN_SIZE="6GiB",
            POLICIES__B__KEY="{user}",
            POLICIES__C__CONTENT_TYPES="image",
            KEY_PREFIX="uploads",
            AUTH__API_KEYS=json.dumps([{"name": "x", "sha256": "a" * 64, "policies": ["d"]}]),
            SECRET_KEY="short",
        )
    assert [one.variable.removeprefix("UPLOADSVC_") for one in caught.value.errors] == [
        "SECRET_KEY",
        "POLICIES__A__MAX_SIZE",
        "POLICIES__B__KEY",
        "POLICIES__C__CONTENT_TYPES",
        "AUTH__API_KEYS__0__POLICIES",
    ]


PASTED = {
    f"{SECRET}\n": "newline",
    f"{SECRET}\r\n": "newline",
    f"{SECRET}\n{SECRET}": "newline",
    f" {SECRET}": "whitespace",
    f"{SECRET}\t": "whitespace",
    f"{SECRET}\N{NO-BREAK SPACE}": "whitespace",
    f"\N{ZERO WIDTH NO-BREAK SPACE}{SECRET}": "invisible",
    f'"{SECRET}"': "quotes",
    f"'{SECRET}'": "quotes",
}


@pytest.mark.parametrize(("pasted", "word"), PASTED.items())
@pytest.mark.parametrize(
    "name",
    [
        "SECRET_KEY",
        "AUTH__JWT__SECRET",
        "AUTH__JWT__JWKS_URL",
        "AUTH__JWT__ISSUER",
        "AUTH__JWT__USER_CLAIM",
        "AUTH__JWT__AUDIENCE_CLAIM",
        "RECEIPTS__SECRET",
        "S3__ACCESS_KEY_ID",
        "S3__SECRET_ACCESS_KEY",
        "S3__SESSION_TOKEN",
    ],
)
def test_what_was_copied_with_a_value_is_refused(
    env: pytest.MonkeyPatch, name: str, pasted: str, word: str
) -> None:
    """Every token would be refused, or S3 would seem to be unreachable."""
    error = refused(env, **{name: pasted})
    assert error.variable == f"UPLOADSVC_{name}"
    assert word in error.message


@pytest.mark.parametrize(("pasted", "word"), PASTED.items())
def test_what_was_copied_with_an_item_of_a_list_is_refused(
    env: pytest.MonkeyPatch, pasted: str, word: str
) -> None:
    error = refused(env, SECRET_KEYS=json.dumps([SECRET, pasted]))
    assert (error.variable, word in error.message) == ("UPLOADSVC_SECRET_KEYS__1", True)
    error = refused(env, AUTH__API_KEYS=json.dumps([{"name": "b", "sha256": pasted}]), SECRET_KEYS="")
    assert (error.variable, word in error.message) == ("UPLOADSVC_AUTH__API_KEYS__0__SHA256", True)
    error = refused(env, AUTH__JWT__AUDIENCE=json.dumps(["web", pasted]), AUTH__API_KEYS="")
    assert (error.variable, word in error.message) == ("UPLOADSVC_AUTH__JWT__AUDIENCE__1", True)


@pytest.mark.parametrize("secret", [f'{SECRET}"', f"{SECRET} {SECRET}", f"'{SECRET}\"", "é" * 32])
def test_other_secrets_are_kept_as_they_are(env: pytest.MonkeyPatch, secret: str) -> None:
    assert loaded(env, SECRET_KEY=secret).secrets == [secret.encode()]


@pytest.mark.parametrize(
    ("value", "audiences"),
    [
        ("uploads", ("uploads",)),
        ("web, ios", ("web", "ios")),
        ('["web", "a, b"]', ("web", "a, b")),
        ("https://api.example.com/", ("https://api.example.com/",)),
        # Some providers' client ids have only digits.
        ("69629023906488334", ("69629023906488334",)),
        ("007, 1e5", ("007", "1e5")),
        ("true", ("true",)),
        ("1e5", ("1e5",)),
    ],
)
def test_audiences_are_one_or_several(
    env: pytest.MonkeyPatch, tmp_path: Path, value: str, audiences: tuple[str, ...]
) -> None:
    """As a variable; a file may have one as text."""
    assert loaded(env, AUTH__JWT__SECRET=SECRET, AUTH__JWT__AUDIENCE=value).auth.jwt.audience == audiences
    path = tmp_path / "uploadsvc.toml"
    path.write_text('[auth.jwt]\naudience = "uploads"\n')
    env.delenv("UPLOADSVC_AUTH__JWT__AUDIENCE")
    assert loaded(env, CONFIG_FILE=str(path)).auth.jwt.audience == ("uploads",)


def test_a_missing_bucket_is_named(env: pytest.MonkeyPatch) -> None:
    """The error names the variable to set, not the empty section."""
    env.delenv("UPLOADSVC_S3__BUCKET")
    assert str(refused(env)) == "UPLOADSVC_S3__BUCKET: missing; it has to be set"
    assert refused(env, S3__REGION="eu-central-1").variable == "UPLOADSVC_S3__BUCKET"


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("SECRETKEY", "did you mean UPLOADSVC_SECRET_KEY?"),
        ("POLICY", "did you mean UPLOADSVC_POLICIES?"),
        ("RECEIPT__SECRET", "did you mean UPLOADSVC_RECEIPTS__SECRET?"),
        ("XYZZY", "known are UPLOADSVC_AUTH, "),
    ],
)
def test_a_misspelt_name_is_refused(env: pytest.MonkeyPatch, name: str, hint: str) -> None:
    """An unknown name stops the start, and the error suggests the closest one."""
    error = refused(env, **{name: SECRET})
    assert error.variable == f"UPLOADSVC_{name}"
    assert hint in str(error)


def test_names_of_kubernetes_are_ignored(env: pytest.MonkeyPatch) -> None:
    """A Service called uploadsvc sets these in every pod of its namespace."""
    loaded(
        env,
        SERVICE_HOST="10.0.0.1",
        SERVICE_PORT="8000",
        SERVICE_PORT_HTTP="8000",
        PORT="tcp://10.0.0.1:8000",
        PORT_8000_TCP="tcp://10.0.0.1:8000",
        PORT_8000_TCP_PROTO="tcp",
        PORT_8000_TCP_ADDR="10.0.0.1",
    )
    assert refused(env, PORTS="1").variable == "UPLOADSVC_PORTS"


def test_names_of_kubernetes_for_a_second_service_are_ignored(env: pytest.MonkeyPatch) -> None:
    """So does one called uploadsvc-metrics, but a setting that only looks like one is still refused."""
    loaded(
        env,
        METRICS_SERVICE_HOST="10.0.0.2",
        METRICS_SERVICE_PORT="9464",
        METRICS_SERVICE_PORT_HTTP="9464",
        METRICS_PORT="tcp://10.0.0.2:9464",
        METRICS_PORT_9464_TCP="tcp://10.0.0.2:9464",
        METRICS_PORT_9464_TCP_PROTO="tcp",
        METRICS_PORT_9464_TCP_PORT="9464",
        METRICS_PORT_9464_TCP_ADDR="10.0.0.2",
    )
    assert refused(env, METRICS_PORT="9464").variable == "UPLOADSVC_METRICS_PORT"


def test_secrets_are_not_shown(env: pytest.MonkeyPatch) -> None:
    """Printing the settings shows no secret."""
    settings = loaded(
        env,
        SECRET_KEYS=json.dumps([SECRET, SECRET[::-1]]),
        S3__ACCESS_KEY_ID="AKIDEXAMPLE",
        S3__SECRET_ACCESS_KEY=SECRET,
        S3__SESSION_TOKEN=SECRET,
        AUTH__JWT__SECRET=f"{SECRET}-jwt",
        RECEIPTS__SECRET=f"{SECRET}-receipts",
    )
    assert "hunter2" not in f"{settings!r} {settings}"
    assert "hunter2" not in settings.model_dump_json()


@pytest.mark.parametrize(
    "section", [{"cors": {"allow_origins": ["x"]}}, {"receipts": {"secret": SECRET}}, {"s3": {}}]
)
def test_errors_of_settings_made_in_code_show_no_secret(section: dict[str, object]) -> None:
    """Pydantic would quote the input, which starts with the secret key."""
    s3 = {"bucket": "media", "region": "eu-central-1"}
    with pytest.raises(ValidationError) as caught:
        Settings.model_validate({"secret_key": SECRET, "s3": s3, **section})
    assert "hunter2" not in str(caught.value)


def test_the_longest_lifetime_follows_the_default_one(env: pytest.MonkeyPatch) -> None:
    """It is an hour, or the operator's own lifetime if that is longer."""
    settings = loaded(
        env,
        POLICIES__A__EXPIRES_IN="60",
        POLICIES__B__EXPIRES_IN="7200",
        POLICIES__C__MAX_EXPIRES_IN="1800",
    )
    lives = {name: policy.policy(name).max_expires_in for name, policy in settings.policies.items()}
    assert lives == {"a": 3600, "b": 7200, "c": 1800}


def test_a_bad_template_names_its_variable(env: pytest.MonkeyPatch) -> None:
    """A mistake in the key template is a mistake in the settings."""
    with pytest.raises(SettingsError, match=r"^UPLOADSVC_POLICIES__AVATARS__KEY: unknown placeholder"):
        loaded(env, POLICIES__AVATARS__KEY="{user}/x")


def test_policies_that_delete_what_is_unclaimed_on_different_days_are_refused(
    env: pytest.MonkeyPatch,
) -> None:
    days = {
        name: {"unclaimed_expires_in": count * 86_400} for name, count in {"a": 7, "b": 8, "c": 7}.items()
    }
    error = refused(env, POLICIES=json.dumps({"default": {}, **days}))
    assert "UPLOADSVC_POLICIES__B__UNCLAIMED_EXPIRES_IN" in str(error)
    assert "policy 'a' has 7; one lifecycle rule" in str(error)


def test_a_quota_is_a_size_a_day(env: pytest.MonkeyPatch) -> None:
    settings = loaded(env, POLICIES__DEFAULT__QUOTA="10 GiB / day", POLICIES__DEFAULT__MAX_UNFINISHED="20")
    policy = settings.policies["default"].policy("default")
    assert (policy.quota, policy.max_unfinished) == (10 * 1024**3, 20)
    for value in ("10GiB", "10GiB/week", "10", "-1/day", "1PiB/day", "1025TiB/day"):
        error = refused(env, POLICIES__DEFAULT__QUOTA=value)
        assert error.variable == "UPLOADSVC_POLICIES__DEFAULT__QUOTA"


def test_a_quota_excludes_credentials_that_it_cannot_count(env: pytest.MonkeyPatch) -> None:
    uppy = {"UPPY__CREDENTIALS": "true"}
    for field, value in (("QUOTA", "1GiB/day"), ("MAX_UNFINISHED", "5")):
        error = refused(env, **uppy, **{f"POLICIES__DEFAULT__{field}": value})
        assert error.variable == f"UPLOADSVC_POLICIES__DEFAULT__{field}"
        assert "UPLOADSVC_UPPY__CREDENTIALS" in error.message
        env.delenv(f"UPLOADSVC_POLICIES__DEFAULT__{field}")

"""Building the service from its settings. Invalid settings stop the start with one line."""

import json
from collections.abc import Callable
from datetime import datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from pydantic import ValidationError
from starlette.datastructures import Headers
from tests.support.receipt_keys import EC, ED25519, RSA, private_pem, public_pem

from uploadsvc.app import create_app
from uploadsvc.auth.authenticator import Authenticator
from uploadsvc.auth.request import AuthRequest
from uploadsvc.bootstrap.auth import build_authenticator, build_jwt_verifier
from uploadsvc.bootstrap.bucket import bucket_requirements
from uploadsvc.bootstrap.secrets import build_receipts
from uploadsvc.bootstrap.services import build_services, utc_now
from uploadsvc.domain.credentials import Credentials
from uploadsvc.domain.errors import Unauthenticated, UploadExpired
from uploadsvc.domain.origins import named_origins
from uploadsvc.domain.plan import UploadRequest
from uploadsvc.domain.principal import Principal
from uploadsvc.settings import Settings, SettingsError, load_settings
from uploadsvc.settings.model import DEMO_SECRET
from uploadsvc.tokens.derived_keys import derive_key
from uploadsvc.tokens.receipts import Receipts

SECRET = "hunter2-hunter2-hunter2-hunter2-hunter2"
SHORT = "hunter2-hunter2"
PEM = (
    ed25519.Ed25519PrivateKey.generate()
    .public_key()
    .public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    .decode()
)
PRIVATE_PEM = private_pem(ED25519)
API_KEYS = json.dumps([{"name": "billing", "sha256": sha256(b"k").hexdigest(), "policies": ["*"]}])
GOOD = {
    "S3__BUCKET": "media",
    "S3__REGION": "eu-central-1",
    "SECRET_KEY": SECRET,
    "AUTH__JWT__SECRET": SECRET,
}
JWKS_URL = "https://id.example/jwks.json"
ISSUER = "https://id.example/realms/a"
PUBLISHED = {
    "AUTH__JWT__SECRET": None,
    "AUTH__JWT__JWKS_URL": JWKS_URL,
    "AUTH__JWT__AUDIENCE": "uploads",
}
PROXIED = {"AUTH__TRUSTED_HEADER": "X-Forwarded-User", "AUTH__TRUSTED_PROXIES": "10.0.0.0/24, fd00::1"}


@pytest.fixture
def load(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Settings]:
    """Load valid settings with the changes of a test; ``None`` leaves a variable out."""

    def loaded(**variables: str | None) -> Settings:
        for name, value in {**GOOD, **variables}.items():
            if value is not None:
                monkeypatch.setenv(f"UPLOADSVC_{name}", value)
        return load_settings()

    return loaded


def authenticator_of(settings: Settings) -> Authenticator:
    """Return the authenticator of a service."""
    jwts, _ = build_jwt_verifier(settings.auth, clock=utc_now, required=True)
    return build_authenticator(settings, build_services(settings), jwts)


def receipts_of(settings: Settings) -> Receipts:
    """Return the signer of receipts."""
    return build_receipts(settings, settings.secrets)


@pytest.mark.parametrize(
    ("variables", "variable", "reason"),
    [
        ({"AUTH__JWT__SECRET": None}, "AUTH", "no authentication is configured"),
        ({"AUTH__JWT__PUBLIC_KEY": PEM}, "AUTH__JWT__PUBLIC_KEY", "not both"),
        ({"AUTH__JWT__SECRET": SHORT}, "AUTH__JWT__SECRET", "at least 32 bytes, not 15"),
        ({"AUTH__JWT__ALGORITHMS": "RS256"}, "AUTH__JWT__SECRET", "allowed are HS256, HS384, HS512"),
        ({"AUTH__JWT__ALGORITHMS": "none"}, "AUTH__JWT__SECRET", "'none' does not go with a secret"),
        ({"AUTH__JWT__SECRET": None, "AUTH__JWT__AUDIENCE": "x"}, "AUTH__JWT", "need SECRET, PUBLIC_KEY"),
        ({"AUTH__JWT__SECRET": None, "AUTH__JWT__COOKIE": "x"}, "AUTH__JWT", "need SECRET, PUBLIC_KEY"),
        ({"AUTH__JWT__JWKS_URL": JWKS_URL}, "AUTH__JWT__JWKS_URL", "not both"),
        ({"AUTH__JWT__AUDIENCE_CLAIM": "azp"}, "AUTH__JWT__AUDIENCE", "values of 'azp'"),
        (
            {"AUTH__JWT__SECRET": None, "AUTH__JWT__JWKS_URL": JWKS_URL},
            "AUTH__JWT__AUDIENCE",
            "tokens must name this one (aud)",
        ),
        (
            {"AUTH__JWT__SECRET": None, "AUTH__JWT__ISSUER": ISSUER},
            "AUTH__JWT__AUDIENCE",
            "tokens must name this one (aud)",
        ),
        ({**PUBLISHED, "AUTH__JWT__JWKS_URL": "ftp://id.example"}, "AUTH__JWT__JWKS_URL", "http(s) URL"),
        (
            {**PUBLISHED, "AUTH__JWT__JWKS_URL": "https://u:hunter2@id.example/"},
            "AUTH__JWT__JWKS_URL",
            "without user",
        ),
        (
            {**PUBLISHED, "AUTH__JWT__JWKS_URL": None, "AUTH__JWT__ISSUER": "id.example"},
            "AUTH__JWT__ISSUER",
            "http(s) URL",
        ),
        ({**PUBLISHED, "AUTH__JWT__ALGORITHMS": "HS256"}, "AUTH__JWT__JWKS_URL", "published keys"),
        ({**PROXIED, "AUTH__TRUSTED_PROXIES": None}, "AUTH__TRUSTED_PROXIES", "for example 10.0.0.0/24"),
        ({"AUTH__TRUSTED_PROXIES": "proxy"}, "AUTH__TRUSTED_PROXIES", "not a CIDR"),
        ({**PROXIED, "AUTH__TRUSTED_PROXIES": "10.0.0.1/24"}, "AUTH__TRUSTED_PROXIES", "without host bits"),
        ({**PROXIED, "AUTH__TRUSTED_PROXIES": "proxy"}, "AUTH__TRUSTED_PROXIES", "not a CIDR"),
        ({**PROXIED, "AUTH__TRUSTED_PROXIES": "10.0.0.1,::/0"}, "AUTH__TRUSTED_PROXIES", "any user"),
        ({**PROXIED, "AUTH__TRUSTED_HEADER": "X-API-Key"}, "AUTH__TRUSTED_HEADER", "meaning of its own"),
        (
            {"AUTH__JWT__SECRET": None, "AUTH__JWT__PUBLIC_KEY": "x"},
            "AUTH__JWT__PUBLIC_KEY",
            "not a PEM public key",
        ),
        (
            {"AUTH__JWT__SECRET": None, "AUTH__JWT__PUBLIC_KEY": PEM, "AUTH__JWT__ALGORITHMS": "HS256"},
            "AUTH__JWT__PUBLIC_KEY",
            "'HS256' does not go with this key; allowed are EdDSA",
        ),
        (
            {"AUTH__API_KEYS": API_KEYS.replace("*", "nothing")},
            "AUTH__API_KEYS__0__POLICIES",
            "there is no policy 'nothing'",
        ),
        (
            {"AUTH__API_KEYS": json.dumps([{"name": "x", "sha256": sha256(b"").hexdigest()}])},
            "AUTH__API_KEYS__0__SHA256",
            "empty key",
        ),
        (
            {
                "AUTH__API_KEYS": json.dumps(
                    [{"name": "x", "sha256": "AA" * 32}, {"name": "y", "sha256": "aa" * 32}]
                )
            },
            "AUTH__API_KEYS__1__SHA256",
            "of the key 'x' too",
        ),
        ({"SECRET_KEY": None, "SECRET_KEYS": json.dumps(["", SECRET])}, "SECRET_KEYS", "has 0 bytes"),
        ({"PUBLIC_URL": "uploads.example.com"}, "PUBLIC_URL", "as in https://uploads.example.com"),
        ({"PUBLIC_URL": "ftp://uploads.example.com"}, "PUBLIC_URL", "must be http:// or https://"),
        ({"PUBLIC_URL": "https://uploads.example.com/?a"}, "PUBLIC_URL", "no user, query or fragment"),
        ({"PUBLIC_URL": "https://uploads.example.com/#a"}, "PUBLIC_URL", "no user, query or fragment"),
        ({"PUBLIC_URL": "https://u:hunter2@uploads.example.com"}, "PUBLIC_URL", "(with a user)"),
        ({"RECEIPTS__SECRET": SECRET, "SECRET_KEY": "s" * 32}, "RECEIPTS__SECRET", "sign anyone in"),
        (
            {"RECEIPTS__SECRET": SECRET, "AUTH__JWT__SECRET": "s" * 32},
            "RECEIPTS__SECRET",
            "could make ids",
        ),
        ({"TOKENS__EXPIRES_IN": "7200"}, "TOKENS__EXPIRES_IN", "above max_expires_in (3600)"),
        ({"DOWNLOADS__EXPIRES_IN": "7200"}, "DOWNLOADS__EXPIRES_IN", "above max_expires_in (3600)"),
        ({**PUBLISHED, "AUTH__JWT__JWKS_URL": "https://a b/"}, "AUTH__JWT__JWKS_URL", "http(s) URL"),
        (
            {**PROXIED, "AUTH__TRUSTED_PROXIES": "0.0.0.0/1,128.0.0.0/1"},
            "AUTH__TRUSTED_PROXIES",
            "every address",
        ),
        ({**PROXIED, "AUTH__TRUSTED_PROXIES": "::ffff:10.0.0.0/104"}, "AUTH__TRUSTED_PROXIES", "as IPv4"),
        ({"SECRET_KEY": None}, "SECRET_KEY", "32 random bytes or more"),
        ({"SECRET_KEY": SHORT}, "SECRET_KEY", "has 15 bytes"),
        ({"SECRET_KEYS": json.dumps([SECRET])}, "SECRET_KEYS", "not both"),
        ({"SECRET_KEY": DEMO_SECRET}, "SECRET_KEY", "is the demo's"),
        ({"SECRET_KEY": None, "SECRET_KEYS": json.dumps([SECRET, DEMO_SECRET])}, "SECRET_KEYS", "the demo's"),
        ({"SECRET_KEY": None, "SECRET_KEYS": json.dumps([SECRET, SHORT])}, "SECRET_KEYS", "has 15 bytes"),
        ({"RECEIPTS__SECRET": SHORT}, "RECEIPTS__SECRET", "has 15 bytes"),
        ({"RECEIPTS__PRIVATE_KEY": SECRET}, "RECEIPTS__PRIVATE_KEY", "not a PEM private key"),
        ({"RECEIPTS__PRIVATE_KEY": PEM}, "RECEIPTS__PRIVATE_KEY", "allowed is one private key"),
        (
            {"RECEIPTS__PRIVATE_KEY": PRIVATE_PEM, "RECEIPTS__SECRET": SECRET},
            "RECEIPTS__PRIVATE_KEY",
            "not both",
        ),
        (
            {"RECEIPTS__PUBLIC_KEYS": json.dumps([PEM])},
            "RECEIPTS__PUBLIC_KEYS",
            "requires UPLOADSVC_RECEIPTS__PRIVATE_KEY",
        ),
        (
            {"RECEIPTS__PUBLIC_KEYS": json.dumps([PEM]), "RECEIPTS__SECRET": SECRET},
            "RECEIPTS__PUBLIC_KEYS",
            "requires UPLOADSVC_RECEIPTS__PRIVATE_KEY",
        ),
        (
            {"RECEIPTS__PRIVATE_KEY": PRIVATE_PEM, "RECEIPTS__PUBLIC_KEYS": json.dumps([PEM, PRIVATE_PEM])},
            "RECEIPTS__PUBLIC_KEYS__1",
            "holds a private key",
        ),
        (
            {"CORS__ALLOW_ORIGINS": "*", "CORS__ALLOW_CREDENTIALS": "true"},
            "CORS__ALLOW_CREDENTIALS",
            "name the origins",
        ),
        (
            {"CORS__ALLOW_ORIGINS": "https://a.example,*", "CORS__ALLOW_CREDENTIALS": "true"},
            "CORS__ALLOW_CREDENTIALS",
            "name the origins",
        ),
        ({"CORS__ALLOW_ORIGINS": "https://a.example:443"}, "CORS__ALLOW_ORIGINS", "write https://a.example"),
        (
            {"CORS__ALLOW_ORIGINS": "https://*.vercel.app", "CORS__ALLOW_CREDENTIALS": "true"},
            "CORS__ALLOW_ORIGINS",
            "https://my-app-*.vercel.app",
        ),
        (
            {"CORS__ALLOW_ORIGINS": "https://*.vercel.app", "AUTH__JWT__COOKIE": "session"},
            "CORS__ALLOW_ORIGINS",
            "https://my-app-*.vercel.app",
        ),
        (
            {"CORS__ALLOW_ORIGINS": "https://*.vercel.app", **PROXIED},
            "CORS__ALLOW_ORIGINS",
            "https://my-app-*.vercel.app",
        ),
        ({"CORS__ALLOW_HEADERS": "x-trace id"}, "CORS__ALLOW_HEADERS", "not a header"),
        ({"CORS__ALLOW_HEADERS": "*"}, "CORS__ALLOW_HEADERS", "not a header"),
        ({"DEMO": "true"}, "DEMO", "UPLOADSVC_AUTH__JWT"),
        ({"DEMO_HOSTS": "demo.example.com"}, "DEMO_HOSTS", "requires UPLOADSVC_DEMO"),
        ({"CORS__ALLOW_ORIGINS": "a.example"}, "CORS__ALLOW_ORIGINS", "scheme://host"),
        ({"CORS__ALLOW_ORIGINS": "https://a.example/"}, "CORS__ALLOW_ORIGINS", "without a path"),
        ({"CORS__ALLOW_ORIGINS": "https://*.example"}, "CORS__ALLOW_ORIGINS", "other people's pages"),
        ({"CORS__ALLOW_ORIGINS": "https://u@a.example"}, "CORS__ALLOW_ORIGINS", "not an origin"),
        ({"CORS__ALLOW_ORIGINS": "HTTPS://A.example"}, "CORS__ALLOW_ORIGINS", "lower case"),
        ({"CORS__ALLOW_ORIGINS": "https://[::1"}, "CORS__ALLOW_ORIGINS", "not an origin"),
        ({"CORS__ALLOW_ORIGINS": '["null"]'}, "CORS__ALLOW_ORIGINS", "not an origin"),
        ({"S3__REGION": None}, "S3__REGION", "for example eu-central-1"),
        ({"S3__REGION": "EU-Central-1"}, "S3__REGION", "lower-case"),
        ({"S3__ENDPOINT_URL": "minio:9000"}, "S3__ENDPOINT_URL", "must be http:// or https://"),
        ({"S3__ENDPOINT_URL": "ftp://minio"}, "S3__ENDPOINT_URL", "must be http:// or https://"),
        (
            {"S3__ENDPOINT_URL": "http://10.0.0.1", "S3__ADDRESSING_STYLE": "virtual"},
            "S3__ENDPOINT_URL",
            "the addressing style cannot be virtual",
        ),
        ({"S3__PUBLIC_ENDPOINT_URL": "cdn"}, "S3__PUBLIC_ENDPOINT_URL", "must be http:// or https://"),
        ({"S3__PUBLIC_ADDRESSING_STYLE": "path"}, "S3__PUBLIC_ADDRESSING_STYLE", "needs PUBLIC_ENDPOINT_URL"),
        (
            {"S3__PUBLIC_ENDPOINT_URL": "http://10.0.0.1", "S3__PUBLIC_ADDRESSING_STYLE": "virtual"},
            "S3__PUBLIC_ENDPOINT_URL",
            "the addressing style cannot be virtual",
        ),
        ({"S3__ADDRESSING_STYLE": "bucket_endpoint"}, "S3__ADDRESSING_STYLE", "'path'"),
        ({"S3__LACKS": "checksum"}, "S3__LACKS__0", "'checksums'"),
        (
            {"S3__LACKS": "conditional_writes", "POLICIES__AVATARS__CLIENT_KEYS": "true"},
            "POLICIES__AVATARS__CLIENT_KEYS",
            "cannot refuse to overwrite",
        ),
        (
            {"S3__BUCKET": "My_Bucket", "S3__ADDRESSING_STYLE": "virtual"},
            "S3__ADDRESSING_STYLE",
            "is not a DNS name",
        ),
        ({"S3__ACCESS_KEY_ID": "AKIA"}, "S3__SECRET_ACCESS_KEY", "go together"),
        ({"S3__SECRET_ACCESS_KEY": SECRET}, "S3__ACCESS_KEY_ID", "go together"),
        ({"S3__SESSION_TOKEN": SECRET}, "S3__SESSION_TOKEN", "ACCESS_KEY_ID"),
        ({"KEY_PREFIX": "/uploads"}, "KEY_PREFIX", "Write it like 'uploads'"),
        ({"KEY_PREFIX": "uploads/"}, "KEY_PREFIX", "Write it like 'uploads'"),
        ({"KEY_PREFIX": "a/../b"}, "KEY_PREFIX", "Write it like 'uploads'"),
        ({"KEY_PREFIX": "${x}"}, "KEY_PREFIX", "would expand"),
        ({"KEY_PREFIX": "x" * 257}, "KEY_PREFIX", "at most 256 bytes"),
        (
            {"POLICIES__AVATARS__MAX_SIZE": "5MB", "POLICIES__AVATARS__MIN_SIZE": "6MB"},
            "POLICIES__AVATARS__MAX_SIZE",
            "below min_size",
        ),
        ({"POLICIES__AVATARS__EXPIRES_IN": "604801"}, "POLICIES__AVATARS__MAX_EXPIRES_IN", "604800"),
        ({"POLICIES__AVATARS__KEY": "{nothing}"}, "POLICIES__AVATARS__KEY", "unknown placeholder"),
        ({"POLICIES__AVATARS__CONTENT_TYPES": "image"}, "POLICIES__AVATARS__CONTENT_TYPES", "'image'"),
        ({"POLICIES__AVATARS__TAGS": '{"a": "b<"}'}, "POLICIES__AVATARS__TAGS", "letters, digits"),
        (
            {
                "POLICIES__AVATARS__AVAILABLE_WHEN": "guardduty",
                "POLICIES__AVATARS__TAGS": '{"GuardDutyMalwareScanStatus": "NO_THREATS_FOUND"}',
            },
            "POLICIES__AVATARS__TAGS",
            "only the scanner may set",
        ),
        (
            {"POLICIES__AVATARS__AVAILABLE_WHEN": '{"tag": "scan"}'},
            "POLICIES__AVATARS__AVAILABLE_WHEN__VALUE",
            "missing",
        ),
        (
            {"POLICIES__AVATARS__AVAILABLE_WHEN": "clamav"},
            "POLICIES__AVATARS__AVAILABLE_WHEN",
            "must be 'guardduty'",
        ),
        (
            {
                "POLICIES__AVATARS__METHODS": "post",
                "S3__PROVIDER": "r2",
                "S3__ENDPOINT_URL": "https://r2.example.com",
            },
            "POLICIES__AVATARS__METHODS",
            "r2 takes no POST policies",
        ),
    ],
)
def test_invalid_settings_stop_the_start(
    load: Callable[..., Settings], variables: dict[str, Any], variable: str, reason: str
) -> None:
    """One line names the variable and what is allowed, without secrets."""
    with pytest.raises(SettingsError) as caught:
        create_app(load(**variables))
    assert caught.value.variable == f"UPLOADSVC_{variable}"
    message = str(caught.value)
    assert reason in message
    assert "\n" not in message
    assert "hunter2" not in message
    assert PRIVATE_PEM.splitlines()[1] not in message


def test_every_setting_that_stops_the_start_is_reported(load: Callable[..., Settings]) -> None:
    """Also if that shows only when its key is read."""
    with pytest.raises(SettingsError) as caught:
        create_app(load(SECRET_KEY=None, AUTH__JWT__SECRET=None))
    assert [one.variable for one in caught.value.errors] == ["UPLOADSVC_SECRET_KEY", "UPLOADSVC_AUTH"]
    with pytest.raises(SettingsError) as caught:
        create_app(load(RECEIPTS__PRIVATE_KEY="x", AUTH__JWT__SECRET=SHORT))
    assert [one.variable.removeprefix("UPLOADSVC_") for one in caught.value.errors] == [
        "RECEIPTS__PRIVATE_KEY",
        "AUTH__JWT__SECRET",
    ]


@pytest.mark.parametrize(
    "variables",
    [
        {},
        {"AUTH__JWT__SECRET": None, "AUTH__JWT__PUBLIC_KEY": PEM},
        {"AUTH__JWT__SECRET": None, "AUTH__JWT__PUBLIC_KEY": PEM.replace("\n", "\\n")},
        {"AUTH__JWT__SECRET": None, "AUTH__API_KEYS": API_KEYS},
        {"AUTH__JWT__SECRET": None, "DEMO": "true"},
        {"AUTH__JWT__ISSUER": ISSUER},
        {"AUTH__JWT__COOKIE": "session"},
        {"AUTH__JWT__PUBLIC_KEY": PEM, "AUTH__JWT__SECRET": None, "AUTH__JWT__ALGORITHMS": "Ed25519"},
        {**PUBLISHED, "AUTH__JWT__ALGORITHMS": "Ed25519"},
        PUBLISHED,
        {**PUBLISHED, "AUTH__JWT__ISSUER": ISSUER},
        {
            **PUBLISHED,
            "AUTH__JWT__JWKS_URL": None,
            "AUTH__JWT__ISSUER": ISSUER,
            "AUTH__JWT__COOKIE": "__Host-id",
        },
        {**PROXIED, "AUTH__JWT__SECRET": None},
        {"AUTH__JWT__SECRET": None, **PROXIED, "AUTH__API_KEYS": API_KEYS},
        {"SECRET_KEY": None, "SECRET_KEYS": json.dumps([SECRET, SECRET[::-1]])},
        {"CORS__ALLOW_ORIGINS": "*"},
        {
            "CORS__ALLOW_ORIGINS": "https://*.vercel.app,capacitor://localhost",
            "CORS__ALLOW_HEADERS": "X-A, x-b",
        },
        {"CORS__ALLOW_ORIGINS": "https://my-app-*.vercel.app", "AUTH__JWT__COOKIE": "session"},
        {
            "CORS__ALLOW_ORIGINS": "https://a.example,http://localhost:5173,http://[::1]:8080",
            "CORS__ALLOW_CREDENTIALS": "true",
        },
        {"S3__REGION": None, "S3__ENDPOINT_URL": "http://minio:9000"},
        {"RECEIPTS__PRIVATE_KEY": PRIVATE_PEM},
        {"RECEIPTS__PRIVATE_KEY": PRIVATE_PEM, "RECEIPTS__PUBLIC_KEYS": json.dumps([PEM])},
        {"KEY_PREFIX": "tenants/a"},
        {"POLICIES__AVATARS__MAX_SIZE": "5MB"},
        # A default is cut to the maximum; only a value that the operator set is an error.
        {"TOKENS__MAX_EXPIRES_IN": "60"},
    ],
)
def test_valid_settings_start(load: Callable[..., Settings], variables: dict[str, Any]) -> None:
    """Each way to authenticate is enough on its own."""
    create_app(load(**variables))


def test_a_star_allows_an_api_key_every_policy(load: Callable[..., Settings]) -> None:
    """A star counts beside names too; names alone are a limit."""
    keys = [
        {"name": "all", "sha256": "A" * 64, "policies": ["default", "*"]},
        {"name": "one", "sha256": "b" * 64, "policies": ["default"]},
        {"name": "none", "sha256": "c" * 64, "policies": []},
    ]
    settings = load(AUTH__API_KEYS=json.dumps(keys))
    made = authenticator_of(settings).api_keys
    assert [key.policies for key in made] == [None, {"default"}, frozenset()]
    assert made[0].digest == b"\xaa" * 32


def test_only_a_key_for_all_policies_can_see_all_users(load: Callable[..., Settings]) -> None:
    """By default none can."""
    keys: list[dict[str, Any]] = [
        {"name": "support", "sha256": "a" * 64, "all_users": True},
        {"name": "backend", "sha256": "b" * 64},
    ]
    made = authenticator_of(load(AUTH__API_KEYS=json.dumps(keys))).api_keys
    assert [key.all_users for key in made] == [True, False]
    keys[0]["policies"] = ["default"]
    with pytest.raises(SettingsError, match="limited to policies cannot reach stored objects"):
        load(AUTH__API_KEYS=json.dumps(keys))


@pytest.mark.parametrize(
    ("public_url", "origin"),
    [
        ("https://uploads.example.com", "https://uploads.example.com"),
        ("https://Uploads.example.com:443/files/", "https://uploads.example.com"),
        ("http://nas.local:8000", "http://nas.local:8000"),
        ("http://[fd00::1]:80/", "http://[fd00::1]"),
    ],
)
def test_pages_of_the_public_url_may_write(
    load: Callable[..., Settings], public_url: str, origin: str
) -> None:
    """A proxy may change Host. Origins are compared as browsers send them."""
    settings = load(PUBLIC_URL=public_url, CORS__ALLOW_ORIGINS="https://a.example")
    made = authenticator_of(settings)
    assert made.allowed_origins == named_origins([origin, "https://a.example"])


async def test_rules_for_tokens_come_from_the_settings(load: Callable[..., Settings]) -> None:
    """Each setting reaches the verifier."""
    settings = load(
        AUTH__JWT__AUDIENCE="web, ios",
        AUTH__JWT__AUDIENCE_CLAIM="client_id",
        AUTH__JWT__ISSUER=ISSUER,
        AUTH__JWT__USER_CLAIM="uid",
        AUTH__JWT__ALLOW_INTEGER_USER="true",
        AUTH__JWT__LEEWAY="120",
    )
    jwts = authenticator_of(settings).jwts
    assert jwts is not None
    claims = {"client_id": "ios", "iss": ISSUER, "uid": 17, "exp": utc_now() - timedelta(seconds=100)}
    assert (await jwts.verify(jwt.encode(claims, SECRET))).user == "17"
    changes: list[dict[str, object]] = [
        {"client_id": "x"},
        {"iss": "x"},
        {"uid": 1.5},
        {"exp": utc_now() - timedelta(seconds=130)},
    ]
    for change in changes:
        with pytest.raises(Unauthenticated):
            await jwts.verify(jwt.encode(claims | change, SECRET))


def test_receipts_are_never_signed_with_the_secret_key(load: Callable[..., Settings]) -> None:
    """Receipts are signed with their own secret, or else with a derived key."""
    (derived,) = receipts_of(load()).keys
    assert derived.key == derive_key(SECRET.encode(), "receipt")
    (own,) = receipts_of(load(RECEIPTS__SECRET="r" * 32)).keys
    assert own.key == b"r" * 32


def test_after_a_rotation_the_first_key_signs_and_all_verify(load: Callable[..., Settings]) -> None:
    """Receipts from before the rotation still verify with the keys that `receipt-key` prints."""
    both = load(SECRET_KEY=None, SECRET_KEYS=json.dumps([SECRET[::-1], SECRET]))
    receipts = receipts_of(both)
    derived = [derive_key(secret.encode(), "receipt") for secret in (SECRET[::-1], SECRET)]
    assert [key.key for key in receipts.keys] == derived
    receipt = receipts.sign({}, user="ann", jti="J", now=utc_now())
    assert jwt.get_unverified_header(receipt)["kid"] == receipts.keys[0].kid
    assert jwt.decode(receipt, derived[0], algorithms=["HS256"], audience="uploadsvc-receipts")


def test_a_private_key_signs_and_its_public_key_comes_first(load: Callable[..., Settings]) -> None:
    """The PEM may be written in one line. No derived key is published."""
    settings = load(
        RECEIPTS__PRIVATE_KEY=PRIVATE_PEM.replace("\n", "\\n"),
        RECEIPTS__PUBLIC_KEYS=json.dumps([public_pem(EC), public_pem(RSA)]),
    )
    receipts = receipts_of(settings)
    assert [key.pem() for key in receipts.public_keys] == [public_pem(key) for key in (ED25519, EC, RSA)]
    assert receipts.keys == receipts.public_keys
    receipt = receipts.sign({}, user="ann", jti="J", now=utc_now())
    assert jwt.decode(receipt, public_pem(ED25519), algorithms=["EdDSA"], audience="uploadsvc-receipts")


def test_an_empty_key_in_the_file_is_refused(load: Callable[..., Settings], tmp_path: Path) -> None:
    """An empty key does not silently become a derived one."""
    for name, reason in (("private_key", "not a PEM private key"), ("secret", "has 0 bytes")):
        file = tmp_path / f"{name}.toml"
        file.write_text(f'[receipts]\n{name} = ""\n')
        with pytest.raises(SettingsError, match=reason):
            receipts_of(load(CONFIG_FILE=str(file)))


@pytest.mark.parametrize(
    ("variables", "base_url"),
    [
        ({}, "https://media.s3.eu-central-1.amazonaws.com/"),
        ({"S3__BUCKET": "a.b"}, "https://s3.eu-central-1.amazonaws.com/a.b"),
        ({"S3__ENDPOINT_URL": "http://minio:9000"}, "http://minio:9000/media"),
        (
            {"S3__ENDPOINT_URL": "http://minio:9000", "S3__PUBLIC_ENDPOINT_URL": "https://s3.example.com"},
            "https://s3.example.com/media",
        ),
        (
            {
                "S3__ENDPOINT_URL": "http://minio:9000",
                "S3__PUBLIC_ENDPOINT_URL": "https://files.example.com",
                "S3__PUBLIC_ADDRESSING_STYLE": "bucket_endpoint",
            },
            "https://files.example.com/",
        ),
        (
            {"S3__PUBLIC_ENDPOINT_URL": "https://media.s3-accelerate.amazonaws.com"},
            "https://media.s3-accelerate.amazonaws.com/",
        ),
        (
            {"S3__PUBLIC_ENDPOINT_URL": "https://s3-accelerate.amazonaws.com"},
            "https://media.s3-accelerate.amazonaws.com/",
        ),
    ],
)
def test_urls_are_signed_for_the_public_endpoint(
    load: Callable[..., Settings], variables: dict[str, Any], base_url: str
) -> None:
    """The signed address is the one that browsers use."""
    presigner = build_services(load(**variables)).presigner
    assert presigner.endpoint.base_url == base_url
    assert presigner.region == "eu-central-1"


@pytest.mark.parametrize(
    ("variables", "provider"),
    [
        ({}, "aws"),
        ({"S3__ENDPOINT_URL": "http://minio:9000"}, "generic"),
        ({"S3__ENDPOINT_URL": "http://minio:9000", "S3__PROVIDER": "minio"}, "minio"),
    ],
)
def test_the_provider_follows_the_endpoint(
    load: Callable[..., Settings], variables: dict[str, Any], provider: str
) -> None:
    """It is AWS without an endpoint and generic with one, unless the settings name it."""
    assert load(**variables).s3.store.name == provider


@pytest.mark.parametrize("provider", ["r2", "b2", "gcs", "minio", "ceph", "generic"])
def test_a_store_other_than_aws_needs_an_endpoint(provider: str) -> None:
    """Without one, requests would go to someone else's bucket on AWS."""
    with pytest.raises(
        ValidationError, match=f"UPLOADSVC_S3__ENDPOINT_URL: missing; the URL of your {provider} store"
    ):
        Settings.model_validate({"s3": {"bucket": "media", "provider": provider}})


def test_requests_are_signed_for_the_region_of_the_store() -> None:
    """R2 calls its only region auto. The settings win."""
    s3 = {"bucket": "media", "provider": "r2", "endpoint_url": "https://r2.example.com"}
    assert bucket_requirements(Settings.model_validate({"s3": s3})).region == "auto"
    assert bucket_requirements(Settings.model_validate({"s3": {**s3, "region": "eu"}})).region == "eu"


def test_everything_is_built_once(load: Callable[..., Settings]) -> None:
    """Shared objects are the same everywhere."""
    services = build_services(load())
    assert services.creator.policies is services.policies
    assert services.presigner.credentials.__self__ is services.storage  # type: ignore[attr-defined]


def test_the_reader_of_notifications_deletes_refused_objects_if_there_is_one(
    load: Callable[..., Settings],
) -> None:
    policies = {"default": {"verify_content": True, "delete_mismatched": True}}
    settings = load(POLICIES=json.dumps(policies))
    assert build_services(settings).uploads._may_remove
    for events in ({"QUEUE_URL": "https://sqs.eu-central-1.amazonaws.com/1/q"}, {"PUSH_SECRET": "p" * 32}):
        variables = {f"EVENTS__{name}": value for name, value in events.items()}
        assert not build_services(load(**variables)).uploads._may_remove


def test_objects_carry_their_claims_where_downloads_wait(load: Callable[..., Settings]) -> None:
    """Otherwise nobody knows which policy an object has."""
    assert not load(POLICIES__AVATARS__VERIFY_CONTENT="true").carries_claims
    assert load(POLICIES__AVATARS__AVAILABLE_WHEN="guardduty").carries_claims


async def test_one_clock_moves_everything(
    load: Callable[..., Settings], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Authenticator, tokens, ids, signing and sessions all follow a clock that moves by 25 hours."""
    start = utc_now().replace(microsecond=0)
    passed = timedelta()

    def clock() -> datetime:
        return start + passed

    sessions: list[datetime] = []

    class Chain:
        def __init__(self, *, region: str, **_: object) -> None:
            assert region == "eu-central-1"

        async def __call__(self) -> Credentials:
            sessions.append(clock())
            access_key_id = f"ASIA{len(sessions)}"
            return Credentials(
                access_key_id=access_key_id, secret_access_key="s", expires_at=clock() + timedelta(hours=1)
            )

    monkeypatch.setattr("uploadsvc.s3.storage.AwsChain", Chain)
    # A copy is not validated: the demo cannot be on beside JWTs.
    settings = load(POLICIES__DEFAULT__KEY="{date}/{uuid}").model_copy(update={"demo": True})
    services = build_services(settings, clock=clock)
    jwts, _ = build_jwt_verifier(settings.auth, clock=clock, required=True)
    authenticator = build_authenticator(settings, services, jwts)
    alice = Principal(user="alice")
    request = UploadRequest(filename="a", size=5)

    async def caller(token: str) -> Principal:
        headers = Headers({"authorization": f"Bearer {token}"})
        return await authenticator.authenticate(AuthRequest(method="GET", headers=headers, peer=None))

    day = jwt.encode({"sub": "alice", "exp": start + timedelta(days=1)}, SECRET, algorithm="HS256")
    upload_token, _ = services.token_issuer.issue(alice, user=None, policies=None, expires_in=None)
    action = services.action_tokens.issue(
        "alice", expires_at=start + timedelta(days=1), act="complete", upload=""
    )
    assert services.demo_tokens is not None
    demo_token = services.demo_tokens.issue("alice", expires_at=start + timedelta(days=1))
    async with services.open():
        grant = await services.creator.create(alice, None, request)
        for token in (day, upload_token, demo_token):
            assert (await caller(token)).user == "alice"
        assert services.action_tokens.verify(action).principal.user == "alice"
        assert f"X-Amz-Date={start:%Y%m%dT%H%M%SZ}" in grant.url
        assert "X-Amz-Credential=ASIA1%2F" in grant.url
        assert f"{start:%Y/%m/%d}/" in grant.plan.key

        passed = timedelta(hours=25)
        for token in (day, upload_token, demo_token):
            with pytest.raises(Unauthenticated, match="expired"):
                await caller(token)
        with pytest.raises(UploadExpired):
            services.action_tokens.verify(action)
        with pytest.raises(UploadExpired):
            await services.uploads.status(alice, grant.id)
        later = await services.creator.create(alice, None, request)
        assert f"X-Amz-Date={clock():%Y%m%dT%H%M%SZ}" in later.url
        assert "X-Amz-Credential=ASIA2%2F" in later.url
        assert f"{clock():%Y/%m/%d}/" in later.plan.key
        assert later.expires_at == clock() + timedelta(seconds=900)
        assert sessions == [start, clock()]


def test_an_empty_jwks_url_does_not_fall_back_to_discovery() -> None:
    """A TOML file can set one; the issuer beside it must not silently lead to the keys."""
    jwt_settings = {"jwks_url": "", "issuer": ISSUER, "audience": "uploads"}
    settings = Settings.model_validate(
        {
            "secret_key": SECRET,
            "s3": {"bucket": "media", "region": "eu-central-1"},
            "auth": {"jwt": jwt_settings},
        }
    )
    with pytest.raises(SettingsError, match="UPLOADSVC_AUTH__JWT__JWKS_URL"):
        create_app(settings)

"""Ask a few questions, and write a settings file."""

import os
import shlex
import signal
import sys
import tempfile
import tomllib
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from secrets import token_urlsafe
from typing import Any, Final, Literal, get_args

import typer
from pydantic import ValidationError

from uploadsvc.bootstrap.auth import build_jwt_verifier
from uploadsvc.bootstrap.services import utc_now
from uploadsvc.cli.messages import say, stop
from uploadsvc.cli.questions import NoAnswerError, Question, Questions, secret_in
from uploadsvc.cli.toml import document
from uploadsvc.domain.providers import PROVIDERS
from uploadsvc.settings import Settings, SettingsError
from uploadsvc.settings.load import CONFIG_FILE
from uploadsvc.settings.messages import errors_of
from uploadsvc.settings.types import ENV_PREFIX, split_list

SignIn = Literal["jwt-secret", "jwks", "issuer", "api-key"]
"""Ways in which users are recognized."""

UNUSABLE: Final = 2
"""Exit status for options and answers that are missing or wrong."""

_CLIENT_VARIABLES: Final = {CONFIG_FILE, *(f"{ENV_PREFIX}{name}" for name in ("URL", "TOKEN", "API_KEY"))}

_POLICY: Final = ("policies", "default")
_JWT: Final = ("auth", "jwt")

_OTHERS: Final[Mapping[str, tuple[str, ...]]] = {
    "jwt-secret": ("jwks_url", "issuer", "audience"),
    "jwks": ("jwt_secret_file", "issuer"),
    "issuer": ("jwt_secret_file", "jwks_url"),
    "api-key": ("jwt_secret_file", "jwks_url", "issuer", "audience"),
}
"""Options that do not apply to each way of signing in."""

_COMMENTS: Final[Mapping[tuple[str, ...], str]] = {
    ("secret_key",): "Signs upload ids and tokens. Keep it: with another key, unfinished uploads are lost.",
    ("key_prefix",): "Prefix of all keys. Each user has their own prefix below it.",
    ("s3", "access_key_id"): "If not set, credentials come from the AWS credential chain.",
    _JWT: "Tokens from your login. Their `sub` claim is the user.",
    ("auth", "jwt", "secret"): "The secret that your login signs its tokens with (HS256).",
    ("auth", "api_keys"): "A backend sends its key as X-API-Key, and the user as X-On-Behalf-Of.",
    ("cors",): "Origins of pages that upload. `uploadsvc bucket apply` adds them to the bucket.",
    _POLICY: "Limits for requests that name no policy.",
}

_HEAD: Final = """\
# Settings of uploadsvc, written by `uploadsvc init`. docs/settings.md describes all settings.
# This file holds secrets: keep it out of Git, and let only its owner read it.

"""

_TAIL: Final = """
# To let users delete their objects:
# [objects]
# delete = true
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """Values of options; ``None`` for those to ask for. Secrets come from files."""

    provider: str | None = None
    bucket: str | None = None
    endpoint_url: str | None = None
    region: str | None = None
    access_key_id: str | None = None
    secret_access_key_file: Path | None = None
    sign_in: str | None = None
    jwt_secret_file: Path | None = None
    jwks_url: str | None = None
    issuer: str | None = None
    audience: str | None = None
    key_prefix: str | None = None
    max_size: str | None = None
    content_types: str | None = None
    allow_origins: str | None = None


def write_settings(path: Path, given: Given, *, force: bool, ask: bool) -> None:
    """Write a settings file, and print the next commands.

    Args:
        path: The file.
        given: Values of options.
        force: Replace a file that exists.
        ask: Ask for values that no option gives.

    Raises:
        SystemExit: The file exists or cannot be written.
        Exit: An answer is missing or wrong.
    """
    # Typed at a hidden prompt, Ctrl-C must not leave the terminal without echo.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    if not path.name or path.is_dir():
        message = f"--file: {path} is a directory; give the path of a file"
        raise stop(message)
    key_path = path.with_suffix(".api-key")
    if path == key_path:
        message = f"--file: {path} is the name of the file for the API key; choose one such as uploadsvc.toml"
        raise stop(message)
    _check_free(path, force=force)
    # Before the questions, so that no answer is lost.
    if given.sign_in == "api-key" or (ask and given.sign_in is None):
        _check_free(key_path, force=force)
    try:
        draft = _Interview(Questions(ask=ask), given)
        draft.hold()
        text = draft.text()
    except (NoAnswerError, SettingsError) as problem:
        say(str(problem))
        raise typer.Exit(UNUSABLE) from None
    except KeyboardInterrupt:
        say("\nnothing was written")
        raise typer.Exit(128 + signal.SIGINT) from None
    if draft.api_key is not None:
        _write(key_path, draft.api_key + "\n", force=force)
    _write(path, text, force=force)
    _tell(path, None if draft.api_key is None else key_path)


class _Interview:
    """Asks for settings, each checked as the service itself checks it."""

    def __init__(self, questions: Questions, given: Given) -> None:
        self._questions = questions
        self._given = given
        self._values: dict[str, Any] = {"secret_key": token_urlsafe(48), "key_prefix": "uploads"}
        self.api_key: str | None = None

    def hold(self) -> None:
        """Ask.

        Raises:
            NoAnswerError: An answer is missing or wrong.
        """
        if self._questions.asks:
            say("Press Enter to accept the default in brackets, or Ctrl-C to stop without writing a file.")
        self._store()
        self._users()
        self._uploads()

    def text(self) -> str:
        """Return the file, which has been read as the service reads it.

        Raises:
            SettingsError: Two answers contradict each other.
        """
        text = _HEAD + document(self._values, _COMMENTS) + _TAIL
        try:
            settings = Settings.model_validate(tomllib.loads(text))
        except ValidationError as error:
            raise SettingsError.together(errors_of(error)) from None
        build_jwt_verifier(settings.auth, clock=utc_now, required=True)
        return text

    def _store(self) -> None:
        given, kinds = self._given, ", ".join(PROVIDERS)
        kind = Question(option="--provider", text=f"Kind of store ({kinds})", default="aws")
        provider = self._ask(kind, given.provider, ("s3", "provider"))
        self._ask(Question(option="--bucket", text="Bucket"), given.bucket, ("s3", "bucket"))
        if provider != "aws" or given.endpoint_url is not None:
            example = "URL of the store, such as https://s3.example.com"
            self._ask(
                Question(option="--endpoint-url", text=example), given.endpoint_url, ("s3", "endpoint_url")
            )
        default = None if provider == "aws" else PROVIDERS[provider].default_region
        region = Question(option="--region", text="Region, such as eu-central-1", default=default)
        self._ask(region, given.region, ("s3", "region"))
        access = Question(
            option="--access-key-id", text="Access key id", default="", shown="none: use the AWS chain"
        )
        if self._ask(access, given.access_key_id, ("s3", "access_key_id"), skip_empty=True):
            option = "--secret-access-key-file"
            secret = Question(option=option, text="Secret access key (hidden)", hidden=True)
            in_file = secret_in(given.secret_access_key_file, option)
            self._ask(secret, in_file, ("s3", "secret_access_key"))
        elif given.secret_access_key_file is not None:
            message = "--secret-access-key-file: needs --access-key-id"
            raise NoAnswerError(message)

    def _users(self) -> None:
        given, ways = self._given, get_args(SignIn)
        question = Question(
            option="--sign-in", text=f"How users sign in ({', '.join(ways)})", default="jwt-secret"
        )

        def check(answer: str) -> str | None:
            return None if answer in ways else f"must be one of {', '.join(ways)}"

        sign_in = self._questions.answer(question, given.sign_in, check)
        for name in _OTHERS[sign_in]:
            if getattr(given, name) is not None:
                message = f"--{name.replace('_', '-')}: not allowed with --sign-in {sign_in}"
                raise NoAnswerError(message)
        if sign_in == "api-key":
            self.api_key = token_urlsafe(32)
            digest = sha256(self.api_key.encode()).hexdigest()
            self._put(("auth", "api_keys"), [{"name": "backend", "sha256": digest}])
        elif sign_in == "jwt-secret":
            option = "--jwt-secret-file"
            text = "Secret that your login signs JWTs with (hidden)"
            secret = Question(option=option, text=text, hidden=True, default="", shown="generate one")
            if not self._ask(
                secret, secret_in(given.jwt_secret_file, option), (*_JWT, "secret"), skip_empty=True
            ):
                self._put((*_JWT, "secret"), token_urlsafe(48))
        else:
            name, example = {
                "jwks": ("jwks_url", "URL of the public keys, such as https://login.example.com/jwks.json"),
                "issuer": ("issuer", "OIDC issuer, such as https://login.example.com"),
            }[sign_in]
            option = f"--{name.replace('_', '-')}"
            self._ask(Question(option=option, text=example), getattr(given, name), (*_JWT, name))
            audience = Question(option="--audience", text="Audience of the tokens (aud)")
            self._ask(audience, given.audience, (*_JWT, "audience"))

    def _uploads(self) -> None:
        given = self._given
        prefix = Question(option="--key-prefix", text="Prefix of all keys", default="uploads")
        self._ask(prefix, given.key_prefix, ("key_prefix",))
        size = Question(option="--max-size", text="Largest file", default="5GiB")
        self._ask(size, given.max_size, (*_POLICY, "max_size"))
        text = "Content types, such as image/*, application/pdf"
        types = Question(option="--content-types", text=text, default="*/*")
        self._ask(types, given.content_types, (*_POLICY, "content_types"), as_list=True)
        text = "Origins of your pages, such as https://app.example.com"
        origins = Question(option="--allow-origins", text=text, default="", shown="none")
        self._ask(origins, given.allow_origins, ("cors", "allow_origins"), as_list=True, skip_empty=True)

    def _ask(
        self,
        question: Question,
        given: str | None,
        path: tuple[str, ...],
        *,
        as_list: bool = False,
        skip_empty: bool = False,
    ) -> str:
        def value_of(answer: str) -> Any:  # noqa: ANN401 - text or a list of it
            return split_list(answer) if as_list else answer

        def check(answer: str) -> str | None:
            return None if skip_empty and not answer else _problem(self._with(path, value_of(answer)), path)

        answer = self._questions.answer(question, given, check)
        if answer or not skip_empty:
            self._put(path, value_of(answer))
        return answer

    def _put(self, path: tuple[str, ...], value: object) -> None:
        self._values = self._with(path, value)

    def _with(self, path: tuple[str, ...], value: object) -> dict[str, Any]:
        values: dict[str, Any] = deepcopy(self._values)
        table = values
        for name in path[:-1]:
            table = table.setdefault(name, {})
        table[path[-1]] = value
        return values


def _problem(values: dict[str, Any], path: tuple[str, ...]) -> str | None:
    """Return what is wrong with one setting; others may not have been asked for yet."""
    values["s3"] = {"bucket": "placeholder", "region": "us-east-1", **values.get("s3", {})}
    jwt = values.get("auth", {}).get("jwt", {})
    if jwt and "secret" not in jwt:
        jwt.setdefault("audience", "placeholder")
    errors: list[SettingsError] = []
    try:
        build_jwt_verifier(Settings.model_validate(values).auth, clock=utc_now, required=False)
    except ValidationError as error:
        errors = list(errors_of(error))
    except SettingsError as error:
        errors = list(error.errors)
    return next((error.message for error in errors if error.path[: len(path)] == path), None)


def _check_free(path: Path, *, force: bool) -> None:
    if not force and os.path.lexists(path):
        message = f"{path} exists; use --force to replace it and its secrets, or --file to write another file"
        raise stop(message)


def _write(path: Path, text: str, *, force: bool) -> None:
    """Write a file that only its owner can read, whole or not at all.

    Raises:
        SystemExit: It cannot be written.
    """
    try:
        # mkstemp creates the file with mode 0600.
        descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=".uploadsvc-")
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                file.write(text)
            _check_free(path, force=force)
            Path(temporary).replace(path)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise
    except OSError as error:
        message = f"cannot write {path}: {error.strerror}"
        raise stop(message) from None


def _tell(path: Path, key_path: Path | None) -> None:
    say(f"wrote {path}. It holds secrets: only you can read it; keep it out of Git")
    if key_path is not None:
        say(f"the API key for your backend is in {key_path}")
    names = sorted(
        name for name in os.environ if name.startswith(ENV_PREFIX) and name not in _CLIENT_VARIABLES
    )
    if names:
        say(f"these environment variables override the file: {', '.join(names)}")
    sys.stdout.write("\nNext:\n\n")
    for command, comment in (
        (f"export {CONFIG_FILE}={shlex.quote(str(path.absolute()))}", ""),
        ("uploadsvc bucket apply", "create the bucket and its rules"),
        ("uploadsvc doctor", "check everything"),
        ("uploadsvc serve", ""),
        ("uploadsvc token alice", "print a token for testing"),
    ):
        sys.stdout.write(f"  {command:<24}# {comment}\n" if comment else f"  {command}\n")

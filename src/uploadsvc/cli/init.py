"""``uploadsvc init``. Its code is loaded when it runs."""

from pathlib import Path
from typing import Annotated, Final

import typer

from uploadsvc.cli.examples import examples

_SettingsFile = Annotated[Path, typer.Option("--file", "-f", help="File to write.", metavar="FILE")]
_Force = Annotated[bool, typer.Option("--force", help="Replace an existing file.")]
_NoInput = Annotated[bool, typer.Option("--no-input", help="Ask nothing; use defaults for missing options.")]
_Provider = Annotated[str | None, typer.Option(help="Kind of store, such as aws or minio.")]
_BucketName = Annotated[str | None, typer.Option(help="Name of the bucket.")]
_EndpointUrl = Annotated[str | None, typer.Option(help="URL of the store, unless it is AWS.", metavar="URL")]
_Region = Annotated[str | None, typer.Option(help="Region of the bucket.")]
_AccessKeyId = Annotated[str | None, typer.Option(help="Access key id; default: from the AWS chain.")]
_SecretAccessKeyFile = Annotated[
    Path | None, typer.Option(help="File with the secret access key.", metavar="FILE")
]
_SignIn = Annotated[
    str | None, typer.Option(help="How users sign in: jwt-secret, jwks, issuer or api-key.", metavar="WAY")
]
_JwtSecretFile = Annotated[
    Path | None, typer.Option(help="File with the secret that signs your JWTs.", metavar="FILE")
]
_JwksUrl = Annotated[str | None, typer.Option(help="URL of your JWTs' public keys.", metavar="URL")]
_Issuer = Annotated[str | None, typer.Option(help="OIDC issuer of your JWTs.", metavar="URL")]
_Audience = Annotated[str | None, typer.Option(help="Audience of your JWTs.")]
_KeyPrefix = Annotated[str | None, typer.Option(help="Prefix of all keys.")]
_MaxSize = Annotated[str | None, typer.Option(help="Largest file, such as 5GiB.", metavar="SIZE")]
_ContentTypes = Annotated[
    str | None, typer.Option(help="Content types, such as image/*,text/plain.", metavar="LIST")
]
_AllowOrigins = Annotated[str | None, typer.Option(help="Origins of the pages that upload.", metavar="LIST")]

EXAMPLES: Final = examples(
    "uploadsvc init",
    "uploadsvc init --provider minio --endpoint-url http://127.0.0.1:9000",
    "uploadsvc init --no-input --bucket media --region eu-central-1",
)


def init(
    *,
    file: _SettingsFile = Path("uploadsvc.toml"),
    force: _Force = False,
    no_input: _NoInput = False,
    provider: _Provider = None,
    bucket: _BucketName = None,
    endpoint_url: _EndpointUrl = None,
    region: _Region = None,
    access_key_id: _AccessKeyId = None,
    secret_access_key_file: _SecretAccessKeyFile = None,
    sign_in: _SignIn = None,
    jwt_secret_file: _JwtSecretFile = None,
    jwks_url: _JwksUrl = None,
    issuer: _Issuer = None,
    audience: _Audience = None,
    key_prefix: _KeyPrefix = None,
    max_size: _MaxSize = None,
    content_types: _ContentTypes = None,
    allow_origins: _AllowOrigins = None,
) -> None:
    """Ask a few questions and write a settings file. Options answer questions in advance.

    Secrets are typed without echo, read from files, or generated. Only you can read the settings file.

    Exit status: 0 written, 1 the file exists or cannot be written, 2 an answer is missing or wrong.
    """
    from uploadsvc.cli.settings_file import Given, write_settings  # noqa: PLC0415 - see above

    given = Given(
        provider=provider,
        bucket=bucket,
        endpoint_url=endpoint_url,
        region=region,
        access_key_id=access_key_id,
        secret_access_key_file=secret_access_key_file,
        sign_in=sign_in,
        jwt_secret_file=jwt_secret_file,
        jwks_url=jwks_url,
        issuer=issuer,
        audience=audience,
        key_prefix=key_prefix,
        max_size=max_size,
        content_types=content_types,
        allow_origins=allow_origins,
    )
    write_settings(file, given, force=force, ask=not no_input)

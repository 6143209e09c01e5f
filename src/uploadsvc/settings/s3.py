"""Bucket settings. Names and defaults are part of the contract."""

from typing import Annotated, Literal, Self

from pydantic import BeforeValidator

from uploadsvc.domain.credentials import Credentials
from uploadsvc.domain.endpoints import (
    AddressingStyle,
    BucketEndpoint,
    addressing_style,
    aws_endpoint_url,
    bucket_endpoint,
    public_addressing_style,
)
from uploadsvc.domain.providers import PROVIDERS, Capability, Provider
from uploadsvc.settings.types import Secret, Section, SettingsError, Text, check, matching, split_list


class S3Settings(Section):
    """The bucket and how to reach it."""

    bucket: Annotated[
        Text,
        matching(
            r"[A-Za-z0-9][A-Za-z0-9._-]{1,253}[A-Za-z0-9]",
            "a bucket name: 3 to 255 letters, digits, . - _, with a letter or digit at both ends",
        ),
    ]
    """Name of the bucket."""

    region: Annotated[Text, matching(r"[A-Za-z0-9-]{1,64}", "a region, for example eu-central-1")] | None = (
        None
    )
    """Region of the bucket. Required unless `endpoint_url` is set; then the default is `us-east-1`, or `auto`
    on R2 and GCS.
    """

    endpoint_url: str | None = None
    """URL of S3 for the service, such as `https://s3.example.com`. If not set: AWS."""

    public_endpoint_url: str | None = None
    """URL of S3 for browsers, if different, such as `https://my-bucket.s3-accelerate.amazonaws.com`."""

    addressing_style: Literal["auto", "path", "virtual"] = "auto"
    """Position of the bucket in URLs: in the host (`virtual`) or in the path (`path`). `auto` is `virtual` on
    AWS, unless the bucket's name contains a dot, and `path` on other stores.
    """

    public_addressing_style: Literal["auto", "path", "virtual", "bucket_endpoint"] = "auto"
    """The same for `public_endpoint_url`. `bucket_endpoint` leaves the bucket out of URLs, for an address of
    this bucket alone, such as a custom domain. `auto` is the same as `addressing_style`, except for AWS
    hosts, which show the style.
    """

    access_key_id: Text | None = None
    """Access key, set together with `secret_access_key`. If neither is set, credentials come from the AWS
    chain (environment, profile, role) and are renewed automatically.
    """

    secret_access_key: Secret | None = None
    """Secret of `access_key_id`."""

    session_token: Secret | None = None
    """Session token for temporary keys. It is not renewed."""

    provider: (
        Literal["aws", "generic", "r2", "b2", "gcs", "minio", "ceph", "seaweedfs", "localstack"] | None
    ) = None
    """Kind of store, which determines its [features](providers.md). If not set: `aws`, or `generic` if
    `endpoint_url` is set.
    """

    lacks: Annotated[tuple[Capability, ...], BeforeValidator(split_list)] = ()
    """Features of this kind of store that yours lacks. `uploadsvc doctor` finds them. `checksums` stands for
    all checksums.
    """

    @property
    def store(self) -> Provider:
        """Profile of the store."""
        return PROVIDERS[self.provider or ("generic" if self.endpoint_url else "aws")].without(self.lacks)

    @property
    def signing_region(self) -> str:
        """Region of signatures."""
        return self.region or self.store.default_region

    @property
    def style(self) -> AddressingStyle:
        """Addressing style, with ``auto`` resolved."""
        return addressing_style(
            configured=self.addressing_style, endpoint_url=self.endpoint_url, bucket=self.bucket
        )

    @property
    def endpoint(self) -> BucketEndpoint:
        """Address of the bucket for the service."""
        return self._inner_address(self.endpoint_url or aws_endpoint_url(self.signing_region))

    @property
    def public_endpoint(self) -> BucketEndpoint:
        """Address of the bucket for browsers."""
        return self._public_address(self.public_endpoint_url) if self.public_endpoint_url else self.endpoint

    @property
    def credentials(self) -> Credentials | None:
        """The fixed access key; ``None`` for the AWS chain."""
        if self.access_key_id is None or self.secret_access_key is None:
            return None
        return Credentials(
            access_key_id=self.access_key_id,
            secret_access_key=self.secret_access_key.get_secret_value(),
            session_token=self.session_token.get_secret_value() if self.session_token else None,
        )

    def _inner_address(self, url: str) -> BucketEndpoint:
        return bucket_endpoint(endpoint_url=url, bucket=self.bucket, style=self.style)

    def _public_address(self, url: str) -> BucketEndpoint:
        style = public_addressing_style(
            configured=self.public_addressing_style, endpoint_url=url, bucket=self.bucket, inner=self.style
        )
        return bucket_endpoint(endpoint_url=url, bucket=self.bucket, style=style)

    @check
    def _check_region(self) -> Self:
        if self.endpoint_url is None and self.provider not in {None, "aws"}:
            raise SettingsError(("s3", "endpoint_url"), f"missing; the URL of your {self.provider} store")
        if self.endpoint_url is None and self.region is None:
            message = "missing; the bucket's region, for example eu-central-1"
            raise SettingsError(("s3", "region"), message)
        return self

    @check
    def _check_addresses(self) -> Self:
        try:
            aws_url = None if self.endpoint_url else aws_endpoint_url(self.signing_region)
        except ValueError as error:
            raise SettingsError(("s3", "region"), str(error)) from None
        try:
            self._inner_address(self.endpoint_url or str(aws_url))
        except ValueError as error:
            name = "endpoint_url" if self.endpoint_url else "addressing_style"
            raise SettingsError(("s3", name), str(error)) from None
        if self.public_endpoint_url:
            try:
                self._public_address(self.public_endpoint_url)
            except ValueError as error:
                raise SettingsError(("s3", "public_endpoint_url"), str(error)) from None
        elif self.public_addressing_style != "auto":
            message = "needs PUBLIC_ENDPOINT_URL beside it"
            raise SettingsError(("s3", "public_addressing_style"), message)
        return self

    @check
    def _check_credentials(self) -> Self:
        if (self.access_key_id is None) != (self.secret_access_key is None):
            name = "access_key_id" if self.access_key_id is None else "secret_access_key"
            raise SettingsError(("s3", name), "missing; access key id and secret go together")
        if self.session_token is not None and self.access_key_id is None:
            message = "needs ACCESS_KEY_ID and SECRET_ACCESS_KEY beside it"
            raise SettingsError(("s3", "session_token"), message)
        return self

"""Event settings. Names and defaults are part of the contract."""

import base64
import binascii
from typing import Annotated, Final, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr

from uploadsvc.domain.endpoints import base_url
from uploadsvc.domain.events import EVENT_TYPES, matches
from uploadsvc.domain.hosts import is_loopback
from uploadsvc.settings.types import Names, Secret, Section, SettingsError, Text, check, matching, split_list

MIN_PUSH_SECRET_BYTES: Final = 32
_TOPIC_ARN: Final = matching(r"arn:[a-z0-9-]+:sns:[a-z0-9-]+:\d+:[\w.-]+", "the ARN of an SNS topic")
_SECRET_PREFIX: Final = "whsec_"  # noqa: S105 - of all secrets
_MIN_SECRET_BYTES, _MAX_SECRET_BYTES = 24, 64


def _webhook_secret(secret: SecretStr) -> SecretStr:
    text = secret.get_secret_value()
    try:
        size = len(base64.b64decode(text.removeprefix(_SECRET_PREFIX), validate=True))
    except (binascii.Error, ValueError):
        size = 0
    if not text.startswith(_SECRET_PREFIX) or not _MIN_SECRET_BYTES <= size <= _MAX_SECRET_BYTES:
        sizes = f"{_MIN_SECRET_BYTES} to {_MAX_SECRET_BYTES}"
        message = f"must be {_SECRET_PREFIX} and {sizes} random bytes in base64"
        raise ValueError(message)
    return secret


def _event_types(patterns: tuple[str, ...]) -> tuple[str, ...]:
    for pattern in patterns:
        if not any(matches(name, pattern) for name in EVENT_TYPES):
            message = (
                f"{pattern!r} is not an event type; allowed are {', '.join(EVENT_TYPES)}, upload.* and *"
            )
            raise ValueError(message)
    return patterns


def _check_url(url: str, setting: str, name: str) -> None:
    try:
        base_url(url, name=name)
    except ValueError as error:
        raise SettingsError(("events", setting), str(error)) from None


class WebhookSettings(Section):
    """A receiver of events: an HTTP endpoint, an SQS queue or an SNS topic."""

    url: Text | None = None
    """URL that receives events as [Standard Webhooks](events.md): `https`, or `http` on this machine."""

    queue_url: Text | None = None
    """URL of an SQS queue that receives events instead."""

    topic_arn: Annotated[Text, _TOPIC_ARN] | None = None
    """ARN of an SNS topic that receives events instead."""

    secrets: Annotated[
        tuple[Annotated[Secret, AfterValidator(_webhook_secret)], ...], BeforeValidator(split_list)
    ] = ()
    """Secrets that sign events for `url`: `whsec_` and the base64 of 24 to 64 random bytes. During a
    rotation, give the new and the old one.
    """

    types: Annotated[Names, AfterValidator(_event_types)] = Field(default=("*",), min_length=1)
    """Event types to send: names such as `upload.completed`, `upload.*`, or `*` for all."""

    policies: Names = Field(default=("*",), min_length=1)
    """Policies whose events are sent, or `*` for all."""

    @check
    def _check_target(self) -> Self:
        targets = [self.url, self.queue_url, self.topic_arn]
        if sum(target is not None for target in targets) != 1:
            message = "give each receiver one of url, queue_url and topic_arn"
            raise SettingsError(("events", "webhooks"), message)
        if self.url is None:
            if self.secrets:
                message = "secrets are only for a url; AWS permissions protect queues and topics"
                raise SettingsError(("events", "webhooks"), message)
            if self.queue_url is not None:
                _check_url(self.queue_url, "webhooks", "queue URL")
            return self
        parts = urlsplit(self.url)
        if (
            parts.scheme not in {"http", "https"}
            or not parts.hostname
            or "@" in parts.netloc
            or parts.fragment
        ):
            # A malformed URL may contain a password, so the message does not quote it.
            message = "a url must be like https://app.example.com/webhooks, without a user or a fragment"
            raise SettingsError(("events", "webhooks"), message)
        if not self.secrets:
            message = "a url needs secrets, with which its receiver verifies events"
            raise SettingsError(("events", "webhooks"), message)
        if parts.scheme == "http" and not is_loopback(parts.hostname):
            message = "a url must be https, so that nobody can read or change events in transit"
            raise SettingsError(("events", "webhooks"), message)
        return self


class EventSettings(Section):
    """Events about uploads, sent to webhooks ([how to receive them](events.md))."""

    queue_url: Text | None = None
    """URL of the SQS queue that S3 notifies, which `uploadsvc events` reads."""

    endpoint_url: str | None = None
    """URL of SQS and SNS, if not AWS's."""

    push_secret: Secret | None = None
    """Secret that a store sends with its notifications to `POST /events/s3`, as `Authorization: Bearer`. At
    least 32 bytes.
    """

    webhooks: tuple[WebhookSettings, ...] = ()
    """Receivers of events."""

    allow_private_addresses: bool = False
    """Allow webhooks at addresses in private networks and on this machine."""

    @property
    def enabled(self) -> bool:
        """Whether there is a receiver or a queue."""
        return bool(self.queue_url or self.push_secret or self.webhooks)

    @check
    def _check_addresses(self) -> Self:
        for name in ("queue_url", "endpoint_url"):
            if (url := getattr(self, name)) is not None:
                _check_url(url, name, name.replace("_url", " URL"))
        return self

    @check
    def _check_push_secret(self) -> Self:
        if self.push_secret is not None:
            size = len(self.push_secret.get_secret_value().encode())
            if size < MIN_PUSH_SECRET_BYTES:
                message = f"has {size} bytes; {MIN_PUSH_SECRET_BYTES} or more are needed"
                raise SettingsError(("events", "push_secret"), message)
        return self

    @check
    def _check_private_addresses(self) -> Self:
        for webhook in self.webhooks:
            host = urlsplit(webhook.url).hostname if webhook.url else None
            if host and is_loopback(host) and not self.allow_private_addresses:
                message = f"{host} is this machine; UPLOADSVC_EVENTS__ALLOW_PRIVATE_ADDRESSES allows that"
                raise SettingsError(("events", "webhooks"), message)
        return self

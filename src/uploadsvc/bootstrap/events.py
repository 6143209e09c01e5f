"""Receivers of events."""

from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from functools import partial
from hashlib import sha256
from typing import Any, Final
from urllib.parse import urlsplit

from uploadsvc.bootstrap.secrets import event_signing_key
from uploadsvc.bootstrap.services import Services
from uploadsvc.domain.errors import StorageMisconfigured
from uploadsvc.domain.queue_addresses import queue_region
from uploadsvc.events.aws_targets import QueueTarget, TopicTarget
from uploadsvc.events.connections import Connections
from uploadsvc.events.receivers import Receiver, Receivers
from uploadsvc.events.slots import AT_ONCE
from uploadsvc.events.webhooks import Webhook
from uploadsvc.s3.sessions import ChainClients
from uploadsvc.settings import Settings, SettingsError
from uploadsvc.settings.events import WebhookSettings
from uploadsvc.tokens.webhook_signatures import WebhookSigner

_DIGITS: Final = 8
_Resource = Callable[[], AbstractAsyncContextManager[object]]


def build_receivers(settings: Settings, services: Services, *, others: Iterable[Receiver] = ()) -> Receivers:
    """Build the receivers. Open them (`Receivers.open`) after `Services.open`.

    Args:
        settings: The settings.
        services: The services.
        others: More receivers, which need no opening.

    Raises:
        SettingsError: The URL of a webhook is malformed, or a key cannot be read.
    """
    section = settings.events
    receivers: list[Receiver] = []
    resources: list[_Resource] = []
    connections = Connections(private=section.allow_private_addresses)
    if any(webhook.url for webhook in section.webhooks):
        resources.append(connections.open)
    private_key = event_signing_key(settings)
    names = Counter[str]()
    for webhook in section.webhooks:
        name = _name(webhook)
        names[name] += 1
        chosen: dict[str, Any] = {
            "receiver_id": name if names[name] == 1 else f"{name}-{names[name]}",
            "types": webhook.types,
            "policies": webhook.policies,
            "tracing": services.tracing,
        }
        if webhook.url:
            secrets = [secret.get_secret_value() for secret in webhook.secrets]
            signer = WebhookSigner(secrets, private_key=private_key)
            try:
                receivers.append(
                    Webhook(
                        webhook.url, signer=signer, connections=connections, clock=services.clock, **chosen
                    )
                )
            except ValueError as error:
                raise SettingsError(("events", "webhooks"), str(error)) from None
        else:
            target = _aws_target(webhook, settings, services, chosen)
            receivers.append(target)
            resources.append(target.open)
    return Receivers([*receivers, *others], resources=resources)


def _name(webhook: WebhookSettings) -> str:
    """Return a stable id that reveals neither path nor query, which may be secret."""
    target = webhook.url or webhook.queue_url or webhook.topic_arn or ""
    digest = sha256(target.encode()).hexdigest()[:_DIGITS]
    visible = urlsplit(webhook.url).hostname if webhook.url else target.replace(":", "/").rpartition("/")[2]
    return f"{visible}-{digest}"


def _aws_target(
    webhook: WebhookSettings, settings: Settings, services: Services, chosen: dict[str, Any]
) -> QueueTarget | TopicTarget:
    if webhook.queue_url:
        region = queue_region(webhook.queue_url)
        client = partial(open_aws_client, settings, services, service="sqs", region=region)
        return QueueTarget(webhook.queue_url, client=client, **chosen)
    arn = webhook.topic_arn or ""
    client = partial(open_aws_client, settings, services, service="sns", region=arn.split(":")[3])
    return TopicTarget(arn, client=client, **chosen)


@asynccontextmanager
async def open_aws_client(
    settings: Settings, services: Services, *, service: str, region: str | None
) -> AsyncIterator[Any]:
    """Open a client of SQS or SNS, and close it at the end. Enter it after `Services.open`.

    The fixed access key of a store that is not AWS does not work here; the AWS chain's credentials do.

    Args:
        settings: The settings.
        services: The services, open.
        service: ``sqs`` or ``sns``.
        region: Region; ``None`` for that of the bucket.

    Raises:
        SettingsError: AWS's own configuration is broken.
    """
    s3, endpoint_url = settings.s3, settings.events.endpoint_url
    async with AsyncExitStack() as stack:
        client_of = services.storage.client_of
        if s3.credentials and s3.endpoint_url and not endpoint_url:
            try:
                chain = ChainClients(region=s3.signing_region, clock=services.clock, tracing=services.tracing)
            except StorageMisconfigured as error:
                raise SettingsError(("events",), error.detail) from None
            client_of = (await stack.enter_async_context(chain)).client_of
        yield await stack.enter_async_context(
            client_of(
                service,
                connections=AT_ONCE,
                region_name=region or s3.signing_region,
                endpoint_url=endpoint_url,
            )
        )

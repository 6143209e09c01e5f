"""Schemas of events for the OpenAPI document."""

from collections.abc import Callable
from datetime import datetime
from typing import Annotated, Final, Literal

from fastapi import APIRouter, Header
from pydantic import BaseModel, Field

from uploadsvc.api.v1.object_schemas import StoredObject
from uploadsvc.api.v1.schema_base import EXAMPLE_KEY, EXAMPLE_TIME

_EXAMPLE_ID: Final = "7f9c24e52f4c4a5e9d530a1a1c5b9d10"
_USER: Final = Field(description="User whose prefix contains the key.", examples=["alice"])
_UPLOAD_ID: Final = Field(
    description="UUID of the upload; null if the object does not say which upload made it.",
    examples=[_EXAMPLE_ID],
)
_POLICY: Final = Field(description="Policy of the upload; null if unknown.", examples=["default"])
_RECEIPT: Final = Field(
    description="Signed receipt, as `complete` returns it; null if the upload is not verified.",
    examples=["eyJhbGciOiJFZERTQSJ9.eyJzdWIiOiJhbGljZSJ9.c2lnbmF0dXJl"],
)
_TIMESTAMP: Final = Field(
    description="Time at which the object was stored, scanned or deleted.", examples=[EXAMPLE_TIME]
)
_TYPE: Final = Field(description="Type of the event.")


class CompletedData(BaseModel):
    """A stored object, and the upload that made it."""

    upload_id: str | None = _UPLOAD_ID
    user: str = _USER
    policy: str | None = _POLICY
    verified: bool = Field(
        description="Whether the object is what its upload promised. False for objects without an upload of "
        "this service, for which nothing was promised.",
        examples=[True],
    )
    object: StoredObject = Field(description="The object.")
    receipt: str | None = _RECEIPT


class UploadCompletedEvent(BaseModel):
    """An object is stored."""

    type: Literal["upload.completed"] = _TYPE
    timestamp: datetime = _TIMESTAMP
    data: CompletedData = Field(description="The object and its upload.")


class Rejection(BaseModel):
    """Why an upload is rejected."""

    code: str = Field(
        description="Code of the problem that `complete` answers.", examples=["verification_failed"]
    )
    detail: str = Field(
        description="What differs: one sentence for people.",
        examples=["S3 has 9 bytes; this upload allows 5."],
    )
    field: str | None = Field(
        description="Property that differs; null if it is not a single one.", examples=["size"]
    )


class RejectedData(BaseModel):
    """An object that is not what its upload promised."""

    upload_id: str = _UPLOAD_ID
    user: str = _USER
    policy: str = _POLICY
    verified: bool = Field(description="False.", examples=[False])
    object: StoredObject = Field(description="The object.")
    receipt: str | None = _RECEIPT
    reason: Rejection = Field(description="Why it is rejected.")


class UploadRejectedEvent(BaseModel):
    """An object is stored that is not what its upload promised."""

    type: Literal["upload.rejected"] = _TYPE
    timestamp: datetime = _TIMESTAMP
    data: RejectedData = Field(description="The object and its upload.")


class Scan(BaseModel):
    """The verdict of a scanner."""

    tag: str = Field(
        description="Tag that the scanner sets on the object.", examples=["GuardDutyMalwareScanStatus"]
    )
    value: str = Field(description="Value of the tag.", examples=["NO_THREATS_FOUND"])
    available: bool = Field(
        description="Whether the policy now lets the object be downloaded.", examples=[True]
    )


class ScannedData(BaseModel):
    """A scanned object, and the upload that made it."""

    upload_id: str | None = _UPLOAD_ID
    user: str = _USER
    policy: str | None = _POLICY
    verified: bool = Field(description="Whether the object is what its upload promised.", examples=[True])
    object: StoredObject = Field(description="The object.")
    receipt: str | None = _RECEIPT
    scan: Scan = Field(description="The verdict.")


class UploadScannedEvent(BaseModel):
    """A scanner has tagged an object."""

    type: Literal["upload.scanned"] = _TYPE
    timestamp: datetime = _TIMESTAMP
    data: ScannedData = Field(description="The object and its upload.")


class DeletedObject(BaseModel):
    """An object that is deleted."""

    key: str = Field(description="Full object key.", examples=[EXAMPLE_KEY])
    bucket: str = Field(description="Name of the bucket.", examples=["example-bucket"])
    version_id: str | None = Field(
        description="Deleted version, or that of the delete marker; null if the bucket keeps no versions.",
        examples=["qvJ0hFvtgYhBoxj2WUIzVGMy8fSsvBVL"],
    )


class DeletedData(BaseModel):
    """A deleted object."""

    upload_id: str | None = _UPLOAD_ID
    user: str = _USER
    policy: str | None = _POLICY
    verified: bool = Field(description="False.", examples=[False])
    object: DeletedObject = Field(description="The object.")
    receipt: str | None = _RECEIPT


class ObjectDeletedEvent(BaseModel):
    """An object is deleted, or hidden by a delete marker."""

    type: Literal["object.deleted"] = _TYPE
    timestamp: datetime = _TIMESTAMP
    data: DeletedData = Field(description="The object and its upload.")


EVENT_MODELS: Final[tuple[type[BaseModel], ...]] = (
    UploadCompletedEvent,
    UploadRejectedEvent,
    UploadScannedEvent,
    ObjectDeletedEvent,
)


def event_webhooks() -> APIRouter:
    """Return the webhooks, as routes for the document."""
    router = APIRouter(tags=["events"])
    for model in EVENT_MODELS:
        event_type = model.model_fields["type"].annotation.__args__[0]  # type: ignore[union-attr] # a Literal
        name = model.__name__.removesuffix("Event")
        router.post(
            event_type,
            operation_id=f"receive{name}",
            summary=str(model.__doc__).removesuffix("."),
            description="Sent as [Standard Webhooks](https://www.standardwebhooks.com) define it. It may "
            "be sent more than once, with the same `webhook-id`, and in any order.",
            status_code=204,
            response_description="Received. Any other 2xx will do.",
            responses={
                410: {"description": "Send no more events."},
                "default": {"description": "Send it again later."},
            },
        )(_handler(model))
    return router


def _handler(model: type[BaseModel]) -> Callable[..., None]:
    def receive(
        event: model,  # type: ignore[valid-type] # each route has its own
        webhook_id: Annotated[
            str,
            Header(
                description="Identifies the event; the same in every delivery.",
                examples=[f"evt_{_EXAMPLE_ID}"],
            ),
        ],
        webhook_timestamp: Annotated[
            str, Header(description="Time of the attempt, in seconds since 1970.", examples=["1795875300"])
        ],
        webhook_signature: Annotated[
            str,
            Header(
                description="Signatures, separated by spaces: `v1` for each secret of the receiver, and "
                "`v1a` if receipts are signed with an Ed25519 key.",
                examples=["v1,K5oZfzN95Z9UVu1EsfQmfVNQhnkZ2pj9o9NDN/H/pI4="],
            ),
        ],
    ) -> None:
        """Placeholder for a receiver, which is another program."""

    return receive

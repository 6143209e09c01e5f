"""Base class, types and examples shared by the bodies of ``/v1``."""

from typing import Annotated, Any, Final, Literal

from fastapi import Query
from pydantic import BaseModel, ConfigDict, Field, model_validator
from typing_extensions import TypeAliasType

from uploadsvc.api.openapi_types import INT32, WithoutNull, omit_nulls
from uploadsvc.domain import checksums
from uploadsvc.services.objects import MAX_LISTED

EXAMPLE_FOLDER: Final = "uploads/alice/7f9c24e5-2f4c-4a5e-9d53-0a1a1c5b9d10"
EXAMPLE_KEY: Final = f"{EXAMPLE_FOLDER}/photo.jpg"
EXAMPLE_URL: Final = "https://example-bucket.s3.eu-central-1.amazonaws.com/"
EXAMPLE_TIME: Final = "2026-11-23T12:15:00Z"
EXAMPLE_ETAG: Final = "9b2cf535f27731c974343645a3985328"
KEY: Final = "Full key of the object in the bucket, such as `uploads/alice/2026/photo.jpg`."
BUCKET: Final = "Name of the bucket that holds the object."
ETAG: Final = (
    "S3's identifier of the content, without quotes: it changes when the bytes change. It is not always an "
    "MD5."
)
SIZE: Final = "Size of the object in bytes."
METHOD: Final = "How the bytes are sent to S3: `put` in one request, `post` as a form, `multipart` in parts."
"""Descriptions of fields that many bodies have."""

MAX_FIELDS: Final = 20
"""Maximum number of fields of an object in a request. No model has as many."""

_MAX_NESTED_FIELDS: Final = 250

# Named, so that generated clients have one type for each.
UploadMethod = TypeAliasType(
    "UploadMethod",
    Annotated[Literal["put", "post", "multipart"], Field(description="Ways to send bytes to S3.")],
)
Metadata = TypeAliasType(
    "Metadata",
    Annotated[
        dict[str, str],
        Field(
            description="Names and values that S3 keeps with an object (`x-amz-meta-album`).",
            examples=[{"album": "2026"}],
        ),
    ],
)

PageLimit = Annotated[
    Annotated[int, Field(ge=1, le=MAX_LISTED), INT32] | None,
    Query(description="Maximum number of results per page, up to 1,000. Default: 100.", examples=[100]),
    WithoutNull(),
]


class RequestBody(BaseModel):
    """Base of request bodies: unknown fields are errors, and null stands for a field that is left out."""

    model_config = ConfigDict(extra="forbid", json_schema_extra=omit_nulls)

    @model_validator(mode="before")
    @classmethod
    def _check_number_of_fields(cls, data: Any) -> Any:  # noqa: ANN401 - any JSON
        # Each unknown field becomes an error. A body full of them would block the event loop for half a
        # second.
        if isinstance(data, dict):
            most = len(data) - MAX_FIELDS
            for value in data.values():
                if isinstance(value, dict):
                    most = max(most, len(value) - _MAX_NESTED_FIELDS)
            if most > 0:
                message = f"at most {MAX_FIELDS} fields, each with at most {_MAX_NESTED_FIELDS} of its own"
                raise ValueError(message)
        return data


class Checksum(BaseModel):
    """A checksum of the file."""

    model_config = ConfigDict(extra="forbid")

    algorithm: checksums.Algorithm = Field(description="Algorithm of the checksum.")
    value: str = Field(
        description="The checksum's bytes, base64-encoded. A checksum of checksums of parts ends with a "
        "hyphen and the number of parts.",
        examples=["VcZND81vnV98goCThX4/39poR4u06b0k1IHvORx4BOg="],
    )

    @model_validator(mode="after")
    def _check_value(self) -> "Checksum":
        checksums.Checksum(self.algorithm, self.value)
        return self

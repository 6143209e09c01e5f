"""Types with JSON schemas for client generators. They accept the same values as without."""

from typing import Annotated, Any, Final

from pydantic import Field, GetJsonSchemaHandler, StrictInt, WithJsonSchema
from pydantic_core import CoreSchema

from uploadsvc.domain.parts import MAX_PARTS
from uploadsvc.domain.policy import MAX_EXPIRES_IN

MAX_BYTES: Final = 2**63 - 1

# Without a format, Java, Kotlin, Go, Rust and C# use 32 bits, which end at 2 GiB.
INT32: Final = Field(json_schema_extra={"format": "int32"})
Int32 = Annotated[int, INT32]
Bytes = Annotated[int, Field(json_schema_extra={"format": "int64"})]
# The format implies the maximum, which most JSON parsers would round up as a number.
SIZE: Final = WithJsonSchema({"type": "integer", "format": "int64", "minimum": 0})
RequestedBytes = Annotated[StrictInt, Field(ge=0, le=MAX_BYTES), SIZE]
RequestedSeconds = Annotated[StrictInt, Field(ge=1, le=MAX_EXPIRES_IN), INT32]
RequestedPartNumber = Annotated[StrictInt, Field(ge=1, le=MAX_PARTS), INT32]


class WithoutNull:
    """Documents an optional parameter or body as absent, never null."""

    def __get_pydantic_json_schema__(
        self, core_schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        schema = dict(handler(core_schema))
        _drop_null(schema)
        return schema


def omit_nulls(schema: dict[str, Any]) -> None:
    """Document the optional fields of a request as absent, never null.

    The service also accepts null, but this is not documented: Rust's generator would produce
    ``Option<Option<T>>``, and some clients would send null for every field that is not set.
    """
    for field in schema["properties"].values():
        _drop_null(field)


def _drop_null(schema: dict[str, Any]) -> None:
    variants = [variant for variant in schema.get("anyOf", ()) if variant != {"type": "null"}]
    if len(variants) == 1:
        del schema["anyOf"]
        schema.update({**variants[0], **schema})

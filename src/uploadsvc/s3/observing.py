"""Record calls to S3 and other AWS services in logs and traces."""

from typing import Any, Final

from aiobotocore.session import AioSession
from botocore.exceptions import ClientError

from uploadsvc.telemetry.records import note_s3_request
from uploadsvc.telemetry.tracing import Tracing

_POLL: Final = "ReceiveMessage"
"""No span: a poll of an empty queue takes 20 seconds and is repeated forever."""

_MAX_ID: Final = 128
"""Maximum length of a request id, whose format differs between stores."""


def observe_calls(session: AioSession, tracing: Tracing) -> None:
    """Make spans for all calls of a session's clients, and note S3's request ids for the log.

    Implemented in a base class of the clients, because botocore has no event for a cancelled call.

    Args:
        session: The session, before it creates clients.
        tracing: Makes spans.
    """

    class Observed:
        _service_model: Any

        async def _make_api_call(self, operation_name: str, api_params: dict[str, Any]) -> Any:  # noqa: ANN401 - botocore's
            make: Any = super()._make_api_call  # type: ignore[misc] # of the client
            name: str = self._service_model.service_id
            if operation_name == _POLL:
                return await make(operation_name, api_params)
            attributes = {"rpc.system": "aws-api", "rpc.service": name, "rpc.method": operation_name}
            with tracing.call(f"{name}.{operation_name}", attributes) as span:
                try:
                    answer = await make(operation_name, api_params)
                except ClientError as error:
                    metadata: Any = error.response["ResponseMetadata"]
                    code = str(error.response.get("Error", {}).get("Code") or "refused")
                    _note(name, metadata)
                    span.answered(metadata["HTTPStatusCode"], code if code.isalnum() else "refused")
                    raise
                metadata = answer["ResponseMetadata"]
                _note(name, metadata)
                span.answered(metadata["HTTPStatusCode"])
                return answer

    def insert(base_classes: list[type], **_: object) -> None:
        base_classes.insert(0, Observed)

    session.register("creating-client-class", insert)


def _note(service: str, metadata: dict[str, Any]) -> None:
    # botocore reads the id only from the body.
    request_id = metadata.get("RequestId") or metadata.get("HTTPHeaders", {}).get("x-amz-request-id")
    if service == "S3" and request_id and len(request_id) <= _MAX_ID:
        note_s3_request(str(request_id))

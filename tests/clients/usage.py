"""What a Python program does with the generated client. mypy checks it strictly, then it is run."""

import asyncio
import json
import sys

import httpx
from uploadsvc_client import AuthenticatedClient
from uploadsvc_client.api.uploads import complete_upload, create_upload
from uploadsvc_client.models import (
    CompletedUpload,
    CreateUpload,
    Object,
    PostUpload,
    Problem,
    PutUpload,
    RequestedMethod,
)


def told(problem: Problem) -> str:
    """Say what a problem is about: its code, and the fields at fault."""
    return ": ".join([problem.code, *(error.field for error in problem.errors)])


def send(upload: PutUpload | PostUpload, content: bytes) -> None:
    """Send the bytes as the upload says."""
    if isinstance(upload, PutUpload):
        headers = upload.headers.additional_properties
        httpx.put(upload.url, content=content, headers=headers).raise_for_status()
    else:
        fields = upload.fields.additional_properties
        httpx.post(upload.url, data=fields, files={"file": content}).raise_for_status()


def upload(client: AuthenticatedClient, method: RequestedMethod, content: bytes) -> Object:
    """Upload bytes by the client's blocking calls; return the object that is verified to be there."""
    wanted = CreateUpload(filename="note.txt", size=len(content), method=method)
    created = create_upload.sync(client=client, body=wanted)
    if not isinstance(created, PutUpload | PostUpload):
        raise SystemExit(told(created) if created else "no answer")
    send(created, content)
    completed = complete_upload.sync(created.id, client=client)
    if not isinstance(completed, CompletedUpload):
        raise SystemExit(told(completed) if completed else "no answer")
    return completed.object_


async def refusal(client: AuthenticatedClient) -> str:
    """Ask for what is refused by an awaited call; return the problem's code and the field at fault."""
    async with client:
        answer = await create_upload.asyncio_detailed(client=client, body=CreateUpload(size=-1))
    return f"{answer.status_code} {told(answer.parsed)}" if isinstance(answer.parsed, Problem) else "none"


def main(base_url: str, token: str, method: str, content: str) -> None:
    """Print what became of an upload, and of what is refused."""
    client = AuthenticatedClient(base_url=base_url, token=token, raise_on_unexpected_status=True)
    with client:
        stored = upload(client, RequestedMethod(method), content.encode())
    printed = {"object": stored.to_dict(), "refusal": asyncio.run(refusal(client))}
    sys.stdout.write(json.dumps(printed))


if __name__ == "__main__":
    main(*sys.argv[1:])

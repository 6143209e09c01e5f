"""What a Python program does with the generated client. mypy checks it strictly, then it is run."""

import asyncio
import json
import sys

import httpx
from uploadsvc_client import AuthenticatedClient
from uploadsvc_client.api.policies import list_policies
from uploadsvc_client.api.tokens import create_token
from uploadsvc_client.api.uploads import complete_upload, create_upload, create_uploads
from uploadsvc_client.models import (
    BatchResults,
    CompletedUpload,
    CreateToken,
    CreateUpload,
    CreateUploadMethod,
    CreateUploads,
    MultipartUpload,
    PolicyList,
    PostUpload,
    Problem,
    PutUpload,
    StoredObject,
    Token,
    UploadMethod,
)


def told(problem: Problem) -> str:
    """Say what a problem is about: its code, and the fields at fault."""
    return ": ".join([problem.code, *(error.field for error in problem.errors)])


def failure(answer: Problem | None) -> SystemExit:
    """End the program by what was answered instead of what was asked for."""
    return SystemExit(told(answer) if answer else "no answer that is documented")


def send(upload: PutUpload | PostUpload | MultipartUpload, content: bytes) -> None:
    """Send the bytes as the upload says; for a large file, its other parts would be asked for."""
    if isinstance(upload, MultipartUpload):
        for part in upload.parts:
            start = (part.part_number - 1) * upload.part_size
            piece, headers = content[start : start + part.size], part.headers.additional_properties
            httpx.put(part.url, content=piece, headers=headers).raise_for_status()
    elif isinstance(upload, PutUpload):
        headers = upload.headers.additional_properties
        httpx.put(upload.url, content=content, headers=headers).raise_for_status()
    else:
        fields = upload.fields.additional_properties
        httpx.post(upload.url, data=fields, files={"file": content}).raise_for_status()


def upload(client: AuthenticatedClient, method: CreateUploadMethod, content: bytes) -> StoredObject:
    """Upload bytes by the client's blocking calls; return the object that is verified to be there."""
    wanted = CreateUpload(filename="note.txt", size=len(content), method=method)
    created = create_upload.sync(client=client, body=wanted)
    if not isinstance(created, PutUpload | PostUpload | MultipartUpload):
        raise failure(created)
    send(created, content)
    completed = complete_upload.sync(created.id, client=client)
    if not isinstance(completed, CompletedUpload):
        raise failure(completed)
    return completed.object_


def batch(client: AuthenticatedClient, base_url: str) -> list[str]:
    """Create several uploads at once, by an upload token for the policies that let you PUT.

    Returns:
        What became of each: the method of one that was created, or what the problem is about.
    """
    listed = list_policies.sync(client=client)
    if not isinstance(listed, PolicyList):
        raise failure(listed)
    names = [policy.name for policy in listed.policies if UploadMethod.PUT in policy.methods]
    minted = create_token.sync(client=client, body=CreateToken(policies=names))
    if not isinstance(minted, Token):
        raise failure(minted)
    put, post = CreateUploadMethod.PUT, CreateUploadMethod.POST
    wanted = [CreateUpload(method=put, size=1), CreateUpload(method=put), CreateUpload(method=post)]
    with AuthenticatedClient(base_url=base_url, token=minted.token) as bearer:
        created = create_uploads.sync(client=bearer, body=CreateUploads(uploads=wanted))
    if not isinstance(created, BatchResults):
        raise failure(created)
    return [
        told(result.problem) if result.problem else result.upload.method if result.upload else "neither"
        for result in created.results
    ]


async def refusal(client: AuthenticatedClient) -> str:
    """Ask for what is refused by an awaited call; return the problem's code and the field at fault."""
    async with client:
        answer = await create_upload.asyncio_detailed(client=client, body=CreateUpload(size=-1))
    return f"{answer.status_code} {told(answer.parsed)}" if isinstance(answer.parsed, Problem) else "none"


def main(base_url: str, token: str, method: str, content: str) -> None:
    """Print what became of an upload, of several at once, and of what is refused."""
    client = AuthenticatedClient(base_url=base_url, token=token, raise_on_unexpected_status=True)
    with client:
        stored = upload(client, CreateUploadMethod(method), content.encode())
        several = batch(client, base_url)
    printed = {"object": stored.to_dict(), "batch": several, "refusal": asyncio.run(refusal(client))}
    sys.stdout.write(json.dumps(printed))


if __name__ == "__main__":
    main(*sys.argv[1:])

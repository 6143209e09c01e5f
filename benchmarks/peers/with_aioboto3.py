"""FastAPI with one aioboto3 client for the life of the app, which presigns each PUT."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final
from uuid import uuid4

import aioboto3
from fastapi import FastAPI, Request
from pydantic import BaseModel

BUCKET: Final = "media"


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Open the client; its credentials come from the environment."""
    async with aioboto3.Session().client("s3") as client:
        app.state.s3 = client
        yield


app = FastAPI(lifespan=lifespan)


class Upload(BaseModel):
    """The fields that the benchmark sends to uploadsvc too."""

    filename: str
    content_type: str
    size: int


@app.post("/v1/uploads", status_code=201)
async def create_upload(body: Upload, request: Request) -> dict[str, Any]:
    """Presign a PUT."""
    key = f"uploads/{uuid4()}/{body.filename}"
    parameters = {
        "Bucket": BUCKET,
        "Key": key,
        "ContentType": body.content_type,
        "ContentLength": body.size,
    }
    url = await request.app.state.s3.generate_presigned_url("put_object", Params=parameters, ExpiresIn=900)
    return {"url": url, "key": key}

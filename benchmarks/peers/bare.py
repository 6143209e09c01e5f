"""FastAPI alone: a body that pydantic validates, and an answer as large as uploadsvc's.

``BENCH_ANSWER`` holds the answer in JSON.
"""

import json
import os
from typing import Any, Final

from fastapi import FastAPI
from pydantic import BaseModel

ANSWER: Final[dict[str, Any]] = json.loads(os.environ["BENCH_ANSWER"])

app = FastAPI()


class Upload(BaseModel):
    """The fields that the benchmark sends to uploadsvc too."""

    filename: str
    content_type: str
    size: int


@app.post("/v1/uploads", status_code=201)
async def create_upload(body: Upload) -> dict[str, Any]:
    """Sign nothing."""
    return {**ANSWER, "key": f"uploads/user-0001/{ANSWER['id'][:36]}/{body.filename}"}
